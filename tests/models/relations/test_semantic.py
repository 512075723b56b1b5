"""SRM: known values, a plain transcription of SGRAF's graph reasoning, and the read-out path."""

import pytest
import torch

from reclf.models.relations import Pairs
from reclf.models.relations.options import SRMOptions
from reclf.models.relations.semantic import SRM, SemanticReasoning, SemanticStep

N, W, S, K = 3, 4, 6, 3
COUNTS = (4, 1, 0)


def sgraf_graph_reasoning(step, nodes):
    """SGRAF's GraphReasoning on the nodes (P, S) of one pair, node by node.

    q_i = W_q m_i + b_q, k_j = W_k m_j + b_k, E = softmax_j(q_i . k_j), no scaling;
    m_i <- relu(W_g sum_j E_ij m_j + b_g).
    """
    new, edges = [], []
    for receiver in nodes:
        query = step.query.weight @ receiver + step.query.bias
        keys = [step.key.weight @ sender + step.key.bias for sender in nodes]
        strength = torch.softmax(torch.stack([query @ key for key in keys]), 0)
        message = sum(e * sender for e, sender in zip(strength, nodes, strict=True))
        new.append(torch.relu(step.update.weight @ message + step.update.bias))
        edges.append(strength)
    return torch.stack(new), torch.stack(edges)


@torch.no_grad()
def test_one_step_by_hand():
    step = SemanticStep(2)
    for linear in (step.query, step.key, step.update):
        linear.weight.zero_()
        linear.bias.zero_()
    step.update.weight.copy_(torch.eye(2))
    nodes = torch.tensor([[[1.0, -3.0], [3.0, 1.0]]])
    # Zero queries: every node draws equally on all; mean = (2, -1), relu -> (2, 0).
    refined, graph = step(nodes, torch.ones(1, 2).bool())
    torch.testing.assert_close(graph, torch.full((1, 2, 2), 0.5))
    torch.testing.assert_close(refined, torch.tensor([[[2.0, 0.0], [2.0, 0.0]]]))
    step.residual = True
    refined, _ = step(nodes, torch.ones(1, 2).bool())
    torch.testing.assert_close(refined, torch.tensor([[[3.0, -3.0], [5.0, 1.0]]]))


@torch.no_grad()
def test_edges_by_hand():
    # One dimension: q = 2 m, k = m, so node 1 draws on nodes 0 and 1 as exp(2 * 1 * m_j).
    step = SemanticStep(1)
    for linear, weight in ((step.query, 2.0), (step.key, 1.0), (step.update, 1.0)):
        linear.weight.fill_(weight)
        linear.bias.zero_()
    nodes = torch.tensor([[[0.0], [1.0]]])
    refined, graph = step(nodes, torch.ones(1, 2).bool())
    share = 1 / (1 + torch.tensor(-2.0).exp())
    torch.testing.assert_close(graph[0, 1], torch.stack([1 - share, share]))
    torch.testing.assert_close(graph[0, 0], torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(refined[0, 1, 0], share)


def test_scaled_divides_by_the_root_of_the_dimension(pairs):
    plain, scaled = SemanticStep(S).double(), SemanticStep(S, SRMOptions(scaled=True)).double()
    scaled.load_state_dict(plain.state_dict())
    nodes, mask = pairs.matchings[:1], pairs.word_mask[:1]
    with torch.no_grad():
        graph = scaled(nodes, mask)[1]
        plain.query.weight /= S**0.5
        plain.query.bias /= S**0.5
        torch.testing.assert_close(plain(nodes, mask)[1], graph)


@pytest.mark.parametrize("read_out", ["global", "token"])
def test_equals_sgraf_in_value_and_gradient(pairs, read_out):
    srm = SRM(S, steps=K, read_out=read_out).double().eval()
    leaves = [
        pairs.matchings,
        *srm.parameters(),
        *([pairs.global_matching] if read_out == "global" else []),
    ]
    related = srm(pairs)
    expected = []
    for n, count in enumerate(COUNTS):
        first = pairs.global_matching[n] if read_out == "global" else srm.semantic.token
        nodes = torch.cat([first[None], pairs.matchings[n, :count]])
        for k, step in enumerate(srm.semantic.steps):
            nodes, edges = sgraf_graph_reasoning(step, nodes)
            torch.testing.assert_close(related.graph[n, k, : 1 + count, : 1 + count], edges)
        expected.append(srm.score(nodes[0]))
    expected = torch.stack(expected)
    torch.testing.assert_close(related.logits, expected)
    weight = torch.randn(N).double()
    fast = torch.autograd.grad((related.logits * weight).sum(), leaves, allow_unused=True)
    plain = torch.autograd.grad((expected * weight).sum(), leaves)
    for a, b in zip(fast, plain, strict=True):
        # The softmax drops the key's bias: its gradient is zero, here not even computed.
        torch.testing.assert_close(torch.zeros_like(b) if a is None else a, b)


def test_equals_sgraf_to_float32_rounding(pairs):
    reasoning = SemanticReasoning(S, SRMOptions(steps=K))
    whole, matchings = pairs.global_matching.detach().float(), pairs.matchings.detach().float()[:1]
    nodes = torch.cat([whole[0:1], matchings[0]])
    for step in reasoning.steps:
        nodes, _ = sgraf_graph_reasoning(step, nodes)
    one = Pairs(matchings, pairs.cosines[:1], whole[:1], pairs.word_mask[:1])
    torch.testing.assert_close(reasoning(one)[0][0], nodes, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"residual": True}, {"scaled": True, "steps": 1}])
