"""Tables as users have them: what would be read wrongly is refused, with the next step."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_manifest import SIZE, edit, put

from reclf.data.radiographs import ImageError, read_mask
from reclf.datasets.problems import DataProblems
from reclf.datasets.splits import refuse_unnamed_splits, split_of_patient
from reclf.datasets.table import Table

pytest_plugins = ["small_manifest"]
BOXES = ["x", "y", "width", "height", "label"]


def test_a_root_that_is_the_manifest_says_how_to_name_it(root):
    with pytest.raises(FileNotFoundError, match=r"the root is a file, .*manifest\.csv: set it to"):
        Table(root / "manifest.csv", "train", SIZE)


def test_missing_images_say_what_lies_there_instead(root):
    for before, after, near in [
        (r"\.png", "", "there is '1.png' in"),
        (r"\.png", ".PNG", "there is '1.png' in"),
        ("images/", "", "there is images/1.png in"),
        ("images/", "films/", None),
    ]:
        kept = (root / "manifest.csv").read_text()
        edit(root, lambda t, b=before, a=after: t.replace({"image": {b: a}}, regex=True))
        with pytest.raises(DataProblems) as found:
            Table(root, "train", SIZE)
        assert (near or "Correct these, or leave") in str(found.value)
        (root / "manifest.csv").write_text(kept)


@pytest.mark.parametrize("separator", [";", ",", "|"])
def test_a_first_line_that_says_the_separator_is_read_as_excel_does(root, separator):
    expected = Table(root, "train", SIZE).rows
    table = pd.read_csv(root / "manifest.csv", dtype=str, keep_default_na=False)
    text = table.to_csv(index=False, sep=separator)
    (root / "manifest.csv").write_text(f"sep={separator}\n{text}")
    assert Table(root, "train", SIZE).rows == expected


@pytest.mark.parametrize("name", ["set", "fold", "Subset", "dataset"])
def test_splits_in_a_column_of_another_name_are_refused(root, name):
    edit(root, lambda t: t.rename(columns={"split": name}))
    with pytest.raises(
        DataProblems, match=rf"column that holds splits .*'{name}' \(train, valid\)"
    ):
        Table(root, "train", SIZE)
    assert len(Table(root, "train", SIZE, split_column=name)) == 5
    Table(root, split_of_patient("01"), SIZE, split_column=None)  # somebody has said so


def test_patients_with_and_without_leading_zeros_are_one(root):
    edit(root, put("patient_id", 1, "2"))
    edit(root, put("patient_id", 2, "02"))
    with pytest.raises(DataProblems, match="patient spelled in two ways"):
        Table(root, "train", SIZE)


@pytest.mark.parametrize("text", ["1.0\n02\n", "1,02\n", "01;2"])
def test_patients_that_are_left_out_must_be_spelled_as_the_table_has_them(root, text):
    (root / "out.txt").write_text(text)
    with pytest.raises(ValueError, match=r"exclude_patients: \d ids are spelled unlike those of"):
        Table(root, "train", SIZE, exclude_patients="out.txt")
    (root / "out.txt").write_text("01, 02\n99")
    kept = Table(root, "train", SIZE, exclude_patients="out.txt").patient_of
    assert {*kept.values()} == {"03", "04"}


@pytest.mark.parametrize(
    ("label", "kind"),
    [("Nodule", "box of a finding that its image has not"), ("mass", "label spelled in two ways")],
)
def test_boxes_that_contradict_the_labels_are_refused(root, label, kind):
    boxes = pd.DataFrame([["images/1.png", 2, 2, 5, 5, label]], columns=["image", *BOXES])
    boxes.to_csv(root / "boxes.csv", index=False)
    with pytest.raises(DataProblems, match=kind):
        Table(root, "train", SIZE, box_file="boxes.csv", empty_labels="zero")
    boxes.assign(label="Mass").to_csv(root / "boxes.csv", index=False)
    assert Table(root, "train", SIZE, box_file="boxes.csv").rows[0].boxes[0].label == "Mass"


def test_a_mask_of_many_classes_or_a_picture_is_refused(root):
    classes = np.repeat(np.arange(1, 13, dtype=np.uint8), 20).reshape(12, 20).repeat(8, 0)
    soft = np.clip(np.linspace(-3, 4, 80), 0, 1) * 255
    path = root / "mask.png"
    for pixels, right in (
        (classes, False),
        (np.tile(np.arange(80, dtype=np.uint8) * 3, (60, 1)), False),
        (np.tile(soft.astype(np.uint8), (60, 1)), True),
    ):
        Image.fromarray(pixels).save(path)
        if right:
            assert 0.4 < read_mask(path).mean() < 0.6
        else:
            with pytest.raises(ImageError, match=r"gray levels and .* write a mask per class"):
                read_mask(path)


def test_splits_of_a_sorted_table_are_seen_behind_its_training_rows(tmp_path):
    table = pd.DataFrame({"set": ["train"] * 1500 + ["val", None, "test"], "age": range(1503)})
    with pytest.raises(DataProblems, match=r"'set' \(test, train, val\)"):
        refuse_unnamed_splits(tmp_path, table)
    refuse_unnamed_splits(tmp_path, table.assign(set="train"))
    refuse_unnamed_splits(tmp_path, table.assign(set=["train", "val", "other"] * 501))
