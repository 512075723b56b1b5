"""The task notebooks by papermill, from any folder, on an untrained tiny model."""

import pytest
from notebook_runs import outputs_of, papermill, untrained_run

from reclf.datasets.prepare import prepare
from reclf.runs.run import Run
from reclf.tasks.scoreboard import lines_of

TINY = {"model.image_size": 64, "data.options": {"length": 30}}
PARTS = {"value", "interval", "n", "untrained_baseline", "chance", "per_class", "protocol"}
SHARED = {
    "split", "split_hash", "checkpoint_step", "encoder", "batch_norm", "image_size",
    "image_normalization", "metric", "seed",
}  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run on 30 phantom studies per split, and a prepared copy of them."""
    folder = tmp_path_factory.mktemp("tasks")
    run = untrained_run(folder / "runs" / "first", TINY)
    run.set_status("done", step=5, best_step=3)
    prepare(
        folder / "copy", "phantom", image_size=64, options={"length": 30}, processes=1,
        progress=False,
    )  # fmt: skip
    return folder


COPY = {"dataset": "prepared", "data_root": "copy"}
CASES = {
    "zero_shot": ("zero_shot.ipynb", {}, {"prompts", "pooling", "normalization", "rule"}),
    "linear_probe": ("linear_probe.ipynb", COPY, {"label_fractions", "hyper_parameters"}),
    "fine_tune": (  # without a split of its own to choose the epoch by
        "linear_probe.ipynb",
        {"fine_tune": True, "epochs": 1, "val_split": "test", "fractions": [1.0]},
        {"epochs", "label_fractions"},
    ),
    "segmentation": (
        "segmentation.ipynb",
        {"steps": 3, "fractions": [0.1, 1.0]},
        {"empty_mask_rule", "label_fractions", "threshold"},
    ),
    "retrieval": ("retrieval.ipynb", {**COPY, "shortlist": 5}, {"shortlist", "index", "ties"}),
    "grounding": ("grounding.ipynb", {"studies": 10}, {"pooling", "heat", "cnr"}),
}


@pytest.mark.parametrize("task", CASES)
def test_a_run_goes_in_and_a_result_and_a_figure_come_out(folder, task):
    notebook, parameters, choices = CASES[task]
    done = papermill(notebook, folder, executed=f"{notebook}.out.ipynb", **parameters)
    assert done.returncode == 0, done.stderr[-3000:]
    run = Run(folder / "runs" / "first")
    result = run.result(f"{task}-phantom")
    assert result.keys() >= PARTS
    assert result["protocol"].keys() >= SHARED | choices
    assert result["protocol"]["checkpoint_step"] == 3
    assert result["protocol"]["encoder"] == ("fine-tuned" if task == "fine_tune" else "frozen")
    assert result["untrained_baseline"].keys() >= {"value", "interval", "n"}
    assert 0 <= result["value"] <= 1
    assert 0 < result["chance"] < 1
    assert result["per_class"]
    assert all(line.trained.keys() >= {"value"} for line in lines_of(task, result))
    picture = run.folder / "figures" / f"{task}-phantom.png"
    assert picture.stat().st_size > 5000
    executed = folder / f"{notebook}.out.ipynb"
    assert executed.stat().st_size < 2_000_000
    outputs = outputs_of(executed)
    assert any("image/png" in out.get("data", {}) for out in outputs)
    assert any("text/html" in out.get("data", {}) for out in outputs)  # tables


def test_a_misspelt_parameter_stops_it_and_writes_nothing(folder):
    before = set((folder / "runs" / "first" / "results").iterdir())
    done = papermill("segmentation.ipynb", folder, fraction=[1.0], steps="many")
    assert done.returncode == 1
    assert "unknown parameter 'fraction' (fractions?)" in done.stderr
    assert "steps must be int, got 'many' (str)" in done.stderr
    assert set((folder / "runs" / "first" / "results").iterdir()) == before
