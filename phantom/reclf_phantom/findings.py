"""Drawing the findings: what each kind adds to the attenuation, and where it is.

    Finding + Anatomy -> Lesion (attenuation to add, mask)

Shapes are drawn from the stream of the finding's slot and mirrored between the sides, so a
counterfactual with the side changed shows the same lesion on the other side.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import cv2
import numpy as np

from .anatomy import COSTOPHRENIC_Y, Anatomy, Point, lung_outline, wall
from .canvas import blur, empty, fill, noise, product, stroke
from .case import Case, Finding

_ZONE_Y = {"upper": (0.22, 0.30), "mid": (0.415, 0.485), "lower": (0.585, 0.64)}
_ZONE_EDGES = {"upper": (-0.1, 0.365), "mid": (0.345, 0.545), "lower": (0.525, 1.0)}
_INNER = {"upper": 0.075, "mid": 0.09, "lower": 0.13}  # beside the mediastinum and the heart
_ANGLES = np.arange(12, dtype=np.float32) * np.float32(np.pi / 6)
_ROUND = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], -1)


@dataclass(frozen=True)
class Lesion:
    """A finding in pixels.

    Attributes:
        layer: uint8 (S, S), the lesion's shape with its soft edge.
        density: attenuation where the layer is 255; negative for air.
        mask: bool (S, S).
        vessels: factor on the vessels inside `layer`; 0 where the lung has collapsed away.
        replaces_air: True if the lesion fills what is air and adds nothing to the heart.
        edge: uint8 (S, S), bright lines that belong to the lesion, or None.
    """

    layer: np.ndarray
    density: float
    mask: np.ndarray
    vessels: float = 1.0
    replaces_air: bool = False
    edge: np.ndarray | None = None


@dataclass(frozen=True)
class Site:
    """Where one lesion is drawn: a side of a patient, with the stream for its shape."""

    anatomy: Anatomy
    side: int
    zone: str | None
    grade: int  # Finding.grade
    random: Random

    @property
    def lung(self) -> np.ndarray:
        return self.anatomy.lungs[self.side]

    @property
    def size(self) -> int:
        return self.anatomy.size

    def place(self, margin: float) -> Point:
        """Somewhere in the zone, `margin` away from mediastinum and chest wall."""
        y = self.random.uniform(*_ZONE_Y[self.zone or "mid"])
        inner, outer = _INNER[self.zone or "mid"] + margin, wall(y) - 0.01 - margin
        return inner + (outer - inner) * self.random.uniform(0.15, 0.85), y

    def blob(self, layer: np.ndarray, at: Point, radii: Point, roughness: float) -> None:
        """Fill an irregular ellipse."""
        low, high = 1 - roughness, 1 + roughness
        reach = np.array([[self.random.uniform(low, high)] for _ in _ANGLES], np.float32)
        outline = reach * _ROUND * np.array(radii, np.float32) + np.array(at, np.float32)
        fill(layer, self.anatomy.to_pixels(outline, self.side))

    def line(self, layer: np.ndarray, d: np.ndarray, y: np.ndarray, width: float, value=255):
        points = np.stack([d, y], -1).astype(np.float32, copy=False)
        pixels = self.anatomy.to_pixels(points, self.side)
        stroke(layer, pixels, width * self.anatomy.scale, value)

    def clip(self, layer: np.ndarray) -> np.ndarray:
        """The part of a layer inside the lung, and inside the zone if there is one."""
        if self.zone:
            top, bottom = _ZONE_EDGES[self.zone]
            band = np.array([(-0.1, top), (0.6, top), (0.6, bottom), (-0.1, bottom)], np.float32)
            zone = fill(empty(self.size), self.anatomy.to_pixels(band, self.side), smooth=False)
            layer = cv2.min(layer, zone)
        return product(layer, self.lung)


def draw_finding(finding: Finding, case: Case, anatomy: Anatomy) -> Lesion:
    """Draw any finding but cardiomegaly, which is the heart layer itself."""
    draw, grade = _DRAW[finding.kind], finding.grade
    sides = {"left": (1,), "right": (-1,), "bilateral": (-1, 1)}[finding.side or "bilateral"]
    # The stream does not know the side, so that a counterfactual's lesion is this one mirrored.
    parts = [
        draw(Site(anatomy, side, finding.zone, grade, case.stream(f"finding {finding.slot} {n}")))
        for n, side in enumerate(sides)
    ]
    if len(parts) == 1:
        return parts[0]
    one, other = parts
    return replace(one, layer=cv2.max(one.layer, other.layer), mask=one.mask | other.mask)


def _consolidation(site: Site) -> Lesion:
    random, layer = site.random, empty(site.size)
    radius = (0.066, 0.085, 0.105)[site.grade]
    at = site.place(0.035)
    site.blob(layer, at, (radius, radius * 0.85), 0.2)
    for _ in range(3):
        angle = random.uniform(0, 2 * np.pi)
        lobe = at[0] + 0.75 * radius * np.cos(angle), at[1] + 0.65 * radius * np.sin(angle)
        site.blob(layer, lobe, (radius * 0.5, radius * 0.45), 0.25)
    layer = site.clip(layer)
    mask = layer > 127
    # Air in the bronchi stays dark inside the dense lung.
    for _ in range(2):
        angle, shift = random.uniform(-0.9, 0.9), random.uniform(-0.4, 0.4) * radius
        t = np.array([-0.7, 0.0, 0.7], np.float32) * np.float32(radius)
        d, y = at[0] + t * np.cos(angle), at[1] + shift + t * np.sin(angle)
        site.line(layer, d, y, 0.006, 130)
    layer = blur(layer, 0.016 * site.size)
    mottle = cv2.convertScaleAbs(noise(site.size, 0.022 * site.size, random), alpha=26, beta=205)
    layer = product(layer, mottle)
    return Lesion(layer, (0.24, 0.32, 0.40)[site.grade], mask, 0.6)


def _ground_glass(site: Site) -> Lesion:
    layer = empty(site.size)
    radius = (0.085, 0.105, 0.125)[site.grade]
    site.blob(layer, site.place(0.05), (radius, radius * 0.8), 0.12)
    layer = site.clip(layer)
    # Haze: no edge, and the vessels stay visible in it.
    return Lesion(blur(layer, 0.028 * site.size), (0.11, 0.15, 0.19)[site.grade], layer > 127)


def _nodule(site: Site) -> Lesion:
    layer = empty(site.size)
    radius = (0.031, 0.041, 0.054)[site.grade] * site.random.uniform(0.95, 1.05)
    site.blob(layer, site.place(radius), (radius, radius), 0.08)
    layer = site.clip(layer)
    return Lesion(blur(layer, 0.008 * site.size), (0.20, 0.235, 0.27)[site.grade], layer > 127, 0.6)


def _atelectasis(site: Site) -> Lesion:
    random, layer = site.random, empty(site.size)
    at, slope = site.place(0.06), random.uniform(-0.4, 0.4)
    t = np.linspace(-1, 1, 7, dtype=np.float32)
    for n in range(site.grade + 1):
        half = (0.075, 0.085, 0.10)[site.grade] * random.uniform(0.75, 1.15)
        turn = slope + random.gauss(0, 0.12)
        d = at[0] + random.gauss(0, 0.015) + t * half
        y = at[1] + (n - site.grade / 2) * 0.045 + turn * half * t + random.gauss(0, 0.008) * t**2
        site.line(layer, d, y, (0.013, 0.018, 0.023)[site.grade])
    layer = site.clip(layer)
    return Lesion(blur(layer, 0.007 * site.size), (0.22, 0.26, 0.30)[site.grade], layer > 127, 0.8)


def _effusion(site: Site) -> Lesion:
    height = (0.10, 0.20, 0.34)[site.grade] * site.random.uniform(0.92, 1.08)
    foot = COSTOPHRENIC_Y - site.anatomy.dome(site.side)
    d = np.array([0.42, 0.378, 0.345, 0.285, 0.21, 0.12, 0.06, 0.06, 0.42], np.float32)
    if site.grade == 0:
        d = np.maximum(d, np.float32(0.21))  # so little only blunts the angle
    # The meniscus: highest at the wall, lowest towards the middle.
    rise = np.array([1.0, 0.98, 0.79, 0.63, 0.54, 0.50, 0.52], np.float32) * np.float32(height)
    y = np.concatenate([np.float32(foot) - rise, np.array([1.0, 1.0], np.float32)])
    pixels = site.anatomy.to_pixels(np.stack([d, y], -1), site.side)
    layer = site.clip(fill(empty(site.size), pixels, smooth=False))
    soft, density = blur(layer, 0.010 * site.size), (0.36, 0.40, 0.43)[site.grade]
    return Lesion(soft, density, layer > 127, 0.3, replaces_air=True)


def _pneumothorax(site: Site) -> Lesion:
    gap = np.float32((0.030, 0.056, 0.105)[site.grade] * site.random.uniform(0.93, 1.07))
    outline = lung_outline(site.anatomy, site.side)
    d, y = outline[:, 0], outline[:, 1]
    # The lung falls from the wall and from the apex towards its hilum, more so at the top.
    outer = np.clip((d - np.float32(0.08)) / np.float32(0.25), 0, 1)
    outer[9:15] = 0  # the diaphragm stays where it is
    top = np.clip((np.float32(0.72) - y) / np.float32(0.5), 0, 1)
    apex = np.clip((np.float32(0.3) - y) / np.float32(0.2), 0, 1)
    fallen = np.stack(
        [d - gap * outer * (np.float32(0.6) + np.float32(0.55) * top), y + gap * apex * 1.4], -1
    ).astype(np.float32, copy=False)
    pixels = site.anatomy.to_pixels(fallen, site.side)
    pleura = empty(site.size)
    stroke(pleura, pixels[:8], 0.007 * site.anatomy.scale)
    air = cv2.subtract(site.lung, fill(empty(site.size), pixels))
    return Lesion(air, -0.11, air > 127, 0.0, edge=product(pleura, site.lung))


def _edema(site: Site) -> Lesion:
    random, layer = site.random, empty(site.size)
    at = 0.135 + random.gauss(0, 0.008), 0.47 + random.gauss(0, 0.015)
    site.blob(layer, at, ((0.075, 0.15), (0.095, 0.185), (0.12, 0.22))[site.grade], 0.15)
    layer = site.clip(layer)
    soft = blur(layer, 0.035 * site.size)
    # Septal lines at the base, short and horizontal, reaching the wall.
    lines = empty(site.size)
    for n in range(4 + 2 * site.grade):
        y = 0.53 + n * 0.026 + random.gauss(0, 0.004)
        far = wall(y) - 0.006
        d = np.array([far - random.uniform(0.03, 0.06), far], np.float32)
        site.line(lines, d, np.array([y + 0.004, y], np.float32), 0.005, 130)
    soft = cv2.max(soft, site.clip(lines))
    return Lesion(soft, (0.14, 0.19, 0.25)[site.grade], layer > 127, 1.6)


_DRAW: dict[str, Callable[[Site], Lesion]] = {
    "consolidation": _consolidation,
    "ground_glass_opacity": _ground_glass,
    "pleural_effusion": _effusion,
    "pneumothorax": _pneumothorax,
    "atelectasis": _atelectasis,
    "nodule": _nodule,
    "edema": _edema,
}
