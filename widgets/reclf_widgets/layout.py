"""The places of panels on paper: cells in rows and columns -> bands that fit the width -> axes.

Every length is measured before anything is drawn, so that no text touches another or is cut, at
any width. Lengths are in inches, from the top left of the figure.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import panels
from .lettering import SMALLEST, fit, height

TALLEST = 9.5  # of a figure that can be made smaller: A4 without its margins
NARROWEST = 0.95  # of a panel: narrower, its labels would not fit at 6 points
EDGE, GAP = 0.06, 0.06
BAR, BAR_LABELS, BAR_WIDEST = 0.07, 0.15, 2.2
SIZES = (7.0, SMALLEST)

Bar = tuple[str, tuple[str, ...]]  # colormap and labels


@dataclass
class Cell:
    """A panel: a title, a line below, its color bar, and what to draw over the radiograph."""

    title: str
    below: str = ""
    bar: Bar | None = None
    draw: Callable[[Axes, tuple[float, float]], Any] = lambda axis, size: None
    film: int = 0  # the number of its background


@dataclass
class _Row:
    """A row of panels, with texts broken into lines, and the bars below it: first, last, bar."""

    cells: list[Cell]
    name: str
    titles: list[str]
    below: list[str]
    bars: list[tuple[int, int, Bar]] = field(default_factory=list)


@dataclass
class _Plan:
    """Rows of all bands, and the measures that they were made for."""

    rows: list[_Row]
    panel: tuple[float, float]
    left: float
    title_size: float
    below_size: float
    name_size: float

    def heights(self, row: _Row) -> tuple[float, float, float]:
        """Heights of titles, of what is below, and of bars."""
        title = max(height(text, self.title_size) for text in row.titles)
        below = max(height(text, self.below_size) for text in row.below)
        return title, below, (BAR + BAR_LABELS + GAP) if row.bars else 0.0

    def total(self) -> float:
        inner = sum(sum(self.heights(row)) + self.panel[1] for row in self.rows)
        return inner + GAP * (len(self.rows) - 1) + 2 * EDGE


def draw_cells(
    figure: Figure,
    rows: Sequence[Sequence[Cell]],
    names: Sequence[str],
    width: float,
    backgrounds: Sequence[Callable[[Axes], None]],
) -> None:
    """Draw cells; those that do not fit beside each other follow in further bands.

    Args:
        figure: an empty one; gets its size here.
        rows: cells, the same number in each row; titles are shown above the first row of a band.
        names: of the rows, on their left; "" for none.
        width: of the figure.
        backgrounds: draw a radiograph each on an axis, all of the proportions of the first.
    """
    figure.set_size_inches(width, 1)
    probe = figure.add_axes((0, 0, 1, 1))
    backgrounds[0](probe)
    image = probe.get_images()[0].get_array()
    assert image is not None
    aspect = image.shape[0] / image.shape[1]
    figure.delaxes(probe)
    plan = _fitting(rows, names, width, aspect)
    tall = plan.total()
    figure.set_size_inches(width, tall)

    def place(x: float, y: float, across: float, down: float) -> Axes:
        return figure.add_axes((x / width, 1 - (y + down) / tall, across / width, down / tall))

    across, down = plan.panel
    step = across + GAP
    top, bars = EDGE, []
    for row in plan.rows:
        title, below, bar = plan.heights(row)
        top += title
        for i, cell in enumerate(row.cells):
            axis = place(plan.left + i * step, top, across, down)
            axis.set_label("panel")
            backgrounds[cell.film](axis)
            cell.draw(axis, plan.panel)
            axis.set_title(row.titles[i], fontsize=plan.title_size, pad=2)
            axis.set_xlabel(row.below[i], fontsize=plan.below_size, labelpad=1.5)
            if i == 0 and row.name:
                axis.set_ylabel(row.name, fontsize=plan.name_size, labelpad=2)
        top += down + below
        for first, last, given in row.bars:
            long = min(BAR_WIDEST, (last - first + 1) * step - GAP)
            bars.append((plan.left + first * step, top + GAP, long, given))
        top += bar + GAP
    for x, y, long, (colors, labels) in bars:  # after the panels, which are figure.axes[:n]
        panels.color_bar(place(x, y, long, BAR), colors, list(labels), long)


def _fitting(
    rows: Sequence[Sequence[Cell]], names: Sequence[str], width: float, aspect: float
) -> _Plan:
    """The plan with the largest panels whose figure is not too tall; else with the smallest."""
    plan = _plan(rows, names, width, aspect, math.inf)
    while plan.total() > TALLEST and plan.panel[0] > NARROWEST:
        plan = _plan(rows, names, width, aspect, max(NARROWEST, 0.95 * plan.panel[0]))
    return plan


def _plan(
    rows: Sequence[Sequence[Cell]],
    names: Sequence[str],
    width: float,
    aspect: float,
    widest: float,
) -> _Plan:
    """Columns, sizes and lines for panels of at most this width."""
    count = len(rows[0])
    left = EDGE
    for _ in range(3):  # names are broken by the height of panels, which depends on their room
        available = width - left - EDGE
        most = max(1, int((available + GAP) / (min(widest, NARROWEST) + GAP)))
        bands = math.ceil(count / most)
        columns = math.ceil(count / bands)
        panel = min(widest, (available - (columns - 1) * GAP) / columns)
        name_size, named = fit(names, panel * aspect, SIZES)
        lines = max(height(name, name_size) for name in named)
        left = EDGE + (lines + 0.03 if lines else 0)
    title_size, titles = fit([cell.title for cell in rows[0]], panel, SIZES)
    every = [cell.below for row in rows for cell in row]
    below_size, below = fit(every, panel, SIZES)
    below_of = dict(zip(every, below, strict=True))
    planned = []
    for start in range(0, count, columns):
        part = slice(start, start + columns)
        band = [
            _Row(
                list(row[part]),
                name,
                titles[part] if k == 0 else [""] * len(row[part]),
                [below_of[cell.below] for cell in row[part]],
            )
            for k, (row, name) in enumerate(zip(rows, named, strict=True))
        ]
        for row, following in zip(band, [*band[1:], None], strict=True):
            bars = [cell.bar for cell in row.cells]
            if following is None or bars != [cell.bar for cell in following.cells]:
                row.bars = _runs(bars)
        planned += band
    return _Plan(planned, (panel, panel * aspect), left, title_size, below_size, name_size)


def _runs(bars: Sequence[Bar | None]) -> list[tuple[int, int, Bar]]:
    """Neighbors with the same bar share it: (first column, last column, bar)."""
    runs: list[tuple[int, int, Bar]] = []
    for i, bar in enumerate(bars):
        if bar is None:
            continue
        if runs and runs[-1][1] == i - 1 and runs[-1][2] == bar:
            runs[-1] = (runs[-1][0], i, bar)
        else:
            runs.append((i, i, bar))
    return runs
