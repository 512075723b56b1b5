"""Maps of other grids on one: attention is moved by the areas that regions share.

    map on a grid -> resampled -> map on another one, its sum kept where the other one covers it

A region's block holds the pixels that are nearest to its center, as in `reclf.data.region_grid`.
`static/case.js` is the same in the browser.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reclf.explain import Explanation

from .plane import Place


class Grid(NamedTuple):
    """Regions of a model on the plane: rows and columns, their center, and the image's place."""

    shape: tuple[int, int]
    center: float
    place: Place

    @classmethod
    def of(cls, one: Explanation, place: Place) -> "Grid":
        rows, columns = one.attention.shape[1:]
        return cls((rows, columns), one.center, place)

    def edges(self, axis: int) -> np.ndarray:
        """Borders of blocks from first to last, in fractions of the plane, float64 (n + 1,).

        Args:
            axis: 0 for rows, 1 for columns.
        """
        count = self.shape[axis]
        inner = (np.arange(1, count) - 0.5 + self.center) / count
        return self.place[1 - axis] + self.place[3 - axis] * np.array([0, *inner, 1])

    def nearest(self, x: float, y: float) -> int:
        """The region of which the center is nearest to a point of the plane, row by row."""
        row, column = (
            int(np.searchsorted(self.edges(axis)[1:-1], at)) for axis, at in ((0, y), (1, x))
        )
        return row * self.shape[1] + column

    def middle(self, region: int) -> tuple[float, float]:
        """The middle of a region's block, x and y in the plane."""
        row, column = divmod(region, self.shape[1])
        x, y = (self.edges(axis)[k : k + 2].mean() for axis, k in ((1, column), (0, row)))
        return float(x), float(y)


def finest(models: Sequence[Explanation]) -> int:
    """The number of the model with most regions, in whose grid regions are selected; the first of
    several."""
    return int(np.argmax([one.attention.shape[1] * one.attention.shape[2] for one in models]))


def region_of(grids: Sequence[Grid], given: int, wanted: int, region: int) -> int:
    """The region of one grid at the middle of a region of another one; -1 stays."""
    if region < 0 or grids[given] == grids[wanted]:
        return region
    return grids[wanted].nearest(*grids[given].middle(region))


def resampled(cells: np.ndarray, given: Grid, wanted: Grid) -> np.ndarray:
    """Maps (..., h, w) on another grid, (..., h2, w2): each value is spread evenly over its block,
    and summed over the blocks of the other grid. Unchanged where the grids are the same."""
    if given == wanted:
        return cells
    rows, columns = (_shared(given.edges(axis), wanted.edges(axis)) for axis in (0, 1))
    return (rows @ cells @ columns.T).astype(np.float32)


def _shared(given: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """How much of each given interval lies in each wanted one, (wanted, given)."""
    starts = np.maximum(wanted[:-1, None], given[None, :-1])
    ends = np.minimum(wanted[1:, None], given[None, 1:])
    return np.clip(ends - starts, 0, None) / np.diff(given)
