"""SRM's edges that start from how near two words stand, and in how near sentences: a plain loop,
gradients, both paths."""

import pytest
import torch

from reclf.models.relations import make_aggregator
from reclf.models.relations.graph_attention import GraphAttention, fused_attention
from reclf.models.relations.options import SRMOptions
from reclf.models.relations.semantic import SRM, SemanticReasoning, SemanticStep

N, W, S, K = 3, 5, 6, 2
COUNTS = (5, 2, 0)
SENTENCES = torch.tensor([[0, 0, 1, 1, 3], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]])


def near_reasoning(step, nodes, sentences):
    """One step on the nodes (P, S) of one pair, edge by edge; node 0 is as near to all."""
    new, edges = [], []
    for i, receiver in enumerate(nodes):
        query = step.query.weight @ receiver + step.query.bias
        strength = []
        for j, sender in enumerate(nodes):
            pairwise_distances = 0 if 0 in (i, j) else abs(i - j)
            ends = 0 if 0 in (i, j) else int(abs(sentences[i - 1] - sentences[j - 1]))
            lost = step.nearness * pairwise_distances + (
                0 if step.boundary is None else step.boundary * ends
            )
            key = step.key.weight @ sender + step.key.bias
            strength.append(query @ key * step.scale - lost)
        strength = torch.softmax(torch.stack(strength), 0)
        message = sum(e * sender for e, sender in zip(strength, nodes, strict=True))
        new.append(torch.relu(step.update.weight @ message + step.update.bias))
        edges.append(strength)
    return torch.stack(new), torch.stack(edges)


# What node 0 alone reads does not come through the nearness of its step.
UNUSED = {"allow_unused": True, "materialize_grads": True}


@pytest.mark.parametrize("boundary", [0.0, 0.4])
@pytest.mark.parametrize("read_out_only", [False, True])
def test_values_and_gradients_are_those_of_the_plain_loop(pairs, read_out_only, boundary):
    pairs.sentences = SENTENCES
    module = SemanticReasoning(
        S, SRMOptions(steps=K, scaled=True, nearness=0.7, boundary=boundary)
    ).double()
    nodes, graph = module(pairs, read_out_only)
    # A softmax does not see what all of its scores share, so key biases have no gradient.
    parameters = {n: p for n, p in module.named_parameters() if not n.endswith("key.bias")}
    inputs = {"matchings": pairs.matchings, "global_matching": pairs.global_matching, **parameters}
    found = torch.autograd.grad(nodes[:, 0].square().sum(), list(inputs.values()), **UNUSED)

    total, plain = 0.0, []
    for n, count in enumerate(COUNTS):
        state = torch.cat([pairs.global_matching[n : n + 1], pairs.matchings[n, :count]])
        edges = []
        for step in module.steps:
            state, one = near_reasoning(step, state, SENTENCES[n])
            edges.append(one)
        plain.append((state, edges))
        total = total + state[0].square().sum()
    expected = torch.autograd.grad(total, list(inputs.values()), **UNUSED)
    for n, (state, edges) in enumerate(plain):
        torch.testing.assert_close(nodes[n, 0], state[0])
        if graph is not None:
            for k, one in enumerate(edges):
                torch.testing.assert_close(graph[n, k, : len(one), : len(one)], one)
    for name, one, other in zip(inputs, found, expected, strict=True):
        torch.testing.assert_close(one, other, msg=lambda text, name=name: f"{name}: {text}")
    learnt = dict(zip(inputs, found, strict=True))
    assert learnt["steps.0.nearness"].abs() > 1e-6
    assert not boundary or learnt["steps.0.boundary"].abs() > 1e-6


@torch.no_grad()
def test_edges_by_hand():
    step = SemanticStep(2, SRMOptions(nearness=1.0))
    for linear in (step.query, step.key):
        linear.weight.zero_()
        linear.bias.zero_()
    _, graph = step(torch.ones(1, 4, 2))
    row = torch.tensor([0.0, -1.0, 0.0, -1.0]).softmax(0)  # node 0, and two words one away
    torch.testing.assert_close(graph[0, 2], row)
    torch.testing.assert_close(graph[0, 0], torch.full((4,), 0.25))
    step = SemanticStep(2, SRMOptions(boundary=1.0))
    for linear in (step.query, step.key):
        linear.weight.zero_()
        linear.bias.zero_()
    # Two images meet the same two reports; the end of a sentence lies before the last word.
    _, graph = step(torch.ones(4, 4, 2), sentences=torch.tensor([[0, 0, 1], [0, 0, 0]]))
    row = torch.tensor([0.0, 0.0, 0.0, -1.0]).softmax(0)
    for n in (0, 2):
        torch.testing.assert_close(graph[n, 2], row)
    for n in (1, 3):
        torch.testing.assert_close(graph[n, 2], torch.full((4,), 0.25))


