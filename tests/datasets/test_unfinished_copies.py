"""A copy that was not finished goes on to the same bytes; what cannot be read is named."""

import errno
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings

import pytest
from small_copies import SIZE, make, same

from reclf.datasets.copy_recipe import shard_path
from reclf.datasets.prepare import _write_shard
from reclf.datasets.problems import DataProblems
from reclf.datasets.registry import load_dataset
from reclf.runs.files import temporary_name

pytest_plugins = ["small_copies"]
GONE = 2**22 + 1  # no process has so high a number


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
