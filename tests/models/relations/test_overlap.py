"""SRM's edges that see where words look: plain loops over words, gradients, and what is refused."""

import pytest
import torch

from reclf.models.encoders import ImageFeatures
from reclf.models.matchings import LocalMatchings, overlaps
from reclf.models.relations import Aggregator, Pairs, Related, make_aggregator
from reclf.models.relations.graph_attention import GraphAttention
from reclf.models.relations.options import SRMOptions
from reclf.models.relations.semantic import SRM, SemanticReasoning
from reclf.models.scoring import PairScorer

N, W, S, K = 3, 5, 6, 2
COUNTS = (5, 2, 0)
A, R, D = 3, 7, 6  # images, regions, embedding


def plain_overlap(one, other):
    """Pearson's correlation of two maps (R,), by the book; 0 where one of them is level."""
    one, other = one - one.mean(), other - other.mean()
    length = one.norm() * other.norm()
    return (one * other).sum() / length if length > 1e-9 else length * 0


def plain_overlaps(attention):
    """(W, W) of the maps (W, R) of the words of one pair."""
    return torch.stack([torch.stack([plain_overlap(a, b) for b in attention]) for a in attention])


@pytest.mark.parametrize("reports", [1, 2, 3])
def test_overlaps_equal_the_plain_loop_in_value_and_gradient(reports):
    scores = torch.randn(2, reports * 4, R, dtype=torch.float64, requires_grad=True)
    attention = scores.softmax(-1)
    found = overlaps(attention, reports)
    plain = torch.stack([plain_overlaps(one) for image in attention for one in image.split(4)])
    torch.testing.assert_close(found, plain)
    weight = torch.randn_like(plain)
    given, wanted = (
        torch.autograd.grad((way * weight).sum(), scores, retain_graph=True)[0]
        for way in (found, plain)
    )
    torch.testing.assert_close(given, wanted)
    torch.testing.assert_close(found.diagonal(dim1=1, dim2=2), torch.ones(2 * reports, 4).double())


def test_a_word_that_looks_everywhere_overlaps_with_none():
    scores = torch.randn(1, 4, R)
    scores[0, 1] = 0.0
    scores.requires_grad_()
    found = overlaps(scores.softmax(-1), 1)
    assert (found[0, 1] == 0).all()
    assert (found[0, :, 1] == 0).all()
    assert found[0, 0, 0] > 0.999
    found.sum().backward()
    assert scores.grad.isfinite().all()
    assert (scores.grad[0, 1] == 0).all()
    half = overlaps(scores.detach().bfloat16().softmax(-1), 1).float()
    torch.testing.assert_close(half, found.detach(), atol=0.03, rtol=0)


@pytest.mark.parametrize(("share", "itself"), [(0.011, 1.0), (0.009, 0.0), (0.5, 1.0)])
def test_a_map_is_level_within_a_hundredth_of_a_region(share, itself):
    """Root mean square over the regions, against 1 / R; 16 of them."""
    wave = torch.tensor([1.0, -1.0]).repeat(8).double()
    attention = (1 + share * torch.stack([wave, -wave]))[None] / 16
    found = overlaps(attention, 1)[0]
    torch.testing.assert_close(found, itself * torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).double())


def test_gradients_of_drawing_are_those_of_finite_differences():
    mask = (torch.arange(W + 1) < torch.tensor(COUNTS)[:, None] + 1).repeat(2, 1)
    shapes = (2 * N, W + 1, S), (S, S), (S,), (N, W + 1, W + 1), (2 * N, W, W), ()
    inputs = [torch.randn(shape, dtype=torch.float64).requires_grad_() for shape in shapes]

    def draw(nodes, weight, bias, near, overlap, pull):
        return GraphAttention.apply(nodes, weight, bias, mask, 0.6, None, near, overlap, pull)

    def bare(nodes, weight, bias, overlap, pull):
        return GraphAttention.apply(nodes, weight, bias, None, 1.0, None, None, overlap, pull)

    assert torch.autograd.gradcheck(draw, inputs)
    assert torch.autograd.gradcheck(bare, [*inputs[:3], *inputs[4:]])
    # Each output alone: the gradients of the others are then not there.
    for k in range(3):
        assert torch.autograd.gradcheck(lambda *given, k=k: draw(*given)[k], inputs)


