"""The logits of a training batch, as the loss takes them: B studies, and reports without a film.

    features of B images and B + E reports --own_reports--> those of the studies
    --score_negatives--> logits of each image with the reports that are false of it, (B, N)
    logits (B, B), negatives (B, N) --by_name--> arguments of `contrastive_losses`, (B, B + N)

One process and several take the same steps (`RECLF.forward`, `training.processes.JointModel`).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from reclf.data.batch import Batch

from .encoders import ImageFeatures, TextFeatures
from .relations import Aggregator


def own_reports(texts: TextFeatures, batch: Batch) -> tuple[TextFeatures, Sequence[int]]:
    """Features and word counts of the reports of the studies of a batch."""
    if batch.negatives is None:
        return texts, batch.word_counts
    return TextFeatures(*(part[: len(batch)] for part in texts)), batch.word_counts[: len(batch)]


def score_negatives(
    model: Any,
    images: ImageFeatures,
    texts: TextFeatures,
    batch: Batch,
    pair_chunk: int = 0,
    checkpoint_pairs: bool = False,
) -> tuple[Tensor | None, Tensor | None]:
    """Logits of each image with the reports that are false of it alone, global and local ones
    as of `RECLF.score_local`, both (B, N); -inf where there is none. None where the batch has none.
    """
    if batch.negatives is None:
        return None, None
    place = batch.negatives.clamp(min=0)  # 0, no negative, where there is none
    chosen = torch.zeros_like(place[:, :1], dtype=torch.bool).repeat(1, len(texts.words))
    chosen = chosen.scatter(1, place, batch.negatives > 0)
    scores = model.score_global(images, texts).masked_fill(~chosen, float("-inf"))
    counts = batch.word_counts
    local = model.score_local(images, texts, counts, chosen, pair_chunk, checkpoint_pairs)
    if local is not None:
        local = local.take_along_dim(place[..., None] if local.ndim == 3 else place, 1)
    return scores.take_along_dim(place, 1), local


def by_name(
    aggregator: Aggregator,
    logits_global: Tensor,
    local: Tensor | None,
    negatives_global: Tensor | None = None,
    negatives_local: Tensor | None = None,
) -> dict[str, Any]:
    """Global logits and what `RECLF.score_local` gives, by the names of `contrastive_losses`; with
    what `score_negatives` gives as further columns."""
    if negatives_global is not None:
        logits_global = torch.cat([logits_global, negatives_global], 1)
    if local is None:
        return {"logits_global": logits_global, "logits_local": None}
    if negatives_local is not None:
        local = torch.cat([local, negatives_local], 1)
    logits_local, auxiliary = local.unbind(-1) if local.ndim == 3 else (local, None)
    return {
        "logits_global": logits_global,
        "logits_local": logits_local,
        "logits_auxiliary": auxiliary,
        "auxiliary_weight": aggregator.auxiliary_weight,
    }
