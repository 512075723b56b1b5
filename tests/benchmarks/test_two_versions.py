"""Two versions in turns: the ratio is of the rounds, and a tree that does not train is named."""

from pathlib import Path

import pytest

from reclf_benchmarks import two_versions


def test_ratio_of_rounds(monkeypatch, tmp_path, capsys):
    speeds = iter([50.0, 100.0, 40.0, 60.0, 50.0, 90.0])
    seen = []
    monkeypatch.setattr(
        two_versions,
        "studies_per_second",
        lambda tree, *how: seen.append((tree.name, *how)) or next(speeds),
    )
    trees = [str(tmp_path / "old"), str(tmp_path / "new")]
    for tree in trees:
        Path(tree).mkdir()
        Path(tree, "Makefile").touch()
    ratio = two_versions.main([*trees, "--steps", "60", "--set", "data.counterfactuals={}"])
    assert ratio == 1.8  # of 2.0, 1.5 and 1.8
    assert seen == [("old", 60), ("new", 60, ["data.counterfactuals={}"])] * 3
    assert "after / before: 1.80 (1.50 to 2.00)" in capsys.readouterr().out


def test_a_tree_that_does_not_train_is_named(tmp_path, capsys):
    (tmp_path / "reclf").mkdir()
    (tmp_path / "reclf" / "__init__.py").touch()
    (tmp_path / "Makefile").touch()
    with pytest.raises(RuntimeError, match=f"training with {tmp_path} failed: .*pretrain"):
        two_versions.studies_per_second(tmp_path, 50)
    tree = str(tmp_path)
    for wrong, message in (
        (["a", tree], "a is not a source tree of this project: it has no Makefile"),
        ([tree, tree, "--steps", "10"], "--steps must be more than 40, got 10"),
        ([tree, tree, "--rounds", "0"], "--rounds must be at least 1, got 0"),
    ):
        with pytest.raises(SystemExit):
            two_versions.main(wrong)
        assert message in capsys.readouterr().err


def test_a_tree_is_run_with_what_its_makefile_exports(tmp_path):
    (tmp_path / "Makefile").write_text("RUN ?= runs\nexport SPIN ?= 10 20\n\nall:\n\texport NO=1\n")
    assert two_versions.exported(tmp_path) == {"SPIN": "10 20"}
