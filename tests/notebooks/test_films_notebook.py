"""The real-film benchmark by papermill, on a tiny manifest and an untrained tiny model."""

import csv

import numpy as np
import pytest
from notebook_runs import outputs_of, papermill, untrained_run
from PIL import Image

from reclf.runs.run import Run
from reclf_study.films.film_benchmark import MEASURES

REPORTS = (
    "Mild left effusion in the upper lobe. No nodule.",
    "Severe right edema in the lower lobe. No pneumothorax.",
    "Small left nodule in the lower lobe. No effusion.",
    "Cardiomegaly with large right effusion. No fracture.",
    "Lungs are clear.",
)

pytestmark = pytest.mark.slow


def write_films(root, n):
    """A manifest of noise with reports, codes, labels and boxes."""
    noise = np.random.default_rng(0)
    root.mkdir(parents=True)
    with (root / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "report", "mesh", "labels", "patient_id", "split"])
        for i in range(n):
            Image.fromarray(noise.integers(0, 255, (64, 64), dtype=np.uint8)).save(
                root / f"{i}.png"
            )
            split = "train" if i % 3 else "val"
            label = ("Effusion", "Edema", "Nodule", "Effusion", "No Finding")[i % 5]
            rows.writerow([f"{i}.png", REPORTS[i % 5], "normal", label, f"p{i}", split])
    with (root / "boxes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label", "x", "y", "width", "height"])
        rows.writerows([f"{i}.png", "Effusion", 4, 8, 20, 30] for i in range(0, n, 15))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    write_films(folder / "data", 90)
    data = {"dataset": "table", "root": str(folder / "data"), "test_split": "val"}
    settings = {f"data.{name}": value for name, value in data.items()}
    untrained_run(folder / "runs" / "films", {"model.image_size": 64, **settings})
    return folder


def test_every_measure_stands_beside_its_chance(folder):
    done = papermill(
        "study/films.ipynb", folder, codes="mesh", boxes_root="data", boxes_split="val",
        boxes_options={"box_file": "boxes.csv"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    result = Run(folder / "runs" / "films").result("films-data")
    missing = set(MEASURES) - result.keys()
    assert missing == set(result["left_out"])
    assert not {name for name in missing if not name.startswith("severity")}
    for name in set(MEASURES) - missing:
        assert result[name].keys() >= {"value", "interval", "n"}
    asked = result["protocol"]["swaps"]["denied"]
    assert asked["asked"] == 24
    assert asked["no finding is stated each time it is named"] == 6
    assert result["value"] == result["denied_swap_conditional"]["value"]
    assert any("image/png" in out.get("data", {}) for out in outputs_of(folder / "out.ipynb"))


def test_what_cannot_be_asked_is_refused_by_name(folder):
    done = papermill("study/films.ipynb", folder, codes="icd")
    assert "has no column 'icd' of codes" in done.stderr
    done = papermill("study/films.ipynb", folder, dataset="phantom")
    assert "ask notebooks/study/relations.ipynb" in done.stderr
