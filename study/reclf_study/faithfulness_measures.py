"""How far a map tells what a score rests on, and whether it lies on the finding.

    PairScore -> CellScore (score of the image with some regions only) -> curves, infidelity
    map, mask -> pointing game, CNR

A measure of one map says little alone: `reclf_study.faithfulness_study` compares it with controls.

Shape letters: B = copies of the image, R = h * w regions; h, w = region grid, H, W_px = image size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import spearmanr

from reclf.data.region_grid import MIDDLE, filled, heat_in_pixels, without_regions
from reclf.stats.maps import contrast_to_noise, pointing_hit

from .pair_score import CHUNK, PairScore

# name -> whether more is better, and what it asks
MEASURES: dict[str, tuple[bool, str]] = {
    "pointing": (True, "does it point at the finding?"),
    "cnr": (True, "does it stand out in the finding?"),
    "insertion": (True, "does it name the regions that bring the score back?"),
    "deletion": (False, "does it name the regions without which the score falls?"),
    "infidelity": (False, "does it foretell what hidden regions cost?"),
}


class CellScore:
    """The score of an image of which only some regions are shown.

    Scores are remembered, so that several maps and measures of one pair share them.

    Args:
        score: pixels (B, 1, H, W_px) to scores (B,), e.g. `PairScore.of_pixels`.
        image: float (H, W_px) in [0, 1].
        grid: (h, w).
        fill: what hidden regions show, "blur" or "mean"; see `region_grid.filled`.
        device: where `score` wants its images.
        center: where in its block of pixels a region looks, see `reclf.data.region_grid`.
    """

    def __init__(
        self,
        score: Callable,
        image: np.ndarray,
        grid: tuple[int, int],
        fill: str = "blur",
        device: torch.device | str = "cpu",
        center: float = MIDDLE,
    ):
        self.score, self.grid, self.device, self.center = score, grid, device, center
        self.image, self.fill = np.asarray(image, dtype=np.float32), filled(image, fill)
        self._known: dict[bytes, float] = {}

    @classmethod
    def of(cls, pair: PairScore, fill: str = "blur") -> CellScore:
        """The regions of a pair."""
        return cls(pair.of_pixels, pair.image, pair.grid, fill, pair.model.device, pair.center)

    def __call__(self, keep: np.ndarray) -> np.ndarray:
        """Scores, float (B,), with the regions where `keep`, bool (B, R), is True."""
        names = [row.tobytes() for row in keep]
        new = list({name: i for i, name in enumerate(names) if name not in self._known}.values())
        for start in range(0, len(new), CHUNK):
            chosen = new[start : start + CHUNK]
            images = without_regions(self.image, self.fill, keep[chosen], self.grid, self.center)
            with torch.no_grad():
                found = self.score(torch.from_numpy(images).to(self.device))
            values = found.float().cpu().tolist()
            self._known.update(zip((names[i] for i in chosen), values, strict=True))
        return np.array([self._known[name] for name in names])


@dataclass(frozen=True)
class Curves:
    """Scores while regions are shown or hidden in the order of a map, strongest first."""

    fractions: np.ndarray  # float (steps,), 0 to 1: share of the regions shown or hidden
    insertion: np.ndarray  # float (steps,): from nothing to the whole image
    deletion: np.ndarray  # float (steps,): from the whole image to nothing

    @property
    def insertion_auc(self) -> float:
        """Area under the insertion curve, in the units of the score: more is better."""
        return float(np.trapezoid(self.insertion, self.fractions))

    @property
    def deletion_auc(self) -> float:
        """Area under the deletion curve: less is better."""
        return float(np.trapezoid(self.deletion, self.fractions))


def curves(cells: CellScore, heat: np.ndarray, steps: int = 13, seed: int = 0) -> Curves:
    """Insertion and deletion curves (Petsiuk et al., BMVC 2018) over regions, in the score's units.

    Scores are not divided by score(image) - score(nothing), as is usual for probabilities: for a
    logit that difference may be next to 0 or below it. Differences between maps of one case stay
    comparable; all have the same ends.

    Args:
        heat: float (h, w), finite; level regions go in random order.
        steps: points of the curve, ends included; at most one per region is used.
        seed: of that order.
    """
    order = ranked(heat, seed)
    count = len(order)
    rank = np.empty(count, dtype=int)
    rank[order] = np.arange(count)
    numbers = np.unique(np.linspace(0, count, steps).round().astype(int))
    first = rank[None] < numbers[:, None]  # (steps, R)
    return Curves(numbers / count, cells(first), cells(~first))


def infidelity(cells: CellScore, heat: np.ndarray, samples: int = 32, seed: int = 0) -> float:
    """Infidelity (Yeh et al., NeurIPS 2019) of hiding a random half of the regions.

    The mean squared difference between what the score loses and what the map foretells: the sum of
    its hidden regions, times the best factor, as attention has no unit. Divided by that of a map of
    zeros. The number is captum's, but that a factor below 0 becomes 0 (ours): a map that foretells
    the opposite says nothing.

    A level map foretells the mean loss, so that broad maps do well here; hence the controls.

    Args:
        heat: float (h, w).
        samples: sets of hidden regions.
        seed: of their choice; the same for all maps that are to be compared.

    Returns:
        In [0, 1]; 0 is a map from which every loss can be foretold, 1 one that says nothing. NaN
        where hiding regions changes nothing.
    """
    hidden = np.random.default_rng(seed).random((samples, heat.size)) < 0.5
    lost = cells(np.ones((1, heat.size), dtype=bool)) - cells(~hidden)
    foretold = hidden @ heat.ravel().astype(float)
    of_nothing = np.square(lost).mean()
    if of_nothing <= 1e-12:
        return float("nan")
    factor = max(0.0, foretold @ lost / max(foretold @ foretold, 1e-12))
    return float(np.square(factor * foretold - lost).mean() / of_nothing)


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's correlation of two maps or lists of word weights; NaN where one is constant."""
    a, b = np.ravel(a), np.ravel(b)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(spearmanr(a, b).statistic)


def ranked(heat: np.ndarray, seed: int = 0) -> np.ndarray:
    """Regions (R,) from the strongest to the weakest; level ones in an order drawn by the seed.

    In reading order, a constant map would start at the top left, where nothing is.
    """
    if not np.isfinite(heat).all():
        raise ValueError("the map must be finite")
    drawn = np.random.default_rng(seed).random(heat.size)
    return np.lexsort((drawn, -heat.ravel()))


def measure(
    cells: CellScore,
    heat: np.ndarray,
    mask: np.ndarray | None = None,
    steps: int = 13,
    samples: int = 32,
    seed: int = 0,
) -> dict[str, float]:
    """All MEASURES of one map.

    Args:
        mask: bool (H, W_px), where the finding is; without it pointing and CNR are NaN.
        steps, samples, seed: see `curves` and `infidelity`.
    """
    found = curves(cells, heat, steps, seed)
    values = {
        "pointing": float("nan"),
        "cnr": float("nan"),
        "insertion": found.insertion_auc,
        "deletion": found.deletion_auc,
        "infidelity": infidelity(cells, heat, samples, seed),
    }
    if mask is not None and mask.any():
        pixels = heat_in_pixels(heat, mask.shape, cells.center)
        values["pointing"] = pointing_hit(pixels, mask)
        values["cnr"] = contrast_to_noise(pixels, mask, signed=True)
    return values
