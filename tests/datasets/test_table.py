"""Any manifest as a data set: what a study holds, every problem by its message, finding by name."""

import math
import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_manifest import SIZE, edit, pixels, put

from reclf.data.study import Box
from reclf.datasets.problems import DataProblems
from reclf.datasets.registry import load_dataset
from reclf.datasets.splits import split_of_patient
from reclf.datasets.table import Table

pytest_plugins = ["small_manifest"]


def test_a_study_of_the_manifest(root):
    table = Table(root, "train", SIZE, mask_columns=["lung"])
    assert len(table) == 5
    assert table.split == "train"
    study = table[0]
    assert study.study_id == "images/1.png"
    assert study.patient_id == "01"
    assert study.report == "Report 1, 1.2 cm."
    assert study.meta == {"Edema": "1", "age": "01"}
    assert study.image.dtype == np.float32
    # 20 x 40 into 16 x 16: scale 0.4, eight rows of image between two times four of padding
    expected = np.zeros((SIZE, SIZE), dtype=np.float32)
    expected[4:12] = 10 / 255
    np.testing.assert_allclose(study.image, expected, rtol=1e-6)
    assert study.masks["lung"].dtype == bool
    assert (np.argwhere(study.masks["lung"]).min(0) == [4, 8]).all()
    assert study.masks["lung"].sum() == 8 * 8
    assert (study.frame.height, study.frame.width) == (20, 40)
    assert table[1].masks == {}
    assert table[-1].study_id == "images/5.png"
    assert len(list(table)) == 5  # iteration ends
    assert table.reports == [f"Report {n}, 1.2 cm." for n in range(1, 6)]


def test_labels_by_name(root):
    table = Table(root, "train", SIZE)
    assert table.labels == ("Edema", "Mass", "No Finding", "Nodule")  # of all splits
    assert table[0].labels == {"Edema": 1, "Mass": 1, "No Finding": 0, "Nodule": 0}
    assert table[1].labels == table[0].labels
    assert all(math.isnan(value) for value in table[3].labels.values())
    zero = Table(root, "train", SIZE, empty_labels="zero")
    assert set(zero[3].labels.values()) == {0.0}


def test_labels_by_column(root):
    labels = [
        study.labels["Edema"] for study in Table(root, "train", SIZE, label_columns=["Edema"])
    ]
    np.testing.assert_equal(labels, [1, 0, math.nan, math.nan, 1])
    edit(root, put("Edema", 0, "-1"))
    with pytest.raises(DataProblems, match=r"not 1, 0 or empty \(1\): Edema = '-1' in 1 rows"):
        Table(root, "train", SIZE, label_columns=["Edema"])


def test_boxes_of_a_file_of_their_own(root):
    boxes = pd.DataFrame(
        [
            ["images/1.png", 10, 5, 20, 10, "Mass"],
            ["images/1.png", 0, 0, 10, 20, "Edema"],
            ["images/2.png", "", "", "", "", ""],
        ],
        columns=["image", "x", "y", "w", "h", "name"],
    )
    boxes.to_csv(root / "boxes.csv", index=False)
    columns = ["x", "y", "w", "h", "name"]
    table = Table(root, "train", SIZE, box_file="boxes.csv", box_columns=columns)
    assert table[0].boxes == (Box("Mass", 4, 6, 8, 4), Box("Edema", 0, 4, 4, 8))
    assert table[1].boxes == ()
    with pytest.raises(DataProblems, match=r"missing column \(3\): 'width'.*option box_columns"):
        Table(root, "train", SIZE, box_file="boxes.csv")
    boxes.assign(x="left").to_csv(root / "boxes.csv", index=False)
    with pytest.raises(DataProblems, match=r"not four numbers \(3\): images/1\.png"):
        Table(root, "train", SIZE, box_file="boxes.csv", box_columns=columns)


def test_boxes_in_the_manifest_repeat_the_image(root):
    def change(table):
        table = pd.concat([table, table.iloc[:1]])
        table[["x", "y", "width", "height", "label"]] = ""
        sides = [["0", "0", "10", "20", "Mass"], ["10", "0", "10", "20", "Mass"]]
        table.iloc[[0, 6], -5:] = sides
        return table

    edit(root, change)
    columns = ["x", "y", "width", "height", "label"]
    table = Table(root, "train", SIZE, box_columns=columns)
    assert len(table) == 5
    assert [box.x for box in table[0].boxes] == [0, 4]
    assert table[0].meta == {"Edema": "1", "lung": "images/mask.png", "age": "01"}


