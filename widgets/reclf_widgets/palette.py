"""Colors of screen and print: Okabe-Ito for word types, matplotlib's colormaps for numbers.

Word types also have a letter, for readers with color vision deficiency.
"""

import numpy as np

WORD_TYPES = {  # color and letter
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
    """Color of a word type; that of filler if the type is unknown."""
    return WORD_TYPES.get(word_type or "filler", WORD_TYPES["filler"])[0]


def word_letter(word_type: str | None) -> str:
    """Letter of a word type; empty for filler or an unknown type."""
    return WORD_TYPES.get(word_type or "filler", WORD_TYPES["filler"])[1]


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
