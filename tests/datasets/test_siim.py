"""SIIM-ACR on a tiny copy: run lengths by hand, several rows per image, the leading space."""

import numpy as np
import pandas as pd
import pydicom
import pytest

from reclf.data.radiographs import ImageError
from reclf.datasets.problems import DataProblems
from reclf.datasets.siim import Siim, encode_runs, write_tiny

SIZE = 64  # of the tiny files


@pytest.fixture
def root(tmp_path):
    return write_tiny(tmp_path)


def by_id(root, **options):
    splits = ("train", "val", "test")
    return {s.study_id: s for split in splits for s in Siim(root, split, SIZE, **options)}


def test_rows_of_an_image_are_one_study_with_one_mask(root):
    assert pd.read_csv(root / "train-rle.csv").columns[1] == " EncodedPixels"
    assert len(pd.read_csv(root / "train-rle.csv")) == 30
    studies = by_id(root)
    assert len(studies) == 24
    two, one, none = (studies[f"1.2.276.0.{n}"] for n in (0, 2, 1))
    expected = np.zeros((64, 64), dtype=bool)
    expected[8:14, 4:14] = True
    assert (one.masks["Pneumothorax"] == expected).all()
    expected[40:46, 44:54] = True
    assert (two.masks["Pneumothorax"] == expected).all()
    assert not none.masks["Pneumothorax"].any()
    assert [s.labels["Pneumothorax"] for s in (two, one, none)] == [1, 1, 0]


def test_run_lengths_by_hand(root):
    # 64 rows: pixel 64 * 3 + 2 is row 2 of column 3; then two pixels of row 0 and 1, column 5
    rows = [("1.2.276.0.0", f"{64 * 3 + 2} 1"), ("1.2.276.0.0", f"{64 * 5} 2")]
    rows += [("1.2.276.0.3", "-1"), ("1.2.276.0.5", f"{64 * 64} 1")]
    table = pd.DataFrame(rows, columns=["ImageId", "EncodedPixels"])
    table.to_csv(root / "train-rle.csv", index=False)
    splits = pd.DataFrame({"image": ["1.2.276.0.0", "1.2.276.0.3", "1.2.276.0.5"]})
    splits.assign(split="train").to_csv(root / "all.csv", index=False)
    data = Siim(root, "train", SIZE, split_file="all.csv")
    assert np.argwhere(data[0].masks["Pneumothorax"]).tolist() == [[0, 5], [1, 5], [2, 3]]
    with pytest.raises(ImageError, match=r"mask of .*0\.5\.dcm cannot be drawn: .*pixel 4097"):
        data[2]


def test_encode_runs_is_the_way_back():
    mask = np.zeros((3, 4), dtype=bool)
    assert encode_runs(mask) == "-1"
    mask[1:, 0] = mask[1:, 2] = mask[0, 3] = True
    assert encode_runs(mask) == "1 2 4 3"
    assert encode_runs(~mask) == "0 1 2 4 3 2"


def test_stages_do_not_mix(root):
    with pytest.raises(DataProblems) as caught:
        Siim(root, "train", SIZE, stage=2)
    message = str(caught.value)
    assert "stage 2 cannot be used" in message
    assert "missing stage_2_train.csv" in message
    assert "missing stage_2_images" in message
    assert "siim-acr-pneumothorax-segmentation" in message
    (root / "stage_2_images").mkdir()
    for path in root.rglob("*.dcm"):
        path.rename(root / "stage_2_images" / path.name)
    table = pd.read_csv(root / "train-rle.csv", skipinitialspace=True, dtype=str)
    table.to_csv(root / "stage_2_train.csv", index=False)
    assert len(by_id(root, stage=2)) == 24
    with pytest.raises(ValueError, match="stage must be 1 or 2, got 3"):
        Siim(root, "train", SIZE, stage=3)


def test_patients_of_the_header(root):
    for path in root.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PatientID = "one and only"
        dataset.save_as(path)
    data = [Siim(root, split, SIZE) for split in ("train", "val")]  # by image: several splits
    assert len(data[0]) > len(data[1]) > 0
    with pytest.raises(ValueError, match=r"has no split 'val'; it has '\w+' \(24 images\)"):
        Siim(root, "val", SIZE, patients="header")
    with pytest.raises(ValueError, match="patients must be 'image' or 'header', got 'none'"):
        Siim(root, "train", SIZE, patients="none")


def test_missing_images_columns_and_contradictions(root):
    next(root.rglob("1.2.276.0.7.dcm")).unlink()
    with pytest.raises(DataProblems, match=r"missing image \(1\): .*1\.2\.276\.0\.7\.dcm"):
        by_id(root)
    table = pd.read_csv(root / "train-rle.csv")
    pd.concat([table, table[:1].assign(**{" EncodedPixels": " -1"})]).to_csv(
        root / "train-rle.csv", index=False
    )
    with pytest.raises(DataProblems, match=r"image with -1 and a mask \(1\): 1\.2\.276\.0\.0"):
        Siim(root, "train", SIZE)
    table.rename(columns={" EncodedPixels": "rle"}).to_csv(root / "train-rle.csv", index=False)
    with pytest.raises(DataProblems, match=r"missing column \(1\): 'EncodedPixels'"):
        Siim(root, "train", SIZE)


@pytest.mark.parametrize("cell", ["junk", "12 5 3", "-1 -2", "1.5 2", "5"])
def test_cells_that_are_no_run_lengths_are_refused_on_opening(root, cell):
    table = pd.read_csv(root / "train-rle.csv", dtype=str)
    table.loc[0, " EncodedPixels"] = cell
    table.to_csv(root / "train-rle.csv", index=False)
    with pytest.raises(DataProblems, match=r"no run lengths \(1\): 1\.2\.276\.0\.0"):
        Siim(root, "train", SIZE)
