"""IRM: known values, the three norms, and a plain transcription of SGRAF's attention filtration."""

import math

import pytest
import torch

from reclf.models.relations.base import Pairs
from reclf.models.relations.importance import IRM, ImportanceReasoning

N, W, S = 3, 5, 4
COUNTS = (5, 2, 0)


@pytest.fixture
def inputs():
    word_mask = torch.arange(W) < torch.tensor(COUNTS)[:, None]
    matchings = torch.randn(N, W, S, dtype=torch.float64)
    matchings = torch.where(word_mask[..., None], matchings, 1e30).requires_grad_()
    return matchings, word_mask, torch.randn(N, S, dtype=torch.float64, requires_grad=True)


class AttentionFiltration(torch.nn.Module):
    """SGRAF's attention filtration of nodes (N, P, S) without padding, from its formulas:

    beta = sigmoid(BatchNorm1d(1)(w . m_p)); beta / sum |beta|; sum_p beta_p m_p; divided by length.
    """

    def __init__(self, dim):
        super().__init__()
        self.gate = torch.nn.Linear(dim, 1)
        self.norm = torch.nn.BatchNorm1d(1)

    def forward(self, nodes):
        gates = torch.sigmoid(self.norm(self.gate(nodes).transpose(1, 2)))[:, 0]  # (N, P)
        pairs = []
        for gate, own in zip(gates, nodes, strict=True):
            pair = sum(g * node for g, node in zip(gate / gate.abs().sum(), own, strict=True))
            pairs.append(pair / pair.square().sum().sqrt())
        return torch.stack(pairs)


def test_equals_sgraf_in_training_and_evaluation():
    ours, theirs = ImportanceReasoning(S, "batch", include_global=True), AttentionFiltration(S)
    theirs.load_state_dict(ours.state_dict())
    for batch in range(3):
        nodes = torch.randn(N, 1 + W, S) + batch
        pair, _ = ours(nodes[:, 1:], torch.ones(N, W).bool(), nodes[:, 0])
        torch.testing.assert_close(pair, theirs(nodes))
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
    assert not torch.equal(ours.norm.running_mean, torch.zeros(1))
    ours.eval()
    theirs.eval()
    pair, _ = ours(nodes[:, 1:], torch.ones(N, W).bool(), nodes[:, 0])
    torch.testing.assert_close(pair, theirs(nodes))


def test_gradients_equal_sgraf():
    ours, theirs = ImportanceReasoning(S, "batch", include_global=True), AttentionFiltration(S)
    with torch.no_grad():
        ours.norm.weight.fill_(1.5)
        ours.norm.bias.fill_(-0.5)
    theirs.load_state_dict(ours.state_dict())
    nodes = torch.randn(N, 1 + W, S, requires_grad=True)
    weight = torch.randn(N, S)
    pair, _ = ours(nodes[:, 1:], torch.ones(N, W).bool(), nodes[:, 0])
    fast = torch.autograd.grad((pair * weight).sum(), [nodes, *ours.parameters()])
    plain = torch.autograd.grad((theirs(nodes) * weight).sum(), [nodes, *theirs.parameters()])
    for a, b in zip(fast, plain, strict=True):
        torch.testing.assert_close(a, b)


@torch.no_grad()
def test_by_hand():
    irm = ImportanceReasoning(2)
    irm.gate.weight.copy_(torch.tensor([[1.0, 0.0]]))
    irm.gate.bias.zero_()
    # sigmoid(log 3) = 3/4 and sigmoid(0) = 1/2, so the weights are 3/5 and 2/5.
    matchings = torch.tensor([[[math.log(3), 0.0], [0.0, 1.0]]])
    pair, weights = irm(matchings, torch.ones(1, 2).bool(), torch.zeros(1, 2))
    torch.testing.assert_close(weights, torch.tensor([[0.6, 0.4]]))
    length = math.hypot(0.6 * math.log(3), 0.4)
    torch.testing.assert_close(pair, torch.tensor([[0.6 * math.log(3) / length, 0.4 / length]]))


@torch.no_grad()
def test_whole_by_hand():
    irm = ImportanceReasoning(1, include_global=True)
    irm.gate.weight.zero_()
    irm.gate.bias.zero_()
    # Equal gates for the global matching and two words: a third each, 2 + 1 + 3 > 0.
    matchings, global_matching = torch.tensor([[[1.0], [3.0]]]), torch.tensor([[2.0]])
    pair, weights = irm(matchings, torch.ones(1, 2).bool(), global_matching)
    torch.testing.assert_close(weights, torch.full((1, 2), 1 / 3))
    torch.testing.assert_close(pair, torch.ones(1, 1))


@pytest.mark.parametrize("norm", ["none", "report"])
@pytest.mark.parametrize("include_global", [False, True])
def test_equals_plain_loop_in_value_and_gradient(inputs, norm, include_global):
    matchings, word_mask, global_matching = inputs
    irm = ImportanceReasoning(S, norm, include_global).double()
    pair, weights = irm(matchings, word_mask, global_matching)
    expected = []
    for n, count in enumerate(COUNTS):
        nodes = [*matchings[n, :count]]
        nodes = [global_matching[n], *nodes] if include_global else nodes
        if not nodes:
            expected.append(torch.zeros(S).double())
            continue
        values = torch.stack([irm.gate.weight[0] @ node + irm.gate.bias[0] for node in nodes])
        if norm == "report":
            values = (values - values.mean()) / (values.var(correction=0) + 1e-5).sqrt()
        gates = torch.sigmoid(values) / torch.sigmoid(values).sum()
        torch.testing.assert_close(weights[n, :count], gates[len(gates) - count :])
        total = sum(gate * node for gate, node in zip(gates, nodes, strict=True))
        expected.append(total / total.norm())
    expected = torch.stack(expected)
    torch.testing.assert_close(pair, expected)
    weight, leaves = torch.randn(N, S).double(), [matchings, irm.gate.weight, irm.gate.bias]
    fast = torch.autograd.grad((pair * weight).sum(), leaves)
    plain = torch.autograd.grad((expected * weight).sum(), leaves)
    for a, b in zip(fast, plain, strict=True):
        torch.testing.assert_close(a, b)


