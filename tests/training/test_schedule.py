"""The plan of a run at its boundaries: steps, learning rate, validations and when it is over."""

import math

import pytest

from reclf.config import TrainConfig
from reclf.training.schedule import Progress, learning_rate_factor, plan_steps, plans_now


@pytest.mark.parametrize(
    ("step", "position", "warmup", "total", "factor"),
    [
        # the warm-up rises from its first step and ends at its last
        (0, 0.0, 4, 100, 0.25), (2, 0.0, 4, 100, 0.75), (3, 0.0, 4, 100, 1.0),
        (4, 0.0, 4, 100, 1.0),
        # a cosine from 1 to 0
        (50, 0.25, 4, 100, (1 + math.sqrt(0.5)) / 2), (50, 0.5, 4, 100, 0.5),
        (99, 1.0, 4, 100, 0.0),
        # both
        (1, 0.5, 4, 100, 0.25),
        # at most a tenth of a run is warm-up, and a run of nine steps has none
        (0, 0.0, 50, 20, 0.5), (1, 0.0, 50, 20, 1.0), (0, 0.0, 50, 9, 1.0), (0, 0.0, 50, 10, 1.0),
        (4, 0.0, 10, 100, 0.5), (4, 0.0, 10, 99, 5 / 9),
        # before the end is known the warm-up is as it was asked for, and the peak stays
        (0, 0.0, 50, 0, 0.02), (70, 0.0, 4, 0, 1.0),
        (0, 0.0, 0, 0, 1.0), (0, 0.0, 0, 3, 1.0),
    ],
)  # fmt: skip
def test_the_learning_rate_at_every_boundary(step, position, warmup, total, factor):
    found = learning_rate_factor(step, position, warmup=warmup, total=total)
    assert found == pytest.approx(factor, abs=1e-12)


def test_the_position_moves_evenly_and_bends_when_the_plan_changes():
    progress = Progress(total_steps=8)
    for step in range(4):
        assert progress.position == pytest.approx(step / 8)
        progress.advance(studies=3)
    progress.total_steps = 6  # the machine became slower: two steps for the other half
    progress.advance(3)
    assert progress.position == pytest.approx(0.75)
    progress.advance(3)
    assert progress.position == pytest.approx(1.0)
    assert progress.finished
    assert (progress.step, progress.studies) == (6, 18)


def test_without_a_plan_steps_are_counted_and_the_position_stays():
    progress = Progress()
    assert (progress.best_recall, progress.best_step) == (-1.0, 0)  # any recall is better
    progress.advance(4)
    progress.advance(4)
    assert (progress.step, progress.studies, progress.position) == (2, 8, 0.0)
    assert not progress.finished
    progress.total_steps = 4  # planned after two steps: each of the two left takes a half
    progress.advance(4)
    assert progress.position == 0.5


def test_the_last_step_ends_the_plan_and_one_past_it_does_not_fail():
    progress = Progress(step=4, total_steps=5, position=0.25)
    progress.advance(1)
    assert (progress.position, progress.finished) == (1.0, True)
    progress.advance(1)
    assert (progress.step, progress.position) == (6, 1.0)


@pytest.mark.parametrize(
    ("progress", "finished"),
    [
        (Progress(step=5), False),  # no plan yet
        (Progress(step=4, total_steps=5), False),
        (Progress(step=5, total_steps=5), True),
        (Progress(step=6, total_steps=5), True),
        (Progress(step=1, total_steps=5, out_of_time=True), True),
        (Progress(out_of_time=True), True),
        (Progress(step=1, total_steps=1), True),
        (Progress(step=0, total_steps=1), False),
    ],
)
def test_a_run_is_over_after_its_steps_or_its_time(progress, finished):
    assert progress.finished is finished


@pytest.mark.parametrize(
    ("every", "total", "steps"),
    [
        (0, 10, [3, 5, 8, 10]),  # the first step at or past each quarter
        (0, 20, [5, 10, 15, 20]),
        (0, 12, [3, 6, 9, 12]),
        (0, 4, [1, 2, 3, 4]),
        (0, 3, [1, 2, 3]),  # a third is past a quarter, two thirds past a half
        (0, 2, [1, 2]),
        (0, 1, [1]),
        (4, 10, [4, 8, 10]),  # and always the last
        (5, 10, [5, 10]),
        (1, 3, [1, 2, 3]),
        (20, 10, [10]),
    ],
)
def test_validations_are_at_quarters_or_every_so_many_steps(every, total, steps):
    progress, found = Progress(total_steps=total), []
    while not progress.finished:
        progress.advance(1)
        if progress.validates(every):
            found.append(progress.step)
    assert found == steps


