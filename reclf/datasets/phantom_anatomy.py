"""The phantom's normal chest: geometry in an anatomical frame, and its layers in pixels.

    random stream -> Anatomy (shape and pose of this patient) -> layers, one per tissue

The frame has points (d, y): d from 0 at the midline outwards, y from 0 at the top to 1 at the
bottom of a film that the chest fills, both in film widths. Side -1 is the patient's right, which
is on the image's left. Layers are uint8 (S, S), see `phantom_canvas`.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from random import Random

import cv2
import numpy as np

from reclf.datasets.phantom_canvas import blur, empty, fill, stroke

Layers = dict[int, np.ndarray]  # side -> layer
Point = tuple[float, float]

_MIDDLE = 0.45  # the y that scaling leaves in place


def _points(*points: Point) -> np.ndarray:
    return np.array(points, np.float32)


# One lung, from the apex down the chest wall, along the diaphragm, up the mediastinum.
_LUNG = _points(
    (0.130, 0.092), (0.200, 0.112), (0.262, 0.172), (0.308, 0.265), (0.338, 0.370),
    (0.358, 0.490), (0.371, 0.620), (0.378, 0.725), (0.380, 0.790), (0.360, 0.764),
    (0.310, 0.712), (0.225, 0.683), (0.140, 0.698), (0.075, 0.745), (0.040, 0.735),
    (0.035, 0.600), (0.035, 0.460), (0.035, 0.330), (0.040, 0.220), (0.070, 0.128),
)  # fmt: skip
_DIAPHRAGM = slice(8, 15)  # the points of _LUNG that move with the diaphragm
COSTOPHRENIC_Y = 0.790
_WALL_Y, _WALL_D = _LUNG[0:9, 1], _LUNG[0:9, 0]

# Half of the trunk: neck, shoulder, armpit, flank.
_TRUNK = _points(
    (0.0, -0.3), (0.105, -0.3), (0.11, -0.02), (0.155, 0.035), (0.28, 0.07), (0.41, 0.12),
    (0.53, 0.22), (0.62, 0.42), (0.56, 0.56), (0.49, 0.50), (0.472, 0.62), (0.468, 0.80),
    (0.478, 1.3), (0.0, 1.3),
)  # fmt: skip
_SCAPULA = _points(
    (0.0, 0.21), (0.03, 0.155), (0.13, 0.16), (0.16, 0.22), (0.10, 0.38), (0.045, 0.47)
)
_HILUM_SHAPE = _points((0.055, 0.395), (0.092, 0.40), (0.108, 0.45), (0.095, 0.525), (0.06, 0.53))
# Right atrium, apex, left ventricle, pulmonary trunk; the first factor widens, see heart_layer.
_HEART = _points(
    (-0.052, 0.43), (-0.088, 0.53), (-0.100, 0.63), (-0.085, 0.715), (0.03, 0.752),
    (0.135, 0.745), (0.192, 0.700), (0.178, 0.62), (0.128, 0.53), (0.085, 0.465), (0.058, 0.41),
)  # fmt: skip
_GREAT_VESSELS = _points(
    (-0.034, -0.05), (-0.040, 0.13), (-0.058, 0.26), (-0.056, 0.42), (-0.055, 0.70),
    (0.05, 0.70), (0.062, 0.46), (0.052, 0.39), (0.0, 0.345), (0.0, 0.295), (0.045, 0.245),
    (0.036, 0.13), (0.034, -0.05),
)  # fmt: skip
_KNOB = (8, 9)  # points of _GREAT_VESSELS that the aortic knob pushes out
_TRACHEA = _points((0.0, -0.1), (0.0, 0.18), (0.002, 0.355))
_BRONCHUS = _points((0.0, 0.35), (0.072, 0.43))
_CIRCLE = _points(*((math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)) for k in range(8)))


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
        layers = {}
        for side in (-1, 1):
            layers[side] = empty(self.size)
            fill(layers[side], self.to_pixels(lung_outline(self, side), side))
        return layers


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
        matrix = _points((side * width * cos, side * width * sin), (-height * sin, height * cos))
        frames[side] = matrix, np.array([x, y], np.float32) - np.float32(_MIDDLE) * matrix[1]
    right = random.uniform(0.005, 0.05)
    domes = right, right - random.uniform(0.008, 0.03)
    return Anatomy(size, scale, frames, domes, random.uniform(0.92, 1.06), random)


def wall(y: float) -> float:
    """Distance d of the chest wall from the midline at height y."""
    return float(np.interp(y, _WALL_Y, _WALL_D))


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
    small = empty(-(-size // 4))
    fill(small, np.concatenate([left, right[::-1]]) / np.float32(4), smooth=False)
    soft = cv2.GaussianBlur(small, (0, 0), 0.02 * len(small))
    return cv2.resize(soft, (size, size), interpolation=cv2.INTER_LINEAR)


def bone_layer(anatomy: Anatomy) -> np.ndarray:
    """Ribs with their denser edges, clavicles, scapulae, and the spine."""
    random, layer = anatomy.random, empty(anatomy.size)
    slope = np.float32(random.uniform(0.85, 1.2))
    tilt = np.float32(random.uniform(-0.03, 0.01))
    blade = np.array([random.uniform(0.31, 0.37), 0.0], np.float32)
    back_level, back_slope, front_level, front_slope, collar, collar_tilt = _rib_cage()
    thin = 0.0055 * anatomy.scale
    for side in (-1, 1):
        back = anatomy.to_pixels(back_level + slope * back_slope, side)
        front = anatomy.to_pixels(front_level + slope * front_slope, side)
        clavicle = anatomy.to_pixels(collar + tilt * collar_tilt, side)
        fill(layer, anatomy.to_pixels(_SCAPULA + blade, side), value=60)
        fill(layer, front, smooth=False, value=75)
        fill(layer, back, smooth=False, value=120)
        half = back.shape[1] // 2
        stroke(layer, back[:, half:], thin * 1.3, 215)
        stroke(layer, back[:, :half], thin, 170)
        stroke(layer, front[:, front.shape[1] // 2 :], thin, 135)
        fill(layer, clavicle, smooth=False, value=175)
        stroke(layer, clavicle, thin, 245)
    _draw_spine(layer, anatomy)
    return layer


@lru_cache(maxsize=1)
def _rib_cage() -> tuple[np.ndarray, ...]:
    """Outlines of the bones, each with its change per unit of slope or tilt.

    The first half of an outline is the upper edge, the second the lower one.
    """
    n, t = np.arange(9)[:, None], np.linspace(0, 1, 12)[None]
    start = 0.112 + n * 0.0735
    low = start + 0.05 + n * 0.008
    edge = np.interp(low, _WALL_Y, _WALL_D) + 0.008
    d = 0.035 + (edge - 0.035) * np.sin(t * np.pi / 2)
    back = _outline(d, start - 0.10 * t * (1 - t), 0.0122)
    back_slope = _outline(0 * d, (low - start + 0.035) * t**2, 0.0)

    n, t = np.arange(6)[:, None], np.linspace(0, 1, 9)[None]
    # From the wall, where the back part ends, down and inwards to the cartilage.
    start = 0.25 + n * 0.080
    edge = np.interp(start, _WALL_Y, _WALL_D) + 0.005
    d = edge + (0.14 + n * 0.014 - edge) * t
    front = _outline(d, start + 0 * t, 0.0135)
    front_slope = _outline(0 * d, 0.15 * t - 0.05 * t**2, 0.0)

    t = np.linspace(0, 1, 10)[None]
    d = 0.035 + 0.38 * t
    y = 0.178 - 0.05 * t - 0.018 * np.sin(t * 2 * np.pi)
    collar = _outline(d, y, 0.011 + 0.008 * (1 - t) ** 3)[0]
    collar_tilt = _outline(0 * d, t, 0.0)[0]
    return back, back_slope, front, front_slope, collar, collar_tilt


def _outline(d: np.ndarray, y: np.ndarray, half_width: np.ndarray | float) -> np.ndarray:
    upper = np.stack(np.broadcast_arrays(d, y - half_width), -1)
    lower = np.stack(np.broadcast_arrays(d, y + half_width), -1)
    return np.concatenate([upper, lower[:, ::-1]], 1).astype(np.float32)


@lru_cache(maxsize=1)
def _vertebrae() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bodies (M, 4, 2), pedicles (2 M, 2, 2), spinous processes (M, 2, 2)."""
    tops = np.arange(-1, 17) * 0.0615 + 0.03
    box = np.array([(-0.038, 0.004), (0.038, 0.004), (0.036, 0.053), (-0.036, 0.053)])
    drop = np.stack([0 * tops, tops], -1)[:, None]
    pedicle = np.array([(0.021, 0.016), (0.021, 0.026)])
    mirrored = pedicle * np.array([-1, 1])
    spinous = np.array([(0.0, 0.035), (0.0, 0.05)])
    return (
        (box + drop).astype(np.float32),
        np.concatenate([pedicle + drop, mirrored + drop]).astype(np.float32),
        (spinous + drop).astype(np.float32),
    )


