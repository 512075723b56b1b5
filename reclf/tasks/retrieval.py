"""Cross-modal retrieval: does an image find its report, and a report its image?

    scores of all pairs --> ranks --> recall@k by identity, precision@k by class

Small galleries are scored as a whole (`retrieval`). Large ones are scored by the global vectors in
blocks of queries (`global_ranks`), and a shortlist of each query is ranked again by the combined
score (`rerank.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..batches import Study, report_key
from ..metrics import bootstrap_interval, precision_at_k, rank_of_partner, recall_chance
from ..model import RECLF, Scores
from ..reports import clean, split_words
from .features import encode_images, encode_texts, score_all

KS = (1, 5, 10)
BLOCK = 512  # queries scored at a time: 40 MB of scores for a gallery of 20,000


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


def class_keys(labels: np.ndarray) -> np.ndarray:
    """int (n,), equal where two studies have the same set of positive labels.

    Args:
        labels: float (n, names); NaN counts as not positive. A study of which no label is known
            has -1: it has no class.
    """
    _, keys = np.unique(labels == 1, axis=0, return_inverse=True)
    return np.where(np.isnan(labels).all(1), -1, keys.reshape(-1))


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
            "interval": list(bootstrap_interval(hits.mean(0), seed=seed)),
            "image_to_report": float(hits[0].mean()),
            "report_to_image": float(hits[1].mean()),
            "chance": float(recall_chance(right_answers, n, k).mean()),
        }
    return table


def precision_table(
    images: torch.Tensor, texts: torch.Tensor, classes: np.ndarray, ks: Sequence[int] = KS
) -> dict[str, Any]:
    """Precision@k by class, from global vectors, in blocks.

    Args:
        images, texts: float (n, D), of unit length.
        classes: int (n,), see `class_keys`; studies of class -1 are neither query nor candidate.

    Returns:
        For each k ("precision_at_5"): value, interval, image_to_report, report_to_image, chance;
        and n. A query's own partner counts, as in the published numbers.
    """
    with_class = np.flatnonzero(classes >= 0)
    rows = torch.as_tensor(with_class)
    images, texts, classes = images[rows], texts[rows], classes[with_class]
    n = len(classes)
    ks = [k for k in ks if k <= n]
    parts: dict[tuple[int, int], list[np.ndarray]] = {}
    for direction, (queries, candidates) in enumerate(((images, texts), (texts, images))):
        for chosen, scores in score_blocks(queries, candidates):
            relevant = classes[chosen, None] == classes[None]
            for k in ks:
                found = precision_at_k(scores, relevant, k)
                parts.setdefault((k, direction), []).append(found)
    table: dict[str, Any] = {"n": n}
    share = np.bincount(classes, minlength=1)[classes] / max(n, 1)
    for k in ks:
        values = np.stack([np.concatenate(parts[k, direction]) for direction in (0, 1)])
        table[f"precision_at_{k}"] = {
            "value": float(values.mean()),
            "interval": list(bootstrap_interval(values.mean(0))),
            "image_to_report": float(values[0].mean()),
            "report_to_image": float(values[1].mean()),
            "chance": float(share.mean()),
        }
    return table


def global_ranks(images: torch.Tensor, texts: torch.Tensor, keys: np.ndarray) -> Ranks:
    """Ranks by the cosine of global vectors; memory grows with BLOCK * n, not with n * n.

    Args:
        images, texts: float (n, D), of unit length.
        keys: int (n,), equal where two reports are the same, see `report_keys`.
    """
    found = []
    for queries, candidates in ((images, texts), (texts, images)):
        parts = [
            rank_of_partner(scores, keys[chosen, None] == keys[None])
            for chosen, scores in score_blocks(queries, candidates)
        ]
        found.append(np.concatenate(parts))
    return Ranks(*found)


def score_blocks(
    queries: torch.Tensor, candidates: torch.Tensor, block: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Query numbers and their scores, float32 (block, candidates), block by block."""
    block = block or BLOCK
    for start in range(0, len(queries), block):
        scores = queries[start : start + block] @ candidates.T
        yield np.arange(start, start + len(scores)), scores.float().cpu().numpy()


def unit_vectors(features: torch.Tensor) -> torch.Tensor:
    """Global vectors (n, D) as float32 of unit length: their products are cosines."""
    return torch.nn.functional.normalize(features.float(), dim=-1)


def gallery_ranks(
    model: RECLF, studies: Sequence[Study], progress: str = ""
) -> tuple[dict[str, Ranks], np.ndarray]:
    """Ranks by the combined, the global and (where there is one) the local score.

    Returns:
        Score -> ranks, and how many right answers each query has, int (n,).
    """
    scores = score_studies(model, studies, progress)
    positives = same_report([study.report for study in studies])
    matrices = {"combined": scores.logits, "global": scores.logits_global}
    if scores.logits_local is not None:
        matrices["local"] = scores.logits_local
    ranks = {name: ranks_of(matrix, positives) for name, matrix in matrices.items()}
    return ranks, positives.sum(1)


def retrieval(model: RECLF, studies: Sequence[Study], progress: str = "") -> dict[str, Any]:
    """Recall tables of the combined, the global and (where there is one) the local score."""
    ranks, right_answers = gallery_ranks(model, studies, progress)
    return {name: recall_summary(found, right_answers) for name, found in ranks.items()}
