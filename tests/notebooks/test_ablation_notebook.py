"""The ablation notebook by papermill: it ends with a result, and goes on where it was."""

import json

import pytest
from notebook_runs import outputs_of, papermill

TINY = {
    "model.image_size": 32,
    "model.embed_dim": 8,
    "model.matching_dim": 6,
    "data.options": {"length": 300},
    "data.workers": 0,
    "train.batch_size": 4,
    "train.val_studies": 8,
}
FEW = {"gallery": 24, "pairs": 3, "labelled": 24, "steps": 2}
VARIANTS = {"variants": ["mean", "mean_global", "srm"], "seeds": 2}

pytestmark = pytest.mark.slow


def ablate(cwd, **parameters):
    return papermill("study/ablation.ipynb", cwd, folder="runs/tiny", overrides=TINY, **parameters)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("ablation_notebook")
    done = ablate(cwd, **VARIANTS, **FEW)
    assert done.returncode == 0, done.stderr[-3000:]
    return cwd / "runs" / "tiny"


def test_it_leaves_a_table_comparisons_and_verdicts(folder):
    result = json.loads((folder / "results" / "ablation.json").read_text())
    for name in ("mean", "mean_global", "srm"):
        entry = result[name]["recall_at_5"]
        assert len(entry["seeds"]) == 2
        assert entry["interval"][0] <= entry["mean"] <= entry["interval"][1]
    compared = result["comparisons"]["srm - mean_global"]
    assert compared["interval"][0] <= compared["difference"] <= compared["interval"][1]
    assert any("SRM over mean + global node: recall@5" in v
               for v in result["verdicts"]["srm - mean_global"])  # fmt: skip
    assert 0 <= compared["p"] <= compared["p_holm"] <= 1
    assert result["training"]["srm"]["steps"] == 2
    assert result["training"]["srm"]["seconds"] > 0
    assert result["protocol"]["budget"] == "2 steps for every run"
    assert result["protocol"]["split"] == "val"
    assert (folder / "figures" / "recall_at_5.png").exists()
    assert (folder / "figures" / "binding_accuracy.png").exists()
    outputs = outputs_of(folder.parents[1] / "out.ipynb")
    said = [o["data"]["text/markdown"] for o in outputs if "text/markdown" in o.get("data", {})]
    assert "not shown" in said[-1] or "real" in said[-1]


def test_run_again_it_trains_nothing_and_adds_what_is_missing(folder):
    before = (folder / "srm-seed0" / "metrics.jsonl").stat().st_mtime_ns
    more = {"variants": [*VARIANTS["variants"], "global"], "seeds": 2}
    done = ablate(folder.parents[1], **more, **FEW)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / "srm-seed0" / "metrics.jsonl").stat().st_mtime_ns == before
    result = json.loads((folder / "results" / "ablation.json").read_text())
    assert "srm - global" in result["comparisons"]


def test_another_budget_in_the_same_folder_is_refused(folder):
    done = ablate(folder.parents[1], **VARIANTS, steps=5)
    assert done.returncode == 1
    assert "holds an ablation of 2 steps a run" in done.stderr


def test_a_misspelt_variant_stops_before_anything_is_trained(tmp_path):
    done = ablate(tmp_path, variants=["smr"], **FEW)
    assert done.returncode == 1
    assert "unknown variant 'smr'; variants: global" in done.stderr
    assert not (tmp_path / "runs").exists()
