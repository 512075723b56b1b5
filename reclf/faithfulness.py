"""Can a map be trusted? Measures of faithfulness, beside controls that know nothing of the pair.

    PairScore -> CellScore (score of the image with some regions only) -> curves, infidelity
    map, mask -> pointing game, CNR            maps of all cases -> differences with intervals

A measure of a map says little alone: a picture has its subject in the middle, and a score falls
with any region taken away. Every map is therefore held against a random map, a centre prior, the
map of another report on the same image, and the map of a model with random weights (the sanity
check of Adebayo et al., NeurIPS 2018).

Shape letters: B = copies of the image, R = h * w regions, n = cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import spearmanr

from .cells import filled, heat_in_pixels, without_cells
from .metrics import bootstrap_interval, contrast_to_noise, pointing_hit
from .pair_score import PairScore

if TYPE_CHECKING:
    from .batches import Study

# name -> whether more is better, and a sentence on what was found
MEASURES: dict[str, tuple[bool, str]] = {
    "pointing": (True, "points at the finding"),
    "cnr": (True, "stands out in the finding"),
    "insertion": (True, "names the regions that bring the score back"),
    "deletion": (False, "names the regions without which the score falls"),
    "infidelity": (False, "foretells what hidden regions cost"),
}
CHUNK = 32  # copies of the image that are scored at a time
CONTROLS = ("random map", "centre prior", "shuffled report", "randomised weights")


class CellScore:
    """The score of an image of which only some regions are shown.

    Scores are remembered, so that several maps and measures of one pair share them.

    Args:
        score: pixels (B, 1, H, W_px) to scores (B,), e.g. `PairScore.of_pixels`.
        image: float (H, W_px) in [0, 1].
        grid: (h, w).
        fill: what hidden regions show, "blur" or "mean"; see `cells.filled`.
        device: where `score` wants its images.
    """

    def __init__(
        self,
        score: Callable,
        image: np.ndarray,
        grid: tuple[int, int],
        fill: str = "blur",
        device: torch.device | str = "cpu",
    ):
        self.score, self.grid, self.device = score, grid, device
        self.image, self.fill = np.asarray(image, dtype=np.float32), filled(image, fill)
        self._known: dict[bytes, float] = {}

    @classmethod
    def of(cls, pair: PairScore, fill: str = "blur") -> CellScore:
        """The regions of a pair."""
        return cls(pair.of_pixels, pair.image, pair.grid, fill, pair.model.device)

    def __call__(self, keep: np.ndarray) -> np.ndarray:
        """Scores, float (B,), with the regions where `keep`, bool (B, R), is True."""
        names = [row.tobytes() for row in keep]
        new = list({name: i for i, name in enumerate(names) if name not in self._known}.values())
        for start in range(0, len(new), CHUNK):
            chosen = new[start : start + CHUNK]
            images = without_cells(self.image, self.fill, keep[chosen], self.grid)
            with torch.no_grad():
                values = self.score(images.to(self.device)).float().cpu().tolist()
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
    """Infidelity (Yeh et al., NeurIPS 2019) of hiding a random half of the regions, by captum.

    The map is scaled by one optimal factor, as attention has no unit, and the result divided by
    that of a map of zeros: 0 is a map from which every drop can be foretold, 1 one that says
    nothing. The factor may be negative, so that a map and its inverse are alike here.

    Args:
        heat: float (h, w).
        samples: sets of hidden regions.
        seed: of their choice; the same for all maps that are to be compared.

    Returns:
        In [0, 1]; NaN where hiding regions changes nothing.
    """
    from captum.metrics import infidelity as captum_infidelity

    def hide(shown):
        chosen = np.random.default_rng(seed).random((len(shown), heat.size)) < 0.5
        hidden = torch.from_numpy(chosen).to(shown.dtype)
        return hidden, shown - hidden

    def score(shown):
        return torch.from_numpy(cells(shown.numpy() > 0.5))

    def of(values: np.ndarray, normalize: bool) -> float:
        shown = torch.ones(1, heat.size, dtype=torch.float64)
        weights = torch.from_numpy(values.astype(np.float64).reshape(1, -1))
        found = captum_infidelity(
            score, hide, shown, weights, n_perturb_samples=samples, normalize=normalize
        )
        return found.item()

    of_nothing = of(np.zeros(heat.size), normalize=False)
    if of_nothing <= 1e-12:
        return float("nan")
    if not heat.any():
        return 1.0
    return of(heat, normalize=True) / of_nothing


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
        pixels = heat_in_pixels(heat, mask.shape)
        values["pointing"] = pointing_hit(pixels, mask)
        values["cnr"] = contrast_to_noise(pixels, mask, signed=True)
    return values


@dataclass(frozen=True)
class Phrase:
    """Words of a report that speak of one masked finding."""

    finding: str  # name of the mask
    words: tuple[int, ...]


def phrases(study: Study, words: Sequence[str]) -> list[Phrase]:
    """The phrases of a report for which a mask is known, in the order of the masks.

    Where word types are known (the phantom), a phrase is the words that name the finding, for
    example "pulmonary nodule"; else the words that the mask's name has, the first time they occur.

    Args:
        words: as the model read them.
    """
    found = []
    for number, (name, mask) in enumerate(study.masks.items()):
        if not mask.any():
            continue
        if study.words is not None:
            known = study.words[: len(words)]
            chosen = [i for i, w in enumerate(known) if (w.finding, w.type) == (number, "finding")]
        else:
            parts = name.lower().replace("_", " ").split()
            chosen = sorted(words.index(part) for part in parts if part in words)
        if chosen:
            found.append(Phrase(name, tuple(chosen)))
    return found


@dataclass(frozen=True)
class Difference:
    """Mean paired difference over cases, turned so that above 0 is better, and its interval."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def shown(self) -> int:
        """1 better, -1 worse, 0 not shown: the interval holds 0, or is not known."""
        return int(self.low > 0) - int(self.high < 0)

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}], n = {self.n}"


