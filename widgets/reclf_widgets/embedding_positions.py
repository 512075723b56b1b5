"""Vectors as points of a plane.

vectors (n, D) --PCA or UMAP--> points (n, 2), and what their axes are
"""

from dataclasses import dataclass
from importlib import import_module

import numpy as np

METHODS = ("pca", "umap")


@dataclass(frozen=True)
class Positions:
    """Points of a plane.

    Attributes:
        points: float (n, 2).
        axes: what each axis is, for its label.
        named: the method in words.
    """

    points: np.ndarray
    axes: tuple[str, str]
    named: str


def project(vectors: np.ndarray, method: str = "pca", seed: int = 0) -> Positions:
    """The vectors in a plane.

    Args:
        vectors: float (n, D).
        method: "pca", the two directions of most variance, signs such that the entry of largest
            magnitude of each is positive; or "umap", by cosine.
        seed: of UMAP.

    Raises:
        ValueError: an unknown method, or a vector is not finite.
        ImportError: umap-learn is missing.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    vectors = np.asarray(vectors, dtype=np.float64)
    if wrong := np.flatnonzero(~np.isfinite(vectors).all(1)).tolist():
        raise ValueError(f"vectors {wrong[:5]} of {len(vectors)} are not finite")
    if method == "umap":
        try:
            umap = import_module("umap")  # optional
        except ImportError as error:
            raise ImportError(
                'umap-learn is not installed: pip install umap-learn, or take method="pca"'
            ) from error
        points = umap.UMAP(metric="cosine", random_state=seed).fit_transform(vectors)
        return Positions(np.asarray(points), ("UMAP 1", "UMAP 2"), "UMAP (cosine)")
    centered = vectors - vectors.mean(0)
    _, sizes, directions = np.linalg.svd(centered, full_matrices=False)
    shares, points = np.zeros(2), np.zeros((len(vectors), 2))
    total = float((sizes**2).sum())
    for k in range(min(2, len(sizes))):
        direction = directions[k]
        direction = direction * np.sign(direction[np.abs(direction).argmax()])
        points[:, k] = centered @ direction
        shares[k] = sizes[k] ** 2 / total if total else 0.0
    axes = (f"component 1: {shares[0]:.0%} of the variance", f"component 2: {shares[1]:.0%}")
    return Positions(points, axes, "PCA")
