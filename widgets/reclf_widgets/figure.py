"""Print figures with matplotlib: common style, and attention maps of words.

    Explanation, or name -> Explanation -> Figure -> save_figure -> .pdf, .svg, .png

Journal widths: 3.3 inches for a column, 6.9 for a page; text size 8 points.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from reclf.data.region_grid import heat_in_pixels
from reclf.explain import Explanation
from reclf.runs.files import write_atomically

from . import reading
from .palette import COLORMAPS, DIFFERENCE, colormap

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
    if path.suffix not in _NO_DATE:
        raise ValueError(f"a figure is saved as .pdf, .svg or .png, not {path.name!r}")
    write = partial(figure.savefig, format=path.suffix[1:], metadata=_NO_DATE[path.suffix])
    # Font types apply when the file is written, not when the figure is created.
    with plt.rc_context(STYLE):
        write_atomically(path, write)
    return path


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
    words: Sequence[int | str] | None = None,
    *,
    masks: bool = True,
    difference: bool = False,
    scale: str = "word",
    smooth: bool = False,
    opacity: float = 0.75,
    window: float = 1.0,
    level: float = 0.5,
    colors: str = COLORMAPS[0],
    width: float = PAGE,
) -> Figure:
    """The radiograph and the attention map of each word; one row per model.

    A word of a finding with a mask has below its map the share of attention inside the mask, and
    "hit" or "miss" in the pointing game.

    Args:
        explanation: one, or model name -> explanation of the same pair.
        words: indices or texts, -1 for the image-report pair (mean map); by default up to four
            words, see `reading.salient_words`.
        masks: outline the ground-truth masks, solid for the finding of the word.
        difference: with two models, a third row: first minus second.
        scale: the color scale ends at the maximum of each "word", or of the "case".
        smooth: interpolate between centers of regions; by default each region is a block.
        opacity: of the maximum; other regions in proportion to their value.
        window, level: width and center of the gray window of the radiograph, in [0, 1].
        colors: "viridis", "inferno" or "oranges".
        width: inches.
    """
    models = by_model(explanation)
    shown = list(models.values())
    chosen = reading.find_words(shown[0], words)
    if scale not in ("word", "case"):
        raise ValueError(f"scale must be 'word' or 'case', got {scale!r}")
    if difference and len(models) != 2:
        raise ValueError(f"a difference needs two models, got {len(models)}")
    if difference and shown[0].center != shown[1].center:
        raise ValueError(
            "a difference needs models with the same receptive-field centers of regions, got "
            f"{shown[0].center} and {shown[1].center}"
        )
    height, width_px = shown[0].image.shape
    rows = len(models) + difference
    panel = width / (len(chosen) + 1.25)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows,
            len(chosen) + 1,
            figsize=(width, rows * (panel * height / width_px + 0.42)),
            squeeze=False,
            layout="constrained",
        )
        for axis in axes.flat:
            axis.imshow(
                shown[0].image,
                cmap="gray",
                vmin=level - window / 2,
                vmax=level + window / 2,
                interpolation="none",
            )
            axis.set(xticks=[], yticks=[])
        style = smooth, opacity
        for row, (name, one) in zip(axes, models.items(), strict=False):
            _plot_row(figure, row, one, name, chosen, masks, scale, colormap(colors), style)
        if difference:
            _plot_difference(figure, axes[-1], shown, chosen, style)
        for axis in axes[:, 0]:
            if masks:
                _outline_masks(axis, shown[0], reading.PAIR)
                _name_masks(axis, shown[0])
        axes[0, 0].set_title(shown[0].study_id, fontsize=7)
    return figure


def _plot_row(figure, axes, one, name, chosen, masks, scale, colors, style) -> None:
    """Attention maps of one model, with a color bar."""
    axes[0].set_ylabel(name)
    last = None
    top = float(one.attention.max(initial=1e-12))
    for axis, word in zip(axes[1:], chosen, strict=True):
        cells = reading.region_map(one, word)
        end = top if scale == "case" and word != reading.PAIR else cells.max() + 1e-12
        last = _overlay(axis, one, np.clip(cells / end, 0, 1), style, colors, (0, 1))
        axis.set_title(reading.word_name(one, word))
        if masks:
            _outline_masks(axis, one, word)
            axis.set_xlabel(_inside(one, word))
    if last is not None:
        _bar(figure, last, axes, ["0", f"max of {scale}"], [0, 1])


def plot_message(text: str) -> Figure:
    """A line of text instead of a figure that cannot be drawn."""
    with plt.rc_context(STYLE):
        drawn = plt.figure(figsize=(COLUMN, 0.5))
        drawn.text(0.5, 0.5, text, ha="center", va="center")
    return drawn


def _overlay(axis, one: Explanation, share: np.ndarray, style, colors, ends):
    """Overlay a map (h, w) in [-1, 1] on a radiograph; opacity is proportional to its magnitude.

    The colors are computed here because PDF and SVG ignore an array in `imshow(alpha=...)`.

    Returns:
        The mappable of the color bar.
    """
    smooth, opacity = style
    pixels = heat_in_pixels(share, one.image.shape, one.center, smooth)
    mappable = matplotlib.cm.ScalarMappable(Normalize(*ends), colors)
    painted = mappable.to_rgba(pixels)
    painted[..., 3] = opacity * np.abs(pixels)
    axis.imshow(painted, interpolation="none")
    return mappable


def _plot_difference(figure, axes, shown, chosen, style) -> None:
    """Attention of the first model minus that of the second, with a symmetric color bar."""
    maps = [reading.region_map(shown[0], w) - reading.region_map(shown[1], w) for w in chosen]
    end = max([float(np.abs(cells).max()) for cells in maps], default=0) + 1e-12
    axes[0].set_ylabel("difference")
    last = None
    for axis, cells in zip(axes[1:], maps, strict=True):
        last = _overlay(axis, shown[0], cells / end, style, colormap(DIFFERENCE), (-1, 1))
    if last is not None:
        _bar(figure, last, axes, [f"−{end:.3f}", "0", f"+{end:.3f}"], [-1, 0, 1])


def _bar(figure, mappable, axes, labels, ticks) -> None:
    """An opaque color bar to the right of a row."""
    bar = figure.colorbar(mappable, ax=list(axes), fraction=0.03, aspect=14, pad=0.01, shrink=0.85)
    bar.set_ticks(ticks, labels=labels)
    bar.ax.tick_params(labelsize=6, length=2)
    bar.outline.set_linewidth(0.4)  # type: ignore[operator]


def _outline_masks(axis, explanation: Explanation, word: int) -> None:
    """Outline the masks, solid for the finding of the word."""
    own = reading.mask_of_word(explanation, word)
    height, width = explanation.image.shape
    for name, mask in explanation.masks.items():
        solid = name == own or word == reading.PAIR
        for line in reading.outlines(mask):
            x = np.array([*line[0::2], line[0]]) * width - 0.5
            y = np.array([*line[1::2], line[1]]) * height - 0.5
            axis.plot(x, y, color="black", lw=1.5, alpha=0.6 if solid else 0.3)
            axis.plot(x, y, color="white", lw=0.9, ls="-" if solid else (0, (3, 2)))


def _name_masks(axis, explanation: Explanation) -> None:
    """Label the masks above their outlines, moved down where labels would overlap."""
    height, width = explanation.image.shape
    corners = {}
    for name, mask in explanation.masks.items():
        rows, columns = np.nonzero(mask)
        if rows.size:
            corners[name] = rows.min() / height, columns.mean() / width
    lowest = 0.02
    for name, (top, middle) in sorted(corners.items(), key=lambda item: item[1]):
        lowest = max(lowest, top - 0.04)
        axis.text(
            np.clip(middle, 0.25, 0.75),
            1 - lowest,
            name.replace("_", " "),
            transform=axis.transAxes,
            color="white",
            fontsize=5.5,
            ha="center",
            va="top",
            bbox={"facecolor": "black", "alpha": 0.6, "pad": 0.8, "lw": 0},
        )
        lowest += 0.09


def _inside(explanation: Explanation, word: int) -> str:
    name = reading.mask_of_word(explanation, word)
    if name is None:
        return ""
    cells = reading.region_map(explanation, word)
    place = explanation.masks[name], explanation.center
    hit = "hit" if reading.pointing_hit(cells, *place) else "miss"
    return f"{reading.mass_inside(cells, *place):.0%} inside, {hit}"
