"""Metrics that torchmetrics, MONAI and scikit-learn lack, and bootstrap intervals for all.

Every metric returns one value per query or study where it can, so that intervals and paired
differences come from the same numbers as the mean.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import gammaln
from sklearn.metrics import roc_auc_score


def rank_of_partner(scores: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Rank (1 = first) of the best correct candidate of each query.

    Args:
        scores: float (queries, candidates), higher is better.
        positives: bool of the same shape, True where the candidate is correct; several may be.

    Returns:
        float (queries,). Wrong candidates with the very same score count half.

    Raises:
        ValueError: NaN among the scores (a NaN must not look like rank 1), or a query without a
            correct candidate.
    """
    if np.isnan(scores).any():
        bad = int(np.isnan(scores).any(1).sum())
        raise ValueError(f"scores must not be NaN; {bad} of {len(scores)} queries have NaN scores")
    if not positives.any(1).all():
        raise ValueError(f"{int((~positives.any(1)).sum())} queries have no correct candidate")
    best = np.where(positives, scores, -np.inf).max(1, keepdims=True)
    above = ((scores > best) & ~positives).sum(1)
    level = ((scores == best) & ~positives).sum(1)
    return 1 + above + level / 2


def recall_chance(positives: np.ndarray, k: int) -> np.ndarray:
    """Probability (queries,) that a random order puts a correct candidate among the first k."""
    n, m = positives.shape[1], positives.sum(1)
    if k >= n:
        return np.ones(len(positives))
    # 1 - C(n - m, k) / C(n, k), in logarithms
    left = np.maximum(n - m - k, 0)
    log_miss = gammaln(n - m + 1) - gammaln(left + 1) - gammaln(n + 1) + gammaln(n - k + 1)
    return np.where(n - m < k, 1.0, 1 - np.exp(log_miss))


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
    tail = (1 - level) / 2
    lower, upper = np.nanquantile(np.asarray(results, dtype=float), [tail, 1 - tail])
    return float(lower), float(upper)


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve; NaN labels are left out; NaN if one class is missing."""
    known = ~np.isnan(labels)
    if len(np.unique(labels[known])) < 2:
        return float("nan")
    return float(roc_auc_score(labels[known], scores[known]))


def macro_auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mean AUROC over the label columns in which both classes are present; NaN if there is none."""
    values = [auroc(labels[:, c], scores[:, c]) for c in range(labels.shape[1])]
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