# Two images meet N reports.
MASK = (torch.arange(W + 1) < torch.tensor(COUNTS)[:, None] + 1).repeat(2, 1)


def draw_inputs(readers, each):
    """Nodes, weight, bias and near; `each` report may have a near of its own."""
    rows = W + 1 if readers is None else readers
    shapes = (2 * N, W + 1, S), (S, S), (S,), (N, rows, W + 1) if each else (rows, W + 1)
    return [torch.randn(shape, dtype=torch.float64).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("readers", [None, 1, 3])
@pytest.mark.parametrize("mask", [None, MASK])
def test_gradients_are_those_of_finite_differences(mask, readers, each):
    def draw(nodes, weight, bias, near):
        return GraphAttention.apply(nodes, weight, bias, mask, 0.6, readers, near)[:2]

    assert torch.autograd.gradcheck(draw, draw_inputs(readers, each))


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("readers", [None, 1, 3])
@pytest.mark.parametrize("mask", [None, MASK])
def test_the_fused_way_draws_the_same(mask, readers, each):
    nodes, weight, bias, near = inputs = draw_inputs(readers, each)
    fused = fused_attention(nodes[:, :readers] @ weight + bias, nodes, mask, 0.6, near)
    rows = []
    for n in range(2 * N):
        there = slice(None) if mask is None else mask[n]
        own, nears = nodes[n, there], (near[n % N] if each else near)[:, there]
        for query, pairwise_distances in zip(
            nodes[n, :readers] @ weight + bias, nears, strict=True
        ):
            rows.append((own @ query * 0.6 + pairwise_distances).softmax(0) @ own)
    plain = torch.stack(rows).view_as(fused)
    drawn = GraphAttention.apply(nodes, weight, bias, mask, 0.6, readers, near)[0]
    pull = torch.randn_like(plain)
    expected = torch.autograd.grad((plain * pull).sum(), inputs)
    for way in (fused, drawn):
        torch.testing.assert_close(way, plain)
        for one, other in zip(
            torch.autograd.grad((way * pull).sum(), inputs), expected, strict=True
        ):
            torch.testing.assert_close(one, other)


def test_without_it_nothing_changes(pairs):
    plain, off = SRM(S), SRM(S, nearness=0.0)
    assert plain.state_dict().keys() == off.state_dict().keys()
    assert not any("nearness" in name or "boundary" in name for name in plain.state_dict())
    assert "semantic.steps.0.nearness" in SRM(S, nearness=0.5).state_dict()
    assert "semantic.steps.0.boundary" in SRM(S, boundary=0.5).state_dict()
    torch.manual_seed(3)
    with_it = SRM(S, boundary=0.5).double()
    torch.manual_seed(3)
    without = SRM(S).double()
    # Where nobody knows the sentences there are none.
    torch.testing.assert_close(with_it(pairs).logits, without(pairs).logits)


@pytest.mark.parametrize("name", ["srm", "reclf"])
def test_it_is_an_option_of_every_aggregator_with_a_graph(name, pairs):
    torch.manual_seed(3)
    with_it = make_aggregator(name, S, {"nearness": 2.0}).double().eval()
    torch.manual_seed(3)
    without = make_aggregator(name, S, {}).double().eval()
    near, far = with_it(pairs).graph[0, 0], without(pairs).graph[0, 0]
    assert near[1, 2] / near[1, 5] > far[1, 2] / far[1, 5] * 100
    torch.manual_seed(3)
    parted = make_aggregator(name, S, {"boundary": 2.0}).double().eval()
    pairs.sentences = SENTENCES
    near = parted(pairs).graph[0, 0]
    assert near[1, 2] / near[1, 5] > far[1, 2] / far[1, 5] * 100


def test_nearness_without_a_step_that_reads_it_is_refused():
    for name in ("srm", "reclf"):
        with pytest.raises(ValueError, match="no effect with steps=1"):
            make_aggregator(name, S, {"steps": 1, "nearness": 0.5})
        with pytest.raises(ValueError, match=r"boundary 0.5 has no effect with steps=1"):
            make_aggregator(name, S, {"steps": 1, "boundary": 0.5})
    make_aggregator("reclf", S, {"steps": 1, "nearness": 0.5, "composition": "sequential"})
