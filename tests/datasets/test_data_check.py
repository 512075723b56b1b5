"""The data check finds what was planted, and only that."""

import importlib
import json
import pkgutil
import shlex
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reclf import datasets
from reclf.datasets import covidx, mimic_cxr, ms_cxr
from reclf.datasets.data_check import check_data
from reclf.datasets.recognition import recognize
from reclf.datasets.selection import open_splits
from reclf.datasets.tiny import draw_chest, write_image
from reclf.training.presets import make_config

LOADERS = [
    info.name
    for info in pkgutil.iter_modules(datasets.__path__)
    if hasattr(importlib.import_module(f"reclf.datasets.{info.name}"), "write_tiny")
]


@pytest.fixture
def root(tmp_path):
    """A manifest of 12 sound studies: 10 of train with views, 2 of val."""
    rows = []
    for number in range(12):
        write_image(tmp_path / f"images/{number}.jpg", draw_chest(number, 100, 80))
        rows.append(
            {
                "image": f"images/{number}.jpg",
                "report": "Normal chest." if number < 3 else f"Finding number {number}, XXXX.",
                "patient_id": f"p{number}",
                "split": "train" if number < 10 else "val",
                "labels": ["Edema", "No Finding", ""][number % 3],
                "view": "PA" if number < 8 else "lateral",
            }
        )
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    return tmp_path


def edit(root, change):
    table = pd.read_csv(root / "manifest.csv", dtype=str, keep_default_na=False)
    change(table).to_csv(root / "manifest.csv", index=False)


def check(root, **settings):
    return check_data(root, progress=False, **settings)


def test_a_sound_manifest(root):
    found = check(root)
    assert found.layout == "table"
    assert found.problems == {}
    assert found.splits == {
        "train": {"listed": 10, "usable": 10, "patients": 10, "read": 10},
        "val": {"listed": 2, "usable": 2, "patients": 2, "read": 2},
    }
    assert found.labels["train"]["Edema"] == {"1": 4, "0": 3, "none": 3}
    assert found.views == {"train: PA": 8, "train: lateral": 2, "val: lateral": 2}
    assert found.sizes == {(100, 80): 12}
    assert found.reports["train"]["reports"] == 10
    assert found.reports["train"]["distinct"] == 8
    assert found.reports["train"]["shortest, words"] == 2
    assert found.reports["train"]["with XXXX, ___ or [**, %"] == 70
    assert found.repeated == {"normal chest": 3}
    assert [split for split, _ in found.samples] == ["train"] * 6 + ["val"] * 2
    assert next(iter(found.tables())) == "Splits"
    assert check(root / "manifest.csv").splits == found.splits


def test_planted_leaks(root):
    shutil.copy(root / "images/1.jpg", root / "images/11.jpg")  # train into val
    shutil.copy(root / "images/2.jpg", root / "images/3.jpg")

    def change(table):
        table.loc[10, "patient_id"] = "p0"
        return table

    edit(root, change)
    found = check(root)
    assert set(found.problems) == {
        "patient in two splits",
        "same image in two splits",
        "same image for two patients",
    }
    assert found.problems["patient in two splits"] == ["p0 (train and val)"]
    (leak,) = found.problems["same image in two splits"]
    assert leak == f"{root}/images/1.jpg (train) = {root}/images/11.jpg (val)"
    assert found.splits["train"]["usable"] == 9
    assert next(iter(found.tables())) == "Problems"
    assert found.tables()["Problems"]["count"].tolist() == [1, 1, 1]


def test_a_planted_corrupt_jpeg_whose_header_is_sound(root):
    path = root / "images/4.jpg"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert Image.open(path).size == (80, 100)
    problems = check(root).problems
    assert list(problems) == ["unreadable image"]
    assert "images/4.jpg: " in problems["unreadable image"][0]
    assert "truncated" in problems["unreadable image"][0]


