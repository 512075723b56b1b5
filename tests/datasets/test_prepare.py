"""A prepared copy holds the same studies, goes on after a kill, and is refused when stale."""

import errno
import io
import json
import math
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import datasets as arrow
import numpy as np
import pytest
from accelerate.state import AcceleratorState

from reclf.data.study import Study
from reclf.datasets import mimic_cxr, ms_cxr, nih, rsna, siim, vindr
from reclf.datasets.arrow_schema import pack, unpack
from reclf.datasets.prepare import StaleCopy, _write_shard, prepare, read_recipe, shard_path
from reclf.datasets.problems import DataProblems
from reclf.datasets.registry import load_dataset
from reclf.datasets.tiny import draw_chest, write_image
from reclf.pretrain import pretrain
from reclf.runs.files import temporary_name
from reclf.runs.run import Run
from reclf.training.presets import make_config

SIZE = 24
GONE = 2**22 + 1  # no process has so high a number


@pytest.fixture
def raw(tmp_path):
    return nih.write_tiny(tmp_path / "nih")


def make(root, source, dataset="nih", **settings):
    settings = {"studies_per_shard": 4, "processes": 1, "progress": False, **settings}
    return prepare(root, dataset, source, image_size=settings.pop("image_size", SIZE), **settings)


def same(first: Study, second: Study, bits: int):
    """Equal but for the rounding of the image."""
    np.testing.assert_allclose(first.image, second.image, atol=0.5 / (2**bits - 1) + 1e-6)
    assert second.image.dtype == np.float32
    np.testing.assert_equal(dict(first.labels), dict(second.labels))
    assert list(first.labels) == list(second.labels)
    assert first.masks.keys() == second.masks.keys()
    for name, mask in first.masks.items():
        assert second.masks[name].dtype == bool
        assert np.array_equal(mask, second.masks[name])
    for field in ("study_id", "patient_id", "report", "boxes", "words", "frame"):
        assert getattr(first, field) == getattr(second, field), field


