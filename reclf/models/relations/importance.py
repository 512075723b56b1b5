"""IRM: importance-relation reasoning over local-matchings.

    m_1 .. m_W --gate each, normalize over the report--> weights --weighted sum--> pair vector

Sources: Li et al., arXiv:2401.10501 (the module and its name); Diao et al., AAAI 2021, attention
filtration, followed where the paper above leaves a detail open. SGRAF normalizes the gate's input
with BatchNorm1d(1), which makes a training score depend on the other pairs of the batch; the
default here is no norm, and `norm="batch"` is SGRAF's with padding left out of the statistics.

Shape letters: N = image-report pairs, W = words (padded), S = matching dimension.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reclf.models.matchings import as_given, at_least_float32, unit

from .base import Aggregator, Pairs, Related, Scorer, behind

NORMS = ("none", "batch", "report")


class ImportanceReasoning(nn.Module):
    """Weigh the local-matchings, so that "pneumothorax" counts for more than "and".

    Args:
        dim: S.
        norm: "none"; "batch" (SGRAF: BatchNorm1d(1) over all words of all pairs in training, or
            of a chunk where pairs are done in chunks; running statistics in eval mode); "report"
            (standardise over the words of each pair).
        include_global: weigh the global matching as one more node (SGRAF does).
        word_dim: D, for a gate that sees the word itself beside its matching (ours): whether
            "and" counts for less needs no image. 0 sees the matching alone.
    """

    def __init__(
        self, dim: int, norm: str = "none", include_global: bool = False, word_dim: int = 0
    ):
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"norm must be one of {NORMS}, got {norm!r}")
        self.kind = norm
        self.include_global = include_global
        self.gate = nn.Linear(dim, 1)
        self.word_gate = nn.Linear(word_dim, 1, bias=False) if word_dim else None
        self.norm = _MaskedBatchNorm() if norm == "batch" else None

    def forward(
        self,
        matchings: Tensor,
        word_mask: Tensor,
        global_matching: Tensor,
        padded: bool = True,
        nodes: Tensor | None = None,
        words: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Pair vectors (N, S) of unit length, and weights (N, W) over the words.

        A report without words gives zeros (with `include_global`, its global matching). The weights
        sum to 1 over the words, or with `include_global` to what the global matching leaves.

        Args:
            nodes: the global matching before the others, (N, 1 + W, S), where the caller has them.
            words: see `Pairs`; needed with `word_dim`.
        """
        mask = word_mask
        if self.include_global:
            nodes = behind(global_matching, matchings) if nodes is None else nodes
            mask = F.pad(mask, (1, 0), value=True)
        else:
            nodes = matchings
        if padded:
            nodes = nodes * mask[..., None]  # padding may hold anything finite
        # Under autocast the nodes stay in its type, and what is one number a word in float32.
        kind = nodes.dtype
        with as_given(nodes):
            gate = F.linear(nodes, self.gate.weight.to(kind), self.gate.bias.to(kind)).squeeze(-1)
            gate = at_least_float32(gate)
            if self.word_gate is not None:
                gate = gate + self._of_words(words, len(gate))
            # Sigmoid and not softmax: two findings in one report need not compete.
            gates = self._normalize(gate, mask).sigmoid() * mask
            weights = gates / gates.sum(-1, keepdim=True).clamp_min(1e-6)
            pair = unit(at_least_float32(weights[:, None].to(kind) @ nodes).squeeze(1))
        return pair, weights[:, 1:] if self.include_global else weights

    def _of_words(self, words: Tensor | None, pairs: int) -> Tensor:
        """What the words themselves add to the gates, (N, W) or, with the global one, (N, 1 + W).

        Words are read at unit length: only their direction is trained by the contrast.
        """
        if words is None or self.word_gate is None:
            raise ValueError(
                "IRM with the option `word_gate` needs Pairs.words: an aggregator is given them "
                "where it has reads_words = True; or set word_gate to false"
            )
        told = self.word_gate(unit(at_least_float32(words))).squeeze(-1)  # (C, W)
        if self.include_global:
            told = F.pad(told, (1, 0))
        return told.repeat(pairs // len(told), 1)

    def _normalize(self, values: Tensor, mask: Tensor) -> Tensor:
        if self.norm is not None:
            return self.norm(values, mask)
        if self.kind == "report":
            count = mask.sum(-1, keepdim=True).clamp_min(1)
            centered = (values - (values * mask).sum(-1, keepdim=True) / count) * mask
            variance = centered.square().sum(-1, keepdim=True) / count
            return centered / (variance + 1e-5).sqrt()
        return values


class _MaskedBatchNorm(nn.Module):
    """BatchNorm1d(1) whose statistics see words only; equal to it where nothing is padded.

    Names in the state dict are BatchNorm1d's. It is no subclass, because
    `SyncBatchNorm.convert_sync_batchnorm` replaces those, and its replacement takes no mask: with
    several processes the statistics are those of a process.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, momentum: float = 0.1, eps: float = 1e-5):
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))
        self.register_buffer("running_mean", torch.zeros(1))
        self.register_buffer("running_var", torch.ones(1))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        values = at_least_float32(values)  # autocast
        mean, variance = self.running_mean, self.running_var
        if self.training:
            count = mask.sum().clamp_min(1)
            mean = (values * mask).sum() / count
            variance = ((values - mean) * mask).square().sum() / count
            with torch.no_grad():
                unbiased = variance * count / (count - 1).clamp_min(1)
                self.running_mean.lerp_(mean.detach().view(1), self.momentum)
                self.running_var.lerp_(unbiased.detach().view(1), self.momentum)
                self.num_batches_tracked.add_(1)
        return (values - mean) / (variance + self.eps).sqrt() * self.weight + self.bias


class IRM(Aggregator):
    """IRM alone: the score is read from the weighted sum of the matchings (SGRAF's SAF).

    Args:
        dim: S.
        norm, include_global: see `ImportanceReasoning`.
        word_gate: a gate that sees the words, see `ImportanceReasoning`.
        word_dim: D, which the model gives.
    """

    reads_cosines = False

    def __init__(
        self,
        dim: int,
        norm: str = "none",
        include_global: bool = False,
        word_gate: bool = False,
        word_dim: int = 0,
    ):
        super().__init__(dim)
        self.reads_words = word_gate
        width = word_dim if word_gate else 0
        self.importance = ImportanceReasoning(dim, norm, include_global, width)
        self.score = Scorer(dim)

    def forward(self, pairs: Pairs) -> Related:
        pair, weights = self.importance(
            pairs.matchings,
            pairs.word_mask,
            pairs.global_matching,
            pairs.padded,
            words=pairs.words,
        )
        return Related(self.score(pair), weights=weights)
