"""Colours that screen and print share: Okabe-Ito for word types, matplotlib's maps for numbers.

A word type is told by a letter as well, for readers who cannot tell the colours apart.
"""

import numpy as np

WORD_TYPES = {  # colour and letter
    "finding": ("#D55E00", "F"),
    "location": ("#009E73", "L"),
    "severity": ("#E69F00", "S"),
    "anatomy": ("#0072B2", "A"),
    "negation": ("#CC79A7", "N"),
    "filler": ("#8C8C8C", ""),
}
COLORMAPS = ("viridis", "inferno", "oranges")  # the first is the default; jet is not offered
DIFFERENCE = "PuOr_r"  # negative purple, positive orange, no red against green
RELATION = "#0072B2"
SELECTED = "#D55E00"


def word_color(word_type: str | None) -> str:
    """Colour of a word type; of filler when the type is not known."""
    return WORD_TYPES.get(word_type or "filler", WORD_TYPES["filler"])[0]


def word_letter(word_type: str | None) -> str:
    """Letter of a word type, empty for filler and where the type is not known."""
    return WORD_TYPES.get(word_type or "filler", WORD_TYPES["filler"])[1]


def colormap(name: str):
    """matplotlib's colour map by one of our names.

    Raises:
        ValueError: for a name that is not offered.
    """
    import matplotlib

    if name not in (*COLORMAPS, DIFFERENCE):
        raise ValueError(f"colormap must be one of {', '.join(COLORMAPS)}, got {name!r}")
    # The light half of Oranges is white: an overlay of it would hide the radiograph.
    if name == "oranges":
        colors = matplotlib.colormaps["Oranges"](np.linspace(0.35, 1, 256))
        return matplotlib.colors.ListedColormap(colors, name="oranges")
    return matplotlib.colormaps[name]


def lookup_table(name: str) -> bytes:
    """256 colours as RGB bytes, 768 in all, so that the browser paints what print shows."""
    colors = colormap(name)(np.linspace(0, 1, 256))[:, :3]
    return (colors * 255).round().astype(np.uint8).tobytes()