def test_planted_wrong_columns_and_files(root):
    edit(root, lambda table: table.rename(columns={"report": "reports"}))
    problems = check(root).problems
    assert problems == {
        "missing column": ["'report' (did you mean 'reports'?) [option report_column]"]
    }
    assert check(root, options={"report_column": "reports"}).problems == {}
    edit(root, lambda table: table.assign(Edema="yes"))
    options = {"report_column": "reports", "label_columns": ["Edema"]}
    assert check(root, options=options).problems == {
        "label that is not 1, 0 or empty": ["Edema = 'yes' in 12 rows"]
    }
    (root / "images/5.jpg").unlink()
    write_image(root / "images/6.jpg", np.full((100, 80), 9, dtype=np.uint8))
    problems = check(root, options={"report_column": "reports"}).problems
    assert problems == {
        "missing image": [f"{root}/images/5.jpg"],
        "image that shows nothing": [f"{root}/images/6.jpg"],
    }


def as_deep(root, bits):
    """The images again, in files of 16 bits a pixel of which they use fewer."""
    for number in range(12):
        pixels = np.array(Image.open(root / f"images/{number}.jpg").convert("L"), dtype=np.uint16)
        Image.fromarray(pixels << (bits - 8)).save(root / f"images/{number}.png")
    edit(root, lambda table: table.replace({"image": {r"\.jpg": ".png"}}, regex=True))


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_images_that_use_a_part_of_their_files_range(root, bits):
    as_deep(root, bits)
    found, line = check(root), "data.options"
    dark = "dark image: its file uses a part of its range (option own_max)"
    assert (list(found.problems), dark in found.problems) == ([dark] * (bits < 16), bits < 16)
    assert len(found.problems.get(dark, [])) == 12 * (bits < 16)
    assert ('"own_max": true' in found.advice[-1]) == (bits < 16)
    assert ("on_problem" in found.advice[-1], line in found.advice[-1]) == (False, bits < 16)
    assert check(root, options={"own_max": True}).problems == {}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        open_splits(make_config("table_small", **{"data.root": str(root)}))
    assert any("own_max=true" in str(one.message) for one in told) == (bits < 16)


def test_the_next_line_reports_on_test_and_has_a_batch_that_the_studies_fill(root):
    assert '"train.batch_size": 10' in check(root).advice[-1]
    assert "test_split" not in check(root).advice[-1]
    edit(root, lambda table: table.assign(split=["train"] * 8 + ["val", "val", "test", "test"]))
    settings = json.loads(shlex.split(check(root).advice[-1])[-1])
    assert settings == {"data.test_split": "test", "train.batch_size": 8}


def test_images_and_tables_behind_a_link(root, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "images").symlink_to(root / "images")
    (other / "images/up").symlink_to(other)  # a circle
    (other / "films.csv").write_text((root / "manifest.csv").read_text())
    found = check(other)
    assert found.layout == "images"
    assert "films.csv" in found.advice[-1]
    (other / "images").unlink()
    with pytest.raises(ValueError, match=r"holds no image, .* it has\n  films.csv: 12 rows, colu"):
        check(other)


def test_only_some_images_are_read(root):
    found = check(root, most=2, samples=1)
    assert found.splits["train"] == {"listed": 10, "usable": 10, "patients": 10, "read": 2}
    assert len(found.samples) == 2


def test_splits_of_ones_own(root):
    edit(root, lambda table: table.replace({"split": {"train": "fold1", "val": "fold2"}}))
    assert list(check(root).splits) == ["fold1", "fold2"]


@pytest.mark.parametrize("name", LOADERS)
def test_every_layout_is_recognised_and_sound(tmp_path, name):
    importlib.import_module(f"reclf.datasets.{name}").write_tiny(tmp_path)
    found = check(tmp_path)
    assert found.layout == name
    assert set(found.splits) == {"train", "val", "test"}
    assert found.problems == {}
    assert all(title for title in found.tables())


def test_laterals_are_counted_though_they_are_left_out(tmp_path):
    mimic_cxr.write_tiny(tmp_path)
    assert check(tmp_path).views == {"LATERAL": 30, "PA": 26, "AP": 4}


def test_images_without_a_table(tmp_path):
    for number in range(3):
        write_image(tmp_path / f"deep/er/{number % 2}{number}.png", draw_chest(number % 2))
    found = check(tmp_path)
    assert found.layout == "images"
    assert found.splits["train"]["usable"] == 3
    assert list(found.problems) == ["same image twice"]


