"""Plain loops over captions: what the fast path is measured against and checked with.

    features of A images, words of B reports --one caption at a time--> logits (A, B)

Written by us in the form that public code has: SGRAF (Diao et al., AAAI 2021) trains one model for
graph reasoning (SGR) and another for attention filtration (SAF), each with its own pass over the
local-matchings; GLoRIA (Huang et al., ICCV 2021) attends caption by caption. Here the two SGRAF
models share their weights, so that their mean is what `RelationEnhanced` computes.

Shape letters: A = images, B = reports, W = words of the report at hand, R = regions, D = embedding,
S = matching dimension.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reclf.models.matchings import LocalMatchings
from reclf.models.relations.combined import RelationEnhanced
from reclf.models.relations.importance import ImportanceReasoning
from reclf.models.relations.semantic import SemanticReasoning, SemanticStep


def sgraf_logits(matchings: LocalMatchings, aggregator: RelationEnhanced, *given: Any) -> Tensor:
    """Relation-enhanced logits of all pairs, (A, B), by two separate models.

    Args:
        aggregator: parallel, reading out from the global matching, its other options as they are by
            default, but for `include_global=True`.
        given: as in `sgr_logits`.
    """
    if aggregator.semantic_score is None:
        raise ValueError('the loop has two heads: composition must be "parallel"')
    for_graph = sgr_logits(matchings, aggregator.semantic, aggregator.semantic_score, *given)
    return (
        for_graph
        + saf_logits(matchings, aggregator.importance, aggregator.importance_score, *given)
    ) / 2


def sgr_logits(
    matchings: LocalMatchings,
    semantic: SemanticReasoning,
    score: nn.Module,
    regions: Tensor,
    image_global: Tensor,
    words: Sequence[Tensor],
    report_whole: Tensor,
) -> Tensor:
    """Logits of SGR, graph reasoning, of all pairs: (A, B).

    Args:
        regions: (A, R, D).
        image_global: (A, D).
        words: B times (W, D), without padding.
        report_whole: (B, D).
    """
    columns = []
    for caption, whole in zip(words, report_whole, strict=True):
        nodes = caption_matchings(matchings, regions, image_global, caption, whole)
        columns.append(score(graph_reasoning(semantic, nodes)))
    return torch.stack(columns, 1)


def saf_logits(
    matchings: LocalMatchings,
    importance: ImportanceReasoning,
    score: nn.Module,
    regions: Tensor,
    image_global: Tensor,
    words: Sequence[Tensor],
    report_whole: Tensor,
) -> Tensor:
    """Logits of SAF, attention filtration, of all pairs: see `sgr_logits`."""
    columns = []
    for caption, whole in zip(words, report_whole, strict=True):
        nodes = caption_matchings(matchings, regions, image_global, caption, whole)
        columns.append(score(attention_filtration(importance, nodes)))
    return torch.stack(columns, 1)


def caption_matchings(
    matchings: LocalMatchings, regions: Tensor, image_global: Tensor, caption: Tensor, whole: Tensor
) -> Tensor:
    """The global matching and the local ones of one caption with all images: (A, 1 + W, S)."""
    queries = caption.expand(len(regions), *caption.shape)
    scale = matchings.log_attention_scale.exp()
    scores = F.normalize(queries, dim=-1) @ F.normalize(regions, dim=-1).mT
    attended = F.normalize((scale * scores).softmax(-1) @ regions, dim=-1)
    local = matchings.local((attended - F.normalize(queries, dim=-1)) ** 2)
    one = (F.normalize(image_global, dim=-1) - F.normalize(whole, dim=-1)) ** 2
    nodes = torch.cat([matchings.whole(one)[:, None], local], 1)
    return F.normalize(nodes, dim=-1)


def graph_reasoning(semantic: SemanticReasoning, nodes: Tensor) -> Tensor:
    """SGR: node 0 (A, S) after all steps, every node updated in each."""
    for step in cast(Sequence[SemanticStep], semantic.steps):
        edges = (step.query(nodes) @ step.key(nodes).mT).softmax(-1)
        nodes = torch.relu(step.update(edges @ nodes))
    return nodes[:, 0]


def attention_filtration(importance: ImportanceReasoning, nodes: Tensor) -> Tensor:
    """SAF without its batch norm: the weighted sum (A, S), of unit length."""
    gates = torch.sigmoid(importance.gate(nodes))
    weights = gates / gates.sum(1, keepdim=True)
    return F.normalize((weights.mT @ nodes).squeeze(1), dim=-1)


def gloria_logits(
    matchings: LocalMatchings,
    regions: Tensor,
    words: Sequence[Tensor],
    scale_in: float = 5.0,
    scale_out: float = 10.0,
) -> Tensor:
    """GLoRIA's local similarities of all pairs, (A, B), log-sum-exp over words, caption by caption.

    Args:
        matchings: of the kind "words_then_regions".
        regions: (A, R, D).
        words: B times (W, D), without padding.
    """
    columns = []
    for caption in words:
        queries = caption.expand(len(regions), *caption.shape)
        scale = matchings.log_attention_scale.exp()
        attention = ((queries @ regions.mT).softmax(1) * scale).softmax(-1)
        cosines = torch.cosine_similarity(queries, attention @ regions, dim=-1)
        columns.append(scale_out * (scale_in * cosines).logsumexp(-1))
    return torch.stack(columns, 1)
