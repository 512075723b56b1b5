"""What lies on or in a phantom patient without being a finding: tubes, lines, leads, the marker."""

from functools import lru_cache
from random import Random

import cv2
import numpy as np

from .anatomy import Anatomy
from .canvas import empty, fill, stroke
from .case import Case


def device_layer(case: Case, anatomy: Anatomy) -> np.ndarray | None:
    """All devices of a case as one layer, uint8 (S, S); None without any."""
    if not case.devices:
        return None
    layer = empty(anatomy.size)
    for device in case.devices:
        _DRAW[device](layer, anatomy, case.stream(device))
    return layer


def _line(
    layer: np.ndarray, anatomy: Anatomy, points: list[tuple[float, float]], width: float,
    value: int, side: int = 1,
) -> None:  # fmt: skip
    """A bent line through a few points (d, y) of the frame."""
    knots = np.array(points, np.float32)
    # A running mean over a dense line rounds the corners off.
    pixels = anatomy.to_pixels(_rounding(len(points)) @ knots, side)
    stroke(layer, pixels, width * anatomy.scale, value)


@lru_cache(maxsize=8)
def _rounding(count: int) -> np.ndarray:
    """Matrix (6 N, N) from the knots of a line to points along it."""
    t = np.linspace(0, count - 1, 6 * count)
    dense = np.stack([np.interp(t, np.arange(count), row) for row in np.eye(count)], -1)
    padded = np.concatenate([dense[:1], dense[:1], dense, dense[-1:], dense[-1:]])
    smooth = np.mean([padded[k : k + len(dense)] for k in range(5)], axis=0)
    return smooth.astype(np.float32)


def _ecg_leads(layer: np.ndarray, anatomy: Anatomy, random: Random) -> None:
    for side in (-1, 1):
        for y in (0.2, 0.66):
            if random.random() < 0.3:
                continue
            at = (random.uniform(0.24, 0.34), y + random.gauss(0, 0.03))
            away = (at[0] + random.uniform(0.02, 0.1), at[1] + random.uniform(0.1, 0.2))
            _line(layer, anatomy, [at, away, (0.3, 1.1)], 0.006, 120, side)
            x, row = anatomy.to_pixels(np.array(at, np.float32), side).tolist()
            radius = round(0.014 * anatomy.scale)
            cv2.circle(layer, (round(x), round(row)), radius, 190, -1, cv2.LINE_AA)


def _endotracheal_tube(layer: np.ndarray, anatomy: Anatomy, random: Random) -> None:
    tip = random.uniform(0.26, 0.31)
    _line(layer, anatomy, [(0.004, -0.1), (-0.004, 0.1), (-0.002, tip)], 0.013, 130)
    _line(layer, anatomy, [(0.008, -0.1), (0.0, 0.1), (0.002, tip)], 0.004, 230)


def _gastric_tube(layer: np.ndarray, anatomy: Anatomy, random: Random) -> None:
    end = random.uniform(0.08, 0.14)
    way = [(0.012, -0.1), (0.01, 0.3), (0.012, 0.6), (0.03, 0.74), (end, 0.84), (end + 0.03, 0.9)]
    _line(layer, anatomy, way, 0.008, 170)


def _central_line(layer: np.ndarray, anatomy: Anatomy, random: Random) -> None:
    # Named by the patient's right, where most of them enter.
    start = random.choice(((0.06, -0.05), (0.3, 0.14)))
    way = [start, (0.055, 0.17), (0.04, 0.25), (0.043, random.uniform(0.36, 0.42))]
    _line(layer, anatomy, way, 0.006, 180, side=-1)


def _pacemaker(layer: np.ndarray, anatomy: Anatomy, random: Random) -> None:
    d, y = random.uniform(0.28, 0.32), random.uniform(0.19, 0.23)
    corners = np.array([(-1, -0.8), (0.7, -1), (1, 0.6), (0.3, 1), (-0.9, 0.7)], np.float32)
    corners *= np.float32(0.036)
    fill(layer, anatomy.to_pixels(corners + np.array([d, y], np.float32)), value=250)
    way = [(d - 0.03, y), (0.12, 0.16), (0.02, 0.22), (-0.035, 0.33), (-0.03, 0.55), (0.09, 0.68)]
    _line(layer, anatomy, way, 0.007, 190)


def _side_marker(layer: np.ndarray, anatomy: Anatomy, random: Random) -> None:
    """L at the patient's left or R at the right, in a corner of the film."""
    size = anatomy.size
    left = random.random() < 0.5
    x = (0.90 if left else 0.05) * size
    at = (round(x), round(random.uniform(0.1, 0.16) * size))
    scale = size / 128 * 0.32
    cv2.putText(
        layer, "L" if left else "R", at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255,
        max(1, round(size / 128)), cv2.LINE_AA,
    )  # fmt: skip


_DRAW = {
    "ecg_leads": _ecg_leads,
    "endotracheal_tube": _endotracheal_tube,
    "gastric_tube": _gastric_tube,
    "central_line": _central_line,
    "pacemaker": _pacemaker,
    "side_marker": _side_marker,
}
