"""Regularized canonical correlation analysis: where do two views of the same studies agree?

    x (n, p), y (n, q) --whiten each--> singular vectors of what they share --> projections

Source: Hotelling, Biometrika 1936, with ridge terms as in Vinod, J Econometrics 1976. The weighting
of directions by their correlation is common practice in retrieval.
"""

from typing import NamedTuple

import numpy as np


class Projection(NamedTuple):
    """x -> weight @ x + bias."""

    weight: np.ndarray  # float64 (k, p)
    bias: np.ndarray  # float64 (k,)


def regularized_cca(
    x: np.ndarray, y: np.ndarray, dim: int, ridge: float = 1.0
) -> tuple[Projection, Projection, np.ndarray]:
    """Projections of both views into one space, and the correlations of its directions.

    Args:
        x, y: float (n, p) and (n, q), row i of the same study.
        dim: directions wanted; where the views have fewer, the others are zeros.
        ridge: added to the eigenvalues of both covariances, in units of their mean. 0 fits noise
            where there are few studies.

    Returns:
        The projections, whose outputs have mean 0 and a root mean square of 1, over studies and
        directions, each direction scaled by its correlation; and the correlations, falling, (dim,).

    Raises:
        ValueError: shapes that do not fit, fewer than two studies, or a view that never varies.
    """
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < 2:
        raise ValueError(f"x and y must be (n, p) and (n, q), n >= 2, got {x.shape} and {y.shape}")
    centers = [view.mean(0, dtype=np.float64) for view in (x, y)]
    views = [view - center for view, center in zip((x, y), centers, strict=True)]
    whiten = [_inverse_root(view.T @ view / len(x), ridge) for view in views]
    shared = whiten[0] @ (views[0].T @ views[1] / len(x)) @ whiten[1]
    left, correlations, right = np.linalg.svd(shared, full_matrices=False)
    found = []
    for view, center, root, vectors in zip(views, centers, whiten, (left, right.T), strict=True):
        weight = np.zeros((dim, view.shape[1]))
        some = (root @ (vectors * correlations)[:, :dim]).T
        weight[: len(some)] = some / np.sqrt(np.square(view @ some.T).mean())
        found.append(Projection(weight, -weight @ center))
    correlations = np.pad(correlations[:dim], (0, max(0, dim - len(correlations))))
    return found[0], found[1], correlations


def ridge_regression(x: np.ndarray, y: np.ndarray, ridge: float = 1.0) -> Projection:
    """The linear map of x (n, p) that comes nearest to y (n, k), with the ridge of
    `regularized_cca`, scaled so that its outputs are as large as y in the root mean square."""
    center = x.mean(0, dtype=np.float64)
    view, wanted = x - center, y - y.mean(0)
    root = _inverse_root(view.T @ view / len(x), ridge)
    weight = (root @ (root @ (view.T @ wanted / len(x)))).T
    weight *= np.sqrt(np.square(wanted).mean() / np.square(view @ weight.T).mean())
    return Projection(weight, -weight @ center)


def _inverse_root(covariance: np.ndarray, ridge: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    values = values.clip(0) + ridge * values.mean()
    if not values.max() > 0:
        raise ValueError("a view is the same for all studies, so that nothing can be related to it")
    return vectors / np.sqrt(values.clip(values.max() * 1e-12)) @ vectors.T
