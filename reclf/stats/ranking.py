"""Ranks and what follows from them: recall@k by identity, precision@k by class. Ties count half."""

import numpy as np
from scipy.special import gammaln


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


def _share(chosen: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    return (chosen & relevant).sum(1) / chosen.sum(1)
