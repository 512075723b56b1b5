"""The percentile bootstrap: what a number would have been on other studies of the same kind."""

from collections.abc import Callable, Mapping

import numpy as np


def bootstrap_interval(
    values: np.ndarray | Mapping[str, np.ndarray],
    statistic: Callable = np.mean,
    *,
    seed: int = 0,
    resamples: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic over the first axis.

    Args:
        values: an array (n, ...), or arrays with one first axis that are resampled together and
            given to `statistic` as keyword arguments.
        statistic: returns a number; NaN results (a resample with one class only) are left out.

    Returns:
        Lower and upper end.
    """
    together = values if isinstance(values, Mapping) else {"": values}
    counts = {len(array) for array in together.values()}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"values must have one length above 0, got lengths {sorted(counts)}")
    n = counts.pop()
    generator = np.random.default_rng(seed)
    results = []
    for _ in range(resamples):
        chosen = generator.integers(0, n, n)
        picked = {name: array[chosen] for name, array in together.items()}
        results.append(statistic(picked[""]) if "" in picked else statistic(**picked))
    return quantiles(np.asarray(results, dtype=float), level)


def quantiles(results: np.ndarray, level: float) -> tuple[float, float]:
    known = results[~np.isnan(results)]
    if len(known) == 0:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    lower, upper = np.quantile(known, [tail, 1 - tail])
    return float(lower), float(upper)