@pytest.mark.parametrize("total", [28, 100, 1000, 7422])
def test_a_sum_of_shares_misses_no_quarter(total):
    progress, found = Progress(total_steps=total), []
    while not progress.finished:
        progress.advance(1)
        if progress.validates(0):
            found.append(progress.step)
    assert found == [math.ceil(total * quarter / 4) for quarter in (1, 2, 3, 4)]


@pytest.mark.parametrize("every", [0, 4])
def test_nothing_is_validated_before_there_is_a_plan(every):
    assert not Progress(step=4).validates(every)


def test_the_plan_is_made_after_25_steps_and_anew_every_50():
    assert [step for step in range(-50, 201) if plans_now(step)] == [25, 50, 100, 150, 200]


@pytest.mark.parametrize(
    ("step", "seconds", "seconds_per_step", "total"),
    [
        # 93 % of two minutes are 111.6 s, of which 101.6 s are left
        (25, 10.0, 0.5, 25 + 203),
        (0, 0.0, 111.6, 1),
        (0, 0.0, 55.8, 2),  # just fits
        (0, 0.0, 55.9, 1),  # the second does not fit
        (30, 111.6, 0.5, 31),  # no time left: one more step, as a plan must end ahead
        (30, 119.0, 0.5, 31),
    ],
)
def test_a_time_budget_becomes_the_steps_that_fit_what_is_left(
    step, seconds, seconds_per_step, total
):
    progress = Progress(step=step, seconds=seconds)
    assert plan_steps(TrainConfig(max_minutes=2.0), progress, seconds_per_step) == total


@pytest.mark.parametrize(
    ("every", "position", "validation", "total"),
    [
        # 99 % of two minutes are 118.8 s, of which 18.8 s are left
        (0, 0.8, 2.76, 30 + 160),  # and 16 s without the last
        (0, 0.5, 2.76, 30 + 132),  # and one more at three quarters
        (0, 0.1, 2.76, 30 + 77),
        (0, 1.0, 2.76, 30 + 160),
        (28, 0.1, 2.76, 30 + 80),  # two tenths of a second a step instead of one
        (0, 0.8, 18.8, 31),
    ],
)
def test_validations_that_are_known_are_planned(every, position, validation, total):
    config = TrainConfig(max_minutes=2.0, evaluate_every=every)
    progress = Progress(step=30, seconds=100.0, position=position)
    assert plan_steps(config, progress, 0.1, validation) == total


@pytest.mark.parametrize(
    ("every", "pace", "validation"),
    [(0, 0.17, 4.5), (0, 0.4, 2.0), (0, 0.05, 12.0), (100, 0.17, 4.5), (100, 0.4, 2.0)],
)
def test_the_plans_of_a_run_use_its_time_and_no_more(every, pace, validation):
    """A run of five minutes whose steps take what they take, plus or minus a tenth in turn."""
    config = TrainConfig(max_minutes=5.0, evaluate_every=every)
    progress, known = Progress(), None
    while not progress.finished:
        progress.advance(1)
        progress.seconds += pace * (0.9 + 0.2 * (progress.step % 2))
        if plans_now(progress.step):
            progress.total_steps = plan_steps(config, progress, pace, known)
        if progress.validates(every) or progress.finished:
            progress.seconds += validation
            known = validation
    assert 0.96 * 300 < progress.seconds <= 300


def test_a_state_holds_everything_and_makes_the_same_progress_again():
    progress = Progress(7, 9, 0.5, 3.25, 28, 0.4, 6, True)
    assert progress.state() == {
        "step": 7, "total_steps": 9, "position": 0.5, "seconds": 3.25, "studies": 28,
        "best_recall": 0.4, "best_step": 6, "out_of_time": True,
    }  # fmt: skip
    assert Progress(**progress.state()) == progress
