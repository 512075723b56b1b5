"""Recall@k of a gallery by identity: what training validates with, and retrieval reports.

scores of all pairs, which reports are the same --> ranks --> recall@k, both directions
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from reclf.data.collate import report_key
from reclf.data.reports import clean, split_words
from reclf.data.study import Study
from reclf.stats.bootstrap import bootstrap_interval
from reclf.stats.ranking import rank_of_partner, recall_chance

from .inference import encode_images, encode_texts, score_all
from .reclf import RECLF, Scores

KS = (1, 5, 10)


def report_keys(reports: Sequence[str]) -> np.ndarray:
    """int64 (n,), equal where two reports have the same words.

    Raises:
        ValueError: a report has no words: it would be a right answer for all others without.
    """
    words = [split_words(clean(report)) for report in reports]
    if bare := sum(not found for found in words):
        raise ValueError(
            f"{bare} of {len(words)} studies have no report, and retrieval needs one for each: "
            "leave them out by the data set's option on_problem='skip', or take a data set that "
            "has reports"
        )
    return np.array([report_key(found) for found in words])


def same_report(reports: Sequence[str]) -> np.ndarray:
    """bool (n, n), True where two reports have the same words: any of them is a right answer."""
    keys = report_keys(reports)
    return keys[:, None] == keys[None]


def score_studies(model: RECLF, studies: Sequence[Study], progress: str = "") -> Scores:
    """Scores of all images with all reports of the studies."""
    images = encode_images(model, studies, progress=progress)
    return score_all(model, images, encode_texts(model, [study.report for study in studies]))


def recall_table(
    scores: torch.Tensor, positives: np.ndarray, ks: Sequence[int] = KS, seed: int = 0
) -> dict[str, Any]:
    """Recall@k of a gallery: image to report, report to image, and the mean of both.

    Args:
        scores: float (n, n), rows images.
        positives: bool (n, n), see `same_report`.

    Returns:
        See `recall_summary`.
    """
    return recall_summary(ranks_of(scores, positives), positives.sum(1), ks, seed)


@dataclass(frozen=True)
class Ranks:
    """Rank of the best right answer of each query, 1 = first, a tie counts half: float (n,)."""

    to_report: np.ndarray
    to_image: np.ndarray

    def hits(self, k: int) -> np.ndarray:
        """float (2, n): whether a right answer is among the first k, images then reports."""
        return np.stack([self.to_report <= k, self.to_image <= k]).astype(float)


def ranks_of(scores: torch.Tensor, positives: np.ndarray) -> Ranks:
    """Ranks in a matrix of scores.

    Args:
        scores: float (n, n), rows images.
        positives: bool (n, n), see `same_report`.
    """
    matrix = scores.double().numpy()
    return Ranks(rank_of_partner(matrix, positives), rank_of_partner(matrix.T, positives.T))


def recall_summary(
    ranks: Ranks, right_answers: np.ndarray, ks: Sequence[int] = KS, seed: int = 0
) -> dict[str, Any]:
    """Recall@k with intervals.

    Args:
        right_answers: int (n,), how many candidates are right for each query.

    Returns:
        For each k ("recall_at_5"): value, 95 % bootstrap interval over studies, image_to_report,
        report_to_image, chance; and n.
    """
    n = len(ranks.to_report)
    table: dict[str, Any] = {"n": n}
    for k in ks:
        hits = ranks.hits(k)
        table[f"recall_at_{k}"] = {
            "value": float(hits.mean()),
            "interval": bootstrap_interval(hits.mean(0), seed=seed),
            "image_to_report": float(hits[0].mean()),
            "report_to_image": float(hits[1].mean()),
            "chance": float(recall_chance(right_answers, n, k).mean()),
        }
    return table
