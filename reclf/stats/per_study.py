"""A ratio over studies, kept per study, so that it has intervals and paired differences.

    each study: scored 3.5 of 4 --> StudyRatio (total, count) --> value, 95 % interval, n

Items of one study are not independent (its findings share an image, its words a report), so studies
are resampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .bootstrap import Interval, percentiles, resample_weights
from .estimate import Estimate


@dataclass(frozen=True)
class StudyRatio:
    """What each of n studies scored, out of how much; 0 of 0 is no information."""

    total: np.ndarray  # float (n,)
    count: np.ndarray  # float (n,), 0 or more

    def __post_init__(self) -> None:
        if self.total.shape != self.count.shape or self.total.ndim != 1:
            raise ValueError(
                f"total and count must be (n,), got {self.total.shape} and {self.count.shape}"
            )
        if not (np.isfinite(self.total).all() and np.isfinite(self.count).all()):
            raise ValueError("total and count must be finite; a study that says nothing is 0 of 0")

    @classmethod
    def of(cls, values: np.ndarray) -> StudyRatio:
        """One value per study, each counting alike; NaN is a study that says nothing."""
        known = ~np.isnan(values)
        return cls(np.where(known, values, 0.0), known.astype(float))

    @classmethod
    def by_study(cls, values: np.ndarray, study: np.ndarray) -> StudyRatio:
        """Several values of a study, each counting alike; NaN is left out.

        Args:
            values: float (items,).
            study: int (items,), number of each item's study, from 0.
        """
        known = ~np.isnan(values)
        size = int(study.max()) + 1
        return cls(
            np.bincount(study[known], values[known], minlength=size),
            np.bincount(study[known], minlength=size).astype(float),
        )

    @property
    def value(self) -> float:
        """NaN if no study says anything."""
        return share(self.total, self.count)

    @property
    def n(self) -> int:
        """Studies that say something."""
        return int((self.count > 0).sum())

    def resampled(self, seed: int = 0) -> np.ndarray:
        """The value in each of RESAMPLES bootstrap resamples of the studies; NaN for 0 of 0.

        Ratios of equal n and seed are resampled alike, so their differences are paired.
        """
        weights = study_weights(len(self.total), seed)
        with np.errstate(invalid="ignore"):
            return (weights @ self.total) / (weights @ self.count)

    def interval(self, seed: int = 0) -> Interval | None:
        """95 % percentile interval over the resamples: what `bootstrap_interval` gives."""
        return percentiles(self.resampled(seed), self.n)

    def estimate(self, seed: int = 0) -> Estimate:
        """Value, interval and n."""
        return Estimate(self.value, self.interval(seed), self.n)

    def result(self, seed: int = 0) -> dict[str, Any]:
        """value, interval and n, as result files hold them; None where nothing is said."""
        return self.estimate(seed).result()


def share(total: np.ndarray, count: np.ndarray) -> float:
    """sum(total) / sum(count), NaN for 0 of 0."""
    return float(total.sum() / count.sum()) if count.sum() else float("nan")


@lru_cache(maxsize=8)
def study_weights(n: int, seed: int) -> np.ndarray:
    """How often each of n studies is drawn in each resample, float (RESAMPLES, n).

    All ratios of a benchmark share one matrix.
    """
    return resample_weights(n, seed).astype(float)