@pytest.mark.parametrize(
    ("module", "bits"),
    [(nih, 8), (rsna, 8), (siim, 8), (ms_cxr, 8), (mimic_cxr, 8), (vindr, 16)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_copy_equals_the_raw_data_set(tmp_path, module, bits):
    name = module.__name__.rsplit(".", 1)[1]
    source = module.write_tiny(tmp_path / "raw")
    make(tmp_path / "copy", source, name)
    for split in ("train", "val", "test"):
        original = load_dataset(name, source, split, SIZE)
        copy = load_dataset("prepared", tmp_path / "copy", split, SIZE)
        assert len(copy) == len(original)
        assert copy.labels == original.labels
        assert copy.reports == original.reports
        np.testing.assert_equal(copy.all_labels, [dict(row.labels) for row in original.rows])
        for index in (0, -1):
            same(original[index], copy[index], bits)
            assert copy[index].meta == dict(original[index].meta)
        assert len(list(copy)) == len(copy)
    rows = load_dataset("prepared", tmp_path / "copy", "train", SIZE)._rows
    assert set(rows["bits"]) == {bits}


def test_the_phantom_with_its_words_and_arrays(tmp_path):
    make(tmp_path, "", "phantom", image_size=32, length=5, splits=("train",))
    original = load_dataset("phantom", "", "train", 32)[3]
    study = load_dataset("prepared", tmp_path, "train", 32)[3]
    same(original, study, 16)
    assert study.words == original.words
    assert len(load_dataset("prepared", tmp_path, "train", 32)) == 5
    for mine, theirs in zip(
        study.meta["instance_masks"], original.meta["instance_masks"], strict=True
    ):
        assert np.array_equal(mine, theirs)


@pytest.fixture
def own_precision():
    """Accelerate keeps the precision of the first training of a process for all."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def test_training_reads_either_form(tmp_path, own_precision):
    small = {"model.image_size": 64, "train.max_steps": 2, "train.val_studies": 8,
             "train.batch_size": 6, "train.device": "cpu", "train.precision": "no",
             "data.workers": 0}  # fmt: skip
    options = {"length": 24}
    make(tmp_path / "copy", "", "phantom", image_size=64, options=options, splits=("train", "val"))
    losses = []
    for name, data in (
        ("raw", {"data.options": options, "data.counterfactuals": {}}),
        ("copy", {"data.dataset": "prepared", "data.root": str(tmp_path / "copy")}),
    ):
        run = Run(tmp_path / name / "run", make_config("phantom_small", **small, **data))
        pretrain(run, progress_bar=False)
        losses.append([line["loss"] for line in run.history() if "loss" in line])
    assert losses[0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    preset = make_config("table_small").data.options  # its options fit a copy too
    load_dataset("prepared", tmp_path / "copy", "train", 64, **preset)


def test_bits(raw, tmp_path):
    study = load_dataset("nih", raw, "train", SIZE)[0]
    for bits in (8, 16):
        row = pack(study, bits)
        assert len(row["image"]) == SIZE * SIZE * bits // 8
        same(study, unpack(row, SIZE), bits)
    make(tmp_path / "copy", raw, bits="16")
    assert set(load_dataset("prepared", tmp_path / "copy", "train", SIZE)._rows["bits"]) == {16}
    with pytest.raises(ValueError, match="bits must be 'auto', '8' or '16', got '12'"):
        make(tmp_path / "other", raw, bits="12")


def test_pairs_of_many_shards_and_depths_and_in_another_process(raw, tmp_path):
    make(tmp_path / "a", "", "phantom", image_size=33, length=7, splits=("train",), bits="8")
    make(tmp_path / "b", "", "phantom", image_size=33, length=7, splits=("train",))
    data, deep = (load_dataset("prepared", tmp_path / name, "train", 33) for name in "ab")
    parts = [data._rows, deep._rows.select(range(1, 6))]  # an odd start, and odd numbers of bytes
    data._rows = arrow.concatenate_datasets([*parts, data._rows])
    order = [18, 0, 7, 6, 11, 12, 3]
    pairs = data.pairs(order)
    assert [pair.image.dtype.itemsize for pair in pairs] == [1, 1, 2, 1, 2, 1, 1]
    for pair, study in zip(pairs, (data[n] for n in order), strict=True):
        top = np.float32(np.iinfo(pair.image.dtype).max)
        assert np.array_equal(pair.image.astype(np.float32) / top, study.image)
        assert pair.report == study.report
    assert np.array_equal(data.pairs([-1])[0].image, pairs[0].image)
    sent = pickle.dumps(data)
    assert "_cells" in vars(data)
    assert "_cells" not in vars(pickle.loads(sent))
    assert np.array_equal(pickle.loads(sent).pairs([7])[0].image, pairs[2].image)


def test_what_meta_may_hold(raw):
    study = load_dataset("nih", raw, "train", SIZE)[0]
    meta = {"n": np.float32(0.5), "list": [1, math.nan], "array": np.arange(6).reshape(2, 3)}
    back = unpack(pack(replace(study, meta=meta), 8), SIZE).meta
    np.testing.assert_equal(back, meta)
    with pytest.raises(TypeError, match=r"Study\.meta holds a set, which a prepared copy cannot"):
        pack(replace(study, meta={"views": {"PA"}}), 8)


def test_a_run_that_ends_early_goes_on(raw, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    path = load_dataset("nih", raw, "train", SIZE).rows[8].image  # in the third shard
    pixels = path.read_bytes()
    path.write_bytes(b"\x00" * len(pixels))
    with pytest.raises(ValueError, match=rf"cannot read {path}"):
        make(copy, raw)
    shards = sorted(p.name for p in (copy / "train").iterdir() if p.name[0] != ".")
    assert shards == ["shard-00000", "shard-00001"]
    with pytest.raises(DataProblems, match=r"shard of train that is not finished \(4\): shard-000"):
        load_dataset("prepared", copy, "train", SIZE)
    path.write_bytes(pixels)
    left = copy / "train/shard-00002.77.part"  # of version 0.3
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: GONE)
        killed = temporary_name(copy / "train/shard-00002")
    for half in (left, killed, living := temporary_name(copy / "train/shard-00077")):
        half.mkdir()
        (half / "data.arrow").write_text("half")
    times = {name: (copy / "train" / name).stat().st_mtime_ns for name in shards}
    make(copy, raw)
    assert {name: (copy / "train" / name).stat().st_mtime_ns for name in shards} == times
    assert [half.exists() for half in (left, killed, living)] == [False, False, True]
    assert len(load_dataset("prepared", copy, "train", SIZE)) == 21


def test_a_shard_that_another_process_has_finished_stays(raw, tmp_path):
    recipe = make(tmp_path, raw)
    path = shard_path(tmp_path, "train", 0)
    before = path.stat().st_mtime_ns
    opened = {"train": load_dataset("nih", raw, "train", SIZE)}
    assert _write_shard(("train", 0, range(4)), tmp_path, opened, recipe, False) == []
    assert path.stat().st_mtime_ns == before
    assert not list(tmp_path.rglob("*.writing"))


def test_studies_that_cannot_be_decoded_are_left_out_on_request(raw, tmp_path):
    path = load_dataset("nih", raw, "train", SIZE).rows[8].image
    path.write_bytes(b"no image")
    copy = tmp_path / "copy"
    with pytest.warns(UserWarning, match=rf"left out: cannot read {path}"):
        make(copy, raw, unreadable="skip")
    data = load_dataset("prepared", copy, "train", SIZE)
    assert len(data) == data.split_counts["train"] == 20
    assert path.stem not in [study.study_id for study in data]
    assert str(path) in (copy / "left_out.txt").read_text()
    with pytest.raises(ValueError, match="unreadable must be 'refuse' or 'skip', got 'ignore'"):
        make(copy, raw, unreadable="ignore")


def test_a_shard_whose_studies_are_all_left_out_holds_nothing(raw, tmp_path):
    rows = load_dataset("nih", raw, "train", SIZE).rows
    for row in rows[4:8]:  # the second shard
        row.image.write_bytes(b"no image")
    copy = tmp_path / "copy"
    with pytest.warns(UserWarning, match="left out: cannot read"):
        make(copy, raw, options={"on_problem": "skip"})  # which `unreadable` follows
    assert [path.name for path in (copy / "train/shard-00001").iterdir()] == ["left_out.txt"]
    data = load_dataset("prepared", copy, "train", SIZE)
    assert [study.study_id for study in data] == [row.study_id for row in rows[:4] + rows[8:]]
    made = {path.stat().st_mtime_ns for path in copy.rglob("*.arrow")}
    make(copy, raw, options={"on_problem": "skip"})  # nothing is made again
    assert {path.stat().st_mtime_ns for path in copy.rglob("*.arrow")} == made


def test_a_split_of_which_nothing_can_be_read_is_an_error(raw, tmp_path):
    for row in load_dataset("nih", raw, "val", SIZE).rows:
        row.image.write_bytes(b"no image")
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match=r"no study of split 'val' can be read: see .*left_out"),
    ):
        make(tmp_path / "copy", raw, unreadable="skip")


class Killed(BaseException):
    """Stands for a kill: what runs after it, as on an error, is looked at as if it had not."""


def content(copy):
    return {
        path.relative_to(copy).as_posix(): path.read_bytes()
        for path in sorted(copy.rglob("*"))
        if path.is_file()
    }


def test_a_fault_at_any_write_ends_in_the_same_bytes(raw, tmp_path, monkeypatch):
    rows = load_dataset("nih", raw, "val", SIZE).rows
    rows[0].image.write_bytes(b"no image")

    def make_all(root):
        make(root, raw, splits=("val",), unreadable="skip", studies_per_shard=3)

    with pytest.warns(UserWarning, match="left out"):
        make_all(tmp_path / "whole")
    whole = content(tmp_path / "whole")
    assert rows[0].image.name in whole["left_out.txt"].decode()
    steps, fail_at, fault = 0, -1, None

    def step():
        nonlocal steps
        steps += 1
        if steps - 1 == fail_at:
            raise fault

    plain_open, plain_rename, plain_remove = io.open, os.replace, shutil.rmtree

    class Opened:
        """A file that is written to, whose writes may fail halfway."""

        def __init__(self, file):
            self.file = file

        def write(self, data):
            try:
                step()
            except BaseException:
                self.file.write(data[: len(data) // 2])
                raise
            return self.file.write(data)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

    def open_file(path, mode="r", *given, **named):
        file = plain_open(path, mode, *given, **named)
        return Opened(file) if "w" in mode and str(tmp_path) in str(path) else file

    def rename(first, second):
        step()
        plain_rename(first, second)
        step()

    def remove(*given, **named):
        if not isinstance(fault, Killed):
            plain_remove(*given, **named)

    def outcome(copy):
        try:
            with warnings.catch_warnings(action="ignore"):
                make_all(copy)
        except (OSError, Killed) as error:
            return error
        return None

    monkeypatch.setattr("builtins.open", open_file)
    monkeypatch.setattr("io.open", open_file)
    monkeypatch.setattr(os, "replace", rename)
    monkeypatch.setattr(shutil, "rmtree", remove)
    for kind in (OSError(errno.ENOSPC, "No space left on device"), Killed()):
        for number in range(1000):
            copy = tmp_path / f"{type(kind).__name__}-{number}"
            steps, fail_at, fault = 0, number, kind
            error = outcome(copy)
            if error is None:
                break
            if isinstance(kind, OSError):
                assert re.match(rf"cannot write {copy}/\S+: No space left on device", str(error))
                assert not list(copy.rglob("*.writing"))
            steps, fail_at, fault = 0, -1, None
            assert outcome(copy) is None
            assert content(copy) == whole, number
        assert number > 10, "too few writes were seen"


@pytest.mark.slow
def test_a_killed_run_goes_on(raw, tmp_path):
    copy = tmp_path / "copy"
    code = (
        "import sys, time, reclf.datasets.prepare as p; write = p._write_shard\n"
        "def slow(*given): time.sleep(0.5); return write(*given)\n"
        "p._write_shard = slow\n"
        f"p.prepare(sys.argv[2], 'nih', sys.argv[1], image_size={SIZE}, studies_per_shard=2,"
        " processes=1, progress=False)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, raw, copy])
    for _ in range(600):
        if (copy / "train/shard-00001").exists():
            break
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    finished = len(list(copy.rglob("shard-*")))
    assert 2 <= finished < 11
    make(copy, raw, studies_per_shard=2)
    same(
        load_dataset("nih", raw, "train", SIZE)[20],
        load_dataset("prepared", copy, "train", SIZE)[20],
        8,
    )


@pytest.mark.slow
def test_two_processes_write_the_same(raw, tmp_path):
    make(tmp_path / "one", raw)
    make(tmp_path / "two", raw, processes=2)
    first, second = (load_dataset("prepared", tmp_path / n, "train", SIZE) for n in ("one", "two"))
    assert first.fingerprint == second.fingerprint
    assert [s.image.tobytes() for s in first] == [s.image.tobytes() for s in second]


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