def difference(
    of: np.ndarray, control: np.ndarray, more_is_better: bool = True, seed: int = 0
) -> Difference:
    """Compare two maps on the same cases by a paired bootstrap over cases, 95 %.

    Args:
        of, control: float (n,); cases where either is NaN are left out of both.
    """
    values = (of - control) * (1 if more_is_better else -1)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return Difference(float("nan"), float("nan"), float("nan"), 0)
    low, high = bootstrap_interval(values, seed=seed)
    return Difference(float(values.mean()), low, high, len(values))


def differences(
    values: Mapping[str, Mapping[str, np.ndarray]], name: str, controls: Sequence[str] = CONTROLS
) -> dict[str, dict[str, Difference]]:
    """One map against each control: measure -> control -> Difference.

    Args:
        values: map -> measure -> float (n,).
        name: the map to be judged.
    """
    return {
        kind: {c: difference(values[name][kind], values[c][kind], more) for c in controls}
        for kind, (more, _) in MEASURES.items()
    }


def verdict(found: Mapping[str, Mapping[str, Difference]], name: str = "attention") -> list[str]:
    """What the intervals say, a sentence for each measure and a last one that sums up.

    Args:
        found: from `differences`.
        name: what was judged.
    """
    sentences, beaten, known = [], 0, 0
    for kind, by_control in found.items():
        measured = {c: d for c, d in by_control.items() if d.n > 0}
        if not measured:
            sentences.append(f"{kind}: not measured, as no case has a mask or a score that changes")
            continue
        better = [c for c, d in measured.items() if d.shown > 0]
        worse = [c for c, d in measured.items() if d.shown < 0]
        open_ = [c for c, d in measured.items() if d.shown == 0]
        parts = [
            f"{word} {', '.join(f'{c} ({measured[c]})' for c in group)}"
            for word, group in (("better than", better), ("worse than", worse))
            if group
        ]
        if open_:
            listed = ", ".join(f"{c} ({measured[c]})" for c in open_)
            parts.append(f"not shown to differ from {listed}")
        sentences.append(f"{name} {MEASURES[kind][1]} ({kind}): {'; '.join(parts)}")
        beaten += len(better) == len(measured)
        known += 1
    if known and beaten == known:
        last = f"On these cases {name} beats every control on all {known} measures."
    else:
        last = (
            f"On these cases {name} beats every control on {beaten} of {known} measures: "
            "do not take it as evidence of what the model used."
        )
    return [*sentences, last]
