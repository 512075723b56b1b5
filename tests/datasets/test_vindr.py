"""VinDr-CXR on a tiny copy: agreement of readers, boxes that follow it, two spellings."""

import numpy as np
import pandas as pd
import pytest

from reclf.data.study import Box
from reclf.datasets.problems import DataProblems
from reclf.datasets.vindr import VinDr, write_tiny

SIZE = 130  # the longer side of the tiny files


@pytest.fixture
def root(tmp_path):
    return write_tiny(tmp_path)


def train(root, **options):
    return {
        int(study.study_id.removeprefix("train"), 16): study
        for split in ("train", "val")
        for study in VinDr(root, split, SIZE, **options)
    }


def test_how_many_readers_must_agree(root):
    # image n has Cardiomegaly by n % 4 readers, and Nodule/Mass by one reader where n is odd
    for agreement in (1, 2, 3):
        studies = train(root, agreement=agreement)
        assert len(studies) == 20
        for number, study in studies.items():
            assert study.labels["Cardiomegaly"] == float(number % 4 >= agreement)
            assert study.labels["Nodule/Mass"] == float(number % 2 and agreement == 1)
            hearts = [box for box in study.boxes if box.label == "Cardiomegaly"]
            assert len(hearts) == (number % 4 if number % 4 >= agreement else 0)
    with pytest.raises(ValueError, match="agreement must be 1, 2 or 3 readers, got 4"):
        VinDr(root, "train", SIZE, agreement=4)


def test_boxes_are_corners_in_the_table(root):
    study = train(root)[2]
    # (30, 60) to (90, 100.5) of 130 x 110, ten columns of padding at the left
    assert study.boxes == (
        Box("Cardiomegaly", 40, 60, 60, 40.5),
        Box("Cardiomegaly", 41, 60, 59, 40.5),
    )
    assert 0.1 < study.image.mean() < 0.9  # 12 bits are not taken for 16


def test_test_is_a_consensus_and_spelt_differently(root):
    header = (root / "annotations/image_labels_test.csv").read_text().splitlines()[0]
    assert "Other disease," in header
    data = VinDr(root, "test", SIZE, agreement=3)
    assert data.labels == ("Cardiomegaly", "Nodule/Mass", "Other diseases", "No finding")
    assert [study.labels["Cardiomegaly"] for study in data] == [0, 1, 1, 1, 0, 1]
    assert all(np.isin(list(study.labels.values()), (0, 1)).all() for study in data)


def test_what_is_missing_or_wrong(root):
    path = root / "annotations/image_labels_train.csv"
    table = pd.read_csv(path, dtype=str)
    table.assign(Cardiomegaly="-1").to_csv(path, index=False)
    with pytest.raises(DataProblems, match=r"no label \(1\): Cardiomegaly = '-1'"):
        VinDr(root, "train", SIZE)
    table.rename(columns={"Cardiomegaly": "Heart"}).to_csv(path, index=False)
    with pytest.raises(DataProblems, match="class or image without image labels"):
        VinDr(root, "train", SIZE)
    table.drop(columns="No finding").to_csv(path, index=False)
    with pytest.raises(DataProblems, match=r"only one table has \(1\): No finding"):
        VinDr(root, "train", SIZE)
    path.unlink()
    (root / "test").rename(root / "tests")
    with pytest.raises(DataProblems) as caught:
        VinDr(root, "train", SIZE)
    message = str(caught.value)
    assert "missing annotations/image_labels_train.csv" in message
    assert "missing test (1)" in message
    assert "physionet.org/content/vindr-cxr" in message


def test_readers_are_counted_and_not_rows(root):
    names = ["image_labels_train", "annotations_train"]
    paths = [root / f"annotations/{name}.csv" for name in names]
    tables = [pd.read_csv(path, dtype=str) for path in paths]
    for change, kind in (
        (lambda t: t[t.rad_id == "R1"], "image with too few readers"),
        (lambda t: pd.concat([t, t]), "image twice by one reader"),
    ):
        for path, table in zip(paths, tables, strict=True):
            change(table).to_csv(path, index=False)
        with pytest.raises(DataProblems, match=kind):
            VinDr(root, "train", SIZE)
    tables[0][tables[0].rad_id == "R1"].to_csv(paths[0], index=False)
    tables[1][tables[1].rad_id == "R1"].to_csv(paths[1], index=False)
    assert VinDr(root, "train", SIZE, agreement=1)
