"""Files are looked at once: all splits before the first step, and again only when they change."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reclf.config import override
from reclf.datasets import chexpert, file_checks, mimic_cxr
from reclf.datasets.problems import DataProblems, MissingSplit
from reclf.datasets.registry import load_dataset, opener
from reclf.datasets.selection import gallery, open_splits, readable
from reclf.datasets.tiny import draw_chest, write_image
from reclf.pretrain import pretrain
from reclf.runs import in_threads
from reclf.runs.in_threads import each
from reclf.runs.run import Run
from reclf.training.presets import make_config

SPLITS = ["train"] * 8 + ["val"] * 4 + ["test"] * 4


@pytest.fixture
def root(tmp_path):
    """A manifest of 16 sound studies: 8 of train, 4 of val, 4 of test."""
    folder = tmp_path / "data"
    rows = []
    for number, split in enumerate(SPLITS):
        write_image(folder / f"{number}.png", draw_chest(number, 64, 64))
        rows.append((f"{number}.png", f"Small effusion, number {number}.", f"p{number}", split))
    table = pd.DataFrame(rows, columns=["image", "report", "patient_id", "split"])
    table.to_csv(folder / "manifest.csv", index=False)
    return folder


def damage(path):
    """Destroy the pixels: the first and the last bytes of a PNG stay."""
    content = bytearray(path.read_bytes())
    content[100:-40] = bytes(len(content) - 140)
    path.write_bytes(content)


def config_of(root, **options):
    return make_config(
        "table_small",
        **{
            "data.root": str(root),
            "data.options": options,
            "data.test_split": "test",
            "train.max_steps": 4,
            "train.batch_size": 4,
            "train.device": "cpu",
            "model.image_size": 64,
            "data.workers": 0,
        },
    )


def test_what_was_found_is_remembered_until_a_file_changes(root, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(file_checks, "MANY", 4)
    read = []
    monkeypatch.setattr(file_checks, "image_size", lambda path: read.append(path) or (64, 64))
    (root / "3.png").unlink()
    for expected in (7, 0):  # read at the first opening, and not at the second
        read.clear()
        with pytest.warns(UserWarning, match=r"missing image \(1\): .*3\.png"):
            assert len(load_dataset("table", root, "train", 64, on_problem="skip")) == 7
        assert len(read) == expected
    damage(root / "5.png")
    os.utime(root / "5.png", ns=(1, 1))
    with pytest.warns(UserWarning, match="missing image"):
        load_dataset("table", root, "train", 64, on_problem="skip")
    assert len(read) == 7


def test_what_is_remembered_is_of_these_rows_and_no_others(root, monkeypatch, tmp_path):
    """The row of a missing film is deleted: the others, whose files are as before, are sound."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(file_checks, "MANY", 4)
    (root / "0.png").unlink()
    with pytest.warns(UserWarning, match=r"missing image \(1\): .*0\.png"):
        load_dataset("table", root, "train", 64, on_problem="skip")
    table = pd.read_csv(root / "manifest.csv", dtype=str)
    table[table["image"] != "0.png"].to_csv(root / "manifest.csv", index=False)
    assert len(load_dataset("table", root, "train", 64)) == 7


def test_a_cache_that_cannot_be_written_or_is_damaged_costs_time_only(root, monkeypatch, tmp_path):
    monkeypatch.setattr(file_checks, "MANY", 4)
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "manifest.csv"))
    assert len(load_dataset("table", root, "train", 64)) == 8
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load_dataset("table", root, "train", 64)
    [kept] = (tmp_path / "cache").rglob("*.json")
    assert json.loads(kept.read_text()) == {}
    kept.write_text("{")
    assert len(load_dataset("table", root, "train", 64)) == 8


