"""The relation benchmark by papermill, from another folder, on an untrained tiny model."""

import pytest
from notebook_runs import outputs_of, papermill, untrained_run

TINY = {"model.image_size": 64, "data.options": {"length": 30}}
FEW = {"gallery": 8, "pairs": 3, "training_reports": 25}
NEEDED = (
    "binding_accuracy", "relation_auroc", "relation_auroc_text_distance", "relation_auroc_hard",
    "importance_auroc", "importance_auroc_idf", "pointing_hit", "pointing_chance", "recall_at_5",
)  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = untrained_run(tmp_path_factory.mktemp("relations") / "runs" / "tiny", TINY)
    done = papermill(
        "study/relations.ipynb", run.folder.parents[1], run="runs/tiny", hospitals=["A", "C"], **FEW
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return run


def test_each_hospital_has_a_result_with_intervals_and_choices(run):
    for hospital in ("A", "C"):
        result = run.result(f"relations-{hospital}")
        for name in NEEDED:
            entry = result[name]
            assert entry["interval"][0] <= entry["value"] <= entry["interval"][1]
            assert entry["n"] > 0
        assert 0.2 < result["binding_accuracy"]["value"] < 0.8  # nothing was learnt
        assert result["relation_auroc_text_distance"]["value"] > 0.6
        protocol = result["protocol"]
        assert protocol["hospital"] == hospital == protocol["options"]["hospital"]
        assert protocol["pairs"]["binding"] == 3
        assert protocol["dataset"] == "phantom"
        assert (run.folder / "figures" / f"relations-{hospital}.png").stat().st_size > 5000
    hashes = {run.result(f"relations-{h}")["protocol"]["split_hash"] for h in "AC"}
    assert len(hashes) == 2
    assert not (run.folder / "results" / "relations-B.json").exists()


def test_it_shows_tables_and_pictures(run):
    path = run.folder.parents[1] / "out.ipynb"
    assert path.stat().st_size < 1_500_000
    outputs = outputs_of(path)
    assert len([o for o in outputs if "image/png" in o.get("data", {})]) == 4
    tables = [o["data"]["text/html"] for o in outputs if "text/html" in o.get("data", {})]
    assert any("relations, nearer word wrong" in table for table in tables)
    said = "".join(o.get("text", "") for o in outputs)
    assert ("never trained" in said) or ("reaches the score" in said) or ("reach the score" in said)


def test_an_unknown_hospital_stops_it_before_a_run_is_looked_for(tmp_path):
    done = papermill("study/relations.ipynb", tmp_path, hospitals=["D"])
    assert done.returncode == 1
    assert "hospitals must be some of ['A', 'B', 'C'], got ['D']" in done.stderr
