"""One pixel plane for a film and for the images that models saw of it: padded, cropped, stretched.

    explanations of one pair -> Plane: the film's rectangle, and that of each model's image

Rectangles are fractions of the plane, which holds them all. A map lies where its model's image
lies, so that models of other sizes and grids are compared on the same pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from reclf.data.radiographs import Frame
from reclf.explain import Explanation

MOST = 2048  # pixels of the longer side of the plane, where it is a picture
ALIKE = 0.01  # difference of proportions that is rounding


class Place(NamedTuple):
    """A rectangle in the plane, in fractions of its width and height."""

    left: float = 0.0
    top: float = 0.0
    width: float = 1.0
    height: float = 1.0

    def lines(self, lines: Sequence[Sequence[float]]) -> list[list[float]]:
        """Lines x0, y0, x1, y1, ... in fractions of the rectangle, as fractions of the plane."""
        if self == ALL:
            return [list(line) for line in lines]
        corner, size = (self.left, self.top), (self.width, self.height)
        return [
            [round(corner[k % 2] + size[k % 2] * value, 5) for k, value in enumerate(line)]
            for line in lines
        ]

    def part(self, zoom: float, across: float, down: float) -> "Place":
        """What is seen of it at a zoom of 1 or more around a point, and never what is beside it."""
        side = 1 / zoom
        left, top = (min(max(at - side / 2, 0.0), 1 - side) for at in (across, down))
        return Place(left, top, side, side)

    def sampled(self, mask: np.ndarray, known: "Place", shape: Sequence[int]) -> np.ndarray:
        """A mask (h, w) that lies at `known`, in the pixels of an image of this shape that lies
        here: bool (H, W_px), by the nearest pixel; False where there is none."""
        if self == known and mask.shape == tuple(shape):
            return mask
        inside = np.ones(shape, dtype=bool)
        found = []
        for axis in (0, 1):
            start, length = self[1 - axis], self[3 - axis]
            across = start + length * (np.arange(shape[axis]) + 0.5) / shape[axis]
            at = (across - known[1 - axis]) / known[3 - axis] * mask.shape[axis]
            inside &= np.expand_dims((at >= 0) & (at < mask.shape[axis]), 1 - axis)
            found.append(np.clip(at.astype(int), 0, mask.shape[axis] - 1))
        return mask[np.ix_(*found)] & inside

    def extent(self, shape: Sequence[int]) -> tuple[float, float, float, float]:
        """Left, right, bottom and top for `imshow`, on a plane of this many pixels."""
        height, width = shape
        left, top = self.left * width - 0.5, self.top * height - 0.5
        return left, left + self.width * width, top + self.height * height, top


ALL = Place()


@dataclass(frozen=True)
class Plane:
    """Where things lie.

    Attributes:
        shape: height and width in pixels of the film, or where there is none of the largest image.
        film: rectangle of the film.
        images: of the image of each model.
    """

    shape: tuple[float, float]
    film: Place
    images: tuple[Place, ...]

    @classmethod
    def of(cls, explained: Mapping[str, Explanation]) -> "Plane":
        """The plane of the explanations of one pair by several models.

        Raises:
            ValueError: their images have other proportions, or one is a part of a film that is not
                known.
        """
        models = list(explained.values())
        first_name, *_ = explained
        frames = {name: frame for name, one in explained.items() if (frame := frame_of(one))}
        if not frames:
            for name, one in explained.items():
                _check_proportions(models[0].study_id, "image", {
                    name: one.image.shape, first_name: models[0].image.shape
                })  # fmt: skip
            shape = max((one.image.shape for one in models), key=np.prod)
            return cls((float(shape[0]), float(shape[1])), ALL, (ALL,) * len(models))
        known = next(iter(frames))
        for name, frame in frames.items():
            sizes = {n: (f.height, f.width) for n, f in ((name, frame), (known, frames[known]))}
            _check_proportions(models[0].study_id, "film", sizes)
        places = {name: _in_film(frame) for name, frame in frames.items()}
        for name, one in explained.items():
            if name in places:
                continue
            if len(set(places.values())) > 1 or len(set(one.image.shape)) > 1:
                raise ValueError(
                    f"{one.study_id}: {name} does not say where its image lies in the film, and "
                    f"{' and '.join(frames)} do; explain the study again"
                )
            places[name] = places[known]
        left, top = (min(0.0, *(place[k] for place in places.values())) for k in (0, 1))
        right, bottom = (
            max(1.0, *(place[k] + place[k + 2] for place in places.values())) for k in (0, 1)
        )
        across, down = right - left, bottom - top

        def placed(x: float, y: float, width: float, height: float) -> Place:
            return Place((x - left) / across, (y - top) / down, width / across, height / down)

        largest = max(frames.values(), key=lambda frame: frame.height * frame.width)
        return cls(
            (largest.height * down, largest.width * across),
            placed(*ALL),
            tuple(placed(*places[name]) for name in explained),
        )

    def picture(self, models: Sequence[Explanation]) -> np.ndarray:
        """The plane in gray, float32 (H, W_px) in [0, 1]: the preview of the film, else the largest
        image; black beside it."""
        films = [one.preview for one in models if frame_of(one) and one.preview is not None]
        if not films:
            return max((one.image for one in models), key=lambda image: image.size)
        film = max(films, key=lambda film: film.size)
        if self.film == ALL:
            return film / np.float32(255)
        lengths = film.shape[0] / self.film.height, film.shape[1] / self.film.width
        share = min(1.0, MOST / max(lengths))
        height, width = (max(1, round(length * share)) for length in lengths)
        x, y = (self.film.left * width, self.film.top * height)
        matrix = np.array([[share, 0, x], [0, share, y]])
        pixels = film.astype(np.float32) / 255
        return cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_LINEAR)


def frame_of(one: Explanation) -> Frame | None:
    """How the image was cut out of its film, where the film is known by a preview at least."""
    return one.frame if one.preview is not None else None


def _in_film(frame: Frame) -> Place:
    """The square of a frame in fractions of its film."""
    (scale_y, scale_x), (top, left) = frame.scale, frame.offset
    width, height = scale_x * frame.width, scale_y * frame.height
    return Place(-left / width, -top / height, frame.size / width, frame.size / height)


def _check_proportions(study: str, what: str, sizes: Mapping[str, Sequence[int]]) -> None:
    (height, width), (*_, other) = next(iter(sizes.values())), sizes.values()
    if abs(height * other[1] / (width * other[0]) - 1) > ALIKE:
        named = " and ".join(f"{h} x {w} of {name}" for name, (h, w) in sizes.items())
        raise ValueError(
            f"{study}: {what} of other proportions ({named} pixels); show them in two explorers"
        )
