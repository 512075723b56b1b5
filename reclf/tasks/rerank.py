"""Retrieval in two stages for large galleries: a shortlist by global embeddings, then re-ranking.

    global embeddings --nearest--> shortlist (n, L) --combined score of those pairs--> ranks

Scoring all pairs takes n * n local-matchings; the shortlist takes n * L. `lost_recall` measures the
recall that this costs, where all pairs can still be scored.
"""

from collections.abc import Sequence

import numpy as np
import torch

from reclf.models.encoders import ImageFeatures, TextFeatures
from reclf.models.inference import take_images
from reclf.models.recall import Ranks
from reclf.models.reclf import RECLF
from reclf.runs.progress import track
from reclf.stats.ranking import rank_of_partner

from .retrieval import score_blocks, unit_vectors

BLOCK = 4096  # pairs between two steps of the progress bar
INDEXES = ("auto", "matrix", "faiss")


def nearest(
    queries: torch.Tensor, candidates: torch.Tensor, count: int, index: str = "auto"
) -> np.ndarray:
    """The candidates with the highest inner product, best first: int (queries, count).

    Args:
        queries, candidates: float32 (n, D) and (m, D), of unit length.
        index: "matrix" is an exact product in blocks, "faiss" an exact flat index of faiss, "auto"
            faiss where it can be imported.
    """
    if index not in INDEXES:
        raise ValueError(f"index must be one of {', '.join(INDEXES)}, got {index!r}")
    count = min(count, len(candidates))
    if uses_faiss(index):
        import faiss

        flat = faiss.IndexFlatIP(candidates.shape[1])
        flat.add(candidates.cpu().numpy())
        return np.asarray(flat.search(queries.cpu().numpy(), count)[1])
    parts = [
        torch.from_numpy(scores).topk(count).indices
        for _, scores in score_blocks(queries, candidates)
    ]
    return torch.cat(parts).numpy()


def uses_faiss(index: str) -> bool:
    """Whether an index is made by faiss; "faiss" without faiss is an ImportError that says so."""
    if index == "matrix":
        return False
    try:
        import faiss  # noqa: F401
    except ImportError as error:
        if index == "faiss":
            raise ImportError(
                'index="faiss" needs the package faiss; use "matrix", which gives the same'
            ) from error
        return False
    return True


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


def rerank(
    model: RECLF,
    images: ImageFeatures,
    texts: TextFeatures,
    keys: np.ndarray,
    global_ranks: Ranks,
    shortlist: int,
    index: str = "auto",
    progress: str = "",
) -> Ranks:
    """Ranks after the first `shortlist` candidates of each query are ordered by combined score.

    Args:
        images, texts: features of n studies.
        keys: int (n,), equal where two reports are the same.
        global_ranks: of the same studies; a query whose right answers are all outside its
            shortlist keeps its rank there.
        shortlist: candidates per query, at least 1.

    Returns:
        Ranks; a right answer outside the shortlist is at least at `shortlist` + 0.5.
    """
    if shortlist < 1:
        raise ValueError(f"shortlist must be at least 1, got {shortlist}")
    vectors = unit_vectors(images.global_embedding), unit_vectors(texts.global_embedding)
    found = []
    for direction, before in enumerate((global_ranks.to_report, global_ranks.to_image)):
        short = nearest(vectors[direction], vectors[1 - direction], shortlist, index)
        queries = np.repeat(np.arange(len(short)), short.shape[1])
        found_rows = short.reshape(-1)
        image_rows, text_rows = (queries, found_rows) if direction == 0 else (found_rows, queries)
        title = f"{progress} {('image to report', 'report to image')[direction]}" * bool(progress)
        scores = pair_scores(model, images, texts, image_rows, text_rows, title)["combined"]
        found.append(_ranks_in(scores.reshape(short.shape), keys[short] == keys[:, None], before))
    return Ranks(*found)


def _ranks_in(scores: np.ndarray, positives: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Rank within the shortlist where a right answer is in it, else not before its end."""
    ranks = np.maximum(before, scores.shape[1] + 0.5)
    inside = positives.any(1)
    ranks[inside] = rank_of_partner(scores[inside], positives[inside])
    return ranks


def lost_recall(full: Ranks, short: Ranks, ks: Sequence[int]) -> dict[str, float]:
    """Recall@k of scoring everything minus that of the shortlist, by k."""
    return {f"recall_at_{k}": float((full.hits(k) - short.hits(k)).mean()) for k in ks}