def test_read_out_only_equals_the_full_computation(pairs, options):
    srm = SRM(S, **options).double()
    leaves = [pairs.matchings, pairs.global_matching, *srm.parameters()]
    full, graph = srm.semantic(pairs)
    short, none = srm.semantic(pairs, read_out_only=True)
    assert none is None
    assert graph.shape == (N, options.get("steps", 3), 1 + W, 1 + W)
    assert short.shape == (N, 1, S)
    torch.testing.assert_close(short[:, 0], full[:, 0])
    weight = torch.randn(N, S).double()
    a = torch.autograd.grad((full[:, 0] * weight).sum(), leaves, allow_unused=True)
    b = torch.autograd.grad((short[:, 0] * weight).sum(), leaves, allow_unused=True)
    for one, other in zip(a, b, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)


def test_training_and_evaluation_score_alike(pairs):
    srm = SRM(S).double()
    expected = srm.train()(pairs).logits
    torch.testing.assert_close(srm.eval()(pairs).logits, expected)
    pairs.detail = False
    torch.testing.assert_close(srm(pairs).logits, expected)
    assert srm(pairs).graph is None


def test_steps_do_not_share_weights():
    steps = SemanticReasoning(S, SRMOptions(steps=2)).steps
    assert not torch.equal(steps[0].update.weight, steps[1].update.weight)


def test_padded_rows_and_columns_of_the_graph_are_zero(pairs):
    nodes, graph = SemanticReasoning(S).double()(pairs)
    present = torch.cat([torch.ones(N, 1).bool(), pairs.word_mask], 1)
    torch.testing.assert_close(graph.sum(-1), present[:, None].expand(N, 3, 1 + W).double())
    assert (graph.transpose(2, 3)[~present[:, None].expand(N, 3, 1 + W)] == 0).all()
    assert (nodes[~present] == 0).all()


def test_a_token_does_not_see_the_global_matching(pairs):
    srm = SRM(S, read_out="token").double()
    other = Pairs(pairs.matchings, pairs.cosines, -pairs.global_matching, pairs.word_mask)
    torch.testing.assert_close(srm(other).logits, srm(pairs).logits)
    assert "semantic.token" in srm.state_dict()
    assert "semantic.token" not in SRM(S).state_dict()
    with pytest.raises(
        ValueError, match=r"read_out must be one of \('global', 'token'\), got 'mean'"
    ):
        SRMOptions(read_out="mean")


def test_at_least_one_step():
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        SRMOptions(steps=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 1.5}, "steps must be at least 1, got 1.5"),
        ({"scaled": "yes"}, "scaled must be true or false, got 'yes'"),
        ({"overlap": float("nan")}, "overlap must be a finite number, got nan"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        SRM(S, **wrong)
