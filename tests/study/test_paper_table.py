"""The table of finished cells: means over seeds, what competes, and each kind of file."""

import csv
import io
import json
import math
import re

import matplotlib.pyplot as plt
import pytest
from paper_suites import done_cells, make_runs, result_of, suite_of

from reclf_study.paper_table import collect as collect_module
from reclf_study.paper_table.collect import collect
from reclf_study.paper_table.figure import draw
from reclf_study.paper_table.files import as_csv, as_json, as_markdown, read_table, write_all
from reclf_study.paper_table.latex import _differences, as_latex, escape
from reclf_study.paper_table.published import PublishedNumber
from reclf_study.paper_table.table import Entry, Measure

ONE, ALL = (Measure("linear_probe", "phantom", "auroc", fraction) for fraction in (0.01, 1.0))


DIFFERS = ("5 % other", "image size: not stated there")


def collected(monkeypatch, folder, results, **values):
    return collect(done_cells(monkeypatch, suite_of(folder, **values), results))


def seeds(folder):
    return {"runs": {"ours": [str(folder / "a"), str(folder / "b")]}}


def test_an_entry_over_seeds_by_hand():
    entry = Entry.over([{"value": v, "interval": [0, 1], "n": n} for v, n in ((0.5, 9), (0.7, 8))])
    assert entry.value == pytest.approx(0.6)
    assert entry.deviation == pytest.approx(0.02**0.5)  # ((.1^2 + .1^2) / (2 - 1))^1/2
    assert (entry.interval, entry.n) == (None, 8)
    one = Entry.over([{"value": 0.5, "interval": [0.4, 0.6], "n": 9}])
    assert (one.deviation, one.interval) == (None, (0.4, 0.6))
    assert Entry.over([{"value": 0.5, "interval": [None, None], "n": 1}]).interval is None
    assert math.isnan(Entry.over([{"value": 0.5}, {"value": None}]).value)
    assert Entry.over([]) is None


def test_the_highest_of_those_that_compare_is_best(monkeypatch, tmp_path):
    results = {"a": result_of({0.01: 0.6, 1.0: 0.9}), "b": result_of({0.01: 0.7, 1.0: 0.8})}
    table = collected(monkeypatch, tmp_path, results)
    assert table.measures == [ONE, ALL]
    assert table.rows == {"a": "run", "b": "run", "untrained": "untrained"}
    best = {m.fraction: [r for r in table.rows if table.entries[r, m].best] for m in (ONE, ALL)}
    assert best == {0.01: ["b"], 1.0: ["a"]}
    assert table.chance == {ONE: 0.5, ALL: 0.5}


def test_nothing_is_best_where_all_are_equal_or_alone(monkeypatch, tmp_path):
    results = {name: result_of(0.55) for name in "ab"}  # as the untrained baseline
    table = collected(monkeypatch, tmp_path, results)
    assert not any(entry.best for entry in table.entries.values())


def test_another_protocol_does_not_compete_and_is_named(monkeypatch, tmp_path):
    other = result_of(0.99, image_size=512)
    runs = {name: str(tmp_path / name) for name in "abc"}
    make_runs(tmp_path, "c")
    results = {"a": result_of(0.6), "b": other, "c": result_of(0.7)}
    table = collected(monkeypatch, tmp_path, results, runs=runs)
    assert [table.entries[row, ONE].compares for row in "abc"] == [True, False, True]
    assert [table.entries[row, ONE].best for row in "abc"] == [False, False, True]
    (note,) = table.notes["linear_probe"]
    assert note.startswith("b does not compete in linear_probe-phantom: ")
    assert "image_size is 96 in the others and 512 in b" in note
    assert "99.0 [89.0, 109.0] ‡" in as_markdown(table)
    assert r"$^{\ddagger}$" in as_latex(table)
    assert re.search(r"image\\_size is 96 in the others and 512 in b", as_latex(table))
    assert table.protocols["linear_probe-phantom"]["image_size"] == 96


def test_seeds_of_one_row_with_two_protocols_do_not_compete(monkeypatch, tmp_path):
    make_runs(tmp_path, "c", "d")
    runs = seeds(tmp_path)["runs"] | {"c": str(tmp_path / "c"), "d": str(tmp_path / "d")}
    results = {name: result_of(0.6) for name in "acd"} | {"b": result_of(0.6, prompts=1)}
    table = collected(monkeypatch, tmp_path, results, runs=runs)
    assert not table.entries["ours", ONE].compares


