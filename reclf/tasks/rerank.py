"""Retrieval in two stages for large galleries: a shortlist by global embeddings, then re-ranking.

    global embeddings --nearest--> shortlist (n, L) --combined score of those pairs--> ranks,
    precision

Scoring all pairs takes n * n local-matchings; the shortlist takes n * L. `lost_recall` measures the
recall that this costs, where all pairs can still be scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from reclf.models.encoders import ImageFeatures, TextFeatures
from reclf.models.inference import take_images
from reclf.models.recall import Ranks
from reclf.models.reclf import RECLF
from reclf.runs.progress import track
from reclf.stats.ranking import precision_at_k, rank_of_partner

from .retrieval import Precision, score_blocks, unit_vectors

BLOCK = 4096  # pairs between two steps of the progress bar
INDEXES = ("auto", "matrix")  # both are the exact product in blocks


@dataclass(frozen=True)
class Shortlist:
    """The candidates of each query that the relations rank again.

    Attributes:
        queries: int (queries,), positions in the features.
        rows: int (queries, L), positions of the candidates, best first by the global score.
        scores: float32 (queries, L), combined.
    """

    queries: np.ndarray
    rows: np.ndarray
    scores: np.ndarray


def nearest(queries: torch.Tensor, candidates: torch.Tensor, count: int) -> np.ndarray:
    """The candidates with the highest inner product, best first: int (queries, count).

    Args:
        queries, candidates: float32 (n, D) and (m, D), of unit length.
    """
    count = min(count, len(candidates))
    parts = [
        torch.from_numpy(scores).topk(count).indices
        for _, scores in score_blocks(queries, candidates)
    ]
    return torch.cat(parts).numpy()


@torch.no_grad()
def pair_scores(
    model: RECLF,
    images: ImageFeatures,
    texts: TextFeatures,
    image_rows: np.ndarray,
    text_rows: np.ndarray,
    progress: str = "",
) -> dict[str, np.ndarray]:
    """Scores of given pairs, float32 (pairs,) each: what `RECLF.score` gives for them.

    Args:
        image_rows, text_rows: int (pairs,), positions in the features.

    Returns:
        "combined", "global" and, where the model has one, "local".
    """
    model.eval()
    images = take_images(images, slice(None), model.device)
    texts = TextFeatures(*(part.to(model.device) for part in texts))
    names = {"logits": "combined", "logits_global": "global", "logits_local": "local"}
    if not model.aggregator.uses_matchings:
        names.pop("logits_local")
    result = {name: np.empty(len(image_rows), dtype=np.float32) for name in names.values()}
    # Reports of like length follow one another, so that a block pads little.
    order = texts.word_mask.sum(1).cpu().numpy()[text_rows].argsort(kind="stable")
    for start in track(range(0, len(order), BLOCK), progress):
        chosen = order[start : start + BLOCK]
        rows = torch.from_numpy(image_rows[chosen]), torch.from_numpy(text_rows[chosen])
        scores = model.score_pairs(images, texts, *rows)
        for field, name in names.items():
            result[name][chosen] = getattr(scores, field).float().cpu().numpy()
    return result


def shortlists(
    model: RECLF,
    images: ImageFeatures,
    texts: TextFeatures,
    count: int,
    among: np.ndarray | None = None,
    progress: str = "",
) -> tuple[Shortlist, Shortlist]:
    """Image to report and report to image: the nearest candidates and their combined scores.

    Args:
        images, texts: features of n studies.
        count: candidates per query, at least 1.
        among: int, positions of the studies that are query and candidate; all by default.
    """
    if count < 1:
        raise ValueError(f"shortlist must be at least 1, got {count}")
    among = np.arange(len(texts.global_embedding)) if among is None else among
    chosen = torch.from_numpy(among)
    vectors = [unit_vectors(part.global_embedding)[chosen] for part in (images, texts)]
    found = []
    for direction, name in enumerate(("image to report", "report to image")):
        rows = among[nearest(vectors[direction], vectors[1 - direction], count)]
        pairs = [np.repeat(among, rows.shape[1]), rows.reshape(-1)]
        image_rows, text_rows = pairs if direction == 0 else pairs[::-1]
        title = f"{progress} {name}" * bool(progress)
        scores = pair_scores(model, images, texts, image_rows, text_rows, title)["combined"]
        found.append(Shortlist(among, rows, scores.reshape(rows.shape)))
    return found[0], found[1]


def rerank(short: Sequence[Shortlist], keys: np.ndarray, global_ranks: Ranks) -> Ranks:
    """Ranks after the shortlist of each query is ordered by combined score.

    Args:
        short: see `shortlists`, of all n studies.
        keys: int (n,), equal where two reports are the same.
        global_ranks: of the same studies; a query whose right answers are all outside its
            shortlist keeps its rank there.

    Returns:
        Ranks; a right answer outside the shortlist is at least at its length + 0.5.
    """
    before = global_ranks.to_report, global_ranks.to_image
    return Ranks(
        *(
            _ranks_in(one.scores, keys[one.rows] == keys[one.queries, None], rank)
            for one, rank in zip(short, before, strict=True)
        )
    )


def shortlist_precision(
    short: Sequence[Shortlist], classes: np.ndarray, global_found: Precision
) -> Precision:
    """Precision@k by class after the shortlist of each query is ordered by combined score.

    Args:
        short: see `shortlists`, of the studies that have a class.
        classes: int (n,) of all studies, see `class_keys`.
        global_found: of the same queries. From the length of the shortlist on it is the same,
            since the same candidates are among the first k.
    """
    found = dict(global_found)
    for k in (k for k in found if k < short[0].rows.shape[1]):
        relevant = [classes[one.rows] == classes[one.queries, None] for one in short]
        parts = zip(short, relevant, strict=True)
        found[k] = np.stack([precision_at_k(one.scores, same, k) for one, same in parts])
    return found


def _ranks_in(scores: np.ndarray, positives: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Rank within the shortlist where a right answer is in it, else not before its end."""
    ranks = np.maximum(before, scores.shape[1] + 0.5)
    inside = positives.any(1)
    ranks[inside] = rank_of_partner(scores[inside], positives[inside])
    return ranks


def lost_recall(full: Ranks, short: Ranks, ks: Sequence[int]) -> dict[str, float]:
    """Recall@k of scoring everything minus that of the shortlist, by k."""
    return {f"recall_at_{k}": float((full.hits(k) - short.hits(k)).mean()) for k in ks}
