"""NaN and infinite numbers: "n/a" in what people read, null in JSON, NaN again when it is read."""

import ast
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from sample_explanations import sample
from test_writers import sources

from reclf.explain import Explanation
from reclf.runs.files import write_json
from reclf.runs.run import Run
from reclf.stats.tables import json_text, plain
from reclf.tasks.scoreboard import table as scoreboard
from reclf.training.presets import make_config
from reclf_study import ablation_table, pretrain_table
from reclf_study.compare_runs import Comparison
from reclf_study.comparison_page import write_page
from reclf_study.paper_table.files import as_csv, as_json, as_markdown, read_table, write_all
from reclf_study.paper_table.latex import as_latex
from reclf_study.paper_table.table import Entry, Measure, PaperTable
from reclf_study.relation_table import named_baselines
from reclf_widgets.explorer import MatchingExplorer, state_json
from reclf_widgets.monitor import progress_of, sentence

NAN = [math.nan, math.inf, -math.inf]
# file -> why its JSON may hold NaN
EXCEPTIONS = {"reclf/datasets/arrow_schema.py": "a cell of Arrow, whose labels are read as NaN"}


def dumps_of(source):
    """Lines with a call that would write NaN into JSON."""
    return [
        call.lineno
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in ("json.dumps", "json.dump", "dumps", "json.JSONEncoder")
        and not any(k.arg == "allow_nan" and ast.unparse(k.value) == "False" for k in call.keywords)
    ]


def test_all_json_of_the_packages_is_valid():
    found = {
        path: lines
        for path, source in sources()
        if path.endswith(".py") and (lines := dumps_of(source))
    }
    assert found.keys() == EXCEPTIONS.keys(), f"use reclf.stats.tables.json_text: {found}"


@pytest.mark.parametrize("number", NAN)
def test_json_has_null(number, tmp_path):
    values = {"a": number, "b": [np.float32(number), (1, number)], 3: {"c": np.array([number])}}
    expected = {"a": None, "b": [None, [1, None]], "3": {"c": [None]}}
    assert plain(values) == json.loads(json_text(values)) == expected
    write_json(tmp_path / "a.json", values)
    assert json.loads((tmp_path / "a.json").read_text()) == expected


@pytest.mark.parametrize("number", NAN)
def test_a_run_keeps_them(number, tmp_path):
    run = Run(tmp_path / "run", make_config("phantom_small"))
    run.log({"step": 1, "loss": number, "total_steps": 2, "seconds": 1.0,
             "studies_per_second": number, "global_loss": 0.5})  # fmt: skip
    assert '"loss": null' in (run.folder / "metrics.jsonl").read_text()
    for _ in range(2):
        (record,) = run.history()
        assert math.isnan(record["loss"])
        assert record["global_loss"] == 0.5
        run.truncate_history(1)
    said = "loss n/a = global 0.500, n/a studies/s"
    assert said in sentence(progress_of(run.history()))
    run.set_status("running", seconds=number)
    assert run.status["state"]
    run.write_result("a", {"value": number})
    assert run.result("a") == {"value": None}
    run.write_card("Nothing.", {"one": number, "two": [0.5, number], "three": None})
    text = (run.folder / "README.md").read_text()
    for row in ("| one | n/a |", "| two | .500 to n/a |", "| three | n/a |"):
        assert row in text


@pytest.mark.parametrize("number", NAN)
def test_an_explanation_keeps_them(number, tmp_path):
    one = sample()
    cosines = one.cosines.copy()
    cosines[0] = number
    scores = one.scores | {"logit": number}
    replace(one, cosines=cosines, scores=scores).save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        json.loads(str(arrays["header"]), parse_constant=pytest.fail)
    found = Explanation.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.cosines, cosines)
    assert math.isnan(found.scores["logit"])
    assert found.scores["global"] == one.scores["global"]
    json.loads(state_json(MatchingExplorer([found])), parse_constant=pytest.fail)


def test_the_suite_shows_them(tmp_path):
    m = Measure("zero_shot", "phantom", "auroc")
    entries = {
        ("none", m): Entry.over([{"value": None, "interval": [None, None], "n": 30}]),
        ("seeds", m): Entry.over([{"value": 0.5, "n": 30}, {"value": math.nan, "n": 30}]),
        ("low", m): Entry.over([{"value": 0.5, "interval": [0.25, 0.75], "n": 30}]),
        ("high", m): Entry.over([{"value": 0.75, "interval": [0.5, 1.0], "n": 30}]),
    }
    table = PaperTable([m], dict.fromkeys(("none", "seeds", "low", "high"), "train"), entries)
    table.mark_best()
    assert [table.entries[row, m].best for row in table.rows] == [False, False, False, True]
    for text, mark in ((as_markdown(table), "| {} | n/a |"), (as_latex(table), "{} & n/a \\\\")):
        assert mark.format("none") in text
        assert mark.format("seeds") in text
        assert "nan" not in text
    assert "none,train,zero_shot,phantom,auroc,,n/a,,,,30,n/a," in as_csv(table)
    write_all(table, tmp_path)
    values = json.loads((tmp_path / "results/table.json").read_text(), parse_constant=pytest.fail)
    assert as_markdown(read_table(values)) == as_markdown(table)
    assert values == as_json(table)


def test_tables_show_them():
    result = {"value": None, "interval": [0.1, None], "n": 30, "chance": None, "protocol": {},
              "untrained_baseline": {"value": None, "interval": None, "n": 30}}  # fmt: skip
    assert "| x | 30 | n/a | n/a |  |" in scoreboard({"mine-x": result})
    recall = dict.fromkeys(("recall_at_5", "recall_at_5_chance", "recall_at_5_global",
                            "recall_at_5_interval", "quick_linear_probe_auroc", "zero_shot_auroc",
                            "quick_linear_probe_auroc_untrained", "train_seconds",
                            "studies_per_second"))  # fmt: skip
    text = pretrain_table.as_markdown(recall | {"n_gallery": 30, "steps": 2})
    assert "2 steps in n/a s, n/a studies/s." in text
    assert "| n/a |" in text
    assert named_baselines({"a": None}, "b") == "n/a"
    entry = {"difference": None, "interval": None, "n": 30, "p_holm": None, "verdict": "real"}
    compared = {"srm - mean": {"question": "?", "measures": {"recall_at_5": entry}}}
    row = {"recall_at_5": {"mean": None, "interval": None, "n": 30}}
    cost = {"srm": {"steps": 2, "seconds": None}}
    made = {"srm": row, "comparisons": compared, "baselines": {}, "training": cost}
    text = ablation_table.as_markdown(made)
    assert "| SRM | n/a | 2 in n/a s |" in text
    assert "| ? | n/a |" in text


def test_a_comparison_page_shows_the_others(tmp_path):
    runs = []
    for name, value in (("first", 0.5), ("second", math.nan)):
        run = Run(tmp_path / name, make_config("phantom_small"))
        known = {"value": 0.25, "interval": [0.125, math.nan], "n": 30}
        run.write_result("a", {"x": {"value": value, "interval": [value] * 2}, "y": known})
        runs.append(run)
    compared = Comparison.of(runs)
    assert compared.table("a", details=True) == {
        "first": {"x": ".500 [.500, .500]", "y": ".250"},
        "second": {"x": "-", "y": ".250"},
    }
    text = write_page(compared, tmp_path / "a.html", details=True).read_text(encoding="utf-8")
    assert "NaN," not in text.rpartition("Plotly.newPlot")[2]
    write_json(tmp_path / "comparison.json", compared.result())
