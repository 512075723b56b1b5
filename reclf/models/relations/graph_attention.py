"""Self-attention between the nodes of a relation graph, one step of SRM.

    nodes, edge scores of their own and from outside --softmax--> graph, message to each node

Shape letters: N = image-report pairs, C = reports that N / C images meet in turn, W = words,
P = 1 + W nodes, S = matching dimension, Q = readers: all nodes, or node 0 alone.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from reclf.models.matchings import as_given


class GraphAttention(torch.autograd.Function):
    """Messages to the readers, E M (N, Q, S); E (N, Q, P); and agreement (N, Q), or None.

    E = softmax_row(scale (M weight + bias) M' + near + pull O), agreement_i = sum_j E_ij O_ij, for
    nodes M (N, P, S) and overlap O (N, W, W) between words, 0 from and to node 0. near is None,
    (Q, P), or (C, Q, P); overlap and pull are given together, and only where all nodes read. One
    function, so that the nodes' gradient is one buffer.
    """

    @staticmethod
    def forward(
        ctx,
        nodes: Tensor,
        weight: Tensor,
        bias: Tensor,
        mask: Tensor | None,
        scale: float,
        readers: int | None,
        near: Tensor | None,
        overlap: Tensor | None = None,
        pull: Tensor | None = None,
    ):
        weight, bias = weight.to(nodes.dtype), bias.to(nodes.dtype)
        pull_type = None if pull is None else pull.dtype
        with as_given(nodes):  # in the type of the nodes
            queries = F.linear(nodes[:, :readers], weight.T, bias)
            scores = queries @ nodes.mT
            if scale != 1:
                scores.mul_(scale)
            if near is not None:
                scores.view(-1, *near.shape).add_(near)
            if overlap is not None:
                overlap, pull = overlap.to(nodes.dtype), cast(Tensor, pull).to(nodes.dtype)
                scores[:, 1:, 1:].addcmul_(overlap, pull)
            if mask is not None:
                scores.masked_fill_(~mask[:, None, :], torch.finfo(scores.dtype).min)
            graph = scores.softmax(-1)
            messages = graph @ nodes
            agreement = None
            if overlap is not None:
                agreement = F.pad(torch.linalg.vecdot(graph[:, 1:, 1:], overlap), (1, 0))
        ctx.save_for_backward(nodes, weight, queries, graph, overlap, pull)
        ctx.scale, ctx.readers = scale, readers
        ctx.near_like = None if near is None else (near.dtype, near.shape)
        ctx.pull_type = pull_type
        ctx.set_materialize_grads(False)
        return messages, graph, agreement

    @staticmethod
    @once_differentiable
    def backward(
        ctx, grad_messages: Tensor, grad_graph: Tensor | None, grad_agreement: Tensor | None
    ):
        nodes, weight, queries, graph, overlap, pull = ctx.saved_tensors
        if grad_messages is None:
            grad_messages = torch.zeros_like(queries)
        grad_scores = grad_messages @ nodes.mT
        if grad_graph is not None:
            grad_scores.add_(grad_graph)
        if grad_agreement is not None:
            grad_agreement = grad_agreement[:, 1:, None]
            grad_scores[:, 1:, 1:].addcmul_(overlap, grad_agreement)
        grad_scores.sub_(torch.linalg.vecdot(grad_scores, graph)[..., None]).mul_(graph)
        grad_overlap = grad_pull = None
        if overlap is not None:
            between = grad_scores[:, 1:, 1:]
            grad_pull = torch.linalg.vecdot(between, overlap).sum(dtype=ctx.pull_type)
            grad_overlap = between * pull
            if grad_agreement is not None:
                grad_overlap.addcmul_(graph[:, 1:, 1:], grad_agreement)
        grad_near = None
        if ctx.needs_input_grad[6]:
            dtype, shape = ctx.near_like
            grad_near = grad_scores.view(-1, *shape).sum(0, dtype=dtype)
        if ctx.scale != 1:
            grad_scores.mul_(ctx.scale)
        grad_nodes = (graph.mT @ grad_messages).baddbmm_(grad_scores.mT, queries)
        grad_queries = (grad_scores @ nodes).flatten(0, 1)
        reading = nodes[:, : ctx.readers].flatten(0, 1)
        if ctx.readers is None:
            grad_nodes.flatten(0, 1).addmm_(grad_queries, weight.T)
        else:
            grad_nodes[:, : ctx.readers] += (grad_queries @ weight.T).view_as(queries)
        grad_weight, grad_bias = reading.T @ grad_queries, grad_queries.sum(0)
        others = None, None, None, grad_near, grad_overlap, grad_pull
        return grad_nodes, grad_weight, grad_bias, *others


def fused_attention(
    queries: Tensor,
    nodes: Tensor,
    mask: Tensor | None,
    scale: float,
    near: Tensor | None = None,
) -> Tensor:
    """`GraphAttention` without graph and overlap, by the attention kernels of a GPU."""
    heads = queries[:, None], nodes[:, None], nodes[:, None]
    mask = None if mask is None else mask[:, None, None]
    if near is not None:
        near = near.to(queries.dtype).unsqueeze(-3)  # one head
        if near.ndim == 4:
            near = near.repeat(len(nodes) // len(near), 1, 1, 1)
        lowest = torch.finfo(near.dtype).min
        mask = near if mask is None else torch.where(mask, near, lowest)
    return F.scaled_dot_product_attention(*heads, attn_mask=mask, scale=scale)[:, 0]


def pairwise_distances(places: Tensor) -> Tensor:
    """Distances (..., P, P) between words at places (..., W), with 0 from and to node 0."""
    places = places.float()
    return F.pad((places[..., :, None] - places[..., None, :]).abs(), (1, 0, 1, 0))
