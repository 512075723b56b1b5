"""RSNA Pneumonia on a tiny copy: boxes of a patient together, masks, negatives, splits."""

import pandas as pd
import pytest

from reclf.data.study import Box
from reclf.datasets.problems import DataProblems
from reclf.datasets.rsna import CLASSES, Rsna, write_tiny

SIZE = 32  # a quarter of the tiny files


@pytest.fixture
def root(tmp_path):
    return write_tiny(tmp_path)


def by_id(root, **options):
    splits = ("train", "val", "test")
    return {s.study_id: s for split in splits for s in Rsna(root, split, SIZE, **options)}


def test_one_study_per_patient_with_all_its_boxes(root):
    studies = by_id(root)
    assert len(studies) == 24
    study = studies["00000000-tiny"]  # (16, 40, 24, 32) and (80, 60.5, 20, 30) of 128 x 128
    assert study.boxes == (Box("Pneumonia", 4, 10, 6, 8), Box("Pneumonia", 20, 15.125, 5, 7.5))
    assert study.labels == {"Pneumonia": 1}
    assert study.meta == {"class": "Lung Opacity"}
    mask = study.masks["Pneumonia"]
    assert mask[10:18, 4:10].all()  # the first box
    assert mask[16:22, 20:25].all()  # the second, without its rounded edges
    assert not mask[:10].any()
    assert not mask[:, 10:20].any()
    negative = studies["00000001-tiny"]
    assert negative.labels == {"Pneumonia": 0}
    assert negative.boxes == ()
    assert not negative.masks["Pneumonia"].any()


def test_negatives_and_detailed_classes(root):
    normal = by_id(root, negatives="normal")
    assert len(normal) == 16
    assert {study.meta["class"] for study in normal.values()} == set(CLASSES[:2])
    detailed = by_id(root, labels="detailed")["00000002-tiny"]
    assert detailed.labels == {
        "Lung Opacity": 0,
        "Normal": 0,
        "No Lung Opacity / Not Normal": 1,
    }
    with pytest.raises(ValueError, match=r"negatives must be one of .*, got 'some'"):
        Rsna(root, "train", SIZE, negatives="some")
    with pytest.raises(ValueError, match=r"labels must be one of .*, got 'boxes'"):
        Rsna(root, "train", SIZE, labels="boxes")


def test_split_file(root):
    info = pd.read_csv(root / "stage_2_detailed_class_info.csv")
    names = list(info["patientId"].unique())
    table = pd.DataFrame({"image": names[:12], "split": ["train"] * 8 + ["valid"] * 4})
    table.to_csv(root / "benchx.csv", index=False)
    assert len(Rsna(root, "train", SIZE, split_file="benchx.csv")) == 8
    val = Rsna(root, "val", SIZE, split_file="benchx.csv")
    assert [study.study_id for study in val] == names[8:12]
    assert val.split_counts == {"train": 8, "val": 4, "": 12}
    pd.concat([table, table[:1]]).to_csv(root / "benchx.csv", index=False)
    with pytest.raises(DataProblems, match=r"image listed twice \(1\): 00000000-tiny"):
        Rsna(root, "train", SIZE, split_file="benchx.csv")
    table.replace("valid", "vaild").to_csv(root / "benchx.csv", index=False)
    with pytest.raises(DataProblems, match=r"names no split \(1\): 'vaild' \(4 rows; val\?\)"):
        Rsna(root, "train", SIZE, split_file="benchx.csv")
    with pytest.raises(DataProblems, match=r"missing split_file \(1\): .*none\.csv"):
        Rsna(root, "train", SIZE, split_file="none.csv")
    table.rename(columns={"split": "fold"}).to_csv(root / "benchx.csv", index=False)
    with pytest.raises(DataProblems, match=r"missing column \(1\): 'split'"):
        Rsna(root, "train", SIZE, split_file="benchx.csv")


def test_what_is_missing(root):
    (root / "stage_2_detailed_class_info.csv").unlink()
    (root / "stage_2_train_images").rename(root / "images")
    with pytest.raises(DataProblems) as caught:
        Rsna(root, "train", SIZE)
    message = str(caught.value)
    assert f"missing stage_2_detailed_class_info.csv (1): not in {root}" in message
    assert "missing stage_2_train_images (1)" in message
    assert "stage_2_train_labels" not in message
    assert "https://www.kaggle.com/c/rsna-pneumonia-detection-challenge" in message


def test_tables_that_contradict_each_other(root):
    path = root / "stage_2_train_labels.csv"
    table = pd.read_csv(path, dtype=str)
    table.loc[0, "Target"] = "0"
    table.to_csv(path, index=False)
    with pytest.raises(DataProblems, match=r"Target that does not fit the box \(1\): 00000000"):
        Rsna(root, "train", SIZE)
    write_tiny(root)
    path = root / "stage_2_detailed_class_info.csv"
    info = pd.read_csv(path, dtype=str)
    names = list(info["patientId"])
    info.replace("Normal", "Lung Opacity")[:-1].to_csv(path, index=False)
    with pytest.raises(DataProblems) as caught:
        Rsna(root, "train", SIZE)
    assert len(caught.value.problems["class that does not fit Target"]) == 8
    assert caught.value.problems["patient without detailed class"] == [f"{names[-1]}: None"]


def test_boxes_of_images_at_another_size_are_seen(root):
    path = root / "stage_2_train_labels.csv"
    table = pd.read_csv(path).assign(x=lambda table: 8 * table["x"])
    table.to_csv(path, index=False)
    with pytest.raises(DataProblems, match=r"box outside its image \(\d+\): .*128 x 128: Box"):
        Rsna(root, "train", SIZE, headers=True)
