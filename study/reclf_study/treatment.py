"""Did training move the relation modules?

    trained model, and with its aggregator as it started --same matchings--> weights and edges
    --> by study: how far they lie apart --> moved, or not

Of a module that is where it started, a comparison says nothing: "not shown" would be "not trained".
Both sides read the matchings of the trained model, so that what differs is the module's own doing.
"""

from collections.abc import Sequence

import numpy as np

from reclf.data.study import Study
from reclf.models.inference import encode_images
from reclf.models.reclf import RECLF
from reclf.models.relations.base import LastRead
from reclf.stats.per_study import StudyRatio

from .word_readings import Reading, read

# Mean total variation from the start, 0 to 1, below which a module counts as not trained. IRM's
# weights were at .01, within a fifth of equal, where its score was that of a mean; SRM's edges,
# where they bind findings to their sides, at .38 (LOG.md, 2026-11-29).
MOVED = 0.1
TREATMENTS = {
    "irm_moved": "IRM's weights: total variation from their start",
    "irm_by_image": "IRM's weights: total variation under another image",
    "irm_max_min": "IRM's weights: highest over lowest in a report",
    "irm_effective_share": "IRM's weights: effective share of the words",
    "srm_moved": "SRM's edges: total variation from their start",
    "srm_by_image": "SRM's edges: total variation under another image",
}
# What a variant trains beside poolings; edges that are fixed are no treatment.
TREATED = {
    "irm": ("irm",),
    "irm_norm": ("irm",),
    "irm_words": ("irm",),
    "srm": ("srm",),
    "srm_no_overlap": ("srm",),
    "srm_no_prior": ("srm",),
    "reclf": ("irm", "srm"),
    "reclf_joint": ("irm", "srm"),
    "reclf_sequential": ("irm", "srm"),
}
MODULES = {"irm": "IRM's weights", "srm": "SRM's edges"}


def treatment_ratios(model: RECLF, start: RECLF, studies: Sequence[Study]) -> dict[str, StudyRatio]:
    """Those of TREATMENTS that a model has: of two studies or more, whose words are known.

    Args:
        start: what the model's run began with (`models.baselines.start_of`).
    """
    images = encode_images(model, studies)
    others = images._replace(
        global_embedding=images.global_embedding.roll(1, 0),
        regions=images.regions.roll(1, 0),
        pooled=images.pooled.roll(1, 0),
    )
    own, other = read(model, studies, images), read(model, studies, others)
    trained, model.aggregator = model.aggregator, start.aggregator
    try:
        before = read(model, studies, images)
    finally:
        model.aggregator = trained
    last = model.aggregator.last_read()
    values: dict[str, list[float]] = {}
    for mine, first, elsewhere in zip(own, before, other, strict=True):
        for name, value in _of_study(mine, first, elsewhere, last).items():
            values.setdefault(name, []).append(value)
    return {name: StudyRatio.of(np.array(value)) for name, value in values.items()}


def not_moved(name: str, control: str, moved: dict[str, float]) -> list[str]:
    """Modules that a variant has and its control has not, and that stayed at their start, in words.

    Args:
        moved: "irm_moved" and "srm_moved" of the variant, where they are known.
    """
    asked = [part for part in TREATED.get(name, ()) if part not in TREATED.get(control, ())]
    return [MODULES[part] for part in asked if moved.get(f"{part}_moved", 1.0) < MOVED]


def _of_study(
    own: Reading, start: Reading, other: Reading, last: LastRead | None
) -> dict[str, float]:
    found = {}
    if own.weights is not None and start.weights is not None and other.weights is not None:
        found["irm_moved"] = variation(own.weights, start.weights)
        found["irm_by_image"] = variation(own.weights, other.weights)
        some = len(own.weights) > 0
        lowest = own.weights.min() if some else 0.0
        found["irm_max_min"] = float(own.weights.max() / lowest) if lowest > 0 else np.nan
        effective = 1 / np.square(own.weights).sum() if some else np.nan
        found["irm_effective_share"] = float(effective / max(len(own.weights), 1))
    if own.graph is not None and start.graph is not None and other.graph is not None:
        rows = _read_rows(own.graph, last)
        found["srm_moved"] = variation(own.graph[rows], start.graph[rows])
        found["srm_by_image"] = variation(own.graph[rows], other.graph[rows])
    return found


def variation(one: np.ndarray, other: np.ndarray) -> float:
    """Mean total variation, 0 to 1, of distributions (..., W); NaN where there is none."""
    if one.size == 0:
        return float("nan")
    return float(np.abs(one - other).sum(-1).mean() / 2)


def _read_rows(graph: np.ndarray, last: LastRead | None) -> np.ndarray:
    """bool (K, 1 + W): the rows of a graph (K, 1 + W, 1 + W) that reach the score."""
    rows = np.ones(graph.shape[:2], dtype=bool)
    if last is not None:
        rows[0 if last.words is None else last.words + 1 :, 1:] = False
        rows[0 if last.whole is None else last.whole + 1 :, 0] = False
    return rows
