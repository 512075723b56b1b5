"""The phantom's normal chest: geometry in an anatomical frame, and its layers in pixels.

    random stream -> Anatomy (shape and pose of this patient) -> layers, one per tissue

The frame has points (d, y): d from 0 at the midline outwards, y from 0 at the top to 1 at the
bottom of a film that the chest fills, both in film widths. Side -1 is the patient's right, which
is on the image's left. Layers are uint8 (S, S), see `canvas.py`.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from random import Random

import cv2
import numpy as np

from .canvas import blur, empty, fill, stroke

Layers = dict[int, np.ndarray]  # side -> layer
Point = tuple[float, float]

_MIDDLE = 0.45  # the y that scaling leaves in place


def points(*pairs: Point) -> np.ndarray:
    return np.array(pairs, np.float32)


# One lung, from the apex down the chest wall, along the diaphragm, up the mediastinum.
_LUNG = points(
    (0.130, 0.092), (0.200, 0.112), (0.262, 0.172), (0.308, 0.265), (0.338, 0.370),
    (0.358, 0.490), (0.371, 0.620), (0.378, 0.725), (0.380, 0.790), (0.360, 0.764),
    (0.310, 0.712), (0.225, 0.683), (0.140, 0.698), (0.075, 0.745), (0.040, 0.735),
    (0.035, 0.600), (0.035, 0.460), (0.035, 0.330), (0.040, 0.220), (0.070, 0.128),
)  # fmt: skip
_DIAPHRAGM = slice(8, 15)  # the points of _LUNG that move with the diaphragm
COSTOPHRENIC_Y = 0.790
WALL_Y, WALL_D = _LUNG[0:9, 1], _LUNG[0:9, 0]

# Half of the trunk: neck, shoulder, armpit, flank.
_TRUNK = points(
    (0.0, -0.3), (0.105, -0.3), (0.11, -0.02), (0.155, 0.035), (0.28, 0.07), (0.41, 0.12),
    (0.53, 0.22), (0.62, 0.42), (0.56, 0.56), (0.49, 0.50), (0.472, 0.62), (0.468, 0.80),
    (0.478, 1.3), (0.0, 1.3),
)  # fmt: skip
SCAPULA = points(
    (0.0, 0.21), (0.03, 0.155), (0.13, 0.16), (0.16, 0.22), (0.10, 0.38), (0.045, 0.47)
)
HILUM_SHAPE = points((0.055, 0.395), (0.092, 0.40), (0.108, 0.45), (0.095, 0.525), (0.06, 0.53))
# Right atrium, apex, left ventricle, pulmonary trunk; the first factor widens, see heart_layer.
_HEART = points(
    (-0.052, 0.43), (-0.088, 0.53), (-0.100, 0.63), (-0.085, 0.715), (0.03, 0.752),
    (0.135, 0.745), (0.192, 0.700), (0.178, 0.62), (0.128, 0.53), (0.085, 0.465), (0.058, 0.41),
)  # fmt: skip
_GREAT_VESSELS = points(
    (-0.034, -0.05), (-0.040, 0.13), (-0.058, 0.26), (-0.056, 0.42), (-0.055, 0.70),
    (0.05, 0.70), (0.062, 0.46), (0.052, 0.39), (0.0, 0.345), (0.0, 0.295), (0.045, 0.245),
    (0.036, 0.13), (0.034, -0.05),
)  # fmt: skip
_KNOB = (8, 9)  # points of _GREAT_VESSELS that the aortic knob pushes out
_TRACHEA = points((0.0, -0.1), (0.0, 0.18), (0.002, 0.355))
_BRONCHUS = points((0.0, 0.35), (0.072, 0.43))
_CIRCLE = points(*((math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)) for k in range(8)))


@dataclass(frozen=True)
class Anatomy:
    """One patient before any finding, standing before the detector.

    Attributes:
        size: image pixels on a side.
        scale: pixels per unit of the frame, for radii and line widths.
        frames: side -> (matrix (2, 2), offset (2,)) from the frame to pixels, float32.
        domes: how far the (right, left) diaphragm stands above its usual place.
        heart: factor of the heart's width.
        random: the stream for everything else that is normal.
    """

    size: int
    scale: float
    frames: dict[int, tuple[np.ndarray, np.ndarray]]
    domes: tuple[float, float]
    heart: float
    random: Random

    def to_pixels(self, points: np.ndarray, side: int = 1) -> np.ndarray:
        """Points (..., 2) of the frame as (x, y) pixels, float32."""
        matrix, offset = self.frames[side]
        return points @ matrix + offset

    def dome(self, side: int) -> float:
        return self.domes[side > 0]

    @cached_property
    def lungs(self) -> Layers:
        outlines = {side: self.to_pixels(lung_outline(self, side), side) for side in (-1, 1)}
        return {side: fill(empty(self.size), outline) for side, outline in outlines.items()}


def shape_patient(random: Random, size: int, framing: float) -> Anatomy:
    """Draw a patient and a pose.

    Args:
        random: the case's anatomy stream.
        size: image pixels on a side.
        framing: mean size of the chest in the image; 1 fills it.
    """
    scale = size * framing * random.uniform(0.95, 1.05)
    angle = random.gauss(0.0, 0.028)
    x = size * (0.5 + random.gauss(0.0, 0.015))
    y = size * (0.46 + random.gauss(0.0, 0.015))
    width, height = random.uniform(0.94, 1.08), random.uniform(0.95, 1.07)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    frames = {}
    for side in (-1, 1):
        matrix = points((side * width * cos, side * width * sin), (-height * sin, height * cos))
        frames[side] = matrix, np.array([x, y], np.float32) - np.float32(_MIDDLE) * matrix[1]
    right = random.uniform(0.005, 0.05)
    domes = right, right - random.uniform(0.008, 0.03)
    return Anatomy(size, scale, frames, domes, random.uniform(0.92, 1.06), random)


def wall(y: float) -> float:
    """Distance d of the chest wall from the midline at height y."""
    return float(np.interp(y, WALL_Y, WALL_D))


def lung_outline(anatomy: Anatomy, side: int) -> np.ndarray:
    """Outline of a lung, (N, 2) in the frame."""
    outline = _LUNG.copy()
    outline[_DIAPHRAGM, 1] -= np.float32(anatomy.dome(side))
    return outline


def trunk_layer(anatomy: Anatomy) -> np.ndarray:
    """Soft tissue, thinning towards the skin."""
    size = anatomy.size
    build = np.array([anatomy.random.uniform(0.95, 1.08), 1.0], np.float32)
    outline = _TRUNK * build
    left, right = (anatomy.to_pixels(outline, side) for side in (1, -1))
    # So smooth a layer is drawn and blurred at a quarter of the resolution.
    quarter = np.concatenate([left, right[::-1]]) / np.float32(4)
    small = fill(empty(-(-size // 4)), quarter, smooth=False)
    soft = blur(small, 0.02 * len(small))
    return cv2.resize(soft, (size, size), interpolation=cv2.INTER_LINEAR)


def heart_layer(anatomy: Anatomy, enlarged: float) -> np.ndarray:
    """Heart with its apex to the patient's left; `enlarged` widens it from the diaphragm up."""
    wide = anatomy.heart * enlarged
    low = _HEART[4, 1]
    heart = (_HEART - points((0.0, low))) * points((wide, 0.6 + 0.4 * wide)) + points((0.0, low))
    heart[4:7, 1] -= np.float32(anatomy.dome(1) - 0.015)
    return fill(empty(anatomy.size), anatomy.to_pixels(heart))


