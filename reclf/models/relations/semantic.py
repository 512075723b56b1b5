"""SRM: semantic-relation reasoning over local-matchings.

    [m_0; m_1 .. m_W] --K steps of message passing on the complete graph--> refined nodes, graphs

Sources: Li et al., arXiv:2401.10501 (the module and its name); Diao et al., AAAI 2021, whose graph
reasoning is followed where the paper above leaves a detail open. A step of the default options is
SGRAF's, to rounding; `residual`, `nearness`, `boundary` and `overlap` are ours.

Shape letters: N = image-report pairs, W = words, P = 1 + W nodes, S = matching dimension.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reclf.models.matchings import as_given, at_least_float32

from .base import Aggregator, LastRead, Pairs, Related, Scorer, behind
from .graph_attention import GraphAttention, fused_attention, pairwise_distances
from .options import SGRAF, SRMOptions


class Product(NamedTuple):
    """What a step's query and key come to: q_i . k_j = (n_i' weight + bias') n_j.

    Of (W_q n_i + b_q) . (W_k n_j + b_k), the terms without j are left out: the softmax over j
    drops them. One product for all nodes instead of two.
    """

    weight: Tensor  # (S, S), W_q' W_k
    bias: Tensor  # (S,), b_q' W_k


class SemanticStep(nn.Module):
    """One step: every node attends to all nodes of its report, "effusion" to "left".

    Args:
        dim: S.
        options: all but `steps` and `read_out` are read.
    """

    def __init__(self, dim: int, options: SRMOptions = SGRAF):
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.update = nn.Linear(dim, dim)
        self.scale = dim**-0.5 if options.scaled else 1.0
        self.residual = options.residual
        self.nearness = _start(options.nearness)
        self.boundary = _start(options.boundary)
        self.pull = _start(options.overlap)
        self.agreement = nn.Parameter(torch.randn(dim) * dim**-0.5) if options.overlap else None

    def near(self, words: int, sentences: Tensor | None) -> Tensor | None:
        """What is added to the edge scores, (P, P), or (C, P, P) by the sentences (C, W) of words.

        Node 0 is as near to all.
        """
        near = None
        if self.nearness is not None:
            near = -self.nearness * pairwise_distances(
                torch.arange(words, device=self.nearness.device)
            )
        if self.boundary is not None and sentences is not None:
            between = -self.boundary * pairwise_distances(sentences)
            near = between if near is None else near + between
        return near

    def product(self) -> Product:
        with as_given(self.query.weight):
            return Product(self.query.weight.T @ self.key.weight, self.query.bias @ self.key.weight)

    def forward(
        self,
        nodes_NPS: Tensor,
        mask_NP: Tensor | None = None,
        readers: int | None = None,
        product: Product | None = None,
        sentences: Tensor | None = None,
        with_graph: bool = True,
        overlap: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """New nodes (N, readers, S) and the graph (N, readers, P); by default all nodes read.

        Rows of the graph sum to 1 over the nodes that are there. `readers=1` updates node 0 only,
        which is all that the last step needs.

        Args:
            mask_NP: bool, True where there is a node; None where all are there.
            product: `self.product()`, where the caller has it.
            sentences: int (C, W), see `Pairs`.
            with_graph: False lets a GPU attend without forming the graph, which is then None, where
                no overlap is read.
            overlap: (N, W, W), see `Pairs`; not read where node 0 alone reads: it looks nowhere.
        """
        reading = nodes_NPS[:, :readers]
        weight, bias = self.product() if product is None else product
        near = None if readers == 1 else self.near(nodes_NPS.shape[1] - 1, sentences)
        if near is not None:
            near = near[..., :readers, :]
        seen = None if readers == 1 or self.pull is None else overlap
        if nodes_NPS.is_cuda and not with_graph and seen is None:
            queries = F.linear(reading, weight.T, bias)
            attended, graph = fused_attention(queries, nodes_NPS, mask_NP, self.scale, near), None
        else:
            attended, graph, agreement = GraphAttention.apply(
                nodes_NPS, weight, bias, mask_NP, self.scale, readers, near, seen, self.pull
            )
        if readers == 1:
            # At the start the scores of pairs differ by a hundredth: where one node is read out,
            # half precision would reorder them.
            with as_given(attended):
                message = torch.relu(self.update(at_least_float32(attended)))
        else:
            message = self.update(attended)
            if seen is not None:
                told = cast(Tensor, self.agreement).to(message.dtype)
                message = torch.addcmul(message, agreement[..., None].to(message.dtype), told)
            message = torch.relu(message)
        return (reading + message if self.residual else message), graph


def _start(value: float) -> nn.Parameter | None:
    """A learned scalar that starts at a value; None for 0, which leaves its term out."""
    return nn.Parameter(torch.tensor(float(value))) if value else None


def _number(weight: nn.Parameter | None) -> float:
    return 0.0 if weight is None else weight.item()


class SemanticReasoning(nn.Module):
    """K steps with unshared weights over [read-out node; local-matchings].

    Args:
        dim: S.
        options: of the steps and of node 0.
    """

    def __init__(self, dim: int, options: SRMOptions = SGRAF):
        super().__init__()
        is_token = options.read_out == "token"
        self.token = nn.Parameter(torch.randn(dim) * dim**-0.5) if is_token else None
        self.reads_overlap = bool(options.overlap)
        self.steps = nn.ModuleList(SemanticStep(dim, options) for _ in range(options.steps))

    def last_read(self) -> LastRead:
        """Where node 0 alone is read out: the last step moves words into it, and no word."""
        total = len(self.steps)
        return LastRead(total, total - 2 if total > 1 else None, total - 1)

    def distance_weights(self) -> list[tuple[float, float]]:
        """See `Aggregator`; 0 where a step has no such weight."""
        steps = [cast(SemanticStep, step) for step in self.steps]
        return [(_number(step.nearness), _number(step.boundary)) for step in steps]

    def products(self) -> list[Tensor]:
        """What `forward` takes, formed once for many chunks of pairs: two tensors a step."""
        return [part for step in self.steps for part in cast(SemanticStep, step).product()]

    def forward(
        self, pairs: Pairs, read_out_only: bool = False, products: Sequence[Tensor] = ()
    ) -> tuple[Tensor, Tensor | None]:
        """Refine the nodes.

        Args:
            read_out_only: compute what node 0 needs and nothing else.
            products: `self.products()`, where the caller has them.

        Returns:
            Nodes (N, 1 + W, S), or (N, 1, S) with `read_out_only`; and the graph (N, K, P, P) whose
            padded rows and columns are 0, or None without `pairs.detail`.
        """
        if self.token is None:
            nodes = pairs.nodes
        else:
            nodes = behind(self.token.expand_as(pairs.global_matching), pairs.matchings)
        if pairs.overlap is None and self.reads_overlap:
            raise ValueError(
                "SRM with the option `overlap` needs Pairs.overlap, how far two words look at the "
                "same regions: an aggregator is given it where it has reads_overlap = True "
                "(by hand: `reclf.models.matchings.overlaps`); or set overlap to 0"
            )
        mask = None
        if pairs.padded:
            mask = F.pad(pairs.word_mask, (1, 0), value=True)
            nodes = nodes * mask[..., None]  # so that no later product overflows
        graphs = []
        for k, step in enumerate(self.steps):
            last = k == len(self.steps) - 1
            readers = 1 if read_out_only and last else None
            product = Product(*products[2 * k : 2 * k + 2]) if products else None
            nodes, graph = step(
                nodes, mask, readers, product, pairs.sentences, pairs.detail, pairs.overlap
            )
            graphs.append(graph)
        if mask is not None and not read_out_only:
            nodes = nodes * mask[..., None]
        if not pairs.detail or read_out_only:
            return nodes, None
        graph = torch.stack([g.to(nodes.dtype) for g in graphs], dim=1)
        return nodes, graph if mask is None else graph * mask[:, None, :, None]


class SRM(Aggregator):
    """SRM alone: the score is read from node 0 after K steps (SGRAF's SGR).

    Args:
        dim: S.
        options: the fields of `SRMOptions`.
    """

    reads_cosines = False
    options_type = SRMOptions

    def __init__(self, dim: int, **options: Any):
        super().__init__(dim)
        given = SRMOptions(**options)
        given.check_word_edges()
        self.semantic = SemanticReasoning(dim, given)
        self.reads_overlap = self.semantic.reads_overlap
        self.score = Scorer(dim)

    def last_read(self) -> LastRead:
        return self.semantic.last_read()

    def distance_weights(self) -> list[tuple[float, float]]:
        return self.semantic.distance_weights()

    def prepare(self) -> list[Tensor]:
        return self.semantic.products()

    def forward(self, pairs: Pairs, *products: Tensor) -> Related:
        nodes, graph = self.semantic(pairs, not pairs.detail, products)
        return Related(self.score(nodes[:, 0]), graph=graph)
