"""The compare notebook by papermill, on results without models."""

import json

import pytest
from notebook_runs import outputs_of, papermill

from reclf.runs.run import Run
from reclf.training.presets import make_config

pytestmark = pytest.mark.slow


@pytest.fixture
def runs(tmp_path):
    for k, name in enumerate(("first", "second")):
        run = Run(tmp_path / "runs" / name, make_config("phantom_small", **{"train.seed": k}))
        value = {"value": 0.5 + k / 10, "interval": [0.4, 0.7], "n": 30}
        result = {**value, "binding_accuracy": value, "protocol": {"split_hash": "a"}}
        run.write_result("relations-A", result)
        run.write_result("pretrain", {"recall_at_5": 0.8, "steps": 900})
    return tmp_path / "runs"


def test_runs_go_in_and_one_table_and_figures_come_out(runs):
    done = papermill("study/compare.ipynb", runs.parent, runs="runs/*")
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((runs / "comparison" / "comparison.json").read_text())
    assert result["runs"] == ["first", "second"]
    assert result["results"]["relations-A"]["binding_accuracy"]["second"]["value"] == 0.6
    assert result["settings"]["train.seed"] == {"first": 0, "second": 1}
    assert (runs / "comparison" / "figures" / "relations-A.png").stat().st_size > 5000
    assert "plotly-graph-div" in (runs / "comparison" / "comparison.html").read_text()
    again = papermill("study/compare.ipynb", runs.parent, runs="runs/*")  # the comparison is no run
    assert again.returncode == 0, again.stderr[-3000:]


def test_runs_of_two_data_sets_are_compared_as_far_as_they_compare(runs):
    settings = {"data.dataset": "open_i", "data.root": "open_i", "data.options": {}}
    third = Run(runs / "third", make_config("phantom_small", **settings))
    other = {"value": 0.5, "interval": [0.4, 0.6], "protocol": {"split_hash": "b"}}
    third.write_result("relations-A", other)
    third.write_result("retrieval-open_i", other)
    third.write_result("pretrain", {"recall_at_5": 0.1, "steps": 900})
    done = papermill("study/compare.ipynb", runs.parent, runs="runs/*")
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((runs / "comparison" / "comparison.json").read_text())
    tables = {
        name: list(next(iter(measures.values()))) for name, measures in result["results"].items()
    }
    assert tables == {
        "pretrain": ["first", "second"],
        "pretrain (2)": ["third"],
        "relations-A": ["first", "second"],
        "relations-A (2)": ["third"],
        "retrieval-open_i": ["third"],
    }
    said = "relations-A: split_hash is 'a' in first, second and 'b' in third"
    assert result["apart"]["relations-A (2)"] == [said]
    printed = "".join(out.get("text", "") for out in outputs_of(runs.parent / "out.ipynb"))
    assert f"apart: {said}" in printed
    assert "pretrain: dataset is 'phantom' in first, second and 'open_i' in third" in printed
