"""Masks that a table states in numbers: run lengths, and boxes to be filled.

Both are drawn when a study is read, at the size of its file, and then brought into the square like
a mask that is a file of its own.
"""

import math
from dataclasses import dataclass

import numpy as np

from reclf.data.study import Box


@dataclass(frozen=True)
class RunLengths:
    """A mask as the SIIM-ACR table writes it: "gap length gap length ...".

    Relative and column-major: a gap counts from the end of the run before, and pixels are counted
    down the first column, then the second. Other tables (COCO, Airbus) write absolute starts.

    Attributes:
        rows: one text per marked region; the mask is where any of them is. No row: empty mask.
    """

    rows: tuple[str, ...]

    def draw(self, height: int, width: int) -> np.ndarray:
        """bool (height, width); raises ValueError for numbers that are no runs, or run over."""
        columns = np.zeros(height * width, dtype=bool)
        for row in self.rows:
            numbers = [int(number) for number in row.split()]
            if not numbers or len(numbers) % 2 or min(numbers) < 0:
                raise ValueError(f"run lengths must be pairs of gap and length, got {row[:60]!r}")
            position = 0
            for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
                position += gap
                columns[position : position + length] = True
                position += length
            if position > columns.size:
                raise ValueError(
                    f"run lengths reach pixel {position} of an image of {height} x {width} = "
                    f"{columns.size}; they were written for the image at another size"
                )
        return columns.reshape(width, height).T


@dataclass(frozen=True)
class FilledBoxes:
    """The union of boxes, given as in the table. No box: an empty mask."""

    boxes: tuple[Box, ...]

    def draw(self, height: int, width: int) -> np.ndarray:
        """bool (height, width), True where the middle of a pixel lies inside a box."""
        mask = np.zeros((height, width), dtype=bool)
        for box in (given.in_pixels(height, width) for given in self.boxes):
            top, bottom = (max(0, math.ceil(y - 0.5)) for y in (box.y, box.y + box.height))
            left, right = (max(0, math.ceil(x - 0.5)) for x in (box.x, box.x + box.width))
            mask[top:bottom, left:right] = True
        return mask