def test_parquet_is_the_same(root):
    table = pd.read_csv(root / "manifest.csv", dtype={"patient_id": int})
    table.to_parquet(root / "manifest.parquet")
    study = Table(root, "train", SIZE, manifest="manifest.parquet")[3]
    assert study.patient_id == "4"
    assert study.report == "Report 4, 1.2 cm."
    assert all(math.isnan(value) for value in study.labels.values())


def test_names_of_splits_and_a_missing_one(root):
    assert len(Table(root, "val", SIZE)) == len(Table(root, "valid", SIZE)) == 1
    message = r"no split 'test'; it has 'train' \(5 images\), 'val' \(1 images\); use split='val'"
    with pytest.raises(ValueError, match=message):
        Table(root, "test", SIZE)


def test_split_by_patient_without_a_split_column(root):
    counts = Counter(split_of_patient(str(number)) for number in range(5000))
    assert counts["train"] == pytest.approx(4000, abs=100)
    assert counts["val"] == pytest.approx(500, abs=70)
    # A promise: the same on every machine, in every version.
    promised = {"0": "test", "1": "train", "8": "val", "p10000032": "train"}
    assert {name: split_of_patient(name) for name in promised} == promised
    edit(root, lambda table: table.drop(columns="split").assign(patient_id="1"))
    assert len(Table(root, split_of_patient("1"), SIZE)) == 6
    with pytest.raises(DataProblems, match=r"missing column \(1\): 'fold' \[option split_column\]"):
        Table(root, "train", SIZE, split_column="fold")


def test_missing_columns_are_named_with_the_nearest_and_the_option(root):
    edit(root, lambda table: table.rename(columns={"report": "reports", "image": "path"}))
    for on_problem in ("refuse", "skip"):
        with pytest.raises(DataProblems, match="missing column") as caught:
            Table(root, "train", SIZE, on_problem=on_problem)
        message = str(caught.value)
        assert "'report' (did you mean 'reports'?) [option report_column]" in message
        assert "'image'" in message
        assert "Its columns are: path, reports, patient_id" in message
    assert len(Table(root, "train", SIZE, image_column="path", report_column="reports")) == 5


def spoil(root):
    (root / "images/1.png").unlink()
    (root / "images/2.png").write_text("no image")
    edit(root, put("report", 2, "XXXX ..."))
    edit(root, put("split", 4, "validate"))  # patient 04 now in train and val
    edit(root, lambda table: pd.concat([table, table.iloc[5:]]))


def test_every_problem_is_in_one_error(root):
    spoil(root)
    with pytest.raises(DataProblems) as caught:
        Table(root, "train", SIZE)
    message, problems = str(caught.value), caught.value.problems
    assert {kind: len(examples) for kind, examples in problems.items()} == {
        "missing image": 1,
        "unreadable image": 1,
        "empty report": 1,
        "patient in two splits": 1,
        "duplicate study": 1,
    }
    assert f"missing image (1): {root}/images/1.png" in message
    assert "2.png: cannot identify image file" in message
    assert "empty report (1): images/3.png" in message
    assert "patient in two splits (1): 04 (train and val)" in message
    assert "duplicate study (1): images/6.png" in message
    assert message.endswith("(-p on_problem skip; --set data.options.on_problem=skip).")


def test_skip_leaves_the_rows_out_and_says_so(root):
    spoil(root)
    edit(root, put("report", 0, "Another."))
    Image.fromarray(pixels(1)).save(root / "images/1.png")
    with pytest.warns(UserWarning, match=r"split 'train': 3 of 4 studies left out") as caught:
        table = Table(root, "train", SIZE, on_problem="skip")
    assert "empty report (1): images/3.png" in str(caught[0].message)
    assert [study.study_id for study in table] == ["images/1.png"]
    assert "unreadable image" in table.problems
    with pytest.warns(UserWarning, match="2 of 3 studies left out"):
        assert len(Table(root, "val", SIZE, on_problem="skip")) == 1  # the double, not both
    (root / "images/1.png").unlink()
    with pytest.raises(DataProblems, match=r"No study of split 'train' is left"):
        Table(root, "train", SIZE, on_problem="skip")


def test_five_examples_and_the_count(root):
    edit(root, lambda table: pd.concat([table.assign(image=f"no/{n}.png") for n in range(2)]))
    with pytest.raises(DataProblems, match=r"missing image \(10\): .*, \.\.\.") as caught:
        Table(root, "train", SIZE)
    assert str(caught.value).splitlines()[-2].count(".png") == 5
    assert len(caught.value.problems["missing image"]) == 10


