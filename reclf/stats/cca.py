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
    x: np.ndarray,
    y: np.ndarray,
    dim: int,
    ridge: float | tuple[float, float] = 1.0,
    components: int = 0,
) -> tuple[Projection, Projection, np.ndarray]:
    """Projections of both views into one space, and the correlations of its directions.

    Args:
        x, y: float (n, p) and (n, q), row i of the same study.
        dim: directions wanted; where the views have fewer, the others are zeros.
        ridge: added to the eigenvalues of both covariances, in units of their mean; or one for x
            and one for y. 0 fits noise where there are few studies.
        components: principal components of a view that are used at most; 0 uses all.

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
    ridges = ridge if isinstance(ridge, tuple) else (ridge, ridge)
    whiten = [_whitening(*one, components) for one in zip(views, ridges, strict=True)]
    white = [view @ root for view, root in zip(views, whiten, strict=True)]
    left, correlations, right = np.linalg.svd(white[0].T @ white[1] / len(x), full_matrices=False)
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
    root = _whitening(view, ridge)
    weight = (root @ (root.T @ (view.T @ wanted / len(x)))).T
    size = np.square(view @ weight.T).mean()
    weight *= np.sqrt(np.square(wanted).mean() / size) if size > 0 else 0
    return Projection(weight, -weight @ center)


def _whitening(view: np.ndarray, ridge: float, components: int = 0) -> np.ndarray:
    """W (p, k) of a centered view (n, p): W W' is the inverse of its covariance with the ridge, on
    its k principal components."""
    n, p = view.shape
    if p <= n:
        values, vectors = np.linalg.eigh(view.T @ view / n)
    else:  # the same values, and one that is 0
        values, of_studies = np.linalg.eigh(view @ view.T / n)
        values, of_studies = values[1:], of_studies[:, 1:]
        vectors = view.T @ of_studies / np.sqrt(n * values.clip(values.max() * 1e-12))
    first = slice(-components if components else None, None)
    values, vectors = values[first].clip(0), vectors[:, first]
    values = values + ridge * values.mean()
    if not values.max() > 0:
        raise ValueError("a view is the same for all studies, so that nothing can be related to it")
    return vectors / np.sqrt(values.clip(values.max() * 1e-12))
