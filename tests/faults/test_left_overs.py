"""What killed writers leave goes with the next write, and a living one's stays."""

import os
import time

import pytest
from broken_disk import Broken, Killed

from reclf.runs import files
from reclf.runs.files import (
    remove_halves,
    remove_left_overs,
    replace_folder,
    temporary_name,
    write_atomically,
)

GONE = 2**22 + 1  # no process has so high a number


def a_file(path):
    write_atomically(path, lambda temporary: temporary.write_text("text"))


def a_folder(path):
    def write(fresh):
        fresh.mkdir()
        (fresh / "weights").write_text("text")

    replace_folder(path, write)


def half_of(path, monkeypatch, pid=GONE, space=None):
    """The half of a file, as a process of this number left it."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid)
        if space:
            patch.setattr(files, "space", lambda: space)
        half = temporary_name(path)
    half.write_text("half")
    return half


@pytest.mark.parametrize("write", [a_file, a_folder])
def test_a_kill_at_any_point_leaves_nothing_after_the_next_write(tmp_path, monkeypatch, write):
    for at in range(1, 100):
        folder = tmp_path / str(at)
        folder.mkdir()
        write(folder / "old")
        try:
            with monkeypatch.context() as patch, Broken(folder, at):
                patch.setattr(os, "getpid", lambda: GONE)
                write(folder / "old")
        except Killed:
            write(folder / "new")
            remove_halves(folder)
            there = {path.name.removesuffix(".previous") for path in folder.iterdir()}
            assert there == {"old", "new"}, at
        else:
            break
    assert at > 5


def test_only_what_nobody_writes_any_more_is_removed(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    half_of(path, monkeypatch)
    forgotten = half_of(path, monkeypatch, 5, "another boot")
    os.utime(forgotten, (time.time() - 90_000,) * 2)
    kept = [
        half_of(path, monkeypatch, os.getppid()),
        half_of(path, monkeypatch, GONE, "another machine"),
        *(tmp_path / name for name in (".a.npz.77", ".mine.writing", "notes.writing", "a.npz")),
    ]
    for one in kept[2:]:
        one.write_text("mine")
    remove_left_overs(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    remove_left_overs(tmp_path / "not there")
