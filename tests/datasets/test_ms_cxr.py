"""MS-CXR on a tiny copy: phrases with several boxes, boxes of resized images, the split column."""

import math

import numpy as np
import pandas as pd
import pytest

from reclf.datasets.ms_cxr import MsCxr, write_tiny
from reclf.datasets.problems import DataProblems

SIZE = 120  # the longer side of the tiny files


@pytest.fixture
def root(tmp_path):
    return write_tiny(tmp_path)


def edit(root, change):
    path = root / "MS_CXR_Local_Alignment_v1.1.0.csv"
    table = pd.read_csv(path, dtype=str)
    change(table).to_csv(path, index=False)


def sides(box):
    return box.x, box.y, box.width, box.height


def test_a_phrase_with_two_boxes(root):
    data = MsCxr(root, "train", SIZE)
    assert len(data) == 4
    study = data[0]
    assert study.study_id == "00000000-tiny-0"
    assert study.patient_id == "10000000"
    assert study.report == "small left effusion"
    assert study.meta == {"dicom_id": "00000000-tiny", "category": "Pleural Effusion"}
    # 100 wide in 120: ten columns of padding at the left
    assert [sides(box) for box in study.boxes] == [(70, 70, 30, 40), (20, 80, 20.5, 30)]
    mask = study.masks["Pleural Effusion"]
    assert mask.sum() == 30 * 40 + 20 * 30
    assert mask[80:110, 20:40].all()
    assert study.labels["Pleural Effusion"] == 1
    assert math.isnan(study.labels["Cardiomegaly"])
    second = data[1]
    assert second.study_id == "00000000-tiny-1"
    assert second.report == "the heart is enlarged"
    assert np.array_equal(second.image, study.image)
    assert data.patients == [f"1{n:07d}" for n in range(9)]


def test_boxes_scale_with_the_image(root):
    study = MsCxr(root, "train", SIZE)[2]  # stored at 60 x 50, stated as 120 x 100
    assert (study.frame.height, study.frame.width) == (60, 50)
    assert [sides(box) for box in study.boxes] == [(70, 70, 30, 40)]
    assert study.masks["Cardiomegaly"].sum() == 30 * 40


def test_versions_without_splits_are_for_testing(root):
    edit(root, lambda table: table.drop(columns="split"))
    assert len(MsCxr(root, "test", SIZE)) == 12
    with pytest.raises(ValueError, match=r"no split 'train'; it has 'test' \(12 images\)"):
        MsCxr(root, "train", SIZE)


def test_the_newest_version_and_images_elsewhere(root, tmp_path):
    old = (root / "MS_CXR_Local_Alignment_v1.1.0.csv").read_text().replace("small", "old")
    (root / "MS_CXR_Local_Alignment_v1.0.0.csv").write_text(old)
    assert MsCxr(root, "train", SIZE)[0].report == "small left effusion"
    (root / "mimic").mkdir()
    (root / "files").rename(root / "mimic/files")
    with pytest.raises(DataProblems, match=r"missing files .*mimic-cxr-jpg/ \[option mimic_root"):
        MsCxr(root, "train", SIZE)
    assert len(MsCxr(root, "train", SIZE, mimic_root=root / "mimic")) == 4


def test_what_is_missing_or_wrong(root):
    edit(root, lambda table: table.rename(columns={"label_text": "phrase"}))
    with pytest.raises(DataProblems, match=r"missing column \(1\): 'label_text'"):
        MsCxr(root, "train", SIZE)
    write_tiny(root)
    edit(root, lambda table: table.replace("Cardiomegaly", "Big heart"))
    with pytest.raises(DataProblems, match=r"unknown category \(1\): Big heart"):
        MsCxr(root, "train", SIZE)
    write_tiny(root)
    edit(root, lambda table: table.replace("60", "90"))
    with pytest.raises(DataProblems, match="box outside its image"):
        MsCxr(root, "train", SIZE)
    write_tiny(root)
    next(root.rglob("00000000-tiny.jpg")).unlink()
    with pytest.raises(DataProblems, match=r"missing image \(2\): .*00000000-tiny\.jpg"):
        MsCxr(root, "train", SIZE)
    (root / "MS_CXR_Local_Alignment_v1.1.0.csv").unlink()
    with pytest.raises(DataProblems, match=r"missing MS_CXR_.*physionet\.org/content/ms-cxr"):
        MsCxr(root, "train", SIZE)
