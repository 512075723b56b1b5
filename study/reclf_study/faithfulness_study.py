"""Attribution maps of many cases, compared with controls that do not depend on the case.

    items (study, phrase, mask) --attention, captum, controls--> maps --faithfulness--> measures

A measure of a map says little alone: a picture has its subject in the middle, and a score falls
with whatever region is hidden. Every map is therefore compared with a random map, a center prior,
the attention of another report on the same image, and the attention of a model with random weights
(the sanity check of Adebayo et al., NeurIPS 2018). The choice of controls is ours;
`reclf_study.faithfulness_report` states what follows.

Two scores are explained: of a "phrase", the mean cosine of its words with what they attend to, and
of the "pair", the local logit (the global one where the model has no local one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reclf.data.region_grid import center_prior, random_map
from reclf.models.inference import collate_for
from reclf.models.reclf import RECLF
from reclf.runs.progress import track
from reclf.tasks.grounding import Item, other_phrases

from .attribution import (
    REGION_METHODS,
    Attribution,
    attention,
    integrated_gradients_words,
)
from .faithfulness_measures import MEASURES, CellScore, curves, measure, rank_correlation
from .pair_score import PairScore

CONTROLS = ("random map", "center prior", "shuffled report", "randomized weights")
WORD_CONTROLS = ("random order", "word length", "randomized weights")
TARGETS = ("phrase", "pair")


@dataclass
class CaseEvaluation:
    """Maps and measures of one case."""

    maps: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)  # target, map -> (h, w)
    measures: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)  # and measure
    scores: dict[str, CellScore] = field(default_factory=dict)  # target -> regions to score
    words: dict[str, np.ndarray] = field(default_factory=dict)  # word weights by method, (W,)
    word_measures: dict[str, float] = field(default_factory=dict)  # rank correlation with drops
    same_as_random: dict[str, float] = field(default_factory=dict)  # method -> rank correlation
    deltas: list[float] = field(default_factory=list)  # integrated gradients, share of the change


def one_per_study(items: Sequence[Item], count: int, seed: int = 0) -> list[Item]:
    """Up to `count` items of different studies, drawn by the seed: cases of one study are alike."""
    chosen: dict[str, Item] = {}
    for i in np.random.default_rng(seed).permutation(len(items)):
        chosen.setdefault(items[i].study.study_id, items[i])
    return list(chosen.values())[:count]


def read_words(model: RECLF, item: Item) -> list[int]:
    """The words of an item's phrase that the model reads; none where the report is cut before."""
    count = len(collate_for(model).words(item.text))
    return [i for i in (range(count) if item.words is None else item.words) if i < count]


def score_of(model: RECLF, item: Item, target: str, spoken: Item | None = None) -> PairScore:
    """The score of an item's image with its phrase or report, or with another item's.

    Args:
        target: "phrase" or "pair".
        spoken: whose words are meant; by default the item's own.

    Raises:
        ValueError: an unknown target, or the model reads no word of the phrase.
    """
    spoken = item if spoken is None else spoken
    if target not in TARGETS:
        raise ValueError(f"target must be one of {', '.join(TARGETS)}, got {target!r}")
    if target == "pair":
        kind = "local" if model.aggregator.uses_matchings else "global"
        return PairScore(model, item.study.image, spoken.text, kind)
    words = read_words(model, spoken)
    if not words:
        raise ValueError(
            f"the model reads no word of the phrase {spoken.phrase!r} of {spoken.study.study_id}; "
            "leave out such items, see read_words"
        )
    return PairScore(model, item.study.image, spoken.text, "cosine", words)


def evaluate_case(
    model: RECLF,
    random_model: RECLF,
    item: Item,
    other: Item | None,
    *,
    fill: str = "blur",
    steps: int = 13,
    samples: int = 32,
    gradient_steps: int = 16,
    seed: int = 0,
) -> CaseEvaluation:
    """Maps of one case by attention, captum's methods and controls, and their measures.

    Args:
        model, random_model: trained, and an untrained one of the same shape.
        item: what is looked at.
        other: an item of another study with another phrase, for the shuffled report; None leaves
            that control out.
        fill: what hidden regions show, see `region_grid.filled`.
        steps, samples: see `faithfulness.curves` and `faithfulness.infidelity`.
        gradient_steps: of integrated gradients.
        seed: of the random map, of ties and of the hidden regions.
    """
    result = CaseEvaluation()
    for target in TARGETS:
        score, untrained = (score_of(one, item, target) for one in (model, random_model))
        found = _attributions(score, fill, gradient_steps)
        maps = {name: _regions(one) for name, one in found.items()}
        if target == "phrase":
            untrained_maps = _attributions(untrained, fill, gradient_steps)
            result.same_as_random = {
                name: rank_correlation(maps[name], _regions(one))
                for name, one in untrained_maps.items()
            }
        elif (drops := found["feature_ablation"].words) is not None:
            result.words = _word_weights(drops, score, untrained, gradient_steps, seed)
            result.word_measures = {
                name: rank_correlation(weights, drops)
                for name, weights in result.words.items()
                if weights is not drops
            }
        result.deltas.append(_missed(found["integrated_gradients"]))
        maps["random map"] = random_map(score.grid, seed)
        maps["center prior"] = center_prior(score.grid, center=score.center)
        if other is not None:
            maps["shuffled report"] = _regions(attention(score_of(model, item, target, other)))
        maps["randomized weights"] = _regions(attention(untrained))
        cells = CellScore.of(score, fill)
        result.maps[target], result.scores[target] = maps, cells
        result.measures[target] = {
            name: measure(cells, heat, item.mask, steps, samples, seed)
            for name, heat in maps.items()
        }
    return result


