"""A study: one examination, and what is known about it. Plain numpy and text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

WORD_TYPES = ("finding", "location", "severity", "anatomy", "negation", "filler")


class ImageError(ValueError):
    """A file that cannot be read as one radiograph; the message names the file and the reason."""


@dataclass(frozen=True)
class Box:
    """An axis-aligned box in the pixels of the study's image: left, top, width, height."""

    label: str
    x: float
    y: float
    width: float
    height: float

    def in_pixels(self, height: int, width: int) -> "Box":
        """This box in the pixels of an image of that size."""
        return self


class FractionBox(Box):
    """A box in fractions of the width and the height of its image."""

    def in_pixels(self, height: int, width: int) -> Box:
        x, y = self.x * width, self.y * height
        return Box(self.label, x, y, self.width * width, self.height * height)


@dataclass(frozen=True)
class Word:
    """What is known about one word of a report (the phantom knows; real data sets do not).

    `finding` is the index of the finding instance that the word speaks of, -1 for none.
    `important` is True for the words that state a finding which is present.
    """

    text: str
    type: str
    sentence: int
    finding: int = -1
    important: bool = False


@dataclass(frozen=True)
class Study:
    """One examination: a radiograph, its report, and what is known about them.

    Attributes:
        image: float32 (H, W) in [0, 1], bright where dense (MONOCHROME2).
        report: free text; may be empty.
        labels: name -> 1.0, 0.0 or NaN; NaN means no information.
        masks: name -> bool (H, W), in the pixels of `image`.
        boxes: in the pixels of `image`.
        words: one entry per word of `reports.split_words(report)`, or None when not known.
        frame: the way back to the file (`radiographs.Frame`), or None when there is no file.
        meta: anything else worth keeping (view, age, case specification).
    """

    study_id: str
    patient_id: str
    image: np.ndarray
    report: str
    labels: Mapping[str, float] = field(default_factory=dict)
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    boxes: tuple[Box, ...] = ()
    words: tuple[Word, ...] | None = None
    frame: Any = None
    meta: Mapping[str, Any] = field(default_factory=dict)


class Pair(NamedTuple):
    """What training reads of a study.

    Attributes:
        image: float32 (H, W) in [0, 1], or uint8 or uint16 whose largest value stands for 1.
        report: as of `Study`.
        instead_of: why the study that was asked for cannot be read, which this one stands for.
        terms: of each kind of soft targets, see `terms.terms_of`; () where there are none.
        negatives: reports that are false of the image, "" for none; as many for every study, or
            None for all.
    """

    image: np.ndarray
    report: str
    instead_of: str = ""
    terms: tuple[frozenset[str] | None, ...] = ()
    negatives: tuple[str, ...] | None = None
