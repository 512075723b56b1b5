"""What every aggregator takes and gives.

Shape letters: N = image-report pairs, W = words (padded), S = matching dimension, K = SRM steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from reclf.models.matchings import as_given, at_least_float32


@dataclass
class Pairs:
    """The local-matchings of N image-report pairs, as `reclf.models.matchings` makes them."""

    matchings: Tensor  # (N, W, S), unit length; padded words hold anything finite
    cosines: Tensor  # (N, W), cosine of each word with its attended region
    global_matching: Tensor  # (N, S)
    word_mask: Tensor  # bool (N, W), True where there is a word
    # int64 (C, W), the sentence of each word of C reports that N / C images meet in turn; or None
    sentences: Tensor | None = None
    # (N, W, W), -1 to 1, padded words too: how far two words look at the same regions
    # (`reclf.models.matchings.overlaps`); None where the aggregator does not read it
    overlap: Tensor | None = None
    # (C, W, D), the projected words themselves, as `sentences`; None where they are not read
    words: Tensor | None = None
    padded: bool = True  # False promises that the mask is True throughout
    detail: bool = True  # whether graph and weights are wanted, not the logits alone

    @cached_property
    def nodes(self) -> Tensor:
        """(N, 1 + W, S), the global matching before the local ones; formed once for SRM and IRM."""
        return behind(self.global_matching, self.matchings)

    def __post_init__(self) -> None:
        if self.matchings.ndim != 3 or self.matchings.shape[:2] != self.word_mask.shape:
            raise ValueError(
                f"matchings {tuple(self.matchings.shape)} must be (N, W, S) with the (N, W) of "
                f"word_mask, {tuple(self.word_mask.shape)}"
            )
        if self.word_mask.dtype != torch.bool:
            raise ValueError(
                f"word_mask must be bool, True for words, got {self.word_mask.dtype}; "
                "a tokenizer's attention_mask needs .bool()"
            )
        if self.overlap is not None and self.overlap.shape[:2] != self.word_mask.shape:
            raise ValueError(
                f"overlap {tuple(self.overlap.shape)} must be (N, W, W) with the (N, W) of "
                f"word_mask, {tuple(self.word_mask.shape)}"
            )


@dataclass
class Related:
    """What an aggregator makes of N pairs; what it does not compute is None."""

    logits: Tensor  # (N,), the relation-enhanced score before softmax
    # (N, K, 1 + W, 1 + W), rows sum to 1; node 0 is the global matching
    graph: Tensor | None = None
    weights: Tensor | None = None  # (N, W), importance weights, sum to 1 over the words
    auxiliary: Tensor | None = None  # (N,), the score of a part, where it is contrasted by itself


class LastRead(NamedTuple):
    """Which edges of a relation graph of K steps reach the score last; steps count from 0."""

    total: int  # K
    words: int | None  # last step whose edges from words reach the score; None: no step
    whole: int | None  # the same of node 0


class Aggregator(nn.Module):
    """Folds the local-matchings of a pair into one score.

    Subclass it, take `dim` (S) first in `__init__`, and name your class in `model.aggregator`.
    A score must not depend on padding, nor (in eval mode) on the other pairs of the batch. On a CPU
    `forward` runs in several threads at a time, so it should keep nothing in the module.
    `uses_matchings = False` says that `forward` is never called: there are no local logits;
    `cosines_only = True` that it reads nothing but `pairs.cosines`, so that scoring need not form
    the matchings, and `reads_cosines = False` that it does not read them; with
    `reads_overlap = True` it is given `pairs.overlap`, with `reads_words = True` `pairs.words`,
    whose size D a class gets that has an argument `word_dim`. With an `auxiliary_weight` above 0
    training contrasts `Related.auxiliary` too, with that share of lambda (`train.local_weight`).
    Options of a preset's own aggregator are given to another one that has an argument of the same
    name; a class whose `**options` are the fields of a dataclass names it in `options_type`.
    """

    uses_matchings = True
    cosines_only = False
    reads_cosines = True
    reads_overlap = False
    reads_words = False
    auxiliary_weight = 0.0
    options_type: type | None = None

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def prepare(self) -> Sequence[Tensor]:
        """Tensors that all chunks of pairs share, formed once; `forward` takes them after pairs."""
        return ()

    def last_read(self) -> LastRead | None:
        """Of a relation graph, what of it the score rests on; None where that is not known."""
        return None

    def distance_weights(self) -> list[tuple[float, float]] | None:
        """Of a relation graph, what each step takes off the score of an edge: for every word of
        distance, and for every sentence. Without anything else the softmax of it is the graph.
        None where the graph has no such prior, or it is not known."""
        return None

    def forward(self, pairs: Pairs) -> Related:
        raise NotImplementedError(f"{type(self).__name__} must define forward(pairs)")


class Scorer(nn.Module):
    """A linear read-out of unit pair vectors with a learned multiplier, so that it can be sharp.

    SGRAF ends in sigmoid(w . pair + b) for a margin loss; a contrastive softmax wants an unbounded
    logit, and is blind to a bias (ours).
    """

    def __init__(self, dim: int, scale: float = 10.0):
        super().__init__()
        self.read = nn.Linear(dim, 1, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(scale).log())

    def forward(self, pair: Tensor) -> Tensor:
        # In float32 under autocast too: scores of a batch differ by little.
        with as_given(pair):
            pair = at_least_float32(pair)
            return self.read(pair).squeeze(-1) * self.log_scale.exp()


def behind(first: Tensor, matchings: Tensor) -> Tensor:
    """One node (N, S) before the local-matchings (N, W, S), in their type: (N, 1 + W, S)."""
    return torch.cat([first[:, None].to(matchings.dtype), matchings], dim=1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of (N, W, S) over the words; zeros for a report without words."""
    total = torch.einsum("nws,nw->ns", values, mask.to(values.dtype))
    return total / mask.sum(-1, keepdim=True).clamp_min(1)