def evaluate_cases(
    model: RECLF, random_model: RECLF, items: Sequence[Item], seed: int = 0, **options
) -> list[CaseEvaluation]:
    """`evaluate_case` for every item, each with an item of another study and with another phrase as
    its shuffled report; without that control where an item has no such other."""
    others = other_phrases(items, seed)
    if None in others:
        others = [None] * len(items)
    return [
        evaluate_case(model, random_model, items[i], others[i], seed=seed + i, **options)
        for i in track(range(len(items)), "cases")
    ]


def measure_values(
    cases: Sequence[CaseEvaluation], target: str
) -> dict[str, dict[str, np.ndarray]]:
    """map -> measure -> float (n,), one value per case."""
    names = cases[0].measures[target]
    return {
        name: {kind: np.array([c.measures[target][name][kind] for c in cases]) for kind in MEASURES}
        for name in names
    }


def word_correlations(cases: Sequence[CaseEvaluation]) -> dict[str, np.ndarray]:
    """Kind of word weight -> rank correlation with the drops, float (n,); the controls last."""
    names = {name for c in cases for name in c.word_measures}
    return {
        name: np.array([c.word_measures.get(name, np.nan) for c in cases])
        for name in sorted(names, key=lambda name: (name in WORD_CONTROLS, name))
    }


def mean_curves(
    cases: Sequence[CaseEvaluation], target: str, steps: int = 13, seed: int = 0
) -> dict[str, dict[str, np.ndarray]]:
    """map -> "fractions", "insertion", "deletion" -> mean over cases; no new scores are needed
    when `steps` and `seed` are those of `evaluate_cases`."""
    means = {}
    for name in cases[0].maps[target]:
        found = [
            curves(c.scores[target], c.maps[target][name], steps, seed + i)
            for i, c in enumerate(cases)
        ]
        means[name] = {
            part: np.mean([getattr(one, part) for one in found], axis=0)
            for part in ("fractions", "insertion", "deletion")
        }
    return means


def _attributions(score: PairScore, fill: str, gradient_steps: int) -> dict[str, Attribution]:
    """Every method that the score allows."""
    options: dict[str, dict] = {
        "integrated_gradients": {"fill": fill, "steps": gradient_steps},
        "feature_ablation": {"fill": fill},
        "occlusion": {"fill": fill},
    }
    return {
        name: method(score, **options.get(name, {}))
        for name, method in REGION_METHODS.items()
        if not (name == "grad_cam" and score.target == "global")
    }


def _word_weights(
    drops: np.ndarray, score: PairScore, untrained: PairScore, steps: int, seed: int
) -> dict[str, np.ndarray]:
    """What the score loses without each word (W,), and weights that may or may not predict it."""
    words = {"drop without the word": drops}
    importance, untrained_weights = score.attention()[1], untrained.attention()[1]
    if importance is not None and untrained_weights is not None:
        words |= {"importance": importance, "randomized weights": untrained_weights}
    gradients = integrated_gradients_words(score, steps).words
    assert gradients is not None
    words["integrated_gradients"] = gradients
    words["word length"] = np.array([len(word) for word in score.words], dtype=np.float32)
    words["random order"] = np.random.default_rng(seed).random(len(drops))
    return words


def _regions(found: Attribution) -> np.ndarray:
    assert found.regions is not None  # all of REGION_METHODS give regions
    return found.regions


def _missed(found: Attribution) -> float:
    """By what share of the score's change integrated gradients miss it."""
    assert found.pixels is not None
    assert found.delta is not None
    change = abs(float(found.pixels.sum()) - found.delta)
    return abs(found.delta) / max(change, 1e-6)
