"""SRM: semantic-relation reasoning over local-matchings.

    [m_0; m_1 .. m_W] --K steps of message passing on the complete graph--> refined nodes, graphs

Sources: Li et al., arXiv:2401.10501 (the module and its name); Diao et al., AAAI 2021, whose graph
reasoning is followed where the paper above leaves a detail open. With `residual=False`,
`scaled=False` (the default) a step is SGRAF's, to rounding.

Shape letters: N = image-report pairs, W = words, P = 1 + W nodes, S = matching dimension.
"""

import torch
from torch import Tensor, nn

from .base import Aggregator, Pairs, Related, Scorer


class SemanticStep(nn.Module):
    """One step: every node draws on all nodes of its report, "effusion" on "left".

    Args:
        dim: S.
        scaled: divide the edge scores by sqrt(S) before the softmax.
        residual: add the message to the node instead of replacing it (ours).
    """

    def __init__(self, dim: int, scaled: bool = False, residual: bool = False):
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.update = nn.Linear(dim, dim)
        self.scale = dim**-0.5 if scaled else 1.0
        self.residual = residual

    def forward(self, nodes_NPS: Tensor, mask_NP: Tensor, readers: int | None = None):
        """New nodes (N, readers, S) and the graph (N, readers, P); by default all nodes read.

        Rows of the graph sum to 1 over the nodes that are there. `readers=1` updates node 0 only,
        which is all that the last step needs.
        """
        reading = nodes_NPS[:, :readers]
        # q_i . k_j = n_i' Wq'Wk n_j + bq' Wk n_j + (a term without j, which the softmax drops):
        # one product for all nodes instead of two.
        product = self.query.weight.T @ self.key.weight
        queries = reading @ product + self.query.bias @ self.key.weight
        scores = (queries @ nodes_NPS.mT) * self.scale
        scores = scores.masked_fill(~mask_NP[:, None, :], torch.finfo(scores.dtype).min)
        graph = scores.softmax(-1)
        message = torch.relu(self.update(graph @ nodes_NPS))
        return (reading + message if self.residual else message), graph


READ_OUTS = ("whole", "token")


class SemanticReasoning(nn.Module):
    """K steps with unshared weights over [read-out node; local-matchings].

    Args:
        dim: S.
        steps: K.
        scaled, residual: see `SemanticStep`.
        read_out: what node 0 starts as: "whole", the global matching (SGRAF), or "token", a learnt
            vector (ours). The global matching alone can solve the contrast, and then no word is
            read (LOG.md, 2026-11-24); a token has nothing but what it draws from the words.
    """

    def __init__(
        self,
        dim: int,
        steps: int = 3,
        scaled: bool = False,
        residual: bool = False,
        read_out: str = "whole",
    ):
        super().__init__()
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        if read_out not in READ_OUTS:
            raise ValueError(f"read_out must be one of {READ_OUTS}, got {read_out!r}")
        self.token = nn.Parameter(torch.randn(dim) * dim**-0.5) if read_out == "token" else None
        self.steps = nn.ModuleList(SemanticStep(dim, scaled, residual) for _ in range(steps))

    def forward(self, pairs: Pairs, read_out_only: bool = False) -> tuple[Tensor, Tensor | None]:
        """Refine the nodes.

        Args:
            read_out_only: compute what node 0 needs and nothing else; no graph is returned.

        Returns:
            Nodes (N, 1 + W, S), or (N, 1, S) with `read_out_only`; and the graph (N, K, P, P) whose
            padded rows and columns are 0, or None.
        """
        first = pairs.whole if self.token is None else self.token.expand_as(pairs.whole)
        nodes = torch.cat([first[:, None], pairs.matchings], dim=1)
        present = torch.ones_like(pairs.word_mask[:, :1])
        mask = torch.cat([present, pairs.word_mask], dim=1)
        # Padding may hold anything finite; zero it so that no later product overflows.
        nodes = nodes * mask[..., None]
        graphs = []
        for k, step in enumerate(self.steps):
            last = k == len(self.steps) - 1
            nodes, graph = step(nodes, mask, 1 if read_out_only and last else None)
            graphs.append(graph)
        if read_out_only:
            return nodes, None
        return nodes * mask[..., None], torch.stack(graphs, dim=1) * mask[:, None, :, None]


class SRM(Aggregator):
    """SRM alone: the score is read from node 0 after K steps (SGRAF's SGR)."""

    def __init__(
        self,
        dim: int,
        steps: int = 3,
        scaled: bool = False,
        residual: bool = False,
        read_out: str = "whole",
    ):
        super().__init__(dim)
        self.semantic = SemanticReasoning(dim, steps, scaled, residual, read_out)
        self.score = Scorer(dim)

    def forward(self, pairs: Pairs) -> Related:
        nodes, graph = self.semantic(pairs, read_out_only=self.training)
        return Related(self.score(nodes[:, 0]), graph=graph)
