"""What follows from the measures of many cases: paired differences, intervals, sentences.

    measures of cases (n,) -> Estimate (mean, 95 % interval, n) -> sentences

A sentence says "better" or "worse" only where an interval excludes 0, and the sum of them trusts a
map only where it beats every control on every measure: one lucky control of many does not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reclf.stats.bootstrap import bootstrap_interval
from reclf.stats.estimate import Estimate

from .faithfulness_measures import MEASURES
from .faithfulness_study import CONTROLS, WORD_CONTROLS

# A bootstrap of few cases has an interval that is too narrow: of one case it is a point. With less
# than six that all point one way, a sign test does not reach 5 % (two-sided) either.
FEWEST = 6
_WORDS = {1: "better than", -1: "worse than", 0: "no significant difference to"}


def mean_over_cases(values: np.ndarray, seed: int = 0) -> Estimate:
    """Mean over the cases that have a value, its bootstrap interval, and how many they are."""
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return Estimate(float("nan"))
    return Estimate(float(known.mean()), bootstrap_interval(known, seed=seed), len(known))


def difference(
    of: np.ndarray, control: np.ndarray, more_is_better: bool = True, seed: int = 0
) -> Estimate:
    """Compare two maps on the same cases by a paired bootstrap; above 0 the first is better.

    Args:
        of, control: float (n,); cases where either is NaN are left out of both.
    """
    return mean_over_cases((of - control) * (1 if more_is_better else -1), seed)


def differences(
    values: Mapping[str, Mapping[str, np.ndarray]], name: str, controls: Sequence[str] = CONTROLS
) -> dict[str, dict[str, Estimate]]:
    """One map against each control: measure -> control -> Estimate.

    Args:
        values: map -> measure -> float (n,), see `faithfulness_study.measure_values`.
        name: the map to be evaluated.
        controls: those that `values` has are compared.
    """
    return {
        kind: {
            c: difference(values[name][kind], values[c][kind], more)
            for c in controls
            if c in values
        }
        for kind, (more, _) in MEASURES.items()
    }


def verdict(found: Mapping[str, Mapping[str, Estimate]], name: str = "attention") -> list[str]:
    """What the intervals say, a sentence for each measure and a last one that sums up.

    Args:
        found: from `differences`.
        name: what was evaluated.
    """
    sentences, beaten, known, cases = [], [], 0, 0
    for kind, by_control in found.items():
        measured = {c: d for c, d in by_control.items() if d.n > 0}
        question = f"{kind} ({MEASURES[kind][1]})"
        if not measured:
            sentences.append(
                f"{question}: not measured, no case has a mask or a score that changes"
            )
            continue
        groups = {
            word: [f"{c} ({_text(d)})" for c, d in measured.items() if d.direction(FEWEST) == sign]
            for sign, word in (
                (1, "better than"),
                (-1, "worse than"),
                (0, "no significant difference to"),
            )
        }
        parts = [f"{word} {', '.join(group)}" for word, group in groups.items() if group]
        sentences.append(f"{question}: {'; '.join(parts)}")
        known += 1
        cases = max(cases, *(d.n for d in measured.values()))
        if all(d.direction(FEWEST) > 0 for d in measured.values()):
            beaten.append(kind)
    return [*sentences, _sum_up(name, beaten, known, cases)]


def _sum_up(name: str, beaten: Sequence[str], known: int, cases: int) -> str:
    if cases < FEWEST:
        return f"{cases} cases are too few to trust {name} or not: take {FEWEST} or more."
    if len(beaten) == known:
        return (
            f"On these {cases} cases {name} beats every control on all {known} measures: it can be "
            "trusted as far as these measures reach, for this model and such cases."
        )
    which = f" ({', '.join(beaten)})" if beaten else ""
    return (
        f"On these {cases} cases {name} beats every control on {len(beaten)} of {known} "
        f"measures{which}: do not take it as evidence of what the model used."
    )


def _text(one: Estimate) -> str:
    return f"{one:+}, n = {one.n}"


def word_verdict(values: Mapping[str, np.ndarray], name: str = "importance") -> list[str]:
    """Whether word weights follow what the score loses without each word: a sentence each for the
    correlation and the controls, and one that sums up.

    Args:
        values: kind of weight -> rank correlations, float (n,), see
            `faithfulness_study.word_correlations`; without `name` for models that have no
            importance weights.
    """
    if name not in values:
        return [f"This model has no {name} weights, so there is nothing to evaluate."]
    alone = mean_over_cases(values[name])
    if alone.n < FEWEST:
        return [f"{alone.n} cases are too few to evaluate {name}: take {FEWEST} or more."]
    found = {c: difference(values[name], values[c]) for c in WORD_CONTROLS if c in values}
    words = {1: "better than", 0: "not shown to be better than", -1: "worse than"}
    sentences = [
        f"{name} and the loss of score rank words alike with {_text(alone)} (1 is the same order)"
    ]
    sentences += [
        f"{name} is {words[one.direction(FEWEST)]} {c} ({_text(one)})" for c, one in found.items()
    ]
    beats = alone.direction(FEWEST) > 0 and all(one.direction(FEWEST) > 0 for one in found.values())
    follows = "follow" if beats else "are not shown to follow"
    return [
        *sentences,
        f"On these {alone.n} cases {name} weights {follows} what the score rests on.",
    ]
