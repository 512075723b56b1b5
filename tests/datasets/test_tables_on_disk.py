"""Tables of every encoding and shape: read right, or refused by file, row and remedy."""

import gzip

import pandas as pd
import pytest

from reclf.datasets.parts import read_list
from reclf.datasets.problems import DataProblems
from reclf.datasets.rsna import Rsna
from reclf.datasets.rsna import write_tiny as write_rsna
from reclf.datasets.siim import Siim
from reclf.datasets.siim import write_tiny as write_siim
from reclf.datasets.table import Table
from reclf.datasets.tables_on_disk import read_cells
from reclf.datasets.tiny import draw_chest, write_image

TEXT = 'image,report\n007.png,"Café, left"\nb.png,None\n'
ROWS = [["007.png", "Café, left"], ["b.png", "None"]]


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace('"Café, left"', "Café; left").replace(",", "\t").replace(";", ",").encode(),
        'image;report\n007.png;"Café, left"\nb.png;None\n'.encode(),
        TEXT.replace("image,report", " image ,report ").encode(),
    ],
)
@pytest.mark.parametrize("gz", [False, True])
def test_the_same_cells_of_every_form(tmp_path, content, gz):
    path = tmp_path / ("t.csv.gz" if gz else "t.csv")
    path.write_bytes(gzip.compress(content) if gz else content)
    table = read_cells(path)
    assert list(table.columns) == ["image", "report"]
    assert table.to_numpy().tolist() == ROWS


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", TEXT.encode("latin-1"), r"no UTF-8 \(1\): line 2\n.*iconv -f latin1"),
        ("t.csv", b"", "empty file"),
        ("t.csv", b"\n \n", "empty file"),
        (
            "t.csv",
            b"a,b\n1,2,3\n",
            r"does not fit the first line \(1\): line 2 has 3 cells\n.* names 2 columns",
        ),
        ("t.csv", b"a,b\n1,2\n3\n", r"does not fit the first line \(1\): line 3 has 1 cells"),
        ("t.csv", b"a,A\n1,2\n", "stands twice .*'a' and 'A'"),
        ("t.csv", b"a,a\n1,2\n", "stands twice .*'a' and 'a'"),
        ("t.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "UTF-8|zero bytes"),
        ("t.csv.gz", b"a,b\n1,2\n", "unreadable file"),
        ("t.csv.gz", gzip.compress(TEXT.encode() * 99, mtime=0)[:-30], "unreadable file"),
        ("t.parquet", b"PAR1 but not really", "no Parquet file"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataProblems, match=words) as caught:
        read_cells(path)
    assert str(path) in str(caught.value)


def test_empty_cells_beyond_the_columns_are_none_and_long_cells_are_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n1,2,,\n\n3,{'x' * 200_000}\n")
    assert read_cells(path)["b"].str.len().tolist() == [1, 200_000]


def test_bytes_in_parquet_are_text(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"report": ["Épanchement".encode(), b"left"], "n": [1, 2]}).to_parquet(path)
    assert read_cells(path)["report"].tolist() == ["Épanchement", "left"]
    pd.DataFrame({"report": [b"\xff\xfe\xfa"]}).to_parquet(path)
    with pytest.raises(DataProblems, match=r"no UTF-8 text .*column 'report'"):
        read_cells(path)


@pytest.fixture
def manifest(tmp_path):
    """Write a manifest of six images with these columns beside image and report."""
    for number in range(6):
        write_image(tmp_path / "images" / f"{number}.png", draw_chest(number, 40, 40))

    def write(**columns):
        rows = {
            "image": [f"images/{n}.png" for n in range(6)],
            "report": [f"Effusion {n}." for n in range(6)],
            "patient_id": [f"p{n}" for n in range(6)],
            "split": ["train"] * 6,
            **columns,
        }
        pd.DataFrame({k: v for k, v in rows.items() if v is not None}).to_csv(
            tmp_path / "manifest.csv", index=False
        )
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"split": ["trian", *["train"] * 5]}, r"no split \(1\): 'trian' \(1 rows; train\?\)"),
        ({"split": ["", *["train"] * 5]}, r"no split \(1\): empty \(1 rows\)"),
        ({"patient_id": [""] * 6, "split": None}, r"row without patient_id \(6\): row 1 \(images"),
        (
            {"labels": ["effusion", "Effusion", "x", "x", "x", "x"]},
            r"two ways .*'Effusion' \(1 rows\) and 'effusion' \(1 rows\)",
        ),
    ],
)
def test_a_manifest_that_would_be_read_wrongly_is_refused(manifest, columns, words):
    with pytest.raises(DataProblems, match=words):
        Table(manifest(**columns), "train", 32)


def test_what_can_be_read_right_is(manifest):
    data = Table(manifest(image=[f"images\\{n}.png" for n in range(6)]), "train", 32)
    assert data[5].study_id == "images/5.png"
    own = ["TRAIN ", "Validate", "holdout", "test", "train", "train"]
    assert Table(manifest(split=own), "holdout", 32)[0].report == "Effusion 2."
    lists = ["['Effusion', 'nodule']", "[]", *["nodule"] * 4]
    labels = Table(manifest(labels=lists), "train", 32)
    assert labels[0].labels == {"Effusion": 1.0, "nodule": 1.0}
    assert labels[2].labels == {"Effusion": 0.0, "nodule": 1.0}


def test_a_box_of_an_unknown_image_is_refused(manifest):
    root = manifest()
    (root / "boxes.csv").write_text("image,x,y,width,height,label\nimages/typo.png,1,1,5,5,n\n")
    with pytest.raises(
        DataProblems, match=r"image that is not in manifest\.csv .*images/typo\.png"
    ):
        Table(root, "train", 32, box_file="boxes.csv")


def test_windows_paths_keep_their_boxes(manifest):
    root = manifest(image=[f"images\\{n}.png" for n in range(6)])
    (root / "boxes.csv").write_text("image,x,y,width,height,label\nimages\\1.png,1,1,5,5,n\n")
    data = Table(root, "train", 40, box_file="boxes.csv")
    assert [len(row.boxes) for row in data.rows] == [0, 1, 0, 0, 0, 0]


def test_rows_that_stand_twice_in_rsna_are_one_box(tmp_path):
    path = write_rsna(tmp_path) / "stage_2_train_labels.csv"
    before = [study.boxes for study in Rsna(tmp_path, "train", 32)]
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, *lines[1:]]) + "\n")
    assert [study.boxes for study in Rsna(tmp_path, "train", 32)] == before


def test_minus_one_as_a_float_is_negative_in_siim(tmp_path):
    path = write_siim(tmp_path) / "train-rle.csv"
    before = [study.labels for study in Siim(tmp_path, "train", 32)]
    path.write_text(path.read_text().replace(" -1\n", " -1.0\n"))
    assert [study.labels for study in Siim(tmp_path, "train", 32)] == before


def test_a_list_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "test_list.txt"
    path.write_bytes("é\n".encode("latin-1"))
    with pytest.raises(DataProblems, match=r"test_list\.txt(?s:.)*no UTF-8 \(1\): line 1"):
        read_list(path)
    path.write_bytes("a.png\r\n\r\n b.png\n".encode("utf-16"))
    assert read_list(path) == ["a.png", "b.png"]
