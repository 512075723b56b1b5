"""The main job by papermill, with tiny parameters, as its users type it."""

import json

import nbformat
import pytest
from notebook_runs import outputs_of, papermill, papermill_process
from one_kernel import ROOT, shared_kernel

from reclf.explain import Explanation
from reclf.models.reclf import RECLF
from reclf.runs.run import Run

KEYS = {
    "recall_at_1",
    "recall_at_5",
    "recall_at_10",
    "recall_at_5_global",
    "recall_at_5_chance",
    "zero_shot_auroc",
    "quick_linear_probe_auroc",
    "quick_linear_probe_auroc_untrained",
    "train_seconds",
    "studies_per_second",
    "n_gallery",
}
TINY = {
    "model.image_size": 32,
    "train.val_studies": 8,
    "train.batch_size": 4,
    "data.options": {"length": 400},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished tiny run, made from another working directory, and its executed notebook."""
    folder = tmp_path_factory.mktemp("pretrain")
    (folder / "runs" / "tiny").mkdir(parents=True)
    done = papermill_process(
        "pretrain.ipynb", folder, executed="runs/tiny/out.ipynb", run_dir="runs/tiny", steps=4,
        overrides=TINY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return Run(folder / "runs" / "tiny")


def said_by(executed):
    return "".join(output.get("text", "") for output in outputs_of(executed))


@pytest.mark.slow
def test_numbers_of_the_split_that_chose_the_checkpoint_say_so(finished, tmp_path):
    words = [str(ROOT / "notebooks/pretrain.ipynb"), str(tmp_path / "out.ipynb")]
    given = {"overrides": TINY | {"data.test_split": "val"}, "steps": 2, "studies": 24}
    shared_kernel().papermill([*words, "-p", "run_dir", str(tmp_path / "run")], given, tmp_path)
    assert "The split 'val' chose the checkpoint, too" in said_by(tmp_path / "out.ipynb")
    assert "chose the checkpoint, too" not in said_by(finished.folder / "out.ipynb")


@pytest.mark.slow
def test_it_ends_with_results_and_a_model(finished):
    assert finished.status["state"] == "done"
    results = finished.result("pretrain")
    assert results.keys() >= KEYS
    assert results["n_gallery"] == 300
    assert results["recall_at_5_chance"] == pytest.approx(5 / 300, abs=1e-3)
    assert 0 <= results["quick_linear_probe_auroc"] <= 1
    assert not RECLF.from_pretrained(finished.checkpoint("best")).training
    (path,) = (finished.folder / "explanations").glob("*.npz")
    assert Explanation.load(path).words
    assert "Research only" in (finished.folder / "README.md").read_text()
    environment = json.loads((finished.folder / "environment.json").read_text())
    assert environment["packages"]["torch"]
    assert environment["processes"] == 1


@pytest.mark.slow
def test_the_executed_notebook_is_small_and_shows_pictures(finished):
    path = finished.folder / "out.ipynb"
    assert path.stat().st_size < 1_500_000
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    outputs = outputs_of(path)
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) >= 5
    assert not [o for o in outputs if o.output_type == "error"]


@pytest.mark.slow
def test_it_begins_with_the_verdict_and_ends_with_what_to_do_next(finished):
    outputs = outputs_of(finished.folder / "out.ipynb")
    verdict = finished.result("pretrain")["verdict"]
    assert "this training" in verdict
    markdown = [o.data["text/markdown"] for o in outputs if "text/markdown" in o.get("data", {})]
    assert markdown[0] == f"**{verdict}**"
    first_table = next(o for o in outputs if "text/html" in o.get("data", {}))
    first_verdict = next(o for o in outputs if "text/markdown" in o.get("data", {}))
    assert outputs.index(first_verdict) < outputs.index(first_table)
    assert verdict in (finished.folder / "README.md").read_text()
    for command in ("notebooks/explore.ipynb", "reclf.tasks.scoreboard", "data_check.ipynb"):
        assert command in markdown[-1]
    assert outputs[-1].data["text/markdown"] == markdown[-1]


@pytest.mark.slow
def test_wrong_parameters_stop_in_the_first_cell_with_the_valid_names(tmp_path):
    (tmp_path / "values.yaml").write_text("learning_rate: 1e-4\nminuts: 3\nsteps: several\n")
    done = papermill("pretrain.ipynb", tmp_path, "-f", "values.yaml")
    assert done.returncode == 1
    assert "unknown parameter 'minuts' (minutes?)" in done.stderr
    assert "steps must be int, got 'several' (str)" in done.stderr
    assert "learning_rate must" not in done.stderr  # YAML's "1e-4" is a number
    assert "Parameters of this notebook: run_dir: str" in done.stderr
    assert not (tmp_path / "runs").exists()
