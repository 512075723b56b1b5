"""Boxes: four units and orders of one box, and everything that is no box of its image."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reclf.data.radiographs import ImageError
from reclf.data.study import Box
from reclf.datasets import ms_cxr, nih, rsna, vindr
from reclf.datasets.problems import DataProblems
from reclf.datasets.table import Table

SIZE = 20
FRACTION, CORNERS = {"box_units": "fraction"}, {"box_format": "xyxy"}


@pytest.fixture
def root(tmp_path):
    """Three images of 20 x 40 with a Mass."""
    (tmp_path / "images").mkdir()
    rows = []
    for number in range(3):
        Image.fromarray(np.full((20, 40), 90, np.uint8)).save(tmp_path / f"images/{number}.png")
        rows.append((f"images/{number}.png", f"Mass {number}.", f"p{number}", "train", "Mass"))
    columns = ["image", "report", "patient_id", "split", "labels"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "manifest.csv", index=False)
    return tmp_path


def read(root, *boxes, **options):
    rows = [(f"images/{n}.png", *sides, "Mass") for n, sides in enumerate(boxes)]
    columns = ["image", "x", "y", "width", "height", "label"]
    pd.DataFrame(rows, columns=columns).to_csv(root / "boxes.csv", index=False)
    return Table(root, "train", SIZE, box_file="boxes.csv", **options)


@pytest.mark.parametrize("headers", [True, False])
@pytest.mark.parametrize(
    ("sides", "options"),
    [
        ((8, 4, 20, 10), {}),
        ((8, 4, 28, 14), CORNERS),
        ((0.2, 0.2, 0.5, 0.5), FRACTION),
        ((0.2, 0.2, 0.7, 0.7), FRACTION | CORNERS),
    ],
)
def test_four_ways_to_write_one_box(root, sides, options, headers):
    (box,) = read(root, sides, **options, headers=headers)[0].boxes
    # 40 wide into 20: half of everything, five rows of padding above
    np.testing.assert_allclose((box.x, box.y, box.width, box.height), (4, 7, 10, 5))
    assert type(box) is Box


WRONG = [
    ((8, 4, -20, 10), {}, r"without area \(1\): .*corners swapped\?"),
    ((8, 4, 0, 10), {}, r"without area \(1\): .*images/0\.png"),
    ((28, 4, 8, 14), CORNERS, r"without area \(1\): .*corners swapped\?"),
    ((-9, 4, 10, 10), {}, "outside its image"),
    ((8, 4, 20, 0.5), {}, r'narrower than one pixel .*box_units="fraction"'),
    ((0.2, 0.2, 0.5, 0.5), {}, r'in fractions of its image .*\n.*box_units="fraction"'),
    ((0.2, 0.2, 0.9, 0.5), FRACTION, r'outside its image .*box_format="xyxy"'),
    ((8, 4, 20, 10), FRACTION, "outside its image"),
    ((0.2, 0.2, 0.5, 1.1), FRACTION | CORNERS, "outside its image"),
    (("nan", 4, 20, 10), {}, "not four numbers"),
    ((8, 4, "inf", 10), {}, "not four numbers"),
    (("", 4, 20, 10), {}, "not four numbers"),
    (("", "", "", ""), {}, r"label without its box \(1\): images/0\.png: Mass"),
]


@pytest.mark.parametrize(("sides", "options", "message"), WRONG)
def test_no_box_is_dropped_headers_or_not(root, sides, options, message):
    for headers in (True, False):
        with pytest.raises(DataProblems, match=message):
            read(root, sides, **options, headers=headers)


def test_outside_shows_with_the_header_or_on_reading(root):
    message = r'outside its image.*40 x 20: .*as two corners it fits.*box_format="xyxy"'
    with pytest.raises(DataProblems, match=message):
        read(root, (18, 4, 28, 14))
    with pytest.raises(ImageError, match=message):
        read(root, (18, 4, 28, 14), headers=False)[0]


def test_skip_leaves_the_study_out(root):
    with pytest.warns(UserWarning, match="1 of 3 studies left out"):
        data = read(root, (8, 4, 20, 10), (8, 4, -1, 10), on_problem="skip")
    assert [len(study.boxes) for study in data] == [1, 0]


def test_a_crop_that_cuts_a_label_off_is_refused(root):
    left, middle = (0, 0, 8, 8), (8, 4, 20, 10)  # the crop shows x from 10 to 30
    message = r'label whose boxes the square cuts off.*images/1\.png: Mass \(fit="pad" keeps them'
    with pytest.raises(DataProblems, match=message):
        read(root, middle, left, fit="crop")
    data = read(root, middle, left, fit="crop", headers=False)
    assert len(data[0].boxes) == 1
    with pytest.raises(ImageError, match=message):
        data[1]
    assert len(read(root, middle, left)[1].boxes) == 1


def test_rows_without_numbers(root):
    columns = ["image", "x", "y", "width", "height", "label"]
    box, none = ("images/0.png", 8, 4, 20, 10, "Mass"), ("images/0.png", *[""] * 4, "Mass")
    nothing = [("images/1.png", *[""] * 4, name) for name in ("", "No Finding")]

    def read_rows(*rows):
        pd.DataFrame(rows, columns=columns).to_csv(root / "boxes.csv", index=False)
        return Table(root, "train", SIZE, box_file="boxes.csv")

    # a box that stands twice is one; an empty label says nothing of the labels
    assert [len(study.boxes) for study in read_rows(box, box, none, *nothing)] == [1, 0, 0]
    with pytest.raises(DataProblems, match=r"without its box \(1\): images/1\.png: Opacity"):
        read_rows(box, ("images/1.png", *[""] * 4, "Opacity"))


def test_a_column_may_be_label_and_name_of_a_box(root):
    table = pd.read_csv(root / "manifest.csv")
    table[["x", "y", "w", "h"]] = 8, 4, 20, 10
    table.to_csv(root / "manifest.csv", index=False)
    data = Table(root, "train", SIZE, box_columns=["x", "y", "w", "h", "labels"])
    assert (data[0].labels, data[0].boxes[0].label) == ({"Mass": 1}, "Mass")


@pytest.mark.parametrize("option", ["box_units", "box_format"])
def test_wrong_options(root, option):
    with pytest.raises(ValueError, match=f"{option} must be '.*' or '.*', got 'percent'"):
        read(root, (8, 4, 20, 10), **{option: "percent"})


TABLES = [
    (nih.Nih, nih.write_tiny, "BBox_List_2017.csv", 4),
    (rsna.Rsna, rsna.write_tiny, "stage_2_train_labels.csv", 3),
    (vindr.VinDr, vindr.write_tiny, "annotations/annotations_train.csv", 5),
    (ms_cxr.MsCxr, ms_cxr.write_tiny, "MS_CXR_Local_Alignment_v1.1.0.csv", 6),
]


@pytest.mark.parametrize("value", ["-500", "nan", "left"])
@pytest.mark.parametrize("table", TABLES)
def test_every_loader_names_the_box(tmp_path, table, value):
    """`value` as the width, or the right edge, of every box."""
    loader, write_tiny, name, column = table
    cells = pd.read_csv(write_tiny(tmp_path) / name, dtype=str, keep_default_na=False)
    cells.iloc[:, column] = cells.iloc[:, column].where(cells.iloc[:, column] == "", value)
    cells.to_csv(tmp_path / name, index=False)
    with pytest.raises(DataProblems, match=r"box (without area|that is not four numbers) \("):
        loader(tmp_path, "train", 32)
