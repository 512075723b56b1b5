"""The list of surviving mutants fits the code; what `make mutants` leaves out is as said."""

import tomllib

import pytest
from make_mutants import HERE, ROOT, Mutant, changed_lines, draw, is_check, is_crash, is_wording


def test_survivors_are_lines_of_the_code_with_a_reason():
    entries = tomllib.loads((HERE / "survivors.toml").read_text()).get("survivor", [])
    for entry in entries:
        folder = "study" if entry["file"].startswith("reclf_study") else "."
        lines = {line.strip() for line in (ROOT / folder / entry["file"]).read_text().splitlines()}
        assert entry["reason"], entry
        assert lines >= {*entry["was"].splitlines()}, entry
    keys = [(e["file"], e["function"], e["was"], e["becomes"]) for e in entries]
    assert len(keys) == len({*keys})


def test_files_and_tests_of_the_settings_exist():
    settings = tomllib.loads((HERE / "mutmut.toml").read_text())["tool"]["mutmut"]
    for pattern in settings["only_mutate"]:
        folder = ROOT / "study" if pattern.startswith("reclf_study") else ROOT
        assert [*folder.glob(pattern)], pattern
    for path in settings["pytest_add_cli_args_test_selection"]:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    ("was", "becomes", "rule"),
    [
        ('say("a b")', 'say("XXa bXX")', is_wording),
        ('x["value"]', 'x["VALUE"]', is_wording),
        ('f(a, progress="b")', "f(a, )", is_wording),
        ('f(a, progress=f"b, {c}")', 'f(a, progress="XXbXX")', is_wording),
        ("f(a, progress)", "f(a, )", is_wording),
        ("f(a, progress)", "f(progress)", None),
        ('x["value"]', 'x["XXvalueXX"]', None),
        ("a < b", "a <= b", None),
        ("f(None, b)", "f(None, None)", is_crash),
        ("x = None", 'x = ""', None),
        ("zip(a, b, strict=True)", "zip(a, b, strict=False)", is_check),
        ("zip(a, b, strict=True)", "zip(a, b, )", is_check),
        ("zip(a, b, strict=True)", "zip(b, strict=True)", None),
        ("f(a, b)", "f(a, )", None),
    ],
)
def test_what_is_left_out_is_left_out_by_one_rule(was, becomes, rule):
    found = [each for each in (is_wording, is_crash, is_check) if each(was, becomes)]
    assert found == ([rule] if rule else [])


def test_a_change_is_its_lines_without_the_names_of_mutants():
    old = ["def x_f__mutmut_orig(a):", "b = a + 1", "return b"]
    new = ["def x_f__mutmut_12(a):", "b = a - 1", "return b"]
    assert changed_lines(old, new, "x_f__mutmut") == ("b = a + 1", "b = a - 1")


def test_a_sample_is_of_each_file_and_drawn_by_the_seed():
    mutants = [Mutant(path, str(i), "f", "a", "b") for path in "xy" for i in range(30)]
    drawn = draw(mutants, 5, seed=1)
    assert [m.path for m in drawn] == [*"xxxxxyyyyy"]
    assert drawn == draw(mutants, 5, seed=1) != draw(mutants, 5, seed=2)
    assert {*draw(mutants, 3, seed=1)} < {*drawn}
    assert draw(mutants, 0, seed=1) == draw(mutants, 99, seed=1) == sorted(mutants)
