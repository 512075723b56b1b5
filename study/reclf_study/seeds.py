"""Means and paired differences over seeds and test studies, with intervals for both at once.

    per seed: value, values in resamples of the studies --> mean over seeds, 95 % interval

All runs are tested on the same studies, so studies are resampled together for every seed and both
sides of a difference (a paired bootstrap); seeds are paired too, since a seed gives both sides the
same first weights and the same batches. The variance over studies is the bootstrap's, that over
seeds is the variance of the seeds' values over their number; the interval is Student's with
Satterthwaite's degrees of freedom for the sum (ours). Drawing the seeds with replacement as well
would be shorter to write and wrong: with three seeds that differ, its intervals exclude a true 0 in
up to a quarter of all cases (tests/study/test_seeds.py).

The p-value of a difference is of the same t statistic, so that it is below .05 where the interval
excludes 0. Of many comparisons in one table some look real by chance; `holm` corrects for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student

from reclf.stats.classification import macro_auroc, resampled_macro_auroc
from reclf.stats.estimate import Estimate
from reclf.stats.per_study import StudyRatio, study_weights


@dataclass(frozen=True)
class Ranking:
    """Labels and scores of n studies, whose value is the macro AUROC."""

    labels: np.ndarray  # float (n, names), 1, 0 or NaN = no information
    scores: np.ndarray  # float (n, names)

    @property
    def value(self) -> float:
        return macro_auroc(self.labels, self.scores)

    @property
    def n(self) -> int:
        return len(self.labels)

    def resampled(self, seed: int = 0) -> np.ndarray:
        """As `StudyRatio.resampled`."""
        return resampled_macro_auroc(self.labels, self.scores, study_weights(self.n, seed))


@dataclass(frozen=True)
class Resampled:
    """A measure of one run: its value, and the same in resamples of the test studies."""

    value: float
    n: int  # studies that say something
    resampled: np.ndarray  # float (resamples,)

    @classmethod
    def of(cls, measure: StudyRatio | Ranking, seed: int = 0) -> Resampled:
        """Equal seeds and numbers of studies give equal resamples."""
        return cls(measure.value, measure.n, measure.resampled(seed))


def mean_over_seeds(runs: Sequence[Resampled]) -> Estimate:
    """The mean of a measure over the runs of several seeds; of one, over studies alone.

    Raises:
        ValueError: no runs, or a run that says nothing.
    """
    return _estimate(list(runs))[0]


def paired_difference(runs: Sequence[Resampled], controls: Sequence[Resampled]) -> Estimate:
    """Mean of runs minus controls, run i and control i having one seed and the same test studies;
    with its p-value.

    Raises:
        ValueError: the two do not pair up, there are none, or one says nothing.
    """
    if len(runs) != len(controls):
        raise ValueError(f"{len(runs)} runs and {len(controls)} controls do not pair up")
    found, p = _estimate(
        [
            Resampled(a.value - b.value, min(a.n, b.n), a.resampled - b.resampled)
            for a, b in zip(runs, controls, strict=True)
        ]
    )
    return replace(found, p=p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: rejecting what is below .05 has a chance of 5 % at most to reject any true
    0 (family-wise error), however the comparisons depend on one another.

    The smallest of m is multiplied by m, the next by m - 1, ...; none is smaller than one before it
    (Holm, Scand J Stat 1979).
    """
    p = np.asarray(p_values, dtype=float)
    order = p.argsort(kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted.tolist()


def _estimate(runs: list[Resampled]) -> tuple[Estimate, float]:
    """Mean and interval, and the two-sided p-value of a mean of 0."""
    if not runs:
        raise ValueError("a mean over seeds needs at least one run")
    values, seeds = np.array([run.value for run in runs]), len(runs)
    if np.isnan(values).any():
        raise ValueError(f"a run says nothing about the measure: {values.tolist()}")
    n = min(run.n for run in runs)
    over_studies = float(np.nanvar(np.mean([run.resampled for run in runs], axis=0)))
    over_seeds = float(values.var(ddof=1) / seeds) if seeds > 1 else 0.0
    mean, variance, half = float(values.mean()), over_studies + over_seeds, 0.0
    p = float(mean == 0)
    if variance > 0:
        parts = over_studies**2 / max(n - 1, 1) + over_seeds**2 / max(seeds - 1, 1)
        freedom, error = variance**2 / parts, variance**0.5
        half = float(student.ppf(0.975, freedom)) * error
        p = 2 * float(student.sf(abs(mean) / error, freedom))
    return Estimate(mean, (mean - half, mean + half), n, tuple(map(float, values))), p
