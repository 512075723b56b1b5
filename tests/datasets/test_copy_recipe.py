"""A copy of something else, of another version or of no such split is refused by name."""

import json

import pytest
from small_copies import SIZE, make

from reclf.datasets import ms_cxr, vindr
from reclf.datasets.copy_recipe import StaleCopy, read_recipe
from reclf.datasets.problems import DataProblems
from reclf.datasets.registry import load_dataset
from reclf.datasets.tiny import draw_chest, write_image

pytest_plugins = ["small_copies"]


def test_a_copy_of_something_else_is_refused_by_name(raw, tmp_path):
    copy = tmp_path / "copy"
    make(copy, raw)
    with pytest.raises(StaleCopy, match=r"copy is a prepared copy with image_size 24, and not 32"):
        make(copy, raw, image_size=32)
    with pytest.raises(StaleCopy, match=r"options \{\}, and not \{'fit': 'crop'\}.*Name another"):
        make(copy, raw, options={"fit": "crop"})
    other = vindr.write_tiny(tmp_path / "vindr")
    with pytest.raises(StaleCopy, match="dataset 'nih', and not 'vindr'"):
        make(copy, other, "vindr")
    with pytest.raises(ValueError, match="prepared with image_size=24, asked for 224: use 24"):
        load_dataset("prepared", copy, "train")
    assert len(load_dataset("prepared", copy, "train", SIZE)) == 21  # still whole


def test_a_stale_copy_is_refused_by_name(raw, tmp_path):
    copy = tmp_path / "copy"
    make(copy, raw)
    fingerprint = load_dataset("prepared", copy, "test", SIZE, source=raw).fingerprint
    table = raw / "Data_Entry_2017_v2020.csv"
    text = table.read_text()
    table.write_text(text.replace("Mass|Nodule", "Mass"))
    with pytest.raises(StaleCopy, match=r"copy is stale: split 'test' of nih in .* has the digest"):
        load_dataset("prepared", copy, "test", SIZE, source=raw)
    with pytest.raises(
        StaleCopy, match=r"other studies in split 'test'; other studies in split 'tr"
    ):
        make(copy, raw)
    with pytest.raises(StaleCopy, match=r"other studies in split 'train' \(21, and not 2\)"):
        make(copy, raw, length=2)
    table.write_text(text)
    write_image(raw / "images/00000019_000.png", draw_chest(99, 140, 128))
    with pytest.raises(StaleCopy, match=r"copy is stale: split 'test'"):
        load_dataset("prepared", copy, "test", SIZE, source=raw)
    make(tmp_path / "new", raw)
    assert load_dataset("prepared", tmp_path / "new", "test", SIZE).fingerprint != fingerprint


def test_files_of_another_version(raw, tmp_path):
    make(tmp_path, raw)
    recipe = json.loads((tmp_path / "prepared.json").read_text())
    assert read_recipe(tmp_path).shards("train")[-1] == range(20, 21)
    (tmp_path / "prepared.json").write_text(json.dumps({**recipe, "version": 0}))
    with pytest.raises(StaleCopy, match="is of version 0 and this program reads version 1"):
        load_dataset("prepared", tmp_path, "train", SIZE)


def test_splits_that_are_not_there(tmp_path):
    source = ms_cxr.write_tiny(tmp_path / "raw")
    table = source / "MS_CXR_Local_Alignment_v1.1.0.csv"
    table.write_text(table.read_text().replace(",val", ",test").replace(",train", ",test"))
    with pytest.warns(UserWarning, match="left out: .* no split") as caught:
        make(tmp_path / "copy", source, "ms_cxr")
    assert ["'train'" in str(w.message).split(";")[0] for w in caught] == [True, False]
    assert len(load_dataset("prepared", tmp_path / "copy", "test", SIZE)) == 12
    with pytest.raises(ValueError, match=r"has no split 'val'; it has 'test' \(12 images\)"):
        load_dataset("prepared", tmp_path / "copy", "val", SIZE)
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match="none of the splits val is in ms_cxr"),
    ):
        make(tmp_path / "other", source, "ms_cxr", splits=("val",))


def test_nothing_there(tmp_path):
    with pytest.raises(DataProblems, match=r"missing prepared\.json.*(?s:.)*prepare\.ipynb"):
        load_dataset("prepared", tmp_path, "train", SIZE)
