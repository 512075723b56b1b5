"""CheXpert on a tiny copy of its layout: policies, splits, and the 5x200 gallery."""

import json
import math
import re

import pandas as pd
import pytest

from reclf.datasets.chexpert import CheXpert, make_5x200, write_tiny
from reclf.datasets.data_check import recognize
from reclf.datasets.gallery_5x200 import read_5x200
from reclf.datasets.labels import COMPETITION_LABELS
from reclf.datasets.problems import DataProblems, MissingSplit
from reclf.datasets.splits import val_of_patient

SIZE = 16


@pytest.fixture
def root(tmp_path):
    return write_tiny(tmp_path / "CheXpert-v1.0-small")


def edit(root, name, change):
    table = pd.read_csv(root / name, dtype=str, keep_default_na=False)
    change(table).to_csv(root / name, index=False)


def test_official_splits_frontal_by_default(root):
    sizes = {split: len(CheXpert(root, split, SIZE)) for split in ("train", "val", "test")}
    assert sizes == {"train": 20, "val": 10, "test": 5}
    assert len(CheXpert(root, "valid", SIZE)) == 10
    assert len(CheXpert(root, "train", SIZE, views=["Frontal", "Lateral"])) == 40
    with pytest.raises(ValueError, match=r"train\.csv has no image with Frontal/Lateral of PA"):
        CheXpert(root, "train", SIZE, views=["PA"])
    study = CheXpert(root, "train", SIZE)[1]
    assert study.study_id == "train/patient00002/study1/view1_frontal.jpg"
    assert study.patient_id == "patient00002"
    assert study.meta == {"view": "Frontal"}
    assert study.report == ""


def test_probe_splits_divide_train_by_patient(root):
    data = {
        split: CheXpert(root, split, SIZE, splits="probe") for split in ("train", "val", "test")
    }
    assert {split: len(studies) for split, studies in data.items()} == {
        "train": 15,
        "val": 5,
        "test": 10,
    }
    of_hash = {study.patient_id: val_of_patient(study.patient_id) for study in CheXpert(root)}
    assert {study.patient_id for study in data["val"]} == {
        patient for patient, split in of_hash.items() if split == "val"
    }
    assert data["test"][0].study_id.startswith("valid/")
    with pytest.raises(ValueError, match="splits must be 'official' or 'probe', got 'mgca'"):
        CheXpert(root, "train", SIZE, splits="mgca")


def test_a_release_without_its_test_set_says_what_to_report_on(root):
    (root / "groundtruth.csv").unlink()
    message = r"no split 'test'; it has .*'val' \(10 images\).*groundtruth\.csv.*splits='probe'"
    with pytest.raises(MissingSplit, match=message):
        CheXpert(root, "test", SIZE)
    assert len(CheXpert(root, "test", SIZE, splits="probe")) == 10


def test_reports_of_chexpert_plus(root):
    write_tiny(root, reports=True)
    make_5x200(root, per_class=1)
    name = "df_chexpert_plus_240401.csv"
    gallery = CheXpert(root, "5x200", SIZE, reports=name)
    for study in gallery:
        kind = max(study.labels, key=study.labels.get)
        assert re.fullmatch(rf"Finding (\d+)\. {kind} of patient \1\.", study.report)
    first = CheXpert(root, "train", SIZE, reports=name, sections=["impression"])
    assert first.reports[0].startswith("Atelectasis of patient")
    assert first.fingerprint != CheXpert(root, "train", SIZE).fingerprint
    edit(root, name, lambda table: table[1:])  # the first image of train
    with pytest.raises(DataProblems, match=r"empty report \(1\): train/patient00001/study1/view1"):
        CheXpert(root, "train", SIZE, reports=name, gallery="")
    edit(root, name, lambda table: table.rename(columns={"section_findings": "findings"}))
    with pytest.raises(DataProblems, match=r"missing column \(1\): 'section_findings'"):
        CheXpert(root, "train", SIZE, reports=name)
    with pytest.raises(
        DataProblems, match=r"missing reports \(1\): .*plus\.csv(?s:.)*CheXpert Plus"
    ):
        CheXpert(root, "train", SIZE, reports="plus.csv")


