"""Retrieval by identity and by label set, and reports that every image finds.

    scores (N, N), labels --> recall@k, precision@5 of label sets, hubs

Identity alone hides what is learned: in a batch several reports are as right as the own one. By
label set a report with the same findings is right too; queries with a finding are asked apart, as
normal ones find normal reports whatever the model knows.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from reclf.datasets.table import NO_FINDING
from reclf.models.recall import ranks_of
from reclf.stats.per_study import StudyRatio
from reclf.stats.ranking import precision_at_k
from reclf.tasks.retrieval import class_keys

from ..relation_benchmark import ranked_recall
from .questions import AskedSplit
from .swap_measures import SwapScores

K = 5  # of precision@k and of the lists in which hubs are counted


def film_retrieval(
    scored: SwapScores, asked: AskedSplit, names: Sequence[str]
) -> dict[str, StudyRatio]:
    """`retrieval_ratios` of the reports, without their swaps.

    Args:
        names: of the labels of `asked`.
    """
    labels, n = asked.labels, len(asked.reports)
    found_in = [column for column, name in enumerate(names) if name.lower() not in NO_FINDING]
    return retrieval_ratios(
        {name: matrix[:, :n] for name, matrix in scored.scores.items()},
        asked.same_report,
        class_keys(labels) if labels.shape[1] else np.full(n, -1),
        (labels[:, found_in] == 1).any(1),
    )


def retrieval_ratios(
    scores: Mapping[str, np.ndarray],
    same_report: np.ndarray,
    classes: np.ndarray,
    abnormal: np.ndarray,
) -> dict[str, StudyRatio]:
    """Recall, precision and hubs by score.

    Args:
        scores: "combined", "global", "local" -> float (N, N), rows images.
        same_report: bool (N, N).
        classes: int (N,), equal where two studies have the same labels; -1 where none is known.
        abnormal: bool (N,), whether a study has a label.

    Returns:
        See `ranked_recall`; p_at_5, p_at_5_abnormal and its chance, the same without the own
        partner as "_others", p_at_5_abnormal_difference (combined - global); hubs_never_found,
        the share of reports in no list of the first five, and hubs_largest, the share of the lists
        that hold the most frequent one. By score, as in `ranked_recall`.
    """
    ranks = {name: ranks_of(torch.from_numpy(s), same_report) for name, s in scores.items()}
    found = ranked_recall(ranks, same_report.sum(1))
    if (classes >= 0).sum() > K:
        found |= _precision_ratios(scores, classes, abnormal)
    for name, matrix in scores.items():
        suffix = "" if name == "combined" else f"_{name}"
        listed = matrix >= np.sort(matrix, axis=1)[:, -K:][:, :1]  # (N images, N reports)
        found[f"hubs_never_found{suffix}"] = StudyRatio.of((~listed.any(0)).astype(float))
        largest = listed[:, listed.sum(0).argmax()]
        found[f"hubs_largest{suffix}"] = StudyRatio.of(largest.astype(float))
    return found


def _precision_ratios(
    scores: Mapping[str, np.ndarray], classes: np.ndarray, abnormal: np.ndarray
) -> dict[str, StudyRatio]:
    rows = np.flatnonzero(classes >= 0)
    same = classes[rows, None] == classes[None, rows]
    own = np.eye(len(rows), dtype=bool)
    values = {"p_at_5_chance": same.mean(1)}
    for name, matrix in scores.items():
        chosen = matrix[np.ix_(rows, rows)]
        suffix = "" if name == "combined" else f"_{name}"
        values[f"p_at_5{suffix}"] = _both_ways(chosen, same)
        values[f"p_at_5_others{suffix}"] = _both_ways(np.where(own, -np.inf, chosen), same & ~own)
    asked = abnormal[rows]
    values |= {
        name.replace("p_at_5", "p_at_5_abnormal"): np.where(asked, value, np.nan)
        for name, value in values.items()
    }
    for kind in ("p_at_5_abnormal", "p_at_5_abnormal_others"):
        values[f"{kind}_difference"] = values[kind] - values[f"{kind}_global"]
    found = {}
    for name, value in values.items():
        spread = np.full(len(classes), np.nan)
        spread[rows] = value
        found[name] = StudyRatio.of(spread)
    return found


def _both_ways(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Precision@5 (N,) of each study as image and as report, the mean of both."""
    return (precision_at_k(scores, relevant, K) + precision_at_k(scores.T, relevant, K)) / 2
