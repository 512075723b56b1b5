"""AUROC with missing labels and with resampling weights, and F1 of classes.

The tests compare these with torchmetrics and scikit-learn; neither takes NaN labels or the weights
of a bootstrap.
"""

from functools import partial

import numpy as np

from .bootstrap import PART, Interval, weighted_interval


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
    """`bootstrap_interval` of `macro_auroc`: the scores are sorted once for all resamples."""
    return weighted_interval(
        partial(resampled_macro_auroc, labels, scores),
        len(labels),
        int((~np.isnan(labels)).any(1).sum()),
        seed=seed,
        resamples=resamples,
        level=level,
    )


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
    for first in range(0, len(weights), PART):
        part = weights[first : first + PART]
        for c in range(labels.shape[1]):
            values[c, first : first + PART] = _weighted_auroc(labels[:, c], scores[:, c], part)
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(0) / known.sum(0)


def accuracy(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share (resamples,) of the studies whose class is found; arguments as of `macro_f1`."""
    return weights @ (truth == predicted) / weights.sum(1)


def macro_f1(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean F1 (resamples,) of the classes that occur in `truth`; a class never found has 0.

    Args:
        truth, predicted: int (n,), class numbers from 0.
        weights: float (resamples, n), how often each study is drawn; ones (1, n) for all once.
    """
    return np.nanmean(_f1(truth, predicted, weights), 1)


def f1_per_class(truth: np.ndarray, predicted: np.ndarray) -> dict[int, float]:
    """F1 of each class that occurs in `truth`: 2 hits / (predicted + true)."""
    (each,) = _f1(truth, predicted, np.ones((1, len(truth))))
    return dict(zip(np.unique(truth).tolist(), each.tolist(), strict=True))


def _f1(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """F1 (resamples, classes in `truth`), NaN where a class does not occur in the resample."""
    classes = np.unique(truth)
    is_true, is_found = truth[:, None] == classes, predicted[:, None] == classes
    true, found, hits = (
        weights @ of.astype(float) for of in (is_true, is_found, is_true & is_found)
    )
    return np.divide(2 * hits, true + found, out=np.full(true.shape, np.nan), where=true > 0)


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