def test_labels_by_name_with_policies(root):
    def labels(number, **options):
        return CheXpert(root, "train", SIZE, **options)[number].labels

    assert labels(1)["Cardiomegaly"] == 1
    assert labels(1)["Pneumothorax"] == 0
    assert math.isnan(labels(1)["Fracture"])
    assert labels(1, blank="zero")["Fracture"] == 0
    assert math.isnan(labels(10)["Edema"])  # -1
    assert labels(10, uncertain={"Edema": "one"})["Edema"] == 1
    # a table with its columns in another order gives the same labels
    before = list(CheXpert(root, "train", SIZE, blank="zero")[1].labels.items())
    edit(root, "train.csv", lambda table: table[table.columns[::-1]])
    assert list(labels(1, blank="zero").items()) == before


def test_groundtruth_names_examinations(root):
    study = CheXpert(root, "test", SIZE)[4]
    assert study.study_id == "test/patient64745/study1/view1_frontal.jpg"
    assert study.labels["Pleural Effusion"] == 1
    table = pd.read_csv(root / "groundtruth.csv", dtype=str)
    table["Path"] = table.pop("Study") + "/view1_frontal.jpg"
    table.to_csv(root / "test_labels.csv", index=False)
    (root / "groundtruth.csv").unlink()
    assert CheXpert(root, "test", SIZE)[4].study_id == study.study_id


def test_patients_are_left_out_of_train(root):
    given = ["patient00001", "patient00002"]
    (root / "test_patients.txt").write_text("\n".join(given) + "\n")
    for excluded in (given, "test_patients.txt"):
        data = CheXpert(root, "train", SIZE, exclude_patients=excluded)
        assert len(data) == 18
        assert not {study.patient_id for study in data} & set(given)
    assert data.fingerprint != CheXpert(root, "train", SIZE).fingerprint
    with pytest.raises(DataProblems, match=r"nobody\.txt.*(?s:.)*a file with one id per line"):
        CheXpert(root, "train", SIZE, exclude_patients="nobody.txt")


def test_gallery_follows_the_rule_and_its_seed(root):
    gallery = make_5x200(root, per_class=2)
    # patients 11 and 12 have Edema -1, so Atelectasis and Cardiomegaly have an image less
    assert gallery["pool"] == dict(zip(COMPETITION_LABELS, [3, 3, 4, 4, 4], strict=True))
    classes = [item["class"] for item in gallery["images"]]
    assert classes == [name for name in COMPETITION_LABELS for _ in range(2)]
    assert gallery["patients"] == sorted(item["path"].split("/")[1] for item in gallery["images"])
    # a promise: the same on every machine, whatever the order of the table
    first = make_5x200(root, "a.json", per_class=1)
    edit(root, "train.csv", lambda table: table[::-1])
    assert make_5x200(root, "b.json", per_class=1) == first
    assert len({make_5x200(root, "c.json", per_class=1, seed=s)["hash"] for s in range(6)}) > 1
    with pytest.raises(ValueError, match=r"3 images with Atelectasis as the only finding.*=4"):
        make_5x200(root, per_class=4)


def test_every_other_finding_excludes(root):
    def change(table):
        table.loc[0, "Fracture"] = "1.0"  # patient 1
        table.loc[2, "No Finding"] = "1.0"  # patient 2: not asked
        return table

    edit(root, "train.csv", change)
    assert make_5x200(root, per_class=1)["pool"]["Atelectasis"] == 2
    assert make_5x200(root, per_class=1)["pool"]["Cardiomegaly"] == 3


