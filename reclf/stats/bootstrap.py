"""The percentile bootstrap: what a number would have been on other studies of the same kind.

    n, seed --resample--> rows (resamples, n) --statistic--> values --percentiles--> interval

`scipy.stats.bootstrap` gives NaN as soon as one resample has no value (an AUROC of one class), and
has no weights, by which the ratios of a benchmark share their resamples.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

import numpy as np

RESAMPLES = 2000
FEWEST = 2  # studies with an interval
PART = 50  # resamples at a time, which bounds the memory of large test sets

Interval = tuple[float, float]


def resample(n: int, seed: int = 0, resamples: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Rows int (n,) of n studies drawn with replacement, once per resample.

    Equal n and seed give equal resamples, so that differences between measures are paired.
    """
    generator = np.random.default_rng(seed)
    return (generator.integers(0, n, n) for _ in range(resamples))


def resample_weights(n: int, seed: int = 0, resamples: int = RESAMPLES) -> np.ndarray:
    """The same resamples by how often each study is drawn: int (resamples, n)."""
    return np.array([np.bincount(rows, minlength=n) for rows in resample(n, seed, resamples)])


def weighted_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    n: int,
    known: int,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval | None:
    """`bootstrap_interval`, number for number, of a statistic of how often each study is drawn.

    Args:
        statistic: of float weights (some resamples, n); returns as many numbers.
        known: studies that say something, as in `percentiles`.
    """
    values = []
    rows = resample(n, seed, resamples)
    while part := list(islice(rows, PART)):
        weights = np.array([np.bincount(drawn, minlength=n) for drawn in part], float)
        values.append(statistic(weights))
    return percentiles(np.concatenate(values), known, level)


def percentiles(values: np.ndarray, n: int, level: float = 0.95) -> Interval | None:
    """Lower and upper end of the middle `level` of values (resamples,); NaN is left out.

    Args:
        n: studies that say something. One alone is drawn again and again: it has no interval.

    Returns:
        None where n is below 2, or no resample has a value.
    """
    known = values[~np.isnan(values)]
    if n < FEWEST or len(known) == 0:
        return None
    tail = (1 - level) / 2
    lower, upper = np.quantile(known, [tail, 1 - tail])
    return float(lower), float(upper)


def bootstrap_interval(
    values: np.ndarray | Mapping[str, np.ndarray],
    statistic: Callable = np.mean,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Interval | None:
    """Percentile bootstrap interval of a statistic over the first axis.

    Args:
        values: an array (n, ...), or arrays with one first axis that are resampled together and
            given to `statistic` as keyword arguments.
        statistic: returns a number; NaN results (a resample with one class only) are left out.

    Returns:
        Lower and upper end; None where fewer than two rows hold anything but NaN, or `statistic`
        has no value.
    """
    arrays = values if isinstance(values, Mapping) else {"": values}
    counts = {len(array) for array in arrays.values()}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"values must have one length above 0, got lengths {sorted(counts)}")
    known = [~np.isnan(array).reshape(len(array), -1).all(1) for array in arrays.values()]
    results = []
    for rows in resample(counts.pop(), seed, resamples):
        drawn = {name: array[rows] for name, array in arrays.items()}
        results.append(statistic(drawn[""]) if "" in drawn else statistic(**drawn))
    return percentiles(np.asarray(results, dtype=float), int(np.all(known, axis=0).sum()), level)
