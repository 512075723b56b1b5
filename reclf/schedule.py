"""How many steps a run takes, and the learning rate at each.

A time budget becomes a number of steps once, after a few measured steps, and is kept with the
checkpoint. From then on the learning rate is a function of the step, so that an interrupted run
goes on exactly where it was.
"""

import math
from dataclasses import asdict, dataclass

from .config import TrainConfig

MEASURED_STEPS = (5, 25)  # the first steps are slow: memory is being allocated
# Share of the budget that is planned; validations, checkpoints and a busier machine take the rest.
PLANNED_SHARE = 0.85


@dataclass
class Progress:
    """Where a run stands; all of it is saved with the checkpoint."""

    step: int = 0  # finished optimiser steps
    total_steps: int = 0  # 0 until the time budget has been turned into steps
    seconds: float = 0.0  # spent in the loop, over all sittings
    studies: int = 0  # seen, all processes together
    best_recall: float = -1.0
    best_step: int = 0
    out_of_time: bool = False

    def state(self) -> dict[str, float]:
        return asdict(self)

    @property
    def finished(self) -> bool:
        return self.out_of_time or (0 < self.total_steps <= self.step)


def plan_steps(config: TrainConfig, step: int, seconds: float, seconds_per_step: float) -> int:
    """Total steps that fit the budget, given the speed measured so far."""
    left = config.max_minutes * 60 * PLANNED_SHARE - seconds
    total = step + max(1, int(left / seconds_per_step))
    return min(total, config.max_steps) if config.max_steps else total


def learning_rate_factor(step: int, warmup: int, total: int) -> float:
    """Share of the peak learning rate at a step (from 0): linear warm-up, then cosine to zero.

    Warm-up takes at most a tenth of a run; `total` 0 means that the end is not known yet.
    """
    if total:
        warmup = min(warmup, total // 10)
    if step < warmup:
        return (step + 1) / warmup
    if not total:
        return 1.0
    done = (step - warmup) / max(1, total - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
