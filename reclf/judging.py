"""Can attention be trusted? Maps of many cases, judged beside controls that know nothing of them.

    items (study, phrase, mask) --attention, captum, controls--> maps --faithfulness--> measures
    --> paired differences with intervals --> sentences

A measure of a map says little alone: a picture has its subject in the middle, and a score falls
with whatever region is hidden. Every map is therefore held against a random map, a centre prior,
the attention of another report on the same image, and the attention of a model with random weights
(the sanity check of Adebayo et al., NeurIPS 2018). The choice of controls is ours.

Two scores are explained: of a "phrase", the mean cosine of its words with what they attend to, and
of the "pair", the local logit (the global one where the model has no local one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .attribution import REGION_METHODS, attention, integrated_gradients_words
from .cells import centre_prior, random_map
from .faithfulness import MEASURES, CellScore, curves, measure, rank_correlation
from .metrics import bootstrap_interval
from .model import RECLF
from .pair_score import PairScore
from .tasks.grounding import Item, shuffled
from .tasks.progress import track

CONTROLS = ("random map", "centre prior", "shuffled report", "randomised weights")
WORD_CONTROLS = ("random order", "word length", "randomised weights")
TARGETS = ("phrase", "pair")


@dataclass
class Judged:
    """What one case gave."""

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


def score_of(model: RECLF, item: Item, target: str, spoken: Item | None = None) -> PairScore:
    """The score of an item's image with its phrase or report, or with another item's.

    Args:
        target: "phrase" or "pair".
        spoken: whose words are meant; by default the item's own.

    Raises:
        ValueError: the model reads none of the phrase's words (a report is cut at `max_words`).
    """
    spoken = item if spoken is None else spoken
    if target not in TARGETS:
        raise ValueError(f"target must be one of {', '.join(TARGETS)}, got {target!r}")
    if target == "pair":
        kind = "local" if model.aggregator.uses_matchings else "global"
        return PairScore(model, item.study.image, spoken.text, kind)
    return PairScore(model, item.study.image, spoken.text, "cosine", read_words(model, spoken))


def read_words(model: RECLF, item: Item) -> list[int]:
    """The words of an item's phrase that the model reads."""
    from .tasks.features import collate_for

    count = len(collate_for(model).words(item.text))
    chosen = range(count) if item.words is None else item.words
    words = [i for i in chosen if i < count]
    if not words:
        raise ValueError(
            f"the model reads {count} words of {item.study.study_id}, and none of the phrase "
            f"{item.phrase!r}; leave the case out"
        )
    return words


def judge_case(
    model: RECLF,
    random_model: RECLF,
    item: Item,
    other: Item,
    *,
    fill: str = "blur",
    steps: int = 13,
    samples: int = 32,
    gradient_steps: int = 16,
    seed: int = 0,
) -> Judged:
    """Maps of one case by attention, captum's methods and controls, and their measures.

    Args:
        model, random_model: trained, and an untrained one of the same shape.
        item: what is looked at.
        other: an item of another study, for the shuffled report.
        fill: what hidden regions show.
        steps, samples: see `faithfulness.curves` and `faithfulness.infidelity`.
        gradient_steps: of integrated gradients.
        seed: of the random map, of ties and of the hidden regions.
    """
    judged = Judged()
    for target in TARGETS:
        score = score_of(model, item, target)
        untrained = score_of(random_model, item, target)
        maps: dict[str, np.ndarray] = {}
        for name, method in REGION_METHODS.items():
            if name == "grad_cam" and score.target == "global":
                continue
            options: dict = {} if name in ("attention", "grad_cam") else {"fill": fill}
            if name == "integrated_gradients":
                options["steps"] = gradient_steps
            found = method(score, **options)
            assert found.regions is not None
            maps[name] = found.regions
            if target == "phrase":
                twin = method(untrained, **options).regions
                assert twin is not None
                judged.same_as_random[name] = rank_correlation(found.regions, twin)
                if name == "attention":
                    maps["randomised weights"] = twin
            elif name == "feature_ablation" and found.words is not None:
                _judge_words(judged, found.words, score, untrained, gradient_steps, seed)
            if found.delta is not None and found.pixels is not None:
                change = abs(float(found.pixels.sum()) - found.delta)
                judged.deltas.append(abs(found.delta) / max(change, 1e-6))
        if target == "pair":
            maps["randomised weights"] = _regions(untrained)
        maps["random map"] = random_map(score.grid, seed)
        maps["centre prior"] = centre_prior(score.grid)
        maps["shuffled report"] = _regions(score_of(model, item, target, other))
        cells = CellScore.of(score, fill)
        judged.maps[target], judged.scores[target] = maps, cells
        judged.measures[target] = {
            name: measure(cells, heat, item.mask, steps, samples, seed)
            for name, heat in maps.items()
        }
    return judged


def _regions(score: PairScore) -> np.ndarray:
    found = attention(score).regions
    assert found is not None
    return found


def _judge_words(
    judged: Judged,
    drops: np.ndarray,
    score: PairScore,
    untrained: PairScore,
    steps: int,
    seed: int,
) -> None:
    """Word weights against the drop (W,) of the score without each word."""
    judged.words["drop without the word"] = drops
    importance, unlearnt = score.attention()[1], untrained.attention()[1]
    if importance is not None and unlearnt is not None:
        judged.words |= {"importance": importance, "randomised weights": unlearnt}
    gradients = integrated_gradients_words(score, steps).words
    assert gradients is not None
    judged.words["integrated_gradients"] = gradients
    judged.words["word length"] = np.array([len(word) for word in score.words], dtype=np.float32)
    judged.words["random order"] = np.random.default_rng(seed).random(len(drops))
    judged.word_measures = {
        name: rank_correlation(weights, drops)
        for name, weights in judged.words.items()
        if weights is not drops
    }


