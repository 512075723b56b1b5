"""Masks and heat-maps against a true mask: Dice, IoU, pointing game, contrast to noise."""

from collections.abc import Sequence

import numpy as np

EMPTY_RULES = ("leave_out", "one")


THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)


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


def _refuse_unlike(heat: np.ndarray, mask: np.ndarray) -> None:
    if heat.shape != mask.shape:
        raise ValueError(f"the map is {heat.shape} and the mask {mask.shape} pixels")
    if np.isnan(heat).any():
        raise ValueError("the map must not hold NaN")
