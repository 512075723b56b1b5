"""Cross-modal retrieval: does an image find its report, and a report its image?

    scores of all pairs --> ranks --> recall@k by identity, precision@k by class

Small galleries are scored as a whole (`retrieval`). Large ones are scored by the global vectors in
blocks of queries (`global_ranks`), and a shortlist of each query is ranked again by the combined
score (`rerank.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from reclf.data.study import Study
from reclf.models.recall import (
    Ranks,
    ranks_of,
    recall_summary,
    same_report,
    score_studies,
)
from reclf.models.reclf import RECLF
from reclf.stats.bootstrap import bootstrap_interval
from reclf.stats.ranking import precision_at_k, rank_of_partner

PRECISION_KS = (1, 5, 10, 100)
Precision = dict[int, np.ndarray]  # k -> float (2, n): of each query, images then reports
BLOCK = 512  # queries scored at a time: 40 MB of scores for a gallery of 20,000


def class_keys(labels: np.ndarray) -> np.ndarray:
    """int (n,), equal where two studies have the same set of positive labels.

    Args:
        labels: float (n, names); NaN counts as not positive. A study of which no label is known
            has -1: it has no class.
    """
    _, keys = np.unique(labels == 1, axis=0, return_inverse=True)
    return np.where(np.isnan(labels).all(1), -1, keys.reshape(-1))


def class_names(labels: np.ndarray, names: Sequence[str]) -> list[str]:
    """The class of each study in words: its positive labels, or "none of the labels"."""
    sets = [[name for name, value in zip(names, row, strict=True) if value == 1] for row in labels]
    return [" and ".join(positive) or "none of the labels" for positive in sets]


def global_precision(
    images: torch.Tensor, texts: torch.Tensor, classes: np.ndarray, ks: Sequence[int]
) -> Precision:
    """Precision@k by class by the cosine of global vectors, in blocks.

    Args:
        images, texts: float (n, D), of unit length.
        classes: int (n,), see `class_keys`; of studies that have one.
        ks: those above n are left out.

    A query's own partner counts, as in the published numbers.
    """
    ks = [k for k in ks if k <= len(classes)]
    parts: dict[int, tuple[list, list]] = {k: ([], []) for k in ks}
    for direction, (queries, candidates) in enumerate(((images, texts), (texts, images))):
        for chosen, scores in score_blocks(queries, candidates):
            relevant = classes[chosen, None] == classes[None]
            for k in ks:
                parts[k][direction].append(precision_at_k(scores, relevant, k))
    return {k: np.stack([np.concatenate(one) for one in both]) for k, both in parts.items()}


def precision_summary(
    found: Precision, classes: np.ndarray, names: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """Precision@k with intervals, the mean over queries.

    Args:
        classes: int (n,), see `class_keys`.
        names: (n,), of the class of each query.

    Returns:
        For each k ("precision_at_5"): value, 95 % bootstrap interval over studies, image_to_report,
        report_to_image, chance (the share of the query's class among the candidates), per_class;
        n and n_per_class.
    """
    n, shares = len(classes), np.bincount(classes)[classes] / max(len(classes), 1)
    rows = {name: np.flatnonzero(np.array(names) == name) for name in sorted(set(names))}
    table: dict[str, Any] = {"n": n, "n_per_class": {name: len(r) for name, r in rows.items()}}
    for k, values in found.items():
        table[f"precision_at_{k}"] = {
            "value": float(values.mean()),
            "interval": bootstrap_interval(values.mean(0), seed=seed),
            "image_to_report": float(values[0].mean()),
            "report_to_image": float(values[1].mean()),
            "chance": float(shares.mean()),
            "per_class": {name: float(values[:, r].mean()) for name, r in rows.items()},
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