def judge(
    model: RECLF, random_model: RECLF, items: Sequence[Item], seed: int = 0, **options
) -> list[Judged]:
    """`judge_case` for every item, each beside one of another study.

    Raises:
        ValueError: items of fewer than two studies.
    """
    others = shuffled(items, seed)
    return [
        judge_case(model, random_model, items[i], others[i], seed=seed + i, **options)
        for i in track(range(len(items)), "cases")
    ]


def stack(judged: Sequence[Judged], target: str) -> dict[str, dict[str, np.ndarray]]:
    """map -> measure -> float (n,), one value per case."""
    names = judged[0].measures[target]
    return {
        name: {
            kind: np.array([j.measures[target][name][kind] for j in judged]) for kind in MEASURES
        }
        for name in names
    }


def mean_curves(
    judged: Sequence[Judged], target: str, steps: int = 13, seed: int = 0
) -> dict[str, dict[str, np.ndarray]]:
    """map -> "fractions", "insertion", "deletion" -> mean over cases; no new scores are needed
    when `steps` and `seed` are those of `judge`."""
    means = {}
    for name in judged[0].maps[target]:
        found = [
            curves(j.scores[target], j.maps[target][name], steps, seed + i)
            for i, j in enumerate(judged)
        ]
        means[name] = {
            part: np.mean([getattr(one, part) for one in found], axis=0)
            for part in ("fractions", "insertion", "deletion")
        }
    return means


def mean_and_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float, float, int]:
    """Mean over the cases that have a value, its 95 % bootstrap interval, and how many they are."""
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return float("nan"), float("nan"), float("nan"), 0
    return float(known.mean()), *bootstrap_interval(known, seed=seed), len(known)


@dataclass(frozen=True)
class Difference:
    """Mean paired difference over cases, turned so that above 0 is better, and its interval."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def shown(self) -> int:
        """1 better, -1 worse, 0 not shown: the interval holds 0, or is not known."""
        return int(self.low > 0) - int(self.high < 0)

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}], n = {self.n}"


def difference(
    of: np.ndarray, control: np.ndarray, more_is_better: bool = True, seed: int = 0
) -> Difference:
    """Compare two maps on the same cases by a paired bootstrap over cases, 95 %.

    Args:
        of, control: float (n,); cases where either is NaN are left out of both.
    """
    values = (of - control) * (1 if more_is_better else -1)
    return Difference(*mean_and_interval(values, seed))


def differences(
    values: Mapping[str, Mapping[str, np.ndarray]], name: str, controls: Sequence[str] = CONTROLS
) -> dict[str, dict[str, Difference]]:
    """One map against each control: measure -> control -> Difference.

    Args:
        values: map -> measure -> float (n,).
        name: the map to be judged.
    """
    return {
        kind: {c: difference(values[name][kind], values[c][kind], more) for c in controls}
        for kind, (more, _) in MEASURES.items()
    }


def verdict(found: Mapping[str, Mapping[str, Difference]], name: str = "attention") -> list[str]:
    """What the intervals say, a sentence for each measure and a last one that sums up.

    Args:
        found: from `differences`.
        name: what was judged.
    """
    sentences, beaten, known = [], 0, 0
    for kind, by_control in found.items():
        measured = {c: d for c, d in by_control.items() if d.n > 0}
        if not measured:
            sentences.append(f"{kind}: not measured, as no case has a mask or a score that changes")
            continue
        better = [c for c, d in measured.items() if d.shown > 0]
        worse = [c for c, d in measured.items() if d.shown < 0]
        open_ = [c for c, d in measured.items() if d.shown == 0]
        parts = [
            f"{word} {', '.join(f'{c} ({measured[c]})' for c in group)}"
            for word, group in (("better than", better), ("worse than", worse))
            if group
        ]
        if open_:
            listed = ", ".join(f"{c} ({measured[c]})" for c in open_)
            parts.append(f"not shown to differ from {listed}")
        sentences.append(f"{name} {MEASURES[kind][1]} ({kind}): {'; '.join(parts)}")
        beaten += len(better) == len(measured)
        known += 1
    if known and beaten == known:
        last = f"On these cases {name} beats every control on all {known} measures."
    else:
        last = (
            f"On these cases {name} beats every control on {beaten} of {known} measures: "
            "do not take it as evidence of what the model used."
        )
    return [*sentences, last]


def word_verdict(values: Mapping[str, np.ndarray], name: str = "importance") -> list[str]:
    """Whether word weights follow what the score loses without each word: a sentence each for the
    correlation and the controls, and one that sums up.

    Args:
        values: kind of weight -> rank correlations, float (n,); may lack `name`, for models
            without importance weights.
    """
    if name not in values:
        return ["This model has no importance weights, so there is nothing to judge."]
    mean, low, high, _ = mean_and_interval(values[name])
    sentences = [
        f"{name} and the loss of score rank words with {mean:+.3f} [{low:+.3f}, {high:+.3f}]"
    ]
    found = {c: difference(values[name], values[c]) for c in WORD_CONTROLS if c in values}
    words = {1: "better than", 0: "not shown to be better than", -1: "worse than"}
    sentences += [f"{name} is {words[one.shown]} {c} ({one})" for c, one in found.items()]
    beats = low > 0 and all(one.shown > 0 for one in found.values())
    follows = "follow" if beats else "are not shown to follow"
    return [*sentences, f"On these cases {name} weights {follows} what the score rests on."]
