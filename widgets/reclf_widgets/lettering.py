"""Text that fits: measured, broken into lines, shortened, and kept apart. Lengths are in inches.

No text of a print figure is smaller than SMALLEST, whatever the width of the figure: what does not
fit is broken into lines, then shortened.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

SMALLEST = 6.0  # points
SIZES = (8.0, 7.0, SMALLEST)
LINE = 1.3  # height of a line, in font sizes
_SLACK = 1.03  # hinting widens text a little


@lru_cache(maxsize=4096)
def length(text: str, size: float) -> float:
    """Length of one line of text, in inches; `size` in points."""
    prop = FontProperties(family="DejaVu Sans", size=size)
    return _SLACK * text_to_path.get_text_width_height_descent(text, prop, ismath=False)[0] / 72


def height(text: str, size: float) -> float:
    """Height of lines of text, in inches; 0 for none."""
    return LINE * size / 72 * (text.count("\n") + 1) if text else 0.0


def shorten(text: str, size: float, room: float) -> str:
    """The text, or as many of its letters as fit, and an ellipsis."""
    if length(text, size) <= room:
        return text
    kept = len(text)
    while kept and length(text[:kept] + "…", size) > room:
        kept -= 1
    return text[:kept] + "…"


def wrap(text: str, size: float, room: float, most: int = 3) -> str:
    """The text in up to `most` lines, broken between words and, where one is too long, in it."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            joined = f"{line} {word}" if line else word
            if length(joined, size) <= room:
                line = joined
                continue
            if line:
                lines.append(line)
            while length(word, size) > room and len(word) > 1:
                kept = next(n for n in range(len(word), 0, -1) if n == 1 or
                            length(word[:n], size) <= room)  # fmt: skip
                lines.append(word[:kept])
                word = word[kept:]
            line = word
        lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], shorten(" ".join(lines[most - 1 :]), size, room)]
    return "\n".join(lines)


def fit(
    texts: Sequence[str], room: float, sizes: Sequence[float] = SIZES, most: int = 3
) -> tuple[float, list[str]]:
    """The largest size at which no text needs a further line; else the smallest, and lines."""
    for size in sizes:
        lines = [line for text in texts for line in text.split("\n")]
        if all(length(line, size) <= room for line in lines):
            return size, list(texts)
    return sizes[-1], [wrap(text, sizes[-1], room, most) for text in texts]


def spread(wanted: Sequence[float] | np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Places at least `gap` apart in [low, high], as near as possible to the wanted, in order.

    The least squares are those of an isotonic regression of `wanted - i * gap`.

    Args:
        wanted: ascending; at most (high - low) / gap + 1 of them, or places leave the bounds.
    """
    steps = gap * np.arange(len(wanted))
    blocks: list[list[float]] = []  # mean, count
    for value in np.asarray(wanted, dtype=float) - steps:
        blocks.append([float(value), 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            before, size = blocks[-1]
            blocks[-1] = [(before * size + mean * count) / (size + count), size + count]
    level = np.repeat([mean for mean, _ in blocks], [int(count) for _, count in blocks])
    last = high - (steps[-1] if len(steps) else 0)
    return np.clip(level, low, max(low, last)) + steps
