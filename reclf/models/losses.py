"""The contrastive objective: symmetric InfoNCE on global and on relation-enhanced logits.

    logits_global, logits_local (B, B + N) -> {"global_loss": ..., "local_loss": ...} -> sum
    logits_auxiliary, where an aggregator contrasts a part of itself -> "auxiliary_loss" too

Sources: InfoNCE as in ConVIRT/CLIP; that RECLF adds it on the relation-enhanced scores with weight
lambda is our reconstruction.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Soft = Sequence[tuple[float, Tensor]]  # share of the target, similarity (B, B) in [0, 1]


def info_nce(logits: Tensor, positives: Tensor | None = None, soft: Soft = ()) -> Tensor:
    """Symmetric InfoNCE: the mean of the image-to-report and the report-to-image cross-entropy.

    Args:
        logits: (B, B + N), rows images, columns reports; the pairs of a study on the diagonal. The
            last N columns are negatives of an image that have no image themselves.
        positives: bool (B, B), symmetric, True where image and report may count as a pair; None
            means the diagonal. With several positives in a row, the target is spread evenly.
            A logit of -inf takes no part: it must not be a positive.
        soft: soft targets. Each takes its share of the target from the positives and spreads it
            over a row, or column, as the similarity of what takes part; that of a study to itself
            is positive.
    """
    if logits.ndim != 2 or logits.shape[0] > logits.shape[1]:
        raise ValueError(f"logits must be (B, B) or wider, got {tuple(logits.shape)}")
    logits, n = logits.float(), len(logits)
    square = logits[:, :n]
    if positives is None:
        positives = torch.eye(n, dtype=torch.bool, device=logits.device)
    if positives.shape != square.shape or positives.dtype != torch.bool:
        raise ValueError(
            f"positives must be bool {tuple(square.shape)}, "
            f"got {positives.dtype} {tuple(positives.shape)}"
        )
    parts = [(1 - sum(share for share, _ in soft), positives)]
    parts += [(share, similar.where(square > float("-inf"), 0)) for share, similar in soft]
    zero = loss = logits.new_zeros(())
    for dim, logs in ((1, logits.log_softmax(1)[:, :n]), (0, square.log_softmax(0))):
        target = sum((share * (part / part.sum(dim, keepdim=True)) for share, part in parts), zero)
        loss = loss - (logs.where(target > 0, 0) * target).sum(dim).mean()
    return loss / 2


def contrastive_losses(
    logits_global: Tensor,
    logits_local: Tensor | None,
    positives: Tensor | None = None,
    local_weight: float = 1.0,
    logits_auxiliary: Tensor | None = None,
    auxiliary_weight: float = 1.0,
    soft: Soft = (),
) -> dict[str, Tensor]:
    """The losses of a batch by name; their sum is what is minimized.

    Args:
        logits_global: (B, B + N), cosines times the logit scale.
        logits_local: (B, B + N) relation-enhanced logits, or None where the aggregator has none.
        positives, soft: see `info_nce`.
        local_weight: lambda.
        logits_auxiliary: (B, B + N) scores of a part of the aggregator, or None where it has none
            that is contrasted by itself.
        auxiliary_weight: of their contrast, as a share of lambda.
    """
    losses = {"global_loss": info_nce(logits_global, positives, soft)}
    if logits_local is not None:
        losses["local_loss"] = local_weight * info_nce(logits_local, positives, soft)
    if logits_auxiliary is not None:
        auxiliary = info_nce(logits_auxiliary, positives, soft)
        losses["auxiliary_loss"] = local_weight * auxiliary_weight * auxiliary
    return losses
