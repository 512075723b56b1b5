"""Cross-modal retrieval by identity: does an image find its report, and a report its image?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..batches import Study, report_key
from ..metrics import bootstrap_interval, rank_of_partner, recall_chance
from ..model import RECLF, Scores
from ..reports import clean, split_words
from .features import encode_images, encode_texts, score_all

KS = (1, 5, 10)


def same_report(reports: Sequence[str]) -> np.ndarray:
    """bool (n, n), True where two reports have the same words: any of them is a right answer."""
    keys = np.array([report_key(split_words(clean(report))) for report in reports])
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
        For each k ("recall_at_5"): value, 95 % bootstrap interval over studies, image_to_report,
        report_to_image, chance; and n.
    """
    matrix = scores.double().numpy()
    to_report = rank_of_partner(matrix, positives)
    to_image = rank_of_partner(matrix.T, positives.T)
    table: dict[str, Any] = {"n": len(matrix)}
    for k in ks:
        hits = np.stack([to_report <= k, to_image <= k]).astype(float)
        table[f"recall_at_{k}"] = {
            "value": float(hits.mean()),
            "interval": list(bootstrap_interval(hits.mean(0), seed=seed)),
            "image_to_report": float(hits[0].mean()),
            "report_to_image": float(hits[1].mean()),
            "chance": float(recall_chance(positives, k).mean()),
        }
    return table


def retrieval(model: RECLF, studies: Sequence[Study], progress: str = "") -> dict[str, Any]:
    """Recall tables of the combined, the global and (where there is one) the local score."""
    scores = score_studies(model, studies, progress)
    positives = same_report([study.report for study in studies])
    tables = {
        "combined": recall_table(scores.logits, positives),
        "global": recall_table(scores.logits_global, positives),
    }
    if scores.logits_local is not None:
        tables["local"] = recall_table(scores.logits_local, positives)
    return tables
