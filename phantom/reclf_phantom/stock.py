"""Bones and lung vessels: drawn once for a stock of patients, then moved into every pose.

    number in the stock -> layer in the upright frame -> warp -> layer of this patient

They have a hundred lines each and would take half of the time of an image; a warp takes a
fiftieth. Every patient has a width, a height and a pose, so no two films look alike.
"""

import math
from functools import lru_cache
from random import Random

import cv2
import numpy as np

from .anatomy import HILUM_SHAPE, SCAPULA, WALL_D, WALL_Y, Anatomy, Point, points
from .canvas import empty, fill, stroke

_STOCK = 40
_SPAN = 1.35  # side of the upright canvas in the frame: a little more than any pose shows


def bone_layer(anatomy: Anatomy) -> np.ndarray:
    """Ribs, clavicles, scapulae and spine of one patient."""
    return _warp(_bones(anatomy.random.randrange(_STOCK), _resolution(anatomy)), anatomy)


def vessel_layer(anatomy: Anatomy) -> np.ndarray:
    """Hila and lung vessels of one patient, also where heart and diaphragm cover them."""
    return _warp(_vessels(anatomy.random.randrange(_STOCK), _resolution(anatomy)), anatomy)


def _resolution(anatomy: Anatomy) -> int:
    return round(1.6 * anatomy.size)


def _warp(layer: np.ndarray, anatomy: Anatomy) -> np.ndarray:
    upright, (matrix, offset) = _upright(len(layer)), anatomy.frames[1]
    matrix = matrix / np.float32(upright.scale)
    offset = offset - upright.frames[1][1] @ matrix
    size = (anatomy.size, anatomy.size)
    return cv2.warpAffine(layer, np.column_stack([matrix.T, offset]), size)


@lru_cache(maxsize=4)
def _upright(resolution: int) -> Anatomy:
    """A patient of mean build without any pose, on a canvas of `resolution` pixels."""
    scale = resolution / _SPAN
    offset = np.array([resolution / 2, 0.15 * scale], np.float32)
    frames = {side: (points((side * scale, 0), (0, scale)), offset) for side in (-1, 1)}
    return Anatomy(resolution, scale, frames, (0.0, 0.0), 1.0, Random(0))


@lru_cache(maxsize=2 * _STOCK)
def _bones(number: int, resolution: int) -> np.ndarray:
    """Ribs with their denser edges, clavicles, scapulae, and the spine."""
    random, anatomy = Random(f"bones {number}"), _upright(resolution)
    layer = empty(resolution)
    slope = np.float32(random.uniform(0.85, 1.2))
    tilt = np.float32(random.uniform(-0.03, 0.01))
    blade = np.array([random.uniform(0.31, 0.37), 0.0], np.float32)
    back_level, back_slope, front_level, front_slope, collar, collar_tilt = _rib_cage()
    thin = 0.0055 * anatomy.scale
    for side in (-1, 1):
        back = anatomy.to_pixels(back_level + slope * back_slope, side)
        front = anatomy.to_pixels(front_level + slope * front_slope, side)
        clavicle = anatomy.to_pixels(collar + tilt * collar_tilt, side)
        fill(layer, anatomy.to_pixels(SCAPULA + blade, side), value=60)
        fill(layer, front, smooth=False, value=75)
        fill(layer, back, smooth=False, value=120)
        half = back.shape[1] // 2
        stroke(layer, back[:, half:], thin * 1.3, 215)
        stroke(layer, back[:, :half], thin, 170)
        stroke(layer, front[:, front.shape[1] // 2 :], thin, 135)
        fill(layer, clavicle, smooth=False, value=205)
        stroke(layer, clavicle, 1.2 * thin, 255)
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
    edge = np.interp(low, WALL_Y, WALL_D) + 0.008
    d = 0.035 + (edge - 0.035) * np.sin(t * np.pi / 2)
    back = _outline(d, start - 0.10 * t * (1 - t), 0.0122)
    back_slope = _outline(0 * d, (low - start + 0.035) * t**2, 0.0)

    n, t = np.arange(6)[:, None], np.linspace(0, 1, 9)[None]
    # From the wall, where the back part ends, down and inwards to the cartilage.
    start = 0.25 + n * 0.080
    edge = np.interp(start, WALL_Y, WALL_D) + 0.005
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


@lru_cache(maxsize=2 * _STOCK)
def _vessels(number: int, resolution: int) -> np.ndarray:
    """Hila and the vessels that branch from them, thinning outwards."""
    random, anatomy = Random(f"vessels {number}"), _upright(resolution)
    layer = empty(resolution)
    for side in (-1, 1):
        for lines, width, value in _grow_tree(random):
            stroke(layer, anatomy.to_pixels(lines, side), width * anatomy.scale, value)
        low = 0.0 if side > 0 else 0.015  # the left hilum stands higher
        fill(layer, anatomy.to_pixels(HILUM_SHAPE + points((0.0, low)), side), value=150)
    return layer


def _grow_tree(random: Random) -> list[tuple[np.ndarray, float, int]]:
    """Branching vessels as (lines (M, 5, 2), width, value), the finest first."""
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