def test_the_gallery_as_a_split_and_its_patients_out_of_training(root):
    gallery = make_5x200(root, per_class=1)
    images = CheXpert(root, "5x200", SIZE)
    assert len(images) == 5
    assert images.labels == COMPETITION_LABELS
    assert [max(s.labels, key=s.labels.get) for s in images] == list(COMPETITION_LABELS)
    assert all(sum(study.labels.values()) == 1 for study in images)
    train = CheXpert(root, "train", SIZE)
    assert train.gallery_hash == images.gallery_hash == gallery["hash"]
    assert len(train) == 15
    assert not {study.patient_id for study in train} & set(gallery["patients"])
    assert len(CheXpert(root, "train", SIZE, gallery="")) == 20
    same = CheXpert(root, "train", SIZE, gallery="", exclude_patients="chexpert_5x200.json")
    assert same.fingerprint == train.fingerprint


def test_a_gallery_that_is_missing_or_changed(root):
    with pytest.raises(DataProblems, match=r"chexpert_5x200\.json(?s:.)*make_5x200"):
        CheXpert(root, "5x200", SIZE)
    gallery = make_5x200(root, per_class=1)
    gallery["images"].pop()
    (root / "chexpert_5x200.json").write_text(json.dumps(gallery))
    with pytest.raises(ValueError, match=rf"states {gallery['hash']}: the file was changed"):
        read_5x200(root / "chexpert_5x200.json")


def test_missing_tables_columns_and_images(root):
    edit(root, "train.csv", lambda table: table.rename(columns={"Edema": "Oedema"}))
    with pytest.raises(DataProblems, match=r"train\.csv.*(?s:.)*'Edema' \(did you mean 'Oedema'"):
        CheXpert(root, "train", SIZE)
    (root / "train.csv").unlink()
    with pytest.raises(DataProblems, match=r"missing train\.csv \(1\): not in .*stanfordmlgroup"):
        CheXpert(root, "train", SIZE)
    write_tiny(root)
    edit(root, "train.csv", lambda table: table.rename(columns={"Frontal/Lateral": "View"}))
    with pytest.raises(DataProblems, match="'Frontal/Lateral'"):
        CheXpert(root, "train", SIZE)
    write_tiny(root)
    (root / "test/patient64745/study1/view1_frontal.jpg").unlink()
    with pytest.raises(DataProblems, match=r"missing image \(1\): .*patient64745"):
        CheXpert(root, "test", SIZE)
    edit(root, "train.csv", lambda table: table.replace("1.0", "2.0"))
    with pytest.raises(DataProblems, match=r"Cardiomegaly = '2\.0' in 4 rows"):
        CheXpert(root, "train", SIZE)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("tables_in_root", [False, True])
def test_batches_are_read_where_they_unpack(root, tables_in_root, nested):
    before = {split: CheXpert(root, split, SIZE).fingerprint for split in ("train", "val", "test")}
    make_5x200(root, per_class=1)
    gallery = CheXpert(root, "5x200", SIZE).fingerprint

    def batch(number, what):
        folder = root / f"CheXpert-v1.0 batch {number} ({what})"
        return folder / folder.name if nested else folder

    first = batch(1, "validate & csv")
    first.mkdir(parents=True)
    (root / "valid").rename(first / "valid")
    for name in () if tables_in_root else ("train.csv", "valid.csv"):
        (root / name).rename(first.parent / name if nested else first / name)
    for number, patient in enumerate(sorted((root / "train").iterdir())):
        folder = batch(2 + number % 2, f"train {1 + number % 2}")
        folder.mkdir(parents=True, exist_ok=True)
        patient.rename(folder / patient.name)
    (root / "train").rmdir()
    assert CheXpert(root, "5x200", SIZE).fingerprint == gallery
    for split, fingerprint in before.items():
        data = CheXpert(root, split, SIZE, gallery="")
        assert data.fingerprint == fingerprint
        assert data[0].image.mean() > 0.1
    if not nested:
        assert recognize(root) == ("chexpert", {})
    missing = next(root.rglob("patient00003/study1/view1_frontal.jpg"))
    missing.unlink()
    with pytest.raises(DataProblems, match=r"missing image \(1\): .*batch.*patient00003"):
        CheXpert(root, "train", SIZE, gallery="")
