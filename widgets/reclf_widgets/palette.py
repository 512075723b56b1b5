"""Colors of screen and print: Okabe-Ito for word types, matplotlib's colormaps for numbers.

Word types also have a letter, for readers with color vision deficiency.
"""

from typing import TYPE_CHECKING

import numpy as np

from .rules import RULES

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

WORD_TYPES = {name: (color, letter) for name, (color, letter) in RULES["word_types"].items()}
COLORMAPS = tuple(RULES["colormaps"])  # the first is the default; jet is not offered
DIFFERENCE = RULES["difference"]  # negative purple, positive orange, no red against green
RELATION = RULES["edges"]["light"]["weight"]
SELECTED = RULES["selected"]
READABLE = 4.5  # WCAG AA: contrast of text with its background


def word_color(word_type: str | None) -> str:
    """Color of a word type; that of filler if the type is unknown."""
    return WORD_TYPES.get(word_type or "filler", WORD_TYPES["filler"])[0]


def word_letter(word_type: str | None) -> str:
    """Letter of a word type; empty for filler or an unknown type."""
    return WORD_TYPES.get(word_type or "filler", WORD_TYPES["filler"])[1]


def edge_colormap(signed: bool) -> "Colormap":
    """From white to the color of an edge; if `signed` from that below its prior to that above."""
    from matplotlib.colors import LinearSegmentedColormap

    tones = RULES["edges"]["light"]
    ends = [tones["below"], "white", tones["above"]] if signed else ["white", tones["weight"]]
    return LinearSegmentedColormap.from_list("edges", ends)


def text_color(word_type: str | None) -> str:
    """The color of a word type for text on white: darkened until its contrast is READABLE.

    Bars and lines keep `word_color`, which is as bright as it should be for areas.
    """
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = to_rgb(word_color(word_type))
    shades = (to_hex((s * red, s * green, s * blue)) for s in np.arange(1, 0, -0.02))
    return next(shade for shade in shades if contrast(shade, "#ffffff") >= READABLE)


def contrast(one: str, other: str) -> float:
    """WCAG contrast of two opaque colors, 1 (equal) to 21 (black and white)."""
    from matplotlib.colors import to_rgb

    def luminance(color: str) -> float:
        shares = np.array(to_rgb(color))
        linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def colormap(name: str):
    """matplotlib's colormap of this name.

    Raises:
        ValueError: the name is not in COLORMAPS.
    """
    import matplotlib

    if name not in (*COLORMAPS, DIFFERENCE):
        raise ValueError(f"colormap must be one of {', '.join(COLORMAPS)}, got {name!r}")
    # The light end of Oranges is white and would hide the radiograph.
    if name == "oranges":
        colors = matplotlib.colormaps["Oranges"](np.linspace(0.35, 1, 256))
        return matplotlib.colors.ListedColormap(colors, name="oranges")
    return matplotlib.colormaps[name]


def lookup_table(name: str) -> bytes:
    """256 colors as 768 RGB bytes, so that browser and print use the same colors."""
    colors = colormap(name)(np.linspace(0, 1, 256))[:, :3]
    return (colors * 255).round().astype(np.uint8).tobytes()