def plain_step(step, nodes, overlap):
    """One step on the nodes (P, S) of one pair; node 0 overlaps with none."""
    new, edges = [], []
    for i, receiver in enumerate(nodes):
        query = step.query.weight @ receiver + step.query.bias
        strength, look = [], []
        for j, sender in enumerate(nodes):
            look.append(overlap.new_zeros(()) if 0 in (i, j) else overlap[i - 1, j - 1])
            key = step.key.weight @ sender + step.key.bias
            strength.append(query @ key * step.scale + step.pull * look[-1])
        strength = torch.softmax(torch.stack(strength), 0)
        message = sum(e * sender for e, sender in zip(strength, nodes, strict=True))
        agreement = sum(e * o for e, o in zip(strength, look, strict=True))
        told = step.update.weight @ message + step.update.bias + agreement * step.agreement
        new.append(torch.relu(told))
        edges.append(strength)
    return torch.stack(new), torch.stack(edges)


@pytest.mark.parametrize("read_out_only", [False, True])
def test_values_and_gradients_are_those_of_the_plain_loop(pairs, read_out_only):
    pairs.overlap = torch.randn(N, W, W, dtype=torch.float64).tanh().requires_grad_()
    module = SemanticReasoning(S, SRMOptions(steps=K, scaled=True, overlap=0.7)).double()
    nodes, graph = module(pairs, read_out_only)
    parameters = {n: p for n, p in module.named_parameters() if not n.endswith("key.bias")}
    inputs = {"matchings": pairs.matchings, "overlap": pairs.overlap, **parameters}
    unused = {"allow_unused": True, "materialize_grads": True}
    found = torch.autograd.grad(nodes[:, 0].square().sum(), list(inputs.values()), **unused)
    total = 0.0
    for n, count in enumerate(COUNTS):
        state = torch.cat([pairs.global_matching[n : n + 1], pairs.matchings[n, :count]])
        for k, step in enumerate(module.steps):
            state, edges = plain_step(step, state, pairs.overlap[n])
            if graph is not None:
                torch.testing.assert_close(graph[n, k, : len(edges), : len(edges)], edges)
        torch.testing.assert_close(nodes[n, 0], state[0])
        total = total + state[0].square().sum()
    expected = torch.autograd.grad(total, list(inputs.values()), **unused)
    for name, one, other in zip(inputs, found, expected, strict=True):
        torch.testing.assert_close(one, other, msg=lambda text, name=name: f"{name}: {text}")
    learnt = dict(zip(inputs, found, strict=True))
    for name in ("overlap", "steps.0.pull", "steps.0.agreement"):
        assert learnt[name].abs().max() > 1e-6, name


