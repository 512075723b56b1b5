"""From a case to its radiograph and its masks.

    Case -> anatomy -> tissue layers + lesions + devices -> attenuation -> film -> image

Nothing is normalized by the content of the image: a finding changes the pixels where it lies and
no others, up to the reach of the film's own blur.
"""

from random import Random
from typing import NamedTuple

import cv2
import numpy as np

from .anatomy import Anatomy, gas_layer, great_vessel_layer, heart_layer, shape_patient, trunk_layer
from .canvas import blur, noise, product
from .case import Case
from .devices import device_layer
from .findings import Lesion, draw_finding
from .stock import bone_layer, vessel_layer

_ENLARGED = (1.24, 1.42, 1.62)  # the heart in mild, moderate and severe cardiomegaly


class Film(NamedTuple):
    """How a hospital takes its films. Pairs are (mean, spread)."""

    framing: float  # size of the chest in the image
    exposure: tuple[float, float]  # attenuation that comes out mid-gray
    contrast: tuple[float, float]  # slope of the characteristic curve
    noise: tuple[float, float]  # standard deviation at mid-gray
    grain: float  # correlation length of the noise, in pixels at 128
    sharpening: float  # unsharp mask, 0 = none
    border: float  # share of films with a collimated edge


_FILM_A = Film(1.0, (0.50, 0.03), (5.2, 0.45), (0.020, 0.005), 0.5, 0.0, 0.1)
_FILM_B = Film(0.90, (0.40, 0.04), (4.0, 0.45), (0.040, 0.008), 0.9, 0.8, 0.7)
FILMS = {"A": _FILM_A, "B": _FILM_B, "C": _FILM_A}


class Radiograph(NamedTuple):
    image: np.ndarray  # float32 (S, S) in [0, 1]
    masks: list[np.ndarray]  # bool (S, S), one per finding of the case


def render(case: Case, size: int) -> Radiograph:
    """Take the radiograph of a case, with one mask per finding in the order of the case."""
    film = FILMS[case.hospital]
    anatomy = shape_patient(case.stream("anatomy"), size, film.framing)
    heart = heart_layer(anatomy, _enlargement(case))
    lesions = {
        n: draw_finding(finding, case, anatomy)
        for n, finding in enumerate(case.findings)
        if finding.kind != "cardiomegaly"
    }
    attenuation = _attenuate(anatomy, heart, list(lesions.values()))
    devices = device_layer(case, anatomy)
    if devices is not None:
        _add(attenuation, devices, 0.30)
    image = _expose(attenuation, film, case.stream("film"))
    masks = [lesions[n].mask if n in lesions else heart > 127 for n in range(len(case.findings))]
    return Radiograph(image, masks)


def _enlargement(case: Case) -> float:
    grades = [f.grade for f in case.findings if f.kind == "cardiomegaly"]
    return _ENLARGED[grades[0]] if grades else 1.0


def _attenuate(anatomy: Anatomy, heart: np.ndarray, lesions: list[Lesion]) -> np.ndarray:
    """Attenuation, float32 (S, S): 0 in air, about 0.25 in lung, 0.8 and more in the middle."""
    size = anatomy.size
    core = cv2.max(heart, great_vessel_layer(anatomy))
    lungs = cv2.max(anatomy.lungs[-1], anatomy.lungs[1])
    # Heart and vessels take the place of air; a little lung lies behind and before them.
    air = product(lungs, cv2.convertScaleAbs(core, alpha=-0.86, beta=255))
    vessels = product(vessel_layer(anatomy), lungs)

    mu = noise(size, 0.08 * size, anatomy.random) * np.float32(0.018)  # uneven fat and muscle
    _add(mu, trunk_layer(anatomy), 0.70)
    _add(mu, air, -0.29)
    _add(mu, blur(air, 0.03 * size), -0.17)  # lungs are thickest away from their edges
    _add(mu, core, 0.08)
    _add(mu, blur(gas_layer(anatomy), 0.008 * size), -0.17)
    _add(mu, bone_layer(anatomy), 0.16)
    for lesion in lesions:
        layer = product(lesion.layer, air) if lesion.replaces_air else lesion.layer
        _add(mu, layer, lesion.density)
        if lesion.edge is not None:
            _add(mu, lesion.edge, 0.13)
        # 128 stands for 1 here, since edema thickens the vessels.
        factor = cv2.convertScaleAbs(lesion.layer, alpha=(lesion.vessels - 1) * 128 / 255, beta=128)
        vessels = cv2.multiply(vessels, factor, scale=1 / 128)
    _add(mu, vessels, 0.17)
    return mu


def _add(mu: np.ndarray, layer: np.ndarray, density: float) -> None:
    # mu is float32 and stays it: a float64 factor would make whole maps float64.
    np.add(mu, layer * np.float32(density / 255), out=mu)


def _expose(mu: np.ndarray, film: Film, random: Random) -> np.ndarray:
    size = len(mu)
    exposure, contrast = random.gauss(*film.exposure), random.gauss(*film.contrast)
    level = max(0.2, random.gauss(*film.noise) / film.noise[0]) * film.noise[0]
    softness = random.uniform(0.0045, 0.007) * size
    # exp(-contrast * (mu - exposure)) in place, then the S-curve of a film.
    mu -= np.float32(exposure)
    mu *= np.float32(-contrast)
    image: np.ndarray = cv2.exp(mu)
    image += np.float32(1)
    np.reciprocal(image, out=image)
    image = blur(image, softness)
    if film.sharpening:
        smooth = blur(image, 0.02 * size)
        image = cv2.addWeighted(image, 1 + film.sharpening, smooth, -film.sharpening, 0)
    image += noise(size, film.grain, random) * np.float32(level)
    if random.random() < film.border:
        _collimate(image, random)
    return np.clip(image, 0, 1, out=image)


def _collimate(image: np.ndarray, random: Random) -> None:
    """Black out a narrow edge, where the beam was shut."""
    for view in (image, image[::-1], image.T, image.T[::-1]):
        if random.random() < 0.6:
            view[: round(random.uniform(0.01, 0.045) * len(image))] *= np.float32(0.05)
