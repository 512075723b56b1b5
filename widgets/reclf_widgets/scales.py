"""Where color scales end, and how a value becomes a color: the rules of screen and print.

    maps of the models shown -> the end of their common scale -> shares in [-1, 1] -> colors

`static/scales.js` is the same in the browser, which changes scales without a kernel; a test
compares the pixels and the labels of both.
"""

from collections.abc import Sequence

import numpy as np

from reclf.explain import Explanation

from . import reading
from .grids import Grid, resampled
from .palette import DIFFERENCE, lookup_table
from .plane import ALL, Place
from .rules import RULES

SCALES = tuple(RULES["bars"])


def unlike(models: Sequence[Explanation]) -> bool:
    """Whether models that are shown together have other numbers of regions. A region of the coarser
    grid holds more attention, so the unit of their scale is the attention of a uniform map."""
    return len({one.attention[0].size for one in models if len(one.attention)}) > 1


def shown_cells(
    one: Explanation, scale: str, word: reading.Selection, models: Sequence[Explanation] = ()
) -> np.ndarray:
    """What a tile shows of a word: its attention map (h, w), for "rank" the upper ranks.

    Args:
        models: shown together; where they are `unlike`, the map is divided by a uniform one.
    """
    cells = reading.region_map(one, word)
    if scale == "rank":
        return upper_ranks(cells)
    return cells * cells.size if unlike(models) else cells


def upper_ranks(cells: np.ndarray) -> np.ndarray:
    """Ranks in [0, 1], same shape; the lower half is 0. Shows what surrounds a tall maximum.

    Equal values have the mean of their ranks, so that a level map shows nothing.
    """
    _, kinds, counts = np.unique(-cells.ravel(), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    places = (2 * ends - counts - 1) / 2  # mean place of equal values, from the highest
    ranks = np.maximum(0, 1 - 2 * places / max(1, cells.size - 1))
    return ranks.astype(np.float32)[kinds].reshape(cells.shape)


def color_end(models: Sequence[Explanation], scale: str, word: reading.Selection) -> float:
    """The value at the end of the color scale, which all models that are shown together share.

    "word": the maximum of the word's maps. "case": the maximum over all words; the map of the
    image-report pair, a mean over words, has its own. "rank": 1. 0 if nothing is above 0.
    """
    if scale == "rank":
        return 1.0
    if scale == "case" and word != reading.PAIR:
        tops = [float(one.attention.max(initial=0)) for one in models]
    else:
        tops = [float(reading.region_map(one, word).max(initial=0)) for one in models]
    if unlike(models):
        tops = [
            top * reading.region_map(one, word).size for top, one in zip(tops, models, strict=True)
        ]
    return max(tops)


def finer(a: Explanation, b: Explanation) -> Explanation:
    """The model with more regions, on whose grid two models are subtracted; else the first."""
    return b if b.attention[:1].size > a.attention[:1].size else a


def difference(
    a: Explanation, b: Explanation, word: reading.Selection, places: Sequence[Place] | None = None
) -> np.ndarray:
    """Attention of a word in the first model minus that in the second, (h, w), see `on_one_grid`.

    Args:
        places: where their images lie, see `plane.Plane`; by default at the same place.
    """
    maps = reading.region_map(a, word), reading.region_map(b, word)
    left, right = on_one_grid(maps, (a, b), places)
    return left - right


def on_one_grid(
    maps: Sequence[np.ndarray],
    models: Sequence[Explanation],
    places: Sequence[Place] | None = None,
) -> list[np.ndarray]:
    """Maps (..., h, w) of two models on the `finer` grid of both. Where their regions are not the
    same, the other map is resampled by area: its attention is spread evenly over each block."""
    given = [Grid.of(*each) for each in zip(models, places or (ALL, ALL), strict=True)]
    wanted = given[0] if finer(*models) is models[0] else given[1]
    return [resampled(cells, grid, wanted) for cells, grid in zip(maps, given, strict=True)]


def difference_end(
    a: Explanation, b: Explanation, word: reading.Selection, places: Sequence[Place] | None = None
) -> float:
    """The scale of a difference ends at its maximum on both sides of 0; 0 if the maps are equal."""
    return float(np.abs(difference(a, b, word, places)).max(initial=0))


def shares(cells: np.ndarray, end: float) -> np.ndarray:
    """Values as shares of the end of their scale, in [-1, 1]; zeros if that is 0."""
    return np.clip(cells / end, -1, 1) if end > 0 else np.zeros_like(cells)


def painted(values: np.ndarray, colors: str, opacity: float) -> np.ndarray:
    """Shares (...) as RGBA (..., 4) in [0, 1]; opacity is proportional to the magnitude.

    So what is near 0 is not tinted, on a scale of both signs, too. Below 0 a scale of one sign
    ends.
    """
    values = values if colors == DIFFERENCE else np.clip(values, 0, None)
    table = np.frombuffer(lookup_table(colors), np.uint8).reshape(256, 3) / 255
    places = (values + 1) / 2 if colors == DIFFERENCE else values
    alpha = opacity * np.abs(values)[..., None]
    return np.concatenate([table[np.floor(255 * places + 0.5).astype(int)], alpha], axis=-1)


def bar_labels(scale: str, end: float, unlike: bool = False) -> list[str]:
    """Labels of a color bar: its start, what it shows, its end.

    Args:
        unlike: whether the models that share it have other numbers of regions.
    """
    labels = RULES["bars"][scale]
    if len(labels) == 3:
        return labels
    return [labels[0], RULES["unlike"], number(end)] if unlike else [*labels, number(end)]


def difference_labels(end: float) -> list[str]:
    """Labels of the color bar of a difference, or of a map with both signs."""
    return [f"−{number(end)}", "0", f"+{number(end)}"] if end > 0 else ["", "0: equal", ""]


def number(value: float) -> str:
    """Three decimals, or one of a power of ten below .001, as the browser writes them."""
    if not np.isfinite(value):
        return "n/a"
    if value == 0:
        return "0"
    if abs(value) >= 1e-3:
        return f"{value:.3f}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}e{int(power)}"