def test_batch_statistics_see_words_only(inputs):
    matchings, word_mask, global_matching = inputs
    irm, reference = ImportanceReasoning(S, "batch").double(), torch.nn.BatchNorm1d(1).double()
    _, weights = irm(matchings, word_mask, global_matching)
    words = matchings[word_mask]  # (5 + 2, S), no padding
    gates = torch.sigmoid(reference(irm.gate(words))).squeeze(-1)
    expected = torch.cat([part / part.sum() for part in gates.split([5, 2])])
    torch.testing.assert_close(weights[word_mask], expected)
    assert (weights[~word_mask] == 0).all()
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(irm.norm.state_dict()[name], value)


def test_batch_norm_survives_the_conversion_for_several_processes(inputs):
    irm = ImportanceReasoning(S, "batch").double()
    converted = torch.nn.SyncBatchNorm.convert_sync_batchnorm(irm)
    assert converted(*inputs)[0].isfinite().all()


def test_weights_sum_to_one_over_words(inputs):
    matchings, word_mask, global_matching = inputs
    for norm in ("none", "batch", "report"):
        _, weights = ImportanceReasoning(S, norm).double()(matchings, word_mask, global_matching)
        torch.testing.assert_close(weights.sum(-1), torch.tensor([1.0, 1.0, 0.0]).double())
        assert (weights[~word_mask] == 0).all()


def test_report_without_words(inputs):
    matchings, word_mask, global_matching = inputs
    pair, _ = ImportanceReasoning(S).double()(matchings, word_mask, global_matching)
    assert (pair[2] == 0).all()
    pair, _ = ImportanceReasoning(S, include_global=True).double()(
        matchings, word_mask, global_matching
    )
    torch.testing.assert_close(pair[2], global_matching[2] / global_matching[2].norm())


def test_irm_scores_the_weighted_sum(inputs):
    matchings, word_mask, global_matching = inputs
    irm = IRM(S).double()
    related = irm(Pairs(matchings, torch.zeros(N, W), global_matching, word_mask))
    pair, weights = irm.importance(matchings, word_mask, global_matching)
    torch.testing.assert_close(related.logits, 10 * (pair @ irm.score.read.weight[0]))
    torch.testing.assert_close(related.weights, weights)


def test_unknown_norm_lists_norms():
    with pytest.raises(ValueError, match=r"norm must be one of \('none', 'batch', 'report'\)"):
        ImportanceReasoning(S, norm="layer")


@pytest.mark.parametrize("norm", ["none", "batch", "report"])
@pytest.mark.parametrize("include_global", [False, True])
def test_the_word_gate_adds_what_the_word_itself_tells(inputs, norm, include_global):
    """Against a plain loop, in value and gradient: two images meet three reports."""
    matchings, word_mask, whole = inputs
    both = [torch.cat([part, part.detach().clone().flip(-1)]) for part in (matchings, whole)]
    mask, words = word_mask.repeat(2, 1), torch.randn(N, W, 6, dtype=torch.float64)
    words.requires_grad_()
    irm = ImportanceReasoning(S, norm, include_global, word_dim=6).double().eval()
    pair, weights = irm(both[0], mask, both[1], words=words)
    rows = []
    for n in range(2 * N):
        own = [both[1][n]] * include_global + list(both[0][n][mask[n]])
        told = [torch.zeros(())] * include_global + [
            irm.word_gate.weight[0] @ (word / word.norm()) for word in words[n % N][mask[n]]
        ]
        if not own:
            rows.append((torch.zeros(S), torch.zeros(W)))
            continue
        gate = torch.stack([irm.gate(m)[0] + t for m, t in zip(own, told, strict=True)])
        if norm == "report":
            gate = (gate - gate.mean()) / (gate.var(correction=0) + 1e-5).sqrt()
        elif norm == "batch":
            gate = gate / (1 + 1e-5) ** 0.5
        share = gate.sigmoid() / gate.sigmoid().sum()
        vector = sum(s * m for s, m in zip(share, own, strict=True))
        padding = torch.zeros(W - int(mask[n].sum()))
        rows.append((vector / vector.norm(), torch.cat([share[include_global:], padding])))
    expected = torch.stack([row[0] for row in rows]).double()
    torch.testing.assert_close(pair, expected)
    torch.testing.assert_close(weights, torch.stack([row[1] for row in rows]).double())
    seed = torch.randn_like(pair)
    asked = [matchings, words, irm.gate.weight, irm.word_gate.weight]
    fast = torch.autograd.grad((pair * seed).sum(), asked, retain_graph=True)
    plain = torch.autograd.grad((expected * seed).sum(), asked)
    for a, b in zip(fast, plain, strict=True):
        torch.testing.assert_close(a, b)


def test_a_word_gate_without_words_is_refused():
    irm = IRM(S, word_gate=True, word_dim=6)
    pairs = Pairs(torch.rand(1, 2, S), torch.rand(1, 2), torch.rand(1, S), torch.ones(1, 2).bool())
    with pytest.raises(ValueError, match="reads_words = True"):
        irm(pairs)
