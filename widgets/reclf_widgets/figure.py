"""Print figures with matplotlib: common style, and attention maps of words.

    Explanation, or name -> Explanation -> Figure -> save_figure -> .pdf, .svg, .png

Journal widths: 3.3 inches for a column, 6.9 for a page; text of 6 to 8 points.
"""

import io
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from reclf.explain import Explanation
from reclf.runs.files import write_atomically

from . import as_given, panels, reading, scales
from .grids import Grid, finest, region_of
from .layout import Cell, draw_cells
from .lettering import height, wrap
from .palette import COLORMAPS, DIFFERENCE, colormap
from .plane import ALL, Plane
from .rules import RULES

PAGE = 6.9
COLUMN = 3.3
STYLE: Any = {  # matplotlib types its keys one by one
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "text.parse_math": False,  # names and words are text, never formulas
    "axes.titlesize": 8,
    "axes.linewidth": 0.6,
    "figure.constrained_layout.w_pad": 0.02,
    "figure.constrained_layout.h_pad": 0.02,
    "pdf.fonttype": 42,  # TrueType, as journals require; matplotlib's default is Type 3
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "reclf",  # fixed element ids, for reproducible files
    "savefig.dpi": 200,
}
_NO_DATE = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": {}}


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure as .pdf, .svg or .png; reproducible byte for byte.

    Raises:
        ValueError: another file extension.
    """
    path = Path(path)
    content = figure_bytes(figure, path.name)
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
    return path


def figure_bytes(figure: Figure, name: str) -> bytes:
    """What `save_figure` writes into a file of this name.

    Raises:
        ValueError: another file extension.
    """
    ending = Path(name).suffix
    if ending not in _NO_DATE:
        raise ValueError(f"a figure is saved as .pdf, .svg or .png, not {name!r}")
    buffer = io.BytesIO()
    # Font types apply when the file is written, not when the figure is created.
    with plt.rc_context(STYLE):
        figure.savefig(buffer, format=ending[1:], metadata=_NO_DATE[ending])
    return buffer.getvalue()


def by_model(explanations: Explanation | Mapping[str, Explanation]) -> dict[str, Explanation]:
    """One explanation as {"": explanation}; several models unchanged.

    Raises:
        ValueError: the models have different words.
    """
    if isinstance(explanations, Explanation):
        return {"": reading.without_gaps(explanations)[0]}
    named = {name: reading.without_gaps(one)[0] for name, one in explanations.items()}
    first = next(iter(named))
    for name, explanation in named.items():
        if explanation.words != named[first].words:
            raise ValueError(
                f"words of {name!r} and {first!r} differ; compare models on the same report"
            )
    return named


def plot_matchings(
    explanation: Explanation | Mapping[str, Explanation],
    words: Sequence[int | str | tuple[int | str, ...]] | None = None,
    *,
    masks: bool = True,
    difference: bool = False,
    scale: str = "word",
    smooth: bool = False,
    contours: bool = False,
    opacity: float = 0.75,
    window: float = 1.0,
    level: float = 0.5,
    colors: str = COLORMAPS[0],
    region: int = -1,
    zoom: float = 1.0,
    across: float = 0.5,
    down: float = 0.5,
    width: float = PAGE,
) -> Figure:
    """The radiograph and the attention map of each word; one row per model.

    Models that are shown together share a color scale, as on the screen. One word of several models
    is one row. Where the words do not fit beside each other, further rows follow below. A word of a
    finding with a mask has below its map the share of attention inside the mask, and "hit" or
    "miss" in the pointing game; a difference of other grids says on which one it is. A film is
    shown by its preview, so that a figure is the same where the file is missing; models of other
    sizes lie where their images lie in it.

    Args:
        explanation: one, or model name -> explanation of the same pair.
        words: indices or texts, -1 for the image-report pair (mean map), a tuple for the words of
            a phrase (one map, their mean); by default up to four, see `reading.salient_words`.
        masks: outline the ground-truth masks, solid for the finding of the word.
        difference: with two models, a third row: first minus second.
        scale: the color scale ends at the maximum of each "word", or of the "case"; "rank" shows
            the ranks of regions, from the median on.
        smooth: interpolate between centers of regions; by default each region is a block.
        contours: isolines where the map reaches 25, 50 and 75 % of the end of its color scale.
        opacity: of the maximum; other regions in proportion to their value.
        window, level: width and center of the gray window of the radiograph, in [0, 1].
        colors: "viridis", "inferno" or "oranges".
        region: outline this region of the finest grid, counted row by row, and those of other
            grids at its middle; -1: none.
        zoom, across, down: how many times larger, around which point of the film, in [0, 1].
        width: inches. Panels of few words are made smaller until the figure fits on a page.
    """
    models = by_model(explanation)
    shown = list(models.values())
    chosen = reading.find_selections(shown[0], words)
    if scale not in scales.SCALES:
        raise ValueError(f"scale must be one of {', '.join(scales.SCALES)}, got {scale!r}")
    if difference and len(models) != 2:
        raise ValueError(f"a difference needs two models, got {len(models)}")
    colormap(colors)  # refuses an unknown name before anything is drawn
    plane = Plane.of(models)
    films = as_given.films(shown)
    place_of = dict(zip(map(id, shown), plane.images, strict=True))
    film_of = dict(zip(map(id, shown), films, strict=True))
    grids = [Grid.of(one, place) for one, place in zip(shown, plane.images, strict=True)]
    part, unlike = ALL.part(zoom, across, down), scales.unlike(shown)

    def draw(
        axis: Any, one: Explanation, word: reading.Selection | None, size: tuple[float, float]
    ) -> None:
        place = place_of[id(one)]
        if masks:
            panels.outline_masks(axis, one, reading.PAIR if word is None else word, place)
            if word is None:
                panels.name_masks(axis, one, size, place, part)
        if region >= 0:
            own = region_of(grids, finest(shown), list(place_of).index(id(one)), region)
            panels.outline_region(axis, one, own, place)
        panels.show_part(axis, part)

    def film(one: Explanation) -> Cell:
        number = film_of[id(one)]
        return Cell(one.study_id, draw=lambda axis, size: draw(axis, one, None, size), film=number)

    def attention(one: Explanation, word: reading.Selection) -> Cell:
        end = scales.color_end(shown, scale, word)
        values = scales.shares(scales.shown_cells(one, scale, word, shown), end)
        return Cell(
            reading.word_name(one, word),
            below=RULES["absent"] if not as_given.says(one, word) else _inside(one, word) * masks,
            bar=(colors, tuple(scales.bar_labels(scale, end, unlike))),
            draw=partial(overlaid, one, word, values, colors),
            film=film_of[id(one)],
        )

    def subtracted(word: reading.Selection) -> Cell:
        a, b = shown
        cells, labels = scales.difference(a, b, word, plane.images), ["", RULES["in_one"], ""]
        end = scales.difference_end(a, b, word, plane.images)
        if as_given.says(a, word) and as_given.says(b, word):
            labels = scales.difference_labels(end)
        else:  # nothing is subtracted from a map that there is not
            end = 0.0
        values = scales.shares(cells, end)
        return Cell(
            reading.word_name(a, word),
            below="" if grids[0] == grids[1] else RULES["resampled"].format(*values.shape),
            bar=(DIFFERENCE, tuple(labels)),
            draw=partial(overlaid, scales.finer(a, b), word, values, DIFFERENCE),
            film=films[0],
        )

    def overlaid(one, word, values, table, axis, size) -> None:
        shape, center = one.image.shape, one.center
        panels.overlay(axis, values, shape, center, table, opacity, smooth, place_of[id(one)])
        if contours:
            panels.isolines(axis, values, center, place_of[id(one)])
        draw(axis, one, word, size)

    names = [*models, "difference"] if difference else list(models)
    rows = [[film(one), *(attention(one, word) for word in chosen)] for one in shown]
    if difference:
        rows.append([film(shown[0]), *map(subtracted, chosen)])
    if len(rows) > 1 and len(chosen) == 1:  # the models of one word stand beside each other
        beside = [rows[0][0]]
        for name, (_, cell) in zip(names, rows, strict=True):
            cell.title = f"{cell.title}\n{name}"
            beside.append(cell)
        rows, names = [beside], [""]
    seen = [
        [one for one, of in zip(shown, films, strict=True) if of == number]
        for number in sorted({*films})
    ]
    shades: Any = {"window": window, "level": level}
    backgrounds = [
        partial(panels.radiograph, image=plane.picture(models), **shades) for models in seen
    ]
    with plt.rc_context(STYLE):
        figure = plt.figure()
        draw_cells(figure, rows, names, width, backgrounds)
    return figure


def plot_attributions(
    image: np.ndarray,
    maps: Mapping[str, Mapping[str, np.ndarray | None]],
    *,
    mask: np.ndarray | None = None,
    center: float = reading.MIDDLE,
    opacity: float = 0.75,
    colors: str = COLORMAPS[0],
    width: float = PAGE,
) -> Figure:
    """Maps of several methods over one radiograph, each with its own color bar.

    A map with values below 0 keeps its sign: its colors diverge from 0, orange above and purple
    below, and end at its maximum magnitude on both sides. Opacity is proportional to the magnitude,
    so that what counts for nothing is not tinted.

    Args:
        image: float (H, W_px) in [0, 1].
        maps: row name -> method -> map (h, w), or None for what a method does not explain. The
            methods of the first row are the columns of all.
        mask: bool (H, W_px), outlined on every panel.
        center: receptive-field center of a region, see `Explanation.center`.
        opacity: of the maximum magnitude.
        colors: of maps without values below 0: "viridis", "inferno" or "oranges".
        width: inches.
    """
    lines = [] if mask is None else reading.outlines(mask)

    def cell(title: str, values: np.ndarray | None) -> Cell:
        if values is None:
            return Cell(title, below="not for this score", draw=partial(over, None, "", 0.0))
        values = np.nan_to_num(values, posinf=0, neginf=0)
        end = float(np.abs(values).max(initial=0))
        signed = bool((values < 0).any())
        labels = scales.difference_labels(end) if signed else ["0", "", scales.number(end)]
        table = DIFFERENCE if signed else colors
        level = values.size > 0 and float(np.ptp(values)) == 0
        return Cell(
            title,
            below="level map" if level else "",
            bar=(table, tuple(labels)),
            draw=partial(over, values, table, end),
        )

    def over(values, table, end, axis, size) -> None:
        if values is not None:
            share = scales.shares(values, end)
            panels.overlay(axis, share, image.shape, center, table, opacity, smooth=False)
        panels.outline(axis, lines, "own")

    methods = list(next(iter(maps.values())))
    rows = [
        [
            Cell("image", draw=partial(over, None, "", 0.0)),
            *(cell(method, given.get(method)) for method in methods),
        ]
        for given in maps.values()
    ]
    with plt.rc_context(STYLE):
        figure = plt.figure()
        draw_cells(figure, rows, list(maps), width, [partial(panels.radiograph, image=image)])
    return figure


def plot_message(text: str) -> Figure:
    """Some words instead of a figure that cannot be drawn."""
    lines = wrap(text, STYLE["font.size"], COLUMN - 0.2, most=8)
    with plt.rc_context(STYLE):
        drawn = plt.figure(figsize=(COLUMN, 0.3 + height(lines, STYLE["font.size"])))
        drawn.text(0.5, 0.5, lines, ha="center", va="center")
    return drawn


def _inside(explanation: Explanation, word: reading.Selection) -> str:
    name = reading.mask_of_word(explanation, word)
    if name is None:
        return ""
    cells = reading.region_map(explanation, word)
    place = explanation.masks[name], explanation.center
    hit = "hit" if reading.pointing_hit(cells, *place) else "miss"
    return f"{reading.mass_inside(cells, *place):.0%} inside, {hit}"
