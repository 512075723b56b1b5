"""Metrics that torchmetrics, MONAI and scikit-learn lack, and bootstrap intervals for all.

Every metric returns one value per query or study where it can, so that intervals and paired
differences come from the same numbers as the mean.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.special import gammaln

EMPTY_RULES = ("leave_out", "one")
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)


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


def recall_chance(right_answers: np.ndarray, candidates: int, k: int) -> np.ndarray:
    """Probability (queries,) that a random order puts a right candidate among the first k.

    Args:
        right_answers: int (queries,), how many of the candidates are right.
        candidates: how many there are.
    """
    n, m = candidates, np.asarray(right_answers)
    if k >= n:
        return np.ones(len(m))
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
    return _quantiles(np.asarray(results, dtype=float), level)


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
) -> tuple[float, float]:
    """`bootstrap_interval` of `macro_auroc`, number for number, some hundred times faster.

    A resample is a weight per study, so the scores are sorted once.
    """
    n = len(labels)
    generator = np.random.default_rng(seed)
    drawn = [np.bincount(generator.integers(0, n, n), minlength=n) for _ in range(resamples)]
    return _quantiles(resampled_macro_auroc(labels, scores, np.array(drawn)), level)


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


def precision_at_k(scores: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Share of the first k candidates that are relevant, for each query.

    Args:
        scores: float (queries, candidates), higher is better.
        relevant: bool of the same shape.
        k: 1 to the number of candidates.

    Returns:
        float (queries,) in [0, 1]. Where the k-th score is shared by more candidates than fit, the
        expectation over their random order: a data set sorted by class must not profit from ties.
    """
    n = scores.shape[1]
    if not 1 <= k <= n:
        raise ValueError(f"k must be 1 to the number of candidates, {n}, got {k}")
    if np.isnan(scores).any():
        raise ValueError("scores must not be NaN")
    kth = np.partition(scores, n - k, axis=1)[:, n - k, None]
    above, level = scores > kth, scores == kth
    places_left = k - above.sum(1)
    return ((above & relevant).sum(1) + places_left * _share(level, relevant)) / k


def dice_and_iou(
    predicted: np.ndarray, truth: np.ndarray, empty: str = "leave_out"
) -> tuple[np.ndarray, np.ndarray]:
    """Dice and intersection over union of each study and class.

    Args:
        predicted, truth: bool (n, classes, H, W).
        empty: what a study without the class in `truth` counts. "leave_out": NaN, it says nothing
            (MONAI's ignore_empty=True). "one": 1 if nothing was predicted either, else 0
            (ignore_empty=False); this rewards a model that predicts nothing where findings are
            rare.

    Returns:
        Two float arrays (n, classes) in [0, 1].
    """
    if empty not in EMPTY_RULES:
        raise ValueError(f"empty must be one of {EMPTY_RULES}, got {empty!r}")
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted is {predicted.shape} and truth {truth.shape}")
    both = (predicted & truth).sum((2, 3))
    sizes = predicted.sum((2, 3)) + truth.sum((2, 3))
    nothing = truth.sum((2, 3)) == 0
    for_empty = np.where(sizes == 0, 1.0, 0.0) if empty == "one" else np.full(sizes.shape, np.nan)
    dice = np.where(nothing, for_empty, 2 * both / np.maximum(sizes, 1))
    iou = np.where(nothing, for_empty, both / np.maximum(sizes - both, 1))
    return dice, iou


def pointing_hit(heat: np.ndarray, mask: np.ndarray) -> float:
    """Pointing game (Zhang et al., IJCV 2018): 1 if the maximum of a map lies in the mask.

    Args:
        heat: float (H, W).
        mask: bool (H, W).

    Returns:
        The share of the maximal pixels that lie inside, where several are level: a constant map
        gets the area of the mask, which is chance.
    """
    _refuse_unlike(heat, mask)
    return float(mask[heat == heat.max()].mean())


def contrast_to_noise(heat: np.ndarray, mask: np.ndarray, signed: bool = False) -> float:
    """CNR: |mean inside - mean outside| / sqrt(variance inside + variance outside).

    As for MS-CXR (Boecking et al., ECCV 2022). Without `signed` a map that is high everywhere but
    in the mask scores as well as its inverse.

    Args:
        heat: float (H, W), before any threshold.
        mask: bool (H, W).
        signed: keep the sign of the difference.

    Returns:
        0 for a constant map, NaN if the mask is empty or full.
    """
    _refuse_unlike(heat, mask)
    if not mask.any() or mask.all():
        return float("nan")
    inside, outside = heat[mask].astype(float), heat[~mask].astype(float)
    difference = inside.mean() - outside.mean()
    if difference == 0:
        return 0.0
    with np.errstate(divide="ignore"):
        ratio = difference / np.sqrt(inside.var() + outside.var())
    return float(ratio if signed else abs(ratio))


def iou_at_thresholds(
    heat: np.ndarray, mask: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> np.ndarray:
    """IoU (thresholds,) of the mask with where the map reaches each threshold; NaN for no mask."""
    _refuse_unlike(heat, mask)
    if not mask.any():
        return np.full(len(thresholds), np.nan)
    reached = heat[None] >= np.asarray(thresholds)[:, None, None]
    return (reached & mask).sum((1, 2)) / (reached | mask).sum((1, 2))


def _quantiles(results: np.ndarray, level: float) -> tuple[float, float]:
    known = results[~np.isnan(results)]
    if len(known) == 0:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    lower, upper = np.quantile(known, [tail, 1 - tail])
    return float(lower), float(upper)


def _share(chosen: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    return (chosen & relevant).sum(1) / chosen.sum(1)


def _refuse_unlike(heat: np.ndarray, mask: np.ndarray) -> None:
    if heat.shape != mask.shape:
        raise ValueError(f"the map is {heat.shape} and the mask {mask.shape} pixels")
    if np.isnan(heat).any():
        raise ValueError("the map must not hold NaN")