@pytest.mark.parametrize("attention", ["cosine", "words_then_regions"])
@pytest.mark.parametrize(
    ("name", "options"),
    [("srm", {}), ("reclf", {}), ("reclf", {"composition": "sequential"})],
)
def test_every_way_of_scoring_sees_the_same_overlap(features, name, options, attention):
    images, texts = features
    matchings = LocalMatchings(D, S, attention, learn_attention_scale=True).double()
    aggregator = make_aggregator(name, S, {"steps": 2, "overlap": 3.0} | options).double()
    leaves = [images.regions, texts.words, *matchings.parameters(), *aggregator.parameters()]
    weight = torch.randn(A, N, dtype=torch.float64)

    def gradients(scores, weight):
        return torch.autograd.grad(
            (scores * weight).sum(), leaves, allow_unused=True, materialize_grads=True
        )

    def plain(a, n):
        words = slice(max(1, COUNTS[n]))
        mask = texts.word_mask[n : n + 1, words]
        matched = matchings(images.regions[a : a + 1], texts.words[n : n + 1, words], mask)
        whole = matchings.match_global(
            images.global_embedding[a : a + 1], texts.global_embedding[n : n + 1]
        )
        overlap = plain_overlaps(matched.attention[0])[None]
        pair = Pairs(matched.matchings, matched.cosines, whole, mask, overlap=overlap)
        return aggregator(pair).logits[0]

    scores = torch.stack([plain(a, n) for a in range(A) for n in range(N)]).view(A, N)
    expected = gradients(scores, weight)
    for chunk, recompute in ((1, False), (0, False), (2, True)):
        scorer = PairScorer(matchings, aggregator, chunk, recompute)
        again = scorer.all_pairs(images, texts, COUNTS)
        torch.testing.assert_close(again, scores)
        torch.testing.assert_close(gradients(again, weight), expected)
    rows, columns = torch.cartesian_prod(torch.arange(A), torch.arange(N)).T
    listed = PairScorer(matchings, aggregator).listed_pairs(images, texts, rows, columns, COUNTS)
    torch.testing.assert_close(listed, scores.flatten())
    torch.testing.assert_close(gradients(listed, weight.flatten()), expected)
    related, _ = PairScorer(matchings, aggregator).explain_pairs(images, texts)
    torch.testing.assert_close(related.logits, scores.diagonal())
    # It matters: the same model, told that no two words look alike.
    with torch.no_grad():
        for step in aggregator.semantic.steps:
            step.pull.zero_()
            step.agreement.zero_()
    blind = PairScorer(matchings, aggregator).all_pairs(images, texts, COUNTS)
    assert (blind - scores)[:, :2].abs().min() > 1e-8
    torch.testing.assert_close(blind[:, 2], scores[:, 2])  # a report without words


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near(features, dtype):
    images, texts = features
    images = ImageFeatures(*(part.float() for part in images[:3]), images.grid)
    texts = texts._replace(
        global_embedding=texts.global_embedding.float(), words=texts.words.float()
    )
    matchings, aggregator = LocalMatchings(D, S), SRM(S, steps=2, overlap=3.0)

    def score():
        return PairScorer(matchings, aggregator).all_pairs(images, texts, COUNTS)

    plain = score()
    with torch.autocast("cpu", dtype):
        half = score()
    error = (half.float() - plain).abs()[:, :2].max()
    half.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in aggregator.parameters())
    with torch.no_grad():
        aggregator.semantic.steps[0].pull.zero_()
        aggregator.semantic.steps[0].agreement.zero_()
        blind = (score() - plain).abs()[:, :2].max()
    assert error < 0.03
    assert error < blind / 3


class Asking(Aggregator):
    reads_overlap = True

    def forward(self, pairs):
        there = pairs.word_mask[:, :, None] & pairs.word_mask[:, None]
        return Related((pairs.overlap * there).sum((1, 2)))


class NotAsking(Aggregator):
    def forward(self, pairs):
        assert pairs.overlap is None
        return Related(pairs.cosines.sum(1))


class Torn(Asking):
    cosines_only = True


def test_an_aggregator_is_given_what_it_asks_for(features):
    images, texts = features
    matchings = LocalMatchings(D, S).double()
    asking = make_aggregator(f"{__name__}:Asking", S, {})
    scores = PairScorer(matchings, asking).all_pairs(images, texts, COUNTS)
    attention = matchings(images.regions, texts.words, texts.word_mask).attention
    for a in range(A):
        for n, maps in enumerate(attention[a].unflatten(0, (N, W))):
            words = range(COUNTS[n])
            plain = sum(plain_overlap(maps[i], maps[j]) for i in words for j in words)
            torch.testing.assert_close(scores[a, n], torch.as_tensor(plain).double())
    other = make_aggregator(f"{__name__}:NotAsking", S, {})
    assert PairScorer(matchings, other).all_pairs(images, texts, COUNTS).shape == (A, N)
    with pytest.raises(ValueError, match="has cosines_only and reads_overlap"):
        make_aggregator(f"{__name__}:Torn", S, {})


def test_without_it_nothing_changes_and_what_has_no_effect_is_refused(pairs):
    plain = SRM(S, overlap=0.0)
    assert not plain.reads_overlap
    assert plain.state_dict().keys() == SRM(S).state_dict().keys()
    added = {f"semantic.steps.{k}.{n}" for k in range(2) for n in ("pull", "agreement")}
    assert (
        SRM(S, steps=2, overlap=1.0).state_dict().keys() - SRM(S, steps=2).state_dict().keys()
        == added
    )
    for name in ("srm", "reclf"):
        with pytest.raises(ValueError, match=r"overlap 0.5 has no effect with steps=1"):
            make_aggregator(name, S, {"steps": 1, "overlap": 0.5})
        aggregator = make_aggregator(name, S, {"overlap": 0.5}).double()
        with pytest.raises(ValueError, match=r"needs Pairs\.overlap"):
            aggregator(pairs)