def test_baselines_are_of_one_seed_and_of_each_shape(monkeypatch, tmp_path):
    make_runs(tmp_path, "big", **{"model.image_size": 128})
    runs = {**seeds(tmp_path)["runs"], "big": str(tmp_path / "big")}
    results = {"a": result_of(0.6), "b": result_of(0.8), "big": result_of(0.7)}
    results["big"]["fractions"]["1.0"]["start"] = {"value": 0.65, "interval": [0.6, 0.7]}
    table = collected(monkeypatch, tmp_path, results, runs=runs)
    assert table.rows == {
        "ours": "run", "big": "run", "initialization, as big": "start",
        "untrained, as ours": "untrained", "untrained, as big": "untrained",
    }  # fmt: skip
    assert table.entries["ours", ONE].seeds == (0.6, 0.8)
    baseline = table.entries["untrained, as ours", ONE]
    assert (baseline.seeds, baseline.interval) == ((0.55,), (pytest.approx(0.45), 0.65))
    assert ("initialization, as big", ONE) not in table.entries
    assert table.entries["initialization, as big", ALL].n == 40


def test_markdown_shows_what_is_there(monkeypatch, tmp_path):
    results = {"a": result_of({0.01: 0.6, 1.0: 0.9}), "b": result_of({0.01: 0.7, 1.0: 0.8})}
    table = collected(monkeypatch, tmp_path, results, **seeds(tmp_path))
    assert as_markdown(table).splitlines()[2:7] == [
        "|  | phantom, AUROC, 1 % | phantom, AUROC, 100 % |",
        "| --- | --- | --- |",
        "| ours | **65.0** ± 7.1 | **85.0** ± 7.1 |",
        "| untrained | 55.0 [45.0, 65.0] | 55.0 [45.0, 65.0] |",
        "| chance | 50.0 | 50.0 |",
    ]


@pytest.fixture
def published(monkeypatch):
    def number(method, value, fraction=0.01):
        return PublishedNumber(
            method=method, task="linear_probe", dataset="phantom", split="", measure="auroc",
            fraction=fraction, value=value, source="S&T", citation="Some & Other, 2024",
            choices={"classifier": "linear layer"},
        )  # fmt: skip

    numbers = [number("A_1", 0.61), number("B", 0.75), number("A_1", 0.9, 1.0)]
    monkeypatch.setattr(collect_module, "load_published", lambda path=None: numbers)
    monkeypatch.setattr(collect_module, "differing", lambda n, task, result: list(DIFFERS))


def test_published_rows_stand_beside_and_never_compete(monkeypatch, tmp_path, published):
    results = {"a": result_of(0.6), "b": result_of(0.7)}
    table = collected(monkeypatch, tmp_path, results)
    text = as_latex(table)
    assert r"A\_1 (S\&T)$^{1}$ & 61.0 & 90.0 \\" in text
    assert r"B (S\&T)$^{1}$ & 75.0 &  \\" in text
    assert text.count(r"\textbf{") == 2
    assert r"\textbf{70.0} [60.0, 80.0]" in text
    assert r"$^{1}$ Differs: 5 \% other. Not stated there: image size." in text
    assert r"quoted from. S\&T: Some \& Other, 2024" in text
    assert "B" in table.standing("b", ONE)
    assert table.standing("b", Measure("zero_shot", "phantom", "auroc")) == ""
    found = as_json(table)
    assert {p["method"] for p in found["published"]} == {"A_1", "B"}
    assert all(p["differs"] for p in found["published"])


def test_published_rows_can_be_left_out(monkeypatch, tmp_path, published):
    results = {name: result_of(0.6) for name in "ab"}
    table = collected(monkeypatch, tmp_path, results, published="none")
    assert table.published == {}
    assert "Published" not in as_latex(table)


def test_latex_is_whole(monkeypatch, tmp_path):
    results = {"a": result_of(0.6), "b": result_of(0.7)}
    runs = {"50% & more_{x}": str(tmp_path / "a"), "b": str(tmp_path / "b")}
    text = as_latex(collected(monkeypatch, tmp_path, results, runs=runs))
    for name in ("table", "tabular"):
        assert text.count(f"\\begin{{{name}}}") == text.count(f"\\end{{{name}}}") == 1
    lines = re.findall(r"^(.*) \\\\$", text, re.M)
    widths = {line.replace(r"\&", "").count("&") for line in lines if "multicolumn" not in line}
    assert widths == {2}
    assert r"50\% \& more\_\{x\}" in text
    depth = text.replace(r"\{", "").replace(r"\}", "")
    assert depth.count("{") == depth.count("}")