@pytest.mark.parametrize(("computed", "threads"), [(1, 16), (2, 1)])
def test_each_gives_all_in_order_with_threads_only_where_it_waits(
    monkeypatch, computed, threads, capsys
):
    """The first 256 take four seconds, of which one or two are computed."""
    wall, cpu = iter([0, 4]), iter([0, computed])
    clock = SimpleNamespace(perf_counter=lambda: next(wall), thread_time=lambda: next(cpu))
    monkeypatch.setattr(in_threads, "time", clock)
    workers, pool = [], in_threads.ThreadPoolExecutor
    monkeypatch.setattr(in_threads, "ThreadPoolExecutor", lambda n: workers.append(n) or pool(n))
    monkeypatch.setattr(in_threads, "MANY", 100)
    found = list(each(lambda number: number**2, range(600), "squares"))
    assert found == [number**2 for number in range(600)]
    assert workers == [threads]
    assert "squares: 2 times 256" in capsys.readouterr().out


def test_tables_are_read_once_for_all_splits(root, monkeypatch):
    from reclf.datasets import table

    read = []
    original = table.read_cells
    monkeypatch.setattr(table, "read_cells", lambda path: read.append(path) or original(path))
    open_split = opener("table", root, ["train", "val", "test"], 64)
    opened = {split: open_split(split) for split in ("train", "val", "test")}
    assert len(read) == 1
    for split, data in opened.items():
        alone = load_dataset("table", root, split, 64)
        assert data.fingerprint == alone.fingerprint
        assert [study.study_id for study in data] == [study.study_id for study in alone]


@pytest.mark.parametrize("module", [chexpert, mimic_cxr])
def test_a_loader_that_reads_for_some_splits_gives_the_same_for_several(tmp_path, module):
    name = module.__name__.rpartition(".")[2]
    module.write_tiny(tmp_path)
    open_split = opener(name, tmp_path, ["train", "val", "test"], 64)
    for split in ("train", "val", "test"):
        alone = load_dataset(name, tmp_path, split, 64)
        assert open_split(split).fingerprint == alone.fingerprint


def test_a_bad_test_study_is_found_before_the_training(root, tmp_path):
    (root / "15.png").write_bytes(b"no image")
    run = Run(tmp_path / "run", config_of(root))
    with pytest.raises(DataProblems, match=r"unreadable image \(1\): .*15\.png"):
        pretrain(run, progress_bar=False)
    assert run.history() == []


@pytest.mark.parametrize("number", [2, 9, 13])
def test_what_only_decoding_shows_follows_on_problem(root, tmp_path, number):
    """In train, val and test: found before the first step here, for few studies are all looked
    at; `test_damage.py` has the training itself."""
    damage(root / f"{number}.png")
    with pytest.raises(ValueError, match=rf"cannot read .*{number}\.png"):
        open_splits(config_of(root))
    with pytest.warns(UserWarning, match=rf"1 of \d+ studies left out: .*{number}\.png"):
        opened = open_splits(config_of(root, on_problem="skip"))
    data = opened[SPLITS[number]]
    assert data.problems == {}
    with pytest.warns(UserWarning, match="left out"):
        kept = readable(data, range(len(data)))
    assert f"{number}.png" not in [os.path.basename(data.rows[i].image) for i in kept]
    assert len(kept) == len(data) - 1
    with pytest.warns(UserWarning, match="left out"):
        assert len(gallery(data, len(data))) == len(kept)


def test_black_films_and_a_missing_test_split_are_said_before_training(root):
    for number in (0, 3):
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(root / f"{number}.png")
    with pytest.warns(UserWarning, match=r"2 of 8 images of split 'train' .*alike: 0\.png, 3\.png"):
        open_splits(config_of(root))
    config = override(config_of(root), {"data.test_split": "holdout"})
    with pytest.warns(UserWarning, match=r"no split 'holdout'.*data\.test_split"):
        assert list(open_splits(config, report=False)) == ["train", "val"]
    with pytest.raises(
        MissingSplit, match=r"no split 'holdout'.*use split='val' \(setting data\.t"
    ):
        open_splits(config)


def test_one_report_for_all_is_said(root):
    table = pd.read_csv(root / "manifest.csv").assign(report="Normal chest.")
    table.to_csv(root / "manifest.csv", index=False)
    with pytest.warns(UserWarning, match="all 16 studies have one report, 'Normal chest"):
        load_dataset("table", root, "val", 64)
