"""The contrastive objective: symmetric InfoNCE on global and on relation-enhanced logits.

    logits_global, logits_local (B, B) -> {"global_loss": ..., "local_loss": ...} -> sum
    logits_auxiliary, where an aggregator contrasts a part of itself -> "auxiliary_loss" too

Sources: InfoNCE as in ConVIRT/CLIP; that RECLF adds it on the relation-enhanced scores with weight
lambda is our reconstruction.
"""

import torch
from torch import Tensor


def info_nce(logits: Tensor, positives: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE: the mean of the image-to-report and the report-to-image cross-entropy.

    Args:
        logits: (B, B), rows images, columns reports; the pairs of a study on the diagonal.
        positives: bool (B, B), symmetric, True where image and report may count as a pair; None
            means the diagonal. With several positives in a row, the target is spread evenly.
            A logit of -inf takes no part: it must not be a positive.
    """
    if logits.ndim != 2 or logits.shape[0] != logits.shape[1]:
        raise ValueError(f"logits must be (B, B), got {tuple(logits.shape)}")
    if positives is not None and (positives.shape != logits.shape or positives.dtype != torch.bool):
        raise ValueError(
            f"positives must be bool {tuple(logits.shape)}, "
            f"got {positives.dtype} {tuple(positives.shape)}"
        )
    logits = logits.float()
    if positives is None:
        positives = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    rows = positives / positives.sum(1, keepdim=True)
    columns = positives / positives.sum(0, keepdim=True)
    to_report = -(logits.log_softmax(1).where(positives, 0) * rows).sum(1).mean()
    to_image = -(logits.log_softmax(0).where(positives, 0) * columns).sum(0).mean()
    return (to_report + to_image) / 2


def contrastive_losses(
    logits_global: Tensor,
    logits_local: Tensor | None,
    positives: Tensor | None = None,
    local_weight: float = 1.0,
    logits_auxiliary: Tensor | None = None,
    auxiliary_weight: float = 1.0,
) -> dict[str, Tensor]:
    """The losses of a batch by name; their sum is what is minimized.

    Args:
        logits_global: (B, B), cosines times the logit scale.
        logits_local: (B, B) relation-enhanced logits, or None where the aggregator has none.
        positives: see `info_nce`.
        local_weight: lambda.
        logits_auxiliary: (B, B) scores of a part of the aggregator, or None where it has none that
            is contrasted by itself.
        auxiliary_weight: of their contrast, as a share of lambda.
    """
    losses = {"global_loss": info_nce(logits_global, positives)}
    if logits_local is not None:
        losses["local_loss"] = local_weight * info_nce(logits_local, positives)
    if logits_auxiliary is not None:
        auxiliary = info_nce(logits_auxiliary, positives)
        losses["auxiliary_loss"] = local_weight * auxiliary_weight * auxiliary
    return losses
