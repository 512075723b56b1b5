"""How many steps a run takes, and the learning rate at each.

A time budget becomes a number of steps after a few measured steps, and is planned anew every fifty:
a laptop slows down when something else runs. The learning rate follows the position in the plan,
which is kept with the checkpoint. With `max_steps` alone deciding, every position is a function of
the step, and an interrupted run ends bitwise like an uninterrupted one; with a time budget it goes
on from where it was, within the time that is left.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from reclf.config import TrainConfig

FIRST_PLAN = 25  # steps; the first of them are slow, since memory is being allocated
PLAN_EVERY = 50
# Share of the budget that is planned. The last validation and checkpoint take the rest, or, when it
# is known what they take, they are planned too.
PLANNED_SHARE = 0.93
PLANNED_WITH_VALIDATIONS = 0.99
VALIDATIONS = 4


@dataclass
class Progress:
    """Where a run stands; all of it is saved with the checkpoint."""

    step: int = 0  # finished optimizer steps
    total_steps: int = 0  # 0 until the time budget has been turned into steps
    position: float = 0.0  # in the schedule, 0 at the start and 1 at the end
    seconds: float = 0.0  # spent in the loop, over all sittings
    studies: int = 0  # seen, all processes together
    best_recall: float = -1.0
    best_step: int = 0
    out_of_time: bool = False

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def finished(self) -> bool:
        return self.out_of_time or (0 < self.total_steps <= self.step)

    def advance(self, studies: int) -> None:
        """One more step: an equal share of what is left of the plan."""
        if self.total_steps:
            self.position += (1 - self.position) / max(1, self.total_steps - self.step)
        self.step += 1
        self.studies += studies

    def validates(self, every: int) -> bool:
        """Whether this step ends a validation period: `every` steps, or a quarter of the plan."""
        if not self.total_steps:
            return False
        if self.step == self.total_steps:
            return True
        if every:
            return self.step % every == 0
        before = self.position - (1 - self.position) / max(1, self.total_steps - self.step)
        now, then = (int(at * VALIDATIONS + 1e-9) for at in (self.position, before))
        return now > then  # a sum of shares may miss a quarter by a rounding


def plans_now(step: int) -> bool:
    """Whether to turn the time that is left into steps after this step."""
    return step == FIRST_PLAN or (step > FIRST_PLAN and step % PLAN_EVERY == 0)


def plan_steps(
    config: TrainConfig,
    progress: Progress,
    seconds_per_step: float,
    validation: float | None = None,
) -> int:
    """Total steps that fit the budget at the speed measured last.

    Args:
        validation: seconds that one takes, with its checkpoint; None where that is not known.
    """
    budget = config.max_minutes * 60
    if validation is None:
        left = budget * PLANNED_SHARE - progress.seconds
    else:
        left = budget * PLANNED_WITH_VALIDATIONS - progress.seconds - validation
        if config.evaluate_every:
            seconds_per_step += validation / config.evaluate_every
            left -= validation * (progress.step % config.evaluate_every == 0)  # it is due
        else:
            before_the_last = VALIDATIONS - 1 - int(progress.position * VALIDATIONS + 1e-9)
            left -= validation * max(0, before_the_last)
    return progress.step + max(1, int(left / seconds_per_step))


class Pace:
    """The time that a run takes, and the steps that fit into what is left of its budget.

    Args:
        progress: its `seconds` go on from where they are, with every `tick`.
    """

    def __init__(self, config: TrainConfig, progress: Progress):
        self.config, self.progress = config, progress
        self._start, self._before = time.monotonic(), progress.seconds
        self._planned = (progress.step, progress.seconds)
        self._validated = 0.0  # seconds in validations since the plan
        self._validation: float | None = None  # seconds of the last one
        self.saved()

    def tick(self) -> None:
        """Count the time until now."""
        self.progress.seconds = self._before + time.monotonic() - self._start

    def saved(self) -> None:
        """A checkpoint was written."""
        self._saved = time.monotonic()

    @property
    def is_overdue(self) -> bool:
        """Whether the last checkpoint is older than `checkpoint_minutes`."""
        return time.monotonic() - self._saved > self.config.checkpoint_minutes * 60

    @property
    def is_late(self) -> bool:
        """Whether the budget is used up."""
        return self.progress.seconds >= self.config.max_minutes * 60

    @contextmanager
    def validating(self) -> Iterator[None]:
        """What is done within takes the time of a validation, and none of the steps."""
        begun = time.monotonic()
        yield
        self._validation = time.monotonic() - begun
        self._validated += self._validation
        self.tick()

    def plan(self) -> int:
        """Total steps at the speed since the last plan; 0 where nothing is planned now.

        With a number of steps, time only ends a run; it does not shape it.
        """
        progress, (step, seconds) = self.progress, self._planned
        if self.config.max_steps or not plans_now(progress.step):
            return 0
        spent = progress.seconds - seconds - self._validated
        self._planned, self._validated = (progress.step, progress.seconds), 0.0
        if progress.step == step:
            return 0
        return plan_steps(self.config, progress, spent / (progress.step - step), self._validation)


def learning_rate_factor(step: int, position: float, warmup: int, total: int) -> float:
    """Share of the peak learning rate: linear warm-up times a cosine from 1 to 0.

    Args:
        step: from 0.
        position: in the schedule, 0 to 1.
        warmup: steps; at most a tenth of a run is warm-up.
        total: planned steps, 0 while they are not known.
    """
    warmup = min(warmup, total // 10) if total else warmup
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    return rise * 0.5 * (1 + math.cos(math.pi * position))
