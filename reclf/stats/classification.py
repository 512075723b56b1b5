"""AUROC with missing labels and with resampling weights, and F1 of classes.

The tests compare these with torchmetrics and scikit-learn; neither takes NaN labels or the weights
of a bootstrap.
"""

import numpy as np

from .bootstrap import Interval, percentiles, resample_weights


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve, by its meaning: the share of (positive, negative) pairs in order.

    Ties count half.

    Args:
        labels: float (n,), 1, 0, or NaN = no information, left out.
        scores: float (n,), finite where the label is known.

    Returns:
        NaN if one class is missing.

    Raises:
        ValueError: another label, such as -1 for "uncertain"; a score that is NaN.
    """
    return float(_weighted_auroc(labels, scores, np.ones((1, len(labels)), np.int64))[0])


def macro_auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mean AUROC over the label columns in which both classes are present; NaN if there is none."""
    values = [auroc(labels[:, c], scores[:, c]) for c in range(labels.shape[1])]
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def macro_auroc_interval(
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    seed: int = 0,
    resamples: int = 1000,
    level: float = 0.95,
) -> Interval | None:
    """`bootstrap_interval` of `macro_auroc`, number for number, some hundred times faster.

    A resample is a weight per study, so the scores are sorted once.
    """
    weights = resample_weights(len(labels), seed, resamples)
    known = int((~np.isnan(labels)).any(1).sum())
    return percentiles(resampled_macro_auroc(labels, scores, weights), known, level)


def resampled_macro_auroc(
    labels: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """`macro_auroc` in each of several resamples of the studies.

    Args:
        labels, scores: float (n, names).
        weights: whole numbers (resamples, n), how often each study is drawn.

    Returns:
        float (resamples,); NaN where no label has both classes.
    """
    values = np.full((labels.shape[1], len(weights)), np.nan)
    for first in range(0, len(weights), 50):  # bounds the memory of large test sets
        part = weights[first : first + 50]
        for c in range(labels.shape[1]):
            values[c, first : first + 50] = _weighted_auroc(labels[:, c], scores[:, c], part)
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(0) / known.sum(0)


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1 of the classes that occur in `truth`; a class never found has 0.

    Args:
        truth, predicted: int (n,), class numbers from 0.
    """
    return float(np.mean(list(f1_per_class(truth, predicted).values())))


def f1_per_class(truth: np.ndarray, predicted: np.ndarray) -> dict[int, float]:
    """F1 of each class that occurs in `truth`: 2 hits / (predicted + true)."""
    size = int(max(truth.max(), predicted.max())) + 1
    hits = np.bincount(truth[truth == predicted], minlength=size)
    total = np.bincount(truth, minlength=size) + np.bincount(predicted, minlength=size)
    return {int(c): float(2 * hits[c] / total[c]) for c in np.unique(truth)}


def _weighted_auroc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUROC (R,) of each row of whole-number weights (R, n); NaN where a class has no weight."""
    known = ~np.isnan(labels)
    labels, scores, weights = labels[known], scores[known], weights[:, known]
    other = sorted(set(np.unique(labels)) - {0.0, 1.0})
    if other:
        raise ValueError(f"labels must be 1, 0 or NaN, got {[float(value) for value in other]}")
    if np.isnan(scores).any():
        raise ValueError(f"scores must not be NaN; {int(np.isnan(scores).sum())} are")
    positive = labels == 1
    order = np.argsort(scores[~positive], kind="stable")
    negatives = scores[~positive][order]
    below = np.zeros((len(weights), len(negatives) + 1))
    below[:, 1:] = weights[:, ~positive][:, order].cumsum(1)
    left = np.searchsorted(negatives, scores[positive], "left")
    right = np.searchsorted(negatives, scores[positive], "right")
    in_order = (weights[:, positive] * (below[:, left] + below[:, right])).sum(1) / 2
    pairs = weights[:, positive].sum(1) * below[:, -1]
    with np.errstate(invalid="ignore"):
        return np.where(pairs > 0, in_order / pairs, np.nan)
