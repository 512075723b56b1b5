"""What print figures draw on a radiograph: maps, outlines, names of masks, and color bars.

Widths of outlines and their dashes come from `rules.json`, in pixels of the screen.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from reclf.data.region_grid import heat_in_pixels
from reclf.explain import Explanation

from . import reading
from .lettering import LINE, SMALLEST, length, shorten, spread
from .palette import lookup_table
from .plane import ALL, Place
from .rules import RULES
from .scales import painted

PIXEL = 0.45  # points of print for a pixel of the screen, whose tiles are larger
WHOLE = 0.98  # of the plane, which an image has to cover so that its edge is not drawn
FRAME = (0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0)
NAME = 0.6, "black"  # opacity and color behind the name of a mask


def radiograph(axis: Axes, image: np.ndarray, window: float = 1.0, level: float = 0.5) -> None:
    """The radiograph (H, W) with a gray window of this width and center."""
    low, high = level - window / 2, level + window / 2
    axis.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="none")
    axis.set(xticks=[], yticks=[])


def overlay(
    axis: Axes,
    shares: np.ndarray,
    shape: tuple[int, ...],
    center: float,
    colors: str,
    opacity: float,
    smooth: bool,
    place: Place = ALL,
) -> None:
    """Paint a map of shares (h, w) in [-1, 1] over the radiograph, where the model's image lies.

    The colors are computed here because PDF and SVG ignore an array in `imshow(alpha=...)`.
    """
    pixels, limits = heat_in_pixels(shares, shape, center, smooth), axis.axis()
    extent = place.extent(_shape(axis))
    axis.imshow(painted(pixels, colors, opacity), interpolation="none", extent=extent)
    axis.axis(limits)
    if place.width * place.height < WHOLE:
        outline(axis, place.lines([FRAME]), "other")


def outline(axis: Axes, lines: Sequence[Sequence[float]], kind: str) -> None:
    """Closed lines x0, y0, x1, y1, ... as fractions of the plane, in the manner of a rule."""
    rule, colors = RULES["outlines"][kind], RULES["outline_colors"]
    height, width = _shape(axis)
    limits = axis.axis()
    for line in lines:
        x = np.array([*line[0::2], line[0]]) * width - 0.5
        y = np.array([*line[1::2], line[1]]) * height - 0.5
        axis.plot(x, y, color=colors["under"], lw=PIXEL * rule["under"])
        # matplotlib multiplies dashes by the width of the line.
        dashes = (0, tuple(dash / rule["over"] for dash in rule["dash"]))
        style = dashes if rule["dash"] else "-"
        axis.plot(x, y, color=colors["over"], lw=PIXEL * rule["over"], ls=style)
    axis.axis(limits)


def isolines(axis: Axes, shares: np.ndarray, center: float, place: Place = ALL) -> None:
    """Draw where a map of shares (h, w) in [-1, 1] reaches the levels of the rule, of either sign.

    Between the centers of regions the map is linear; beyond the outermost it stays as it is.
    """
    rule, colors = RULES["isolines"], RULES["outline_colors"]
    left, right, bottom, top = place.extent(_shape(axis))
    ends = zip(((top, bottom), (left, right)), shares.shape, strict=True)
    y, x = (
        [first, *(first + (last - first) * (np.arange(count) + center) / count), last]
        for (first, last), count in ends
    )
    levels = sorted({*rule["levels"], *(-level for level in rule["levels"])})
    values, limits = np.pad(shares, 1, mode="edge"), axis.axis()
    for color, width in ((colors["under"], rule["under"]), (colors["over"], rule["over"])):
        axis.contour(
            x, y, values, levels, colors=[color], linewidths=PIXEL * width, linestyles="solid"
        )
    axis.axis(limits)


def _shape(axis: Axes) -> tuple[int, int]:
    """Height and width of the radiograph, in pixels."""
    image = axis.get_images()[0].get_array()
    assert image is not None
    return image.shape[0], image.shape[1]


def outline_masks(
    axis: Axes, explanation: Explanation, word: reading.Selection, place: Place = ALL
) -> None:
    """Outline the ground-truth masks: solid that of the finding of the word, the others dashed."""
    own = reading.mask_of_word(explanation, word)
    for name, mask in explanation.masks.items():
        lines = place.lines(reading.outlines(mask))
        outline(axis, lines, "own" if name == own else "other")


def outline_region(axis: Axes, explanation: Explanation, region: int, place: Place = ALL) -> None:
    """Outline the block of a region, counted row by row."""
    left, right, top, bottom = reading.region_block(explanation, region)
    block = [left, top, right, top, right, bottom, left, bottom]
    outline(axis, place.lines([block]), "region")


def show_part(axis: Axes, part: Place) -> None:
    """Limit an axis to a part of its plane."""
    left, right, bottom, top = part.extent(_shape(axis))
    axis.set(xlim=(left, right), ylim=(bottom, top))


def name_masks(
    axis: Axes,
    explanation: Explanation,
    size: tuple[float, float],
    place: Place = ALL,
    part: Place = ALL,
) -> None:
    """Name the masks at the top of their outlines, apart from each other and inside the image.

    Args:
        size: width and height of the axis in inches.
        place: of the model's image in the plane.
        part: of the plane that is shown; masks beside it are not named.
    """
    width, height = size
    corners = []
    for name, mask in explanation.masks.items():
        rows, columns = np.nonzero(mask)
        if rows.size:
            left, right = columns.min() / mask.shape[1], (columns.max() + 1) / mask.shape[1]
            top, bottom = rows.min() / mask.shape[0], (rows.max() + 1) / mask.shape[0]
            (box,) = place.lines([[left, top, right, bottom]])
            left, right = ((x - part.left) / part.width for x in box[::2])
            top, bottom = ((y - part.top) / part.height for y in box[1::2])
            if max(left, top) < 1 and min(right, bottom) > 0:
                middle = (max(left, 0.0) + min(right, 1.0)) / 2
                corners.append((max(top, 0.0) * height, middle * width, name))
    line, pad = LINE * SMALLEST / 72, 0.02
    most = max(1, int((height - pad) / line))
    corners = sorted(corners)
    named = corners if len(corners) <= most else corners[: most - 1]
    texts = [shorten(n.replace("_", " "), SMALLEST, width - 4 * pad) for *_, n in named]
    if len(named) < len(corners):
        texts.append(f"and {len(corners) - len(named)} more")
        named = [*named, corners[len(named)]]
    tops = spread([top - line for top, *_ in named], line, pad, height - line)
    for text, top, (_, middle, _) in zip(texts, tops, named, strict=True):
        half = length(text, SMALLEST) / 2 + 2 * pad
        axis.text(
            np.clip(middle, half, max(half, width - half)) / width,
            1 - (top + line / 2) / height,
            text,
            transform=axis.transAxes,
            color="white",
            fontsize=SMALLEST,
            ha="center",
            va="center_baseline",
            bbox={"facecolor": NAME[1], "alpha": NAME[0], "pad": 0.6, "lw": 0},
        )


def color_bar(axis: Axes, colors: str, labels: list[str], width: float) -> None:
    """An opaque color bar of this width in inches, with labels of both ends below.

    A label of the middle is shown where there is room.
    """
    table = np.frombuffer(lookup_table(colors), np.uint8).reshape(1, 256, 3)
    axis.imshow(table, aspect="auto", interpolation="none", extent=(0, 1, 0, 1))
    axis.set(xticks=[], yticks=[], label="bar")
    first, middle, last = labels
    aligned = [(0.0, first, "left"), (1.0, last, "right")]
    ends = max(length(first, SMALLEST), length(last, SMALLEST))
    if length(middle, SMALLEST) / 2 + ends + 0.06 < width / 2:
        aligned.insert(1, (0.5, middle, "center"))
    for place, text, side in aligned:
        axis.annotate(
            text,
            (place, 0),
            (0, -2),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=SMALLEST,
            ha=side,
            va="top",
        )
