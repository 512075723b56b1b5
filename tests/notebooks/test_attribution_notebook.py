"""The attribution notebook by papermill, on an untrained tiny model."""

import json

import nbformat
import pytest
from notebook_runs import outputs_of, papermill, untrained_run

from reclf_study.faithfulness_study import CONTROLS

TINY = {"model.image_size": 64, "train.val_studies": 8, "data.options": {"length": 40}}
FEW = {"n_cases": 6, "curve_steps": 5, "samples": 8, "gradient_steps": 2}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = untrained_run(tmp_path_factory.mktemp("attribution") / "runs" / "tiny", TINY)
    done = papermill("study/attribution.ipynb", run.folder.parents[1], run="runs/tiny", **FEW)
    assert done.returncode == 0, done.stderr[-3000:]
    return run


def test_it_leaves_a_result_with_controls_and_a_verdict(run):
    result = run.result("attribution-phantom")
    assert result["n"] == 6
    assert result["protocol"]["fill"] == "blur"
    for target in ("phrase", "pair"):
        assert set(CONTROLS) <= result["measures"][target].keys()
        assert result["attention_against"][target]["insertion"].keys() == set(CONTROLS)
        # Attention that never learnt does not point at findings.
        assert "do not take it as evidence" in result["verdict"][target][-1]
    # Weights need not be learnt to be faithful: IRM multiplies by them.
    assert result["verdict"]["words"][-1].startswith("On these 6 cases importance weights")
    assert json.dumps(result, allow_nan=False)


def test_it_shows_pictures_and_says_the_verdict(run):
    path = run.folder.parents[1] / "out.ipynb"
    assert path.stat().st_size < 1_000_000
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    outputs = outputs_of(path)
    assert len([o for o in outputs if "image/png" in o.get("data", {})]) == 3
    said = [o["data"]["text/markdown"] for o in outputs if "text/markdown" in o.get("data", {})]
    assert "do not take it as evidence of what the model used" in said[-1]


def test_an_unknown_parameter_is_refused_by_name(tmp_path):
    done = papermill("study/attribution.ipynb", tmp_path, n_case=3)
    assert done.returncode == 1
    assert "unknown parameter 'n_case' (n_cases?)" in done.stderr


def test_without_a_run_it_says_how_to_make_one(tmp_path):
    done = papermill("study/attribution.ipynb", tmp_path)
    assert done.returncode == 1
    assert "Make one with pretrain.ipynb" in done.stderr
