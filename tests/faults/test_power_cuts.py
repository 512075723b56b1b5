"""Whenever the power fails, the run opens, goes on, and ends in the same weights to the bit."""

import os

import pytest
from disk import Recorded
from power_cuts import cut, record
from tiny_training import train, weights

from reclf.config.foreign_files import DamagedFile

pytest_plugins = ["tiny_runs"]
CUTS = 8


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    return record(tmp_path_factory.mktemp("recorded"))


@pytest.mark.parametrize("seed", range(CUTS))
def test_a_cut_loses_no_checkpoint_that_was_finished(disk, finished, tmp_path, seed):
    promised, there = cut(disk, seed, tmp_path / "cut")
    assert there >= promised
    train(tmp_path / "cut" / "run")
    for name in ("last", "best"):
        assert weights(tmp_path / "cut" / "run", name) == weights(finished, name)


def test_without_syncs_cuts_lose_checkpoints(disk, tmp_path):
    lost = 0
    for seed in range(CUTS):
        try:
            promised, there = cut(disk, seed, tmp_path / str(seed), syncs=False)
            lost += there < promised
        except (DamagedFile, OSError):
            lost += 1
    assert lost > CUTS // 2


def test_what_the_disk_of_a_cut_may_hold(tmp_path):
    """A file written, synced and renamed, and its folder not yet synced: the old name or the new
    one, whole; and one that was not synced: anything."""
    with Recorded(tmp_path / "made") as disk:
        path = tmp_path / "made" / "a"
        path.write_text("12345678")
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(path, tmp_path / "made" / "b")
        (tmp_path / "made" / "c").write_text("1234")
    found = set()
    for seed in range(400):
        target = tmp_path / str(seed)
        disk.build(len(disk.log), seed, target)
        found.add(tuple((one.name, one.read_bytes()) for one in sorted(target.iterdir())))
    names = {tuple(name for name, _ in files) for files in found}
    assert names == {(), ("a",), ("b",), ("b", "c")}
    content = {name: {c for files in found for n, c in files if n == name} for name in "abc"}
    assert content["a"] == content["b"] == {b"12345678"}
    assert content["c"] >= {b"", b"1234", b"12\0\0", b"12"}