def test_escape_covers_every_special_character():
    assert escape("a_b & 50% #1 {x} $y ~z ^w \\v <u>") == (
        r"a\_b \& 50\% \#1 \{x\} \$y \textasciitilde{}z \textasciicircum{}w \textbackslash{}v "
        r"\textless{}u\textgreater{}"
    )


def test_csv_has_a_line_a_number(monkeypatch, tmp_path, published):
    results = {"a": result_of(0.6), "b": result_of(0.8)}
    table = collected(monkeypatch, tmp_path, results, **seeds(tmp_path))
    lines = list(csv.DictReader(io.StringIO(as_csv(table))))
    ours = [line for line in lines if line["row"] == "ours"]
    assert [line["fraction"] for line in ours] == ["0.01", "1"]
    assert (ours[0]["value"], ours[0]["sd_over_seeds"]) == ("0.7", "0.141421")
    assert (ours[0]["seeds"], ours[0]["low"]) == ("0.6 0.8", "")
    assert [line["source"] for line in lines if line["kind"] == "published"] == (
        ["Some & Other, 2024"] * 3
    )


def test_all_files_are_written(monkeypatch, tmp_path):
    results = {name: result_of(0.6) for name in "ab"}
    table = collected(monkeypatch, tmp_path, results)
    paths = write_all(table, tmp_path / "new", ["grounding-x: not done (1 of the cells)"])
    assert sorted(path.name for path in paths) == [
        "linear_probe.pdf", "linear_probe.png", "table.csv", "table.json", "table.md", "table.tex",
    ]  # fmt: skip
    assert all(path.stat().st_size for path in paths)
    found = json.loads((tmp_path / "new" / "results" / "table.json").read_text())
    assert found["left_out"] == ["grounding-x: not done (1 of the cells)"]
    assert found["rows"]["a"]["numbers"][ONE.key]["value"] == 0.6
    assert as_markdown(read_table(found)) == as_markdown(table)


def test_the_figure_draws_every_number(monkeypatch, tmp_path):
    results = {"a": result_of(0.6), "b": result_of(0.7)}
    figure = draw(collected(monkeypatch, tmp_path, results), "linear_probe")
    left = figure.axes[0]
    assert [label.get_text() for label in left.get_yticklabels()] == ["a", "b", "untrained"]
    points = [line for line in left.get_lines() if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == pytest.approx([60, 70, 55])
    plt.close(figure)


def test_what_differs_names_the_data_where_it_is_not_all_of_them():
    by_text = {"n: 5 there, 6 here": ["siim"], "prompts: not stated there": ["siim", "rsna"]}
    assert _differences(by_text, {"siim", "rsna"}) == (
        "Differs: n: 5 there, 6 here (siim). Not stated there: prompts"
    )
    assert _differences({}, {"siim"}) == ""


def test_of_few_studies_nothing_is_bold(monkeypatch, tmp_path):
    results = {"a": result_of(0.6, n=19), "b": result_of(0.7, n=19)}
    table = collected(monkeypatch, tmp_path, results)
    assert not any(entry.best for entry in table.entries.values())
    assert "n = 19; of fewer than 20 studies nothing is bold." in as_markdown(table)


def test_studies_that_chose_the_checkpoint_are_told_of(monkeypatch, tmp_path):
    results = {"a": result_of(0.6, split="val"), "b": result_of(0.7, split="val")}
    table = collected(monkeypatch, tmp_path, results)
    said = "linear_probe-phantom reports on the studies that chose the checkpoint of a, b."
    assert said in table.notes["linear_probe"]
    results = {name: result_of(0.6, split="test") for name in "ab"}
    (tmp_path / "other").mkdir()
    assert not collected(monkeypatch, tmp_path / "other", results).notes


def test_patients_of_the_training_are_told_of_and_compare(monkeypatch, tmp_path):
    seen = {"patients_in_training": "3 of 9"}
    results = {"a": result_of(0.6, **seen), "b": result_of(0.7, patients_in_training="0 of 9")}
    table = collected(monkeypatch, tmp_path, results)
    assert table.notes["linear_probe"] == [
        "a was trained on patients that linear_probe-phantom reports on: 3 of 9."
    ]
    assert table.entries["a", ONE].compares
