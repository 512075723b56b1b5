"""Do words look where their finding is, more than the words of another finding do?

    films with boxes, the label as phrase --map--> its maximum lies in the box: pointing_hit
    the same film, findings of other kinds as phrases --> pointing_other, pointing_difference

Boxes lie where findings usually lie; a model that looks there for any phrase hits them too.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reclf.data.lexicon import Lexicon, singulars
from reclf.data.reports import split_words
from reclf.models.reclf import RECLF
from reclf.stats.per_study import StudyRatio
from reclf.tasks.grounding import Item, center_maps, heat_maps, measure, study_numbers

OTHERS = 3  # phrases of other kinds, drawn for each item


def pointing_ratios(
    model: RECLF, items: Sequence[Item], lexicon: Lexicon, seed: int = 0, progress: str = ""
) -> dict[str, StudyRatio]:
    """pointing_hit, _other, _difference, _center (the center of every image) and _chance (the area
    of the boxes), over studies.

    Args:
        items: phrases with boxes, see `find_items`.
        seed: draws the other phrases.
    """
    numbers = study_numbers(items)
    hits = measure(items, heat_maps(model, items, progress=progress))["pointing"]
    nouns = _other_nouns(items, lexicon, seed)
    other = np.mean([
        measure(items, heat_maps(model, items, spoken))["pointing"]
        for spoken in (
            [replace(i, text=n, phrase=n, words=None) for i, n in zip(items, column, strict=True)]
            for column in zip(*nouns, strict=True)
        )
    ], axis=0)  # fmt: skip
    values = {
        "hit": hits,
        "other": other,
        "difference": hits - other,
        "center": measure(items, center_maps(items))["pointing"],
        "chance": np.array([item.mask.mean() for item in items]),
    }
    return {f"pointing_{name}": StudyRatio.by_study(v, numbers) for name, v in values.items()}


def _other_nouns(items: Sequence[Item], lexicon: Lexicon, seed: int) -> list[list[str]]:
    """For each item, nouns of kinds that no label of its study is of."""
    labels: dict[str, set[int]] = {}
    for item in items:
        labels.setdefault(item.study.study_id, set()).update(_kinds(item.phrase, lexicon))
    generator = np.random.default_rng(seed)
    chosen = []
    for item in items:
        there = labels[item.study.study_id]
        kinds = [k for k in range(len(lexicon.nouns)) if k not in there]
        drawn = generator.choice(kinds, OTHERS, replace=False)
        chosen.append([lexicon.nouns[kind] for kind in drawn])
    return chosen


def _kinds(phrase: str, lexicon: Lexicon) -> set[int]:
    """Kinds of findings of which a word of a phrase is one."""
    forms = {form for word in split_words(phrase) for form in singulars(word)}
    return {kind for name, (kind, _) in lexicon.kinds.items() if name[-1] in forms}