def test_a_cut_file_is_seen_at_its_header_and_else_on_reading(root):
    noise = np.random.default_rng(0).integers(0, 255, (99, 99), dtype=np.uint8)
    Image.fromarray(noise).save(root / "images/cut.jpg")
    whole = (root / "images/cut.jpg").read_bytes()
    (root / "images/cut.jpg").write_bytes(whole[: len(whole) // 2])
    edit(root, put("image", 0, "images/cut.jpg"))
    with pytest.raises(DataProblems, match=r"unreadable image \(1\): .*cut\.jpg: .*truncated"):
        Table(root, "train", SIZE)
    table = Table(root, "train", SIZE, headers=False)
    with pytest.raises(ValueError, match=r"cannot read .*cut\.jpg: .*truncated"):
        table[0]


def test_a_mask_of_another_size_is_refused(root):
    Image.fromarray(np.ones((7, 5), dtype=np.uint8)).save(root / "images/mask.png")
    words = r"mask\.png is 7 x 5 pixels and its image 20 x 40"
    with pytest.raises(DataProblems, match=rf"mask of another size \(1\): .*{words}"):
        Table(root, "train", SIZE, mask_columns=["lung"])
    table = Table(root, "train", SIZE, mask_columns=["lung"], headers=False)
    with pytest.raises(ValueError, match=words):
        table[0]


def test_memory_keeps_the_image_after_the_first_reading(root):
    cached = Table(root, "train", SIZE, cache="memory")
    plain = Table(root, "train", SIZE)
    first = [study.image for study in cached]
    for study, image in zip(plain, first, strict=True):
        np.testing.assert_allclose(image, study.image, atol=1e-3)
    for number in range(1, 6):
        (root / f"images/{number}.png").unlink()
    for study, image in zip(cached, first, strict=True):
        assert study.image.dtype == np.float32
        assert (study.image == image).all()
    assert (cached[-1].image == cached[4].image).all()
    with pytest.raises(ValueError, match="there is no such file"):
        plain[0]


def test_fingerprint_follows_content_not_place(root, tmp_path_factory):
    before = Table(root, "train", SIZE).fingerprint
    assert before == Table(root, "train", SIZE, cache="memory").fingerprint
    assert before != Table(root, "train", SIZE + 1).fingerprint
    moved = tmp_path_factory.mktemp("elsewhere") / "root"
    root.rename(moved)
    assert before == Table(moved, "train", SIZE).fingerprint
    edit(moved, put("report", 0, "Changed."))
    assert before != Table(moved, "train", SIZE).fingerprint


def test_goes_to_worker_processes(root):
    table = pickle.loads(pickle.dumps(Table(root, "train", SIZE, cache="memory")))
    assert table[0].study_id == "images/1.png"


def test_without_reports_or_patients(root):
    edit(root, lambda table: table[["image", "split"]])
    table = Table(root, "train", SIZE, report_column=None, patient_column=None)
    assert (table[0].report, table[0].patient_id, table.labels) == ("", "images/1.png", ())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fit": "squash"}, r"fit must be one of \('pad', 'crop', 'stretch'\), got 'squash'"),
        ({"cache": "disk"}, "cache must be one of .* got 'disk'"),
        ({"on_problem": "ignore"}, "on_problem must be one of .* got 'ignore'"),
        ({"empty_labels": "one"}, "empty_labels must be 'nan' or 'zero', got 'one'"),
        ({"box_columns": ["x", "y"]}, "box_columns must name x, y, width, height, label"),
        ({"box_columns": list("xxwhl")}, "box_columns must name x, y, width, height, label"),
    ],
)
def test_wrong_options(root, options, message):
    with pytest.raises(ValueError, match=message):
        Table(root, "train", SIZE, **options)


def test_no_manifest_at_all(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no table .*manifest\.csv; set the root"):
        Table(tmp_path)


def test_load_dataset_by_name(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    assert len(load_dataset("table", root.name, "train", SIZE, label_columns=["Edema"])) == 5
    assert type(load_dataset("reclf.datasets.table:Table", root, "val", SIZE)) is Table


def test_load_dataset_says_what_it_knows(root):
    with pytest.raises(ValueError, match=r"unknown data set 'tables'; known: .*mimic_cxr.*table"):
        load_dataset("tables", root)
    with pytest.raises(ValueError, match=r"no option 'label_colums'; did you mean 'label_columns'"):
        load_dataset("table", root, label_colums=["Edema"])
    with pytest.raises(ValueError, match=r"data.dataset: cannot import 'reclf\.nothing:X'"):
        load_dataset("reclf.nothing:X", root)


def test_open_i_if_there(open_i):
    sizes = {split: len(Table(open_i, split, 64)) for split in ("train", "val")}
    assert sizes == {"train": 2782, "val": 294}
    study = Table(open_i, "val", 64)[0]
    assert study.image.shape == (64, 64)
    assert 0.1 < study.image.mean() < 0.9
