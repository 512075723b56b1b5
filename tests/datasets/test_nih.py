"""NIH ChestX-ray14 on a tiny copy: official lists, names of boxes, folders as they unpack."""

import pandas as pd
import pytest

from reclf.data.study import Box
from reclf.datasets.nih import LABELS, Nih, write_tiny
from reclf.datasets.problems import DataProblems

SIZE = 32  # a quarter of the tiny files


@pytest.fixture
def root(tmp_path):
    return write_tiny(tmp_path)


def test_official_lists_and_val_by_patient(root):
    data = {split: Nih(root, split, SIZE) for split in ("train", "val", "test")}
    assert {split: len(studies) for split, studies in data.items()} == {
        "train": 21,
        "val": 3,
        "test": 6,
    }
    assert {int(study.patient_id) for study in data["test"]} == set(range(19, 25))
    assert len(Nih(root, "test", SIZE, views=["AP"])) == 3


def test_labels_and_boxes(root):
    studies = {s.study_id: s for split in ("train", "val") for s in Nih(root, split, SIZE)}
    first = studies["00000001_000"]
    assert first.labels == {name: float(name == "Infiltration") for name in LABELS}
    # (16, 32.5, 40, 20) and (80, 90, 30, 38) of 128 x 128; "Infiltrate" in the table
    assert first.boxes == (
        Box("Infiltration", 4, 8.125, 10, 5),
        Box("Effusion", 20, 22.5, 7.5, 9.5),
    )
    two = studies["00000002_000"].labels
    assert [name for name in LABELS if two[name]] == ["Effusion", "Pleural_Thickening"]
    assert set(studies["00000004_000"].labels.values()) == {0}  # No Finding
    assert studies["00000002_000"].boxes == ()
    assert studies["00000002_000"].meta == {"view": "AP"}


def test_a_rival_split_and_no_boxes(root):
    for name in ("BBox_List_2017.csv", "test_list.txt", "train_val_list.txt"):
        (root / name).unlink()
    table = pd.DataFrame({"image": ["00000001_000.png", "00000003_000.png"], "split": "test"})
    table.to_csv(root / "rival.csv", index=False)
    data = Nih(root, "test", SIZE, split_file="rival.csv", boxes=False)
    assert [study.study_id for study in data] == ["00000001_000", "00000003_000"]
    assert data[0].boxes == ()


def test_a_split_file_that_leaks_patients(root):
    table = pd.DataFrame(
        {"image": ["00000001_000.png", "00000001_001.png"], "split": ["train", "test"]}
    )
    table.to_csv(root / "leaky.csv", index=False)
    with pytest.raises(DataProblems, match=r"patient in two splits \(1\): 1 \(test and train\)"):
        Nih(root, "train", SIZE, split_file="leaky.csv")


def test_images_as_the_archives_unpack(root):
    before = Nih(root, "train", SIZE)
    for number, path in enumerate(sorted((root / "images").iterdir())):
        folder = root / f"images_{number % 3 + 1:03d}/images"
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)
    (root / "images").rmdir()
    assert Nih(root, "train", SIZE).fingerprint == before.fingerprint


def test_what_is_missing_or_wrong(root):
    (root / "test_list.txt").unlink()
    (root / "BBox_List_2017.csv").unlink()
    with pytest.raises(DataProblems) as caught:
        Nih(root, "train", SIZE)
    message = str(caught.value)
    assert f"missing test_list.txt (1): not in {root}" in message
    assert "missing BBox_List_2017.csv" in message
    assert "nihcc.app.box.com" in message
    write_tiny(root)
    path = root / "test_list.txt"
    path.write_text("\n".join(path.read_text().splitlines()[1:]))
    with pytest.raises(DataProblems, match=r"in neither official list \(1\): 00000019_000"):
        Nih(root, "train", SIZE)
    write_tiny(root)
    path = root / "Data_Entry_2017_v2020.csv"
    path.write_text(path.read_text().replace("Nodule", "Lump"))
    with pytest.raises(DataProblems, match=r"unknown label \(1\): Lump"):
        Nih(root, "train", SIZE)
    path.write_text(path.read_text().replace("Patient ID", "Patient"))
    with pytest.raises(DataProblems, match=r"'Patient ID' \(did you mean 'Patient"):
        Nih(root, "train", SIZE)


def test_boxes_of_resized_images_are_seen(root):
    path = root / "BBox_List_2017.csv"
    path.write_text(path.read_text().replace("80,90.0,30,38", "640,720,240,304"))
    with pytest.raises(DataProblems, match=r"box outside its image \(1\): .*128 x 128"):
        Nih(root, "train", SIZE, headers=True)
    path.write_text(path.read_text().replace("640", "left"))
    with pytest.raises(DataProblems, match=r"not four numbers \(1\): 00000001_000.png"):
        Nih(root, "train", SIZE)


def test_boxes_of_no_image_of_another_label_or_order_are_refused(root):
    path = root / "BBox_List_2017.csv"
    text = path.read_text()
    for changed, kind in (
        (text.replace(".png", ".jpg"), "image that is not in the table of images"),
        (text.replace("Effusion", "Efusion"), "unknown label"),
        (text.replace("Bbox [x,y", "Bbox [y,x"), "box columns in another order"),
    ):
        assert changed != text
        path.write_text(changed)
        with pytest.raises(DataProblems, match=kind):
            Nih(root, "train", SIZE)
    path.write_text(text + "99999999_000.png,Mass,1,2,3,4,,,\n")  # of a part not downloaded
    assert sum(len(s.boxes) for split in ("train", "val") for s in Nih(root, split, SIZE)) == 2
    path.write_text(text.replace("Effusion,", "Effusion ,"))
    boxes = [
        box.label for split in ("train", "val") for s in Nih(root, split, SIZE) for box in s.boxes
    ]
    assert boxes == ["Infiltration", "Effusion"]
