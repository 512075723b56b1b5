"""RECLF: SRM and IRM together, in parallel or one after the other.

    parallel     matchings -> SRM -> score
                 matchings -> IRM -> score            mean of the two (SGRAF averages two models)
    sequential   matchings -> SRM -> refined matchings -> IRM -> score (ours)

Which of the two the paper means we do not know, having read its abstract only; both are one setting
(`model.aggregator_options.composition`). In parallel SRM alone can solve the contrast of the mean,
which then teaches IRM little; SGRAF trains its two models each with a loss of its own.
`importance_loss` gives IRM's score some of that, added to the joint loss (ours; LOG.md).
"""

from typing import Any

from torch import Tensor

from .base import Aggregator, LastRead, Pairs, Related, Scorer
from .importance import ImportanceReasoning
from .options import SRMOptions
from .semantic import SemanticReasoning

COMPOSITIONS = ("parallel", "sequential")


class RelationEnhanced(Aggregator):
    """SRM + IRM.

    Args:
        dim: S.
        composition: "parallel" or "sequential".
        norm, include_global, word_gate, word_dim: see `IRM`.
        importance_loss: weight of the contrast of IRM's own score, added to that of the mean.
            Without effect in a sequence, whose score is IRM's.
        options: the fields of `SRMOptions`.
    """

    reads_cosines = False
    options_type = SRMOptions

    def __init__(
        self,
        dim: int,
        composition: str = "parallel",
        norm: str = "none",
        include_global: bool = False,
        importance_loss: float = 0.0,
        word_gate: bool = False,
        word_dim: int = 0,
        **options: Any,
    ):
        super().__init__(dim)
        if composition not in COMPOSITIONS:
            raise ValueError(f"composition must be one of {COMPOSITIONS}, got {composition!r}")
        if not (isinstance(importance_loss, int | float) and importance_loss >= 0):
            raise ValueError(f"importance_loss must be a number from 0 on, got {importance_loss!r}")
        self.sequential = composition == "sequential"
        self.auxiliary_weight = 0.0 if self.sequential else float(importance_loss)
        given = SRMOptions(**options)
        if not self.sequential:  # in a sequence IRM reads the words
            given.check_word_edges()
        self.semantic = SemanticReasoning(dim, given)
        self.reads_overlap, self.reads_words = self.semantic.reads_overlap, word_gate
        self.importance = ImportanceReasoning(
            dim, norm, include_global, word_dim if word_gate else 0
        )
        self.importance_score = Scorer(dim)
        self.semantic_score = None if self.sequential else Scorer(dim)

    def last_read(self) -> LastRead:
        """In a sequence IRM reads the words, and node 0 only with `include_global`."""
        one = self.semantic.last_read()
        if not self.sequential:
            return one
        whole = one.whole if self.importance.include_global else one.words
        return LastRead(one.total, one.total - 1, whole)

    def distance_weights(self) -> list[tuple[float, float]]:
        return self.semantic.distance_weights()

    def prepare(self) -> list[Tensor]:
        return self.semantic.products()

    def forward(self, pairs: Pairs, *products: Tensor) -> Related:
        read_out_only = not pairs.detail and not self.sequential
        nodes, graph = self.semantic(pairs, read_out_only, products)
        if self.semantic_score is None:
            pair, weights = self.importance(
                nodes[:, 1:], pairs.word_mask, nodes[:, 0], pairs.padded, words=pairs.words
            )
            return Related(self.importance_score(pair), graph, weights)
        shared = pairs.nodes if self.importance.include_global else None
        pair, weights = self.importance(
            pairs.matchings,
            pairs.word_mask,
            pairs.global_matching,
            pairs.padded,
            shared,
            pairs.words,
        )
        own = self.importance_score(pair)
        logits = (self.semantic_score(nodes[:, 0]) + own) / 2
        return Related(logits, graph, weights, own if self.auxiliary_weight else None)
