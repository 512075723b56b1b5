"""A figure as one sheet of paper: axes and text at places in inches, from its top left."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from .lettering import SMALLEST, height


class Sheet:
    """The whole figure as one axis in inches, from its top left, for text and lines."""

    def __init__(self, width: float, tall: float):
        self.figure = plt.figure(figsize=(width, tall))
        self.width, self.height = width, tall
        self._axis: Axes | None = None

    def place(self, x: float, y: float, across: float, down: float) -> Axes:
        """An axis with this top left, width and height."""
        box = x / self.width, 1 - (y + down) / self.height, across / self.width, down / self.height
        return self.figure.add_axes(box)

    @property
    def axis(self) -> Axes:
        """The axis in inches; it is behind all others and has no frame."""
        if self._axis is None:
            self._axis = self.figure.add_axes((0, 0, 1, 1), zorder=-1)
            self._axis.set(xlim=(0, self.width), ylim=(self.height, 0))
            self._axis.axis("off")
        return self._axis

    def text(self, x: float, y: float, text: str, size: float = SMALLEST, **options) -> None:
        """Text at a place; by default its top left."""
        options = {"ha": "left", "va": "top", **options}
        self.axis.text(x, y, text, fontsize=size, rotation_mode="anchor", **options)

    def caption(self, texts: list[str], y: float) -> None:
        """Texts below each other, centered, from this height on."""
        for text in texts:
            self.text(self.width / 2, y, text, ha="center")
            y += height(text, SMALLEST)
