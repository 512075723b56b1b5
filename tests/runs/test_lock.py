"""The lock of a run folder: one training, whose end is noticed whatever it was."""

import json
import os
import sys
import threading

import pytest
from commands import run_command

from reclf.runs import lock as module
from reclf.runs.lock import FILE, STALE, RunInUse, RunLock

DIE = """
import os, sys
from pathlib import Path
from reclf.runs.lock import RunLock
RunLock(Path(sys.argv[1])).__enter__()
os._exit(0)
"""


def write(folder, **changes):
    """A lock of this process, with other entries."""
    own = {
        "host": "elsewhere", "space": module.space(), "pid": os.getpid(),
        "started": module.started(os.getpid()), "since": "today",
    }  # fmt: skip
    (folder / FILE).write_text(json.dumps(own | changes))


def age(folder, seconds):
    now = (folder / FILE).stat().st_mtime
    os.utime(folder / FILE, (now - seconds, now - seconds))


def test_a_second_training_is_refused_by_name_until_the_first_has_ended(tmp_path):
    first, second = RunLock(tmp_path), RunLock(tmp_path)
    with first, first:
        assert second.is_held
        for _ in range(2):
            with pytest.raises(RunInUse, match=rf"process {os.getpid()} on .*, since 20") as e:
                second.__enter__()
        assert "give another run_dir" in str(e.value)
        first.check()
    assert list(tmp_path.iterdir()) == []
    with second:
        assert first.holder()["pid"] == os.getpid()


def test_the_lock_of_a_process_that_was_killed_is_taken_over_and_it_is_said(tmp_path):
    assert run_command([sys.executable, "-c", DIE, tmp_path]).returncode == 0
    assert (tmp_path / FILE).exists()
    assert not RunLock(tmp_path).is_held
    with (
        pytest.warns(UserWarning, match=r"did not end \(process \d+ on .*its lock is taken over"),
        RunLock(tmp_path) as lock,
    ):
        assert lock.is_held
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "beat", "lives"),
    [
        ({}, 10 * STALE, True),  # stopped for long, in sight
        ({"started": "1"}, 0, False),  # a later process of the same number
        ({"pid": 2**22 + 1}, 0, False),
        ({"space": "another machine"}, STALE / 2, True),
        ({"space": "another machine", "pid": 2**22 + 1}, STALE / 2, True),
        ({"space": "another machine"}, 2 * STALE, False),
    ],
)
def test_who_lives(tmp_path, changes, beat, lives):
    write(tmp_path, **changes)
    age(tmp_path, beat)
    assert RunLock(tmp_path).is_held == lives
    assert list(tmp_path.iterdir()) == [tmp_path / FILE]
    if lives:
        with pytest.raises(RunInUse, match=r"last heartbeat \d+ s ago"):
            RunLock(tmp_path).__enter__()
    else:
        with pytest.warns(UserWarning, match="taken over"), RunLock(tmp_path):
            pass


@pytest.mark.parametrize("text", ["", "{", '{"pid": 3}', "null"])
def test_half_a_lock_is_one_that_is_being_written(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    assert RunLock(tmp_path).is_held
    age(tmp_path, 2 * STALE)
    assert not RunLock(tmp_path).is_held


def all_at_once(folder, n):
    """How many of n threads got the lock, and how many were refused, while all wait for all."""
    won, lost = [], []
    start, end = threading.Barrier(n, timeout=30), threading.Event()

    def take():
        start.wait(30)
        try:
            with RunLock(folder):
                won.append(1)
                end.wait(30)
        except RunInUse:
            lost.append(1)

    threads = [threading.Thread(target=take) for _ in range(n)]
    for thread in threads:
        thread.start()
    for _ in range(600):
        if len(won) + len(lost) < n:
            end.wait(0.05)
    end.set()
    for thread in threads:
        thread.join(timeout=30)
    return len(won), len(lost)


def test_of_many_that_take_over_at_once_one_wins(tmp_path):
    write(tmp_path, started="1")
    with pytest.warns(UserWarning, match="taken over"):
        counts = all_at_once(tmp_path, 8)
    assert counts == (1, 7)
    assert list(tmp_path.iterdir()) == []


def test_who_has_lost_it_writes_no_more(tmp_path):
    with RunLock(tmp_path) as lock:
        (tmp_path / FILE).rename(tmp_path / "away")
        with pytest.raises(RunInUse, match="taken over or removed"):
            lock.check()
        write(tmp_path)
        with pytest.raises(RunInUse, match="writes nothing more"):
            lock.check()
    assert (tmp_path / FILE).exists()  # the other's


def test_a_child_leaves_its_parents_lock(tmp_path):
    with RunLock(tmp_path) as lock:
        child = os.fork()
        if child == 0:
            lock.__exit__()
            os._exit(0)
        os.waitpid(child, 0)
        lock.check()
