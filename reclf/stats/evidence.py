"""Which yes-or-no facts does a view of studies know? By ridge regression, on held-out groups.

x (n, p), facts (n, k) --regression on other folds--> predictions --correlation--> (k,)
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np

FOLDS = 5


def held_out_correlation(x: np.ndarray, facts: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Correlation of each fact with what the rest of the studies predict of it from x.

    Args:
        x: float (n, p).
        facts: float (n, k), 0 or 1.
        groups: n names; studies of one name are in one of FOLDS folds.

    Returns:
        float (k,), -1 to 1; 0 where a fact or its prediction never varies. The ridge is the mean of
        the squared norms of x, so that few studies are not fitted.
    """
    fold = np.array([crc32(group.encode()) % FOLDS for group in groups])
    view = x - x.mean(0, dtype=np.float64)
    products = view @ view.T
    ridge = np.trace(products) / len(x) * np.eye(len(x))
    predicted = np.zeros(facts.shape)
    for number in range(FOLDS):
        test, rest = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        if len(test) and len(rest):
            mean = facts[rest].mean(0)
            inner = np.ix_(rest, rest)
            fitted = np.linalg.solve(products[inner] + ridge[inner], facts[rest] - mean)
            predicted[test] = products[np.ix_(test, rest)] @ fitted + mean
    parts = [part - part.mean(0) for part in (predicted, facts)]
    norms = np.prod([np.sqrt(np.square(part).sum(0)) for part in parts], axis=0)
    return (parts[0] * parts[1]).sum(0) / np.where(norms > 1e-9, norms, np.inf)