def _draw_spine(layer: np.ndarray, anatomy: Anatomy) -> None:
    bodies, pedicles, spinous = (anatomy.to_pixels(part) for part in _vertebrae())
    fill(layer, bodies, smooth=False, value=125)
    stroke(layer, pedicles, 0.013 * anatomy.scale, 180)
    stroke(layer, spinous, 0.010 * anatomy.scale, 175)


def heart_layer(anatomy: Anatomy, enlarged: float) -> np.ndarray:
    """Heart with its apex to the patient's left; `enlarged` widens it from the diaphragm up."""
    wide = anatomy.heart * enlarged
    low = _HEART[4, 1]
    heart = (_HEART - _points((0.0, low))) * _points((wide, 0.6 + 0.4 * wide)) + _points((0.0, low))
    heart[4:7, 1] -= np.float32(anatomy.dome(1) - 0.015)
    layer = empty(anatomy.size)
    fill(layer, anatomy.to_pixels(heart))
    return layer


def great_vessel_layer(anatomy: Anatomy) -> np.ndarray:
    """Mediastinum above the heart, with the aortic knob on the patient's left."""
    outline = _GREAT_VESSELS.copy()
    outline[_KNOB, 0] = anatomy.random.uniform(0.062, 0.085)
    layer = empty(anatomy.size)
    fill(layer, anatomy.to_pixels(outline))
    return layer


