"""A disk that fails, or a kill, at any change of a run folder: one clear error, and the same
command goes on to the same weights to the bit. `every_write.py` tries all points."""

import errno
import random

import pytest
from broken_disk import KILL
from every_write import count, problem

SAMPLE = [(errno.ENOSPC, True), (errno.EIO, False), (errno.EACCES, True), (KILL, True)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The number of points of a training, and its weights."""
    return count(tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("fault", "stays"), SAMPLE)
@pytest.mark.parametrize("part", range(2))
def test_a_fault_at_a_point(whole, tmp_path, fault, stays, part):
    points, good = whole
    rng = random.Random(f"{fault} {part}")
    at = rng.randrange(part * points // 2, (part + 1) * points // 2) + 1
    assert problem(tmp_path / "run", at, fault, stays, good) == ""
