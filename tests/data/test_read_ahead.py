"""Studies by worker processes: the same, in the same order, of every data set."""

import importlib
import pkgutil
import signal

import numpy as np
import pytest
import torch

from reclf import datasets
from reclf.data.read_ahead import ReadAhead, cores_left_by
from reclf.data.study import ImageError
from reclf.datasets.registry import load_dataset

LOADERS = [
    info.name
    for info in pkgutil.iter_modules(datasets.__path__)
    if hasattr(importlib.import_module(f"reclf.datasets.{info.name}"), "write_tiny")
]


def same(mine, theirs):
    assert (mine.study_id, mine.report, mine.boxes) == (
        theirs.study_id, theirs.report, theirs.boxes,
    )  # fmt: skip
    np.testing.assert_array_equal(mine.image, theirs.image)
    np.testing.assert_equal(dict(mine.labels), dict(theirs.labels))
    assert mine.masks.keys() == theirs.masks.keys()
    for name, mask in mine.masks.items():
        np.testing.assert_array_equal(mask, theirs.masks[name])


@pytest.mark.parametrize("name", LOADERS)
def test_workers_read_what_this_process_reads(tmp_path, name):
    root = importlib.import_module(f"reclf.datasets.{name}").write_tiny(tmp_path)
    data = load_dataset(name, root, "test", 32)
    found = list(ReadAhead(data, workers=1))
    assert len(found) == len(data) > 0
    for index, study in enumerate(found):
        same(study, data[index])


class Numbers:
    """Says what it is asked for, and by which process it is not."""

    def __len__(self):
        return 70  # more than a part for each of two workers, and an uneven last one

    def __getitem__(self, index):
        if index == 50 and self.broken:
            raise ImageError("film 50.png: ends early")
        return index, signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    broken = False


@pytest.mark.parametrize("workers", [0, 2])
def test_the_order_is_that_of_the_studies_as_often_as_they_are_read(workers):
    studies = ReadAhead(Numbers(), workers)
    state = torch.get_rng_state()
    # A worker never hears Ctrl-C; this process may not either, as a job in the background.
    is_deaf = workers > 0 or signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    for _ in range(2):
        assert list(studies) == [(index, is_deaf) for index in range(70)]
    assert torch.equal(torch.get_rng_state(), state)
    assert len(studies) == 70


@pytest.mark.parametrize("workers", [0, 2])
def test_a_film_that_cannot_be_read_is_named_without_a_traceback(workers):
    numbers = Numbers()
    numbers.broken = True
    with pytest.raises(ImageError) as caught:
        list(ReadAhead(numbers, workers))
    assert str(caught.value) == "film 50.png: ends early"


def test_workers_have_cores_of_their_own_while_they_read(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert {torch.get_num_threads() for _ in ReadAhead(Numbers(), 2)} == {1}
        assert {torch.get_num_threads() for _ in ReadAhead(Numbers())} == {3}
        reading = iter(ReadAhead(Numbers(), 1))
        next(reading)
        assert torch.get_num_threads() == 2
        reading.close()  # whoever stops half way gets them back
        assert torch.get_num_threads() == 3
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        with cores_left_by(2) as threads:
            assert torch.get_num_threads() == threads == 3
    finally:
        torch.set_num_threads(before)