def gas_layer(anatomy: Anatomy) -> np.ndarray:
    """Trachea and main bronchi, the gastric bubble, and sometimes gas in the colon."""
    random, layer = anatomy.random, empty(anatomy.size)
    stroke(layer, anatomy.to_pixels(_TRACHEA), 0.034 * anatomy.scale, 130)
    for side in (-1, 1):
        stroke(layer, anatomy.to_pixels(_BRONCHUS, side), 0.019 * anatomy.scale, 95)
    if random.random() < 0.75:
        at = random.uniform(0.12, 0.20), 0.76 - anatomy.dome(1) + random.uniform(0.0, 0.02)
        radii = random.uniform(0.045, 0.075), random.uniform(0.02, 0.03)
        fill(layer, anatomy.to_pixels(_CIRCLE * _points(radii) + _points(at)), value=200)
    if random.random() < 0.4:
        at = random.uniform(0.24, 0.30), random.uniform(0.85, 0.89)
        fill(layer, anatomy.to_pixels(_CIRCLE * _points((0.035, 0.02)) + _points(at)), value=140)
    return blur(layer, 0.008 * anatomy.size)


def vessel_layer(anatomy: Anatomy) -> np.ndarray:
    """Hila and the vessels that branch from them, thinning outwards."""
    random, layer = anatomy.random, empty(anatomy.size)
    for side in (-1, 1):
        tree = random.choice(_trees())
        for lines, width, value in tree:
            stroke(layer, anatomy.to_pixels(lines, side), width * anatomy.scale, value)
        low = 0.0 if side > 0 else 0.015  # the left hilum stands higher
        fill(layer, anatomy.to_pixels(_HILUM_SHAPE + _points((0.0, low)), side), value=150)
    return layer


@lru_cache(maxsize=1)
def _trees() -> tuple[list[tuple[np.ndarray, float, int]], ...]:
    """A stock of branching vessels: (lines (M, 5, 2), width, value), the finest first."""
    return tuple(_grow_tree(Random(f"vessel tree {n}")) for n in range(32))


def _grow_tree(random: Random) -> list[tuple[np.ndarray, float, int]]:
    levels: list[list[list[Point]]] = [[], [], []]

    def grow(at: Point, angle: float, length: float, level: int) -> None:
        line, bend = [at], random.gauss(0, 0.10)
        for _ in range(4):
            angle += bend
            d, y = line[-1]
            line.append((d + length / 4 * math.cos(angle), y + length / 4 * math.sin(angle)))
        levels[level].append(line)
        if level < 2:
            for _ in range(2 + (random.random() < 0.6)):
                turn = random.choice((-1, 1)) * random.uniform(0.25, 0.75)
                reach = length * random.uniform(0.5, 0.85)
                grow(line[random.randrange(2, 5)], angle + turn, reach, level + 1)

    for n in range(7):
        angle = -1.25 + n * 0.42 + random.gauss(0, 0.08)
        length = (0.115 if abs(angle) < 0.9 else 0.16) * random.uniform(0.8, 1.2)
        at = 0.085 + random.gauss(0, 0.008), 0.43 + n * 0.008 + random.gauss(0, 0.018)
        grow(at, angle, length, 0)
    widths, values = (0.0135, 0.0085, 0.0055), (220, 180, 150)
    lines = [np.array(level, np.float32) for level in levels]
    return list(zip(lines, widths, values, strict=True))[::-1]
