"""One line of the table of cases: what is searched, sorted and shown of a case before it is opened.

explanations of one pair -> row (JSON), thumbnail (uint8)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from reclf.explain import Explanation
from reclf.stats.tables import plain

from . import reading, scales
from .plane import Plane

SIDE = 40  # pixels of a thumbnail


def row(explained: Mapping[str, Explanation]) -> dict[str, Any]:
    """One case for the table, as JSON; lists have one entry for each model.

    Returns:
        study_id; text, its id and report in lower case; labels that are present; score, the
        combined one; rank, [place of its own report, among how many] where known; hits, for each
        finding with a place its name and whether the model points at it; disagreement of the first
        two models, None for one.
    """
    models = list(explained.values())
    known = models[0].provenance.get("labels", {})
    present = [name for name, value in known.items() if value == 1]
    values = {
        "study_id": models[0].study_id,
        "text": f"{models[0].study_id} {models[0].report}".lower(),
        "labels": sorted({*models[0].masks, *present}),
        "score": [one.scores.get("logit") for one in models],
        "rank": [one.rank for one in models],
        "hits": [list(finding_hits(one).items()) for one in models],
        "disagreement": disagreement(*models[:2]) if len(models) > 1 else None,
    }
    return plain(values)


def unopened(caption: Any, models: int) -> dict[str, Any]:
    """The line of a case that is not explained yet: what is written of it.

    Args:
        caption: see `reclf.datasets.selection.Caption`.
        models: how many there are.
    """
    return {
        "study_id": caption.study_id,
        "text": f"{caption.study_id} {caption.report}".lower(),
        "labels": sorted(name for name, value in caption.labels.items() if value == 1),
        "score": [None] * models,
        "rank": [None] * models,
        "hits": [[]] * models,
        "disagreement": None,
    }


def finding_hits(explanation: Explanation) -> dict[str, bool]:
    """Finding -> whether the strongest region of its words' map lies inside its mask, as the
    pointing game asks; of findings that have a mask and are stated by words."""
    one, _ = reading.without_gaps(explanation)
    hits = {}
    for number, (name, mask) in enumerate(one.masks.items()):
        words = tuple(w for w, of in enumerate(one.word_findings or []) if of == number)
        if words and mask.any():
            cells = reading.region_map(one, words)
            hits[name] = reading.pointing_hit(cells, mask, one.center)
    return hits


def thumbnail(models: Sequence[Explanation]) -> np.ndarray:
    """The film, or else the largest image that a model saw, uint8 (SIDE, SIDE), black around it."""
    preview = next((one.preview for one in models if one.preview is not None), None)
    if preview is None:
        preview = gray(max((one.image for one in models), key=lambda image: image.size))
    return small(preview)


def gray(image: np.ndarray) -> np.ndarray:
    """Values in [0, 1] as uint8; what is not finite is 0."""
    return (np.clip(np.nan_to_num(image), 0, 1) * 255).round().astype(np.uint8)


def small(preview: np.ndarray) -> np.ndarray:
    """Gray pixels uint8 (H, W) as a thumbnail."""
    scale = SIDE / max(preview.shape)
    height, width = (max(1, round(length * scale)) for length in preview.shape)
    made = np.zeros((SIDE, SIDE), np.uint8)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    resized = cv2.resize(preview, (width, height), interpolation=cv2.INTER_AREA)
    made[top : top + height, left : left + width] = resized
    return made


def disagreement(a: Explanation, b: Explanation) -> float:
    """Total variation distance between two models' attention maps, in [0, 1], mean over words; on
    the finer grid, see `scales.on_one_grid`."""
    if not a.words:
        return 0.0
    places = Plane.of({"a": a, "b": b}).images
    left, right = scales.on_one_grid((a.attention, b.attention), (a, b), places)
    return float(np.abs(left - right).sum((1, 2)).mean() / 2)
