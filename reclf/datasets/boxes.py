"""Boxes of a data set: from the cells of a table to a square, and what is wrong with them.

    cells -> read_boxes -> Box, FractionBox -> box_problems -> boxes_in_square

The check before a run and the reading of a study ask the same function.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from reclf.data.radiographs import Frame, ImageError
from reclf.data.study import Box, FractionBox

from .problems import refuse
from .tables_on_disk import refuse_unlike_spellings

UNITS, FORMATS = ("pixels", "fraction"), ("xywh", "xyxy")
_SLACK = {Box: 1.0, FractionBox: 0.005}  # tables are rounded


def read_boxes(
    rows: Iterable[Sequence[str]],
    where: Path,
    *,
    units: str = "pixels",
    form: str = "xywh",
    advice: str = "The boxes of this release are in pixels of the file.",
) -> dict[str, tuple[Box, ...]]:
    """Image -> its boxes, in the order of the rows.

    Args:
        rows: image, label and four sides, as text.
        units: "pixels" of the file or "fraction" of its width and height.
        form: sides are "xywh" (left, top, width, height) or "xyxy" (left, top, right, bottom).
        where, advice: for the error that lists every box that is not four numbers, or says that
            none has a side above 1, so that they are no pixels.
    """
    boxes: dict[str, tuple[Box, ...]] = {}
    wrong, largest = [], 0.0
    for image, label, *cells in rows:
        try:
            sides = [float(cell) for cell in cells]
        except ValueError:
            sides = []
        if len(sides) != 4 or not all(map(math.isfinite, sides)):
            wrong.append(f"{image}: {cells}")
            continue
        largest = max(largest, *map(abs, sides))
        x, y, *ends = sides
        width, height = (ends[0] - x, ends[1] - y) if form == "xyxy" else ends
        box = (FractionBox if units == "fraction" else Box)(label, x, y, width, height)
        boxes[image] = (*boxes.get(image, ()), box)
    refuse(where, "box that is not four numbers", wrong, advice)
    named = Counter(box.label for found in boxes.values() for box in found)
    nameless = [image for image, found in boxes.items() if not all(box.label for box in found)]
    refuse(where, "box without a label", nameless, "Say in every row what its box shows.")
    refuse_unlike_spellings(where, "label spelled in two ways", named)
    if units == "pixels" and largest <= 1:
        shares = [f"{image}: {found[0]}" for image, found in boxes.items()]
        refuse(where, "box in fractions of its image", shares, advice)
    return boxes


def box_problems(
    boxes: Sequence[Box], image: Path | str, frame: Frame | None = None
) -> list[tuple[str, str]]:
    """Kind and example of everything that is wrong with the boxes of an image.

    Args:
        frame: of the image in its square; None where its size is not known, and only order, sign
            and area are checked.
    """
    found = []
    for box in boxes:
        hint, kind = "", _problem(box, frame)
        corners = type(box)(box.label, box.x, box.y, box.width - box.x, box.height - box.y)
        if kind == "box without area" and min(box.width, box.height) < 0:
            hint = " (are its corners swapped?)"
        elif kind == "box narrower than one pixel":
            hint = ' (is it a fraction? A manifest has the option box_units="fraction")'
        elif kind and _problem(corners, frame) is None:
            hint = ' (as two corners it fits: a manifest has the option box_format="xyxy")'
        if kind:
            size = f", {frame.width} x {frame.height}" if frame else ""
            found.append((kind, f"{image}{size}: {box}{hint}"))
    if frame and not found:
        inside = {box.label for box in boxes if frame.from_original(box)}
        lost = dict.fromkeys(box.label for box in boxes if box.label not in inside)
        found += [
            ("label whose boxes the square cuts off", f'{image}: {label} (fit="pad" keeps them)')
            for label in lost
        ]
    return found


def _problem(box: Box, frame: Frame | None) -> str | None:
    if min(box.width, box.height) <= 0:
        return "box without area"
    if type(box) is Box and min(box.width, box.height) < 1:
        return "box narrower than one pixel"
    right, bottom = (frame.width, frame.height) if frame else (math.inf, math.inf)
    if type(box) is FractionBox:
        right, bottom = 1, 1
    slack = _SLACK[type(box)]
    inside = (
        min(box.x, box.y) >= -slack
        and box.x + box.width <= right + slack
        and box.y + box.height <= bottom + slack
    )
    return None if inside else "box outside its image"


def boxes_in_square(boxes: Sequence[Box], image: Path | str, frame: Frame) -> tuple[Box, ...]:
    """The boxes in the pixels of the square; raises `ImageError` for what `box_problems` finds."""
    for kind, example in box_problems(boxes, image, frame):
        raise ImageError(f"{kind}: {example}")
    return tuple(moved for box in boxes if (moved := frame.from_original(box)))
