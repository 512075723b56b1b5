"""The compare notebook by papermill, on results without models."""

import json

import pytest
from notebook_runs import papermill

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


def test_another_protocol_is_refused_with_the_choice_and_the_runs(runs):
    other = {"value": 0.5, "interval": [0.4, 0.6], "protocol": {"split_hash": "b"}}
    Run(runs / "second").write_result("relations-A", other)
    done = papermill("study/compare.ipynb", runs.parent, runs="runs/*")
    assert done.returncode == 1
    assert "relations-A: split_hash is 'a' in first and 'b' in second" in done.stderr
    assert not (runs / "comparison").exists()
