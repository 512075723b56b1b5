"""Baselines in the frame of RECLF: what is lost when the relations between matchings are not used.

Sources: ConVIRT/CLIP (global vectors only); GLoRIA (Huang et al., ICCV 2021): log-sum-exp of word
cosines; plain mean and maximum of the local-matchings (ours, as controls).
"""

import torch

from .base import Aggregator, Pairs, Related, Scorer, masked_mean


class GlobalOnly(Aggregator):
    """No local-matchings: the score is the global one alone (ConVIRT, CLIP)."""

    uses_matchings = False


class Gloria(Aggregator):
    """GLoRIA's local similarity: scale_out * log(sum or mean over words of exp(scale_in * cosine)).

    Args:
        dim: S, not used: GLoRIA reads cosines, not matching vectors.
        scale_in: GLoRIA's temp2, a multiplier.
        scale_out: GLoRIA's temp3, a multiplier.
        aggregate: "sum" (GLoRIA's training default; grows with the word count) or "mean".
    """

    cosines_only = True

    def __init__(
        self, dim: int, scale_in: float = 5.0, scale_out: float = 10.0, aggregate: str = "sum"
    ):
        super().__init__(dim)
        if aggregate not in ("sum", "mean"):
            raise ValueError(f'aggregate must be "sum" or "mean", got {aggregate!r}')
        self.scale_in, self.scale_out, self.aggregate = scale_in, scale_out, aggregate

    def forward(self, pairs: Pairs) -> Related:
        lowest = torch.finfo(pairs.cosines.dtype).min
        scaled = (pairs.cosines * self.scale_in).masked_fill(~pairs.word_mask, lowest)
        counts = pairs.word_mask.sum(-1)
        pooled = scaled.logsumexp(-1)
        if self.aggregate == "mean":
            pooled = pooled - counts.clamp_min(1).log()
        return Related(torch.where(counts > 0, pooled * self.scale_out, 0.0))


class MeanPooling(Aggregator):
    """Mean of the local-matchings; with `include_global` plus the global matching.

    SRM reads the global matching and the plain mean does not, so `include_global=True` is the
    control for SRM.
    """

    reads_cosines = False

    def __init__(self, dim: int, include_global: bool = False):
        super().__init__(dim)
        self.include_global = include_global
        self.score = Scorer(dim)

    def forward(self, pairs: Pairs) -> Related:
        pair = masked_mean(pairs.matchings, pairs.word_mask)
        return Related(self.score(pair + pairs.global_matching if self.include_global else pair))


class MaxPooling(Aggregator):
    """Element-wise maximum of the local-matchings; zeros for a report without words."""

    reads_cosines = False

    def __init__(self, dim: int):
        super().__init__(dim)
        self.score = Scorer(dim)

    def forward(self, pairs: Pairs) -> Related:
        lowest = torch.finfo(pairs.matchings.dtype).min
        pair = pairs.matchings.masked_fill(~pairs.word_mask[..., None], lowest).amax(1)
        return Related(self.score(pair * pairs.word_mask.any(-1, keepdim=True)))
