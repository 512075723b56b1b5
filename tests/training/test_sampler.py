"""Batches are a function of seed and step alone."""

import itertools
import tracemalloc

import numpy as np
import pytest
import torch

from reclf.training.sampler import StepSampler, seed_step


def take(sampler, n):
    return list(itertools.islice(iter(sampler), n))


def test_an_epoch_shows_every_study_once_and_batches_stay_full():
    sampler = StepSampler(length=7, batch_size=3, seed=1)
    batches = take(sampler, 7)  # three epochs of seven
    assert all(len(batch) == 3 for batch in batches)
    seen = list(itertools.chain(*batches))
    for epoch in range(3):
        assert sorted(seen[7 * epoch : 7 * epoch + 7]) == list(range(7))
    assert seen[:7] != seen[7:14]


def test_a_later_start_continues_the_same_sequence():
    whole = take(StepSampler(11, 2, accumulate=2, seed=5), 12)
    assert take(StepSampler(11, 2, accumulate=2, seed=5, start=4), 4) == whole[8:]


def test_processes_share_what_one_process_would_take():
    joint = StepSampler(20, 6, seed=3)
    parts = [StepSampler(20, 3, seed=3, rank=rank, processes=2) for rank in range(2)]
    for step in range(5):
        assert parts[0].indices(step) + parts[1].indices(step) == joint.indices(step)


def test_an_index_can_say_its_pass():
    samplers = [StepSampler(7, 3, counts_passes=passes) for passes in (False, True)]
    plain, counted = (itertools.chain(*take(sampler, 7)) for sampler in samplers)
    for position, (one, other) in enumerate(zip(plain, counted, strict=True)):
        assert other == one + position // 7 * 7


def test_an_endless_data_set_is_read_in_order():
    assert StepSampler(1_000_000, 3, endless=True).indices(2) == [6, 7, 8]


# just above a size that was once taken for endless; MIMIC-CXR's frontal films; all of its films
@pytest.mark.parametrize("length", [100_001, 222_000, 377_110])
def test_large_data_sets_are_permuted_like_small_ones(length):
    def epoch_of(seed, epoch):
        return StepSampler(length, 64, seed=seed)._permutation(epoch)

    first = epoch_of(0, 0)
    assert np.array_equal(np.sort(first), np.arange(length))
    for other in (np.arange(length), epoch_of(0, 1), epoch_of(1, 0)):
        assert (first == other).mean() < 0.01
    # neighbors in the table, often films of one patient, are no longer neighbors in a batch
    assert np.median(np.abs(np.diff(first))) > length / 10
    sampler = StepSampler(length, 64, seed=0)
    last = length // 64
    assert sampler.indices(last)[: length % 64] == first[64 * last :].tolist()
    resumed = StepSampler(length, 64, seed=0, start=last)
    assert take(resumed, 3) == [sampler.indices(last + i) for i in range(3)]
    parts = [StepSampler(length, 16, seed=0, rank=rank, processes=4) for rank in range(4)]
    shares = [part.indices(last) for part in parts]
    assert [*itertools.chain(*shares)] == sampler.indices(last)
    assert len({index for share in shares for index in share}) == 64


def test_a_step_of_a_large_data_set_keeps_no_list_of_its_length():
    sampler = StepSampler(377_110, 64)
    sampler.indices(0)  # draws the epoch's permutation
    tracemalloc.start()
    for step in range(1, 50):
        sampler.indices(step)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000  # bytes; as Python integers the permutation takes 12 MB


@pytest.mark.parametrize("length", [24, 25])
def test_counterfactual_pairs_stay_together_where_an_epoch_is_permuted(length):
    sampler = StepSampler(length, 4, together=2)
    order = [index for step in range(6) for index in sampler.indices(step)]
    assert order[::2] != sorted(order[::2])
    assert all(
        (one % 2, other) == (0, one + 1) for one, other in zip(order[::2], order[1::2], strict=True)
    )
    assert sorted(order) == list(range(24))
    alone = [sampler._at(position) for position in range(24, length)]
    assert alone == list(range(24, length))
    with pytest.raises(ValueError, match=r"batch_size must be a multiple of 2 .* got 3"):
        StepSampler(length, 3, together=2)


def test_too_few_studies_are_refused():
    with pytest.raises(ValueError, match=r"5 training studies do not fill one batch of 3 on 2"):
        StepSampler(5, 3, processes=2)
    assert sorted(StepSampler(6, 3).indices(0) + StepSampler(6, 3).indices(1)) == [*range(6)]
    assert len(StepSampler(6, 3, processes=2).indices(0)) == 3  # just fills it


def test_the_seed_of_a_step_depends_on_seed_step_and_rank():
    def draws(*key):
        generator = seed_step(*key)
        return torch.rand(1).item(), torch.rand(1, generator=generator).item()

    first = draws(0, 1, 0)
    assert draws(0, 1, 0) == first
    for key in ((1, 1, 0), (0, 2, 0), (0, 1, 1)):
        assert draws(*key)[0] != first[0]
        assert draws(*key)[1] != first[1]


def test_the_seeds_of_a_step_are_those_of_earlier_versions():
    """An interrupted run goes on as it would have: numpy's sequence of (seed, step, rank), one bit
    less for dropout and two less for the augmentation, since torch takes 63."""
    low, high = map(int, np.random.SeedSequence([3, 5, 1]).generate_state(2))
    state = low + (high << 32)
    generator = seed_step(3, 5, 1)
    assert torch.initial_seed() == state >> 1
    assert generator.initial_seed() == state >> 2
