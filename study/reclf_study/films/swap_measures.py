"""Does a model tell a report from the same report with one fact changed, and does it look?

    scores of all images with all reports and swaps --> gain = score(report) - score(swap)
    gain with the own image > 0                              "side_swap"
    gain with the own image > gain with other images         "side_swap_conditional"

A gain may be grammar alone: a model that never looks wins many swaps by the words. The same gain is
therefore asked with other images, and what counts is how many of them the own image beats. A score
that reads only the text has .5 there, exactly; 1 is a model that always sees which image is meant.

Shape letters: N = studies, S = swaps of one fact.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reclf.data.study import Study
from reclf.models.encoders import ImageFeatures
from reclf.models.inference import collate_for, encode_texts, score_all
from reclf.models.reclf import RECLF
from reclf.stats.per_study import StudyRatio

from ..counterfactual_pairs import fact_ratios
from .questions import ASKED, AskedSplit

TIE = 2e-6  # of the largest score: differences below are the rounding of sums in float32


@dataclass(frozen=True)
class SwapScores:
    """Scores of every image with every report and every swap.

    Attributes:
        scores: "combined", "global" and, where there is one, "local" -> float64 (N, N + swaps),
            rows images, the reports first.
        columns: fact -> int (N,), the column of each study's swap; -1 where it has none, or where
            the model does not read so far into the report.
    """

    scores: dict[str, np.ndarray]
    columns: dict[str, np.ndarray]


def score_swaps(
    model: RECLF,
    images: ImageFeatures,
    asked: AskedSplit,
    progress: str = "",
) -> SwapScores:
    """Score N images with their N reports and all swaps of these."""
    reports = list(asked.reports)
    columns = {fact: np.full(len(reports), -1) for fact in ASKED}
    collate = collate_for(model)
    for fact in ASKED:
        for row, question in enumerate(asked.questions):
            text = question.swaps[fact].text
            if text and _is_read(collate.words(reports[row]), collate.words(text), fact):
                columns[fact][row] = len(reports)
                reports.append(text)
    scores = score_all(model, images, encode_texts(model, reports), progress=progress)
    parts = {"combined": scores.logits, "global": scores.logits_global}
    if scores.logits_local is not None:
        parts["local"] = scores.logits_local
    return SwapScores({name: part.double().numpy() for name, part in parts.items()}, columns)


def swap_ratios(found: SwapScores, asked: AskedSplit) -> dict[str, StudyRatio]:
    """denied_swap, denied_swap_conditional, denied_swap_conditional_other_finding, ...; the same
    with "_global" and "_local" behind them.

    Each ratio is over all N studies, those without a swap as 0 of 0, so that runs can be compared
    study by study. "other_finding" keeps of the other images those whose report states a finding,
    and none that the swap is about.
    """
    ratios: dict[str, StudyRatio] = {}
    for score, matrix in found.scores.items():
        suffix = "" if score == "combined" else f"_{score}"
        for fact, columns in found.columns.items():
            rows = np.flatnonzero(columns >= 0)
            gains = without_rounding(matrix[:, rows] - matrix[:, columns[rows]], matrix)
            own = gains[rows, np.arange(len(rows))]
            wins = {f"{fact}_swap": (np.sign(own) + 1) / 2}
            wins |= conditional_wins(fact, gains, rows, asked)
            ratios |= {
                f"{name}{suffix}": over_all(won, rows, len(columns)) for name, won in wins.items()
            }
    return ratios


def conditional_wins(
    fact: str,
    gains: np.ndarray,
    rows: np.ndarray,
    asked: AskedSplit,
) -> dict[str, np.ndarray]:
    """The share of other images whose gain each swap's own image beats, ties half: two of (S,).

    Args:
        gains: float (N, S), what each image gives for the report over its swap.
        rows: int (S,), the study of each swap.
    """
    beaten = (np.sign(gains[rows, np.arange(len(rows))] - gains) + 1) / 2
    others, questions = ~asked.same_report[:, rows], asked.questions
    about = [set(questions[row].swaps[fact].kinds[:1]) or questions[row].stated for row in rows]
    another = [
        [bool(q.stated) and q.stated.isdisjoint(kinds) for kinds in about] for q in questions
    ]
    name = f"{fact}_swap_conditional"
    return {
        name: _share(beaten, others),
        f"{name}_other_finding": _share(beaten, others & np.array(another, dtype=bool)),
    }


def mirror_ratios(
    model: RECLF, studies: Sequence[Study], asked: AskedSplit
) -> dict[str, StudyRatio]:
    """The 2 x 2 of the side: the film and its mirror image, with the report and with sides
    exchanged; side_mirrored by both directions, side_mirrored_to_report, ..._to_image.

    The heart lies on the other side in the mirror image, which no film of the training shows.
    """
    rows, pairs = [], []
    for row, (study, question) in enumerate(zip(studies, asked.questions, strict=True)):
        if (text := question.swaps["side"].text) is not None:
            image = np.ascontiguousarray(study.image[:, ::-1])
            pairs.append((study, replace(study, image=image, report=text)))
            rows.append(row)
    by_score = fact_ratios(model, {"side": pairs}).get("side", {}).get("combined", {})
    return {
        f"side_mirrored_{direction}".removesuffix("_both"): _spread(ratio, rows, len(studies))
        for direction, ratio in by_score.items()
    }


def without_rounding(gains: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Gains with those set to 0 that are the rounding of scores."""
    return np.where(np.abs(gains) <= TIE * np.abs(scores).max(initial=0), 0.0, gains)


def over_all(values: np.ndarray, rows: np.ndarray, n: int) -> StudyRatio:
    """Values (S,) of some of n studies as a ratio over all of them."""
    spread = np.full(n, np.nan)
    spread[rows] = values
    return StudyRatio.of(spread)


def _share(beaten: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(S,), NaN where a swap has no other image."""
    count = others.sum(0)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, (beaten * others).sum(0) / count, np.nan)


def _spread(ratio: StudyRatio, rows: Sequence[int], n: int) -> StudyRatio:
    total, count = np.zeros(n), np.zeros(n)
    total[rows], count[rows] = ratio.total, ratio.count
    return StudyRatio(total, count)


def _is_read(report: list[str], swap: list[str], fact: str) -> bool:
    """Whether the model reads the change: of "denied", the same bag of words in both."""
    if fact == "denied" and Counter(report) != Counter(swap):
        return False
    return report != swap