def great_vessel_layer(anatomy: Anatomy) -> np.ndarray:
    """Mediastinum above the heart, with the aortic knob on the patient's left."""
    outline = _GREAT_VESSELS.copy()
    outline[_KNOB, 0] = anatomy.random.uniform(0.062, 0.085)
    return fill(empty(anatomy.size), anatomy.to_pixels(outline))


def gas_layer(anatomy: Anatomy) -> np.ndarray:
    """Trachea and main bronchi, the gastric bubble, and sometimes gas in the colon."""
    random, layer = anatomy.random, empty(anatomy.size)
    stroke(layer, anatomy.to_pixels(_TRACHEA), 0.034 * anatomy.scale, 130)
    for side in (-1, 1):
        stroke(layer, anatomy.to_pixels(_BRONCHUS, side), 0.019 * anatomy.scale, 95)
    if random.random() < 0.75:
        at = random.uniform(0.12, 0.20), 0.76 - anatomy.dome(1) + random.uniform(0.0, 0.02)
        radii = random.uniform(0.045, 0.075), random.uniform(0.02, 0.03)
        fill(layer, anatomy.to_pixels(_CIRCLE * points(radii) + points(at)), value=200)
    if random.random() < 0.4:
        at = random.uniform(0.24, 0.30), random.uniform(0.85, 0.89)
        fill(layer, anatomy.to_pixels(_CIRCLE * points((0.035, 0.02)) + points(at)), value=140)
    return layer