def test_tables_that_nothing_read_are_named_with_the_line_that_reads_them(tmp_path):
    for number in range(3):
        write_image(tmp_path / f"films/{number}.png", draw_chest(number))
    rows = [
        {
            "filename": f"films/{n}.png",
            "subject": n,
            "finding_text": f"Effusion {n}.",
            "fold": "train",
        }
        for n in range(3)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "labels.csv", index=False)
    (tmp_path / "train_list.txt").write_text("films/0.png\nfilms/1.png\n")
    found = check(tmp_path)
    assert found.layout == "images"
    assert found.problems["table that nothing read"] == [
        "labels.csv: 3 rows, columns filename, subject, finding_text, fold",
        "train_list.txt: it begins with 'films/0.png'",
    ]
    line = next(line for line in found.advice if line.startswith("papermill"))
    words = shlex.split(line)
    given = dict(zip(words[4::3], words[5::3], strict=True))
    assert given["data_root"] == str(tmp_path)
    again = check(tmp_path, dataset=given["dataset"], options=json.loads(given["options"]))
    assert again.problems == {}
    assert again.splits["train"]["patients"] == 3
    assert again.reports["train"]["reports"] == 3


def test_lists_of_covidx_without_val_are_its_version(tmp_path):
    covidx.write_tiny(tmp_path, version="CXR-3")
    found = check(tmp_path)
    assert (found.layout, found.options) == ("covidx", {"version": "CXR-3"})
    assert set(found.splits) == {"train", "val", "test"}


def test_no_rows_and_one_report_for_all_are_problems(root):
    edit(root, lambda table: table.assign(report="Normal."))
    assert check(root).problems["one report for all studies"] == ["normal"]
    edit(root, lambda table: table[:0])
    assert check(root).problems


def test_advice_trains_without_the_studies_that_have_problems(root):
    assert check(root).advice[0] == "Nothing is wrong with it. Train on it:"
    (root / "images/1.jpg").unlink()
    found = check(root, options={"label_columns": None})
    words = shlex.split(found.advice[-1])
    assert words[words.index("on_problem") + 1] == "skip"
    expected = {"data.options": {"label_columns": None}, "train.batch_size": 9}
    assert json.loads(words[-1]) == expected


def test_lines_to_paste_survive_spaces_and_quotes(root):
    folder = root.rename(root.with_name("my chest's films"))
    edit(folder, lambda table: table.rename(columns={"report": "radiologist's text"}))
    found = check(folder, options={"report_column": "radiologist's text"})
    words = shlex.split(found.advice[-1])
    assert words[words.index("data_root") + 1] == str(folder)
    settings = json.loads(words[-1])
    assert settings["data.options"] == {"report_column": "radiologist's text"}


def test_a_refused_table_keeps_its_name_and_the_remedy(root):
    text = (root / "manifest.csv").read_text().replace("Edema", "Œdème")
    (root / "manifest.csv").write_bytes(text.encode("cp1252"))
    [line] = check(root).advice
    assert line.startswith(f"{root / 'manifest.csv'}: ")
    assert "iconv -f latin1" in line


def test_a_class_without_the_option_on_problem():
    found = check("", dataset="phantom", most=2)
    assert found.problems == {}
    assert found.splits["train"]["read"] == 2


def test_what_is_not_recognised(tmp_path):
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere"):
        recognize(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"holds no image and .* known: chexpert, covidx,.* table"):
        recognize(tmp_path)
    ms_cxr.write_tiny(tmp_path / "data")
    (tmp_path / "data/files").rename(tmp_path / "files")
    for path in tmp_path.rglob("*.jpg"):
        path.unlink()
    with pytest.raises(ValueError, match=r"did you mean .*data\?"):
        recognize(tmp_path)
    mimic_cxr.write_tiny(tmp_path / "data")
    with pytest.raises(ValueError, match="looks like mimic_cxr and ms_cxr: say which"):
        recognize(tmp_path / "data")
    assert check(tmp_path / "data", dataset="mimic_cxr").layout == "mimic_cxr"
