"""Which studies are in which batch: a function of seed and step alone, so that a run can resume.

Every epoch is a permutation of the data set drawn from (seed, epoch); the micro-batches of all
processes are cut from it one after the other. An incomplete batch at the end of an epoch is filled
from the next one, so every batch is full and every study is seen once an epoch.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import Sampler


class WrongBatch(ValueError):
    """A batch that the training studies cannot fill, or that would part what belongs together."""


class StepSampler(Sampler[list[int]]):
    """Indices of the micro-batches of one process.

    Args:
        length: number of studies.
        batch_size: studies per micro-batch.
        accumulate: micro-batches per step.
        seed: of the permutations.
        start: first step to yield.
        rank, processes: which share of each micro-batch is ours.
        together: so many neighbors stay together, as a counterfactual pair does. The last ones
            of a length that is no multiple of it end an epoch.
        endless: the studies are drawn independently, one for each index (the phantom), so that
            the order in which they lie is as good as any: they are read in order.
        counts_passes: index + k length is the index in pass k.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        accumulate: int = 1,
        seed: int = 0,
        start: int = 0,
        rank: int = 0,
        processes: int = 1,
        together: int = 1,
        endless: bool = False,
        counts_passes: bool = False,
    ):
        check_batch(length, batch_size, processes, together)
        self.length, self.batch_size, self.accumulate = length, batch_size, accumulate
        self.seed, self.start, self.rank, self.processes = seed, start, rank, processes
        self.together, self.endless, self.counts_passes = together, endless, counts_passes
        self._epoch, self._order = -1, np.empty(0, dtype=int)

    def indices(self, step: int, micro: int = 0) -> list[int]:
        """Data set indices of one micro-batch of one step."""
        wide = self.batch_size * self.processes
        first = (step * self.accumulate + micro) * wide + self.rank * self.batch_size
        return [self._at(position) for position in range(first, first + self.batch_size)]

    def _at(self, position: int) -> int:
        epoch, offset = divmod(position, self.length)
        if self.endless:
            return offset
        if epoch != self._epoch:
            self._order, self._epoch = self._permutation(epoch), epoch
        return int(self._order[offset]) + epoch * self.length * self.counts_passes

    def _permutation(self, epoch: int) -> np.ndarray:
        """int (length,): the studies of an epoch in the order in which they are read."""
        random = np.random.default_rng([self.seed, epoch])
        groups = random.permutation(self.length // self.together)
        members = groups[:, None] * self.together + np.arange(self.together)
        return np.concatenate([members.ravel(), np.arange(members.size, self.length)])

    def __iter__(self) -> Iterator[list[int]]:
        step = self.start
        while True:
            for micro in range(self.accumulate):
                yield self.indices(step, micro)
            step += 1


def check_batch(length: int, batch_size: int, processes: int, together: int) -> None:
    """Refuse a batch that so many studies cannot fill, or that would part studies; arguments as of
    `StepSampler`.

    Raises:
        WrongBatch: says what to change.
    """
    if batch_size % together:
        raise WrongBatch(
            f"train.batch_size must be a multiple of {together} so that the pairs of "
            f"data.counterfactuals share a batch, got {batch_size}; or leave "
            "data.counterfactuals empty"
        )
    if length < batch_size * processes:
        raise WrongBatch(
            f"{length} training studies do not fill one batch of {batch_size} on {processes} "
            f"processes; set train.batch_size to {max(1, length // processes)} or less"
        )


def seed_step(seed: int, step: int, rank: int) -> torch.Generator:
    """Seed dropout for a step, and return the generator of its augmentation.

    Randomness that depends on the step alone needs no saved generator state to resume exactly.
    """
    state = int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0])
    torch.manual_seed(state >> 1)
    return torch.Generator().manual_seed(state >> 2)
