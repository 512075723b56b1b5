"""What must hold for every aggregator; a new file in reclf.models.relations is found by itself.

Settings other than the defaults are listed in VARIANTS.
"""

import copy
import importlib
import pkgutil
from dataclasses import replace

import pytest
import torch

import reclf.models.relations
from reclf.models.relations import AGGREGATORS, Aggregator, Pairs, make_aggregator

N, W, S = 4, 5, 6
WORD_DIM = 3
COUNTS = (5, 3, 1, 0)

VARIANTS = {
    "RelationEnhanced": [
        {"steps": 2, "composition": "sequential"},
        {"norm": "report", "residual": True, "scaled": True},
        {"steps": 1, "read_out": "token"},
        {"norm": "batch", "include_global": True, "importance_loss": 0.5},
        {"steps": 2, "overlap": 2.0},
        {"steps": 2, "overlap": 2.0, "composition": "sequential"},
        {"steps": 2, "word_gate": True, "word_dim": WORD_DIM},
    ],
    "SRM": [
        {"steps": 1},
        {"read_out": "token"},
        {"residual": True, "scaled": True},
        {"steps": 2, "overlap": 2.0},
    ],
    "IRM": [
        {"norm": "batch"},
        {"norm": "report"},
        {"norm": "batch", "include_global": True},
        {"norm": "report", "word_gate": True, "word_dim": WORD_DIM},
        {"norm": "batch", "include_global": True, "word_gate": True, "word_dim": WORD_DIM},
    ],
    "MeanPooling": [{"include_global": True}],
    "Gloria": [{"aggregate": "mean"}],
}


def found() -> list[type[Aggregator]]:
    for module in pkgutil.iter_modules(reclf.models.relations.__path__):
        importlib.import_module(f"reclf.models.relations.{module.name}")
    classes, queue = [], [Aggregator]
    while queue:
        subclasses = queue.pop().__subclasses__()
        queue += subclasses
        classes += [c for c in subclasses if c.__module__.startswith("reclf.models.relations.")]
    return sorted(classes, key=lambda c: c.__name__)


CASES = [
    pytest.param((cls, options), id="-".join([cls.__name__, *map(str, options.values())]))
    for cls in found()
    for options in [{}, *VARIANTS.get(cls.__name__, [])]
    if cls.uses_matchings
]


@pytest.fixture(params=CASES)
def aggregator(request):
    cls, options = request.param
    module = cls(S, **options)
    if getattr(module, "importance", None) is not None and module.importance.norm is not None:
        module.importance.norm.running_mean.fill_(0.3)  # as after some training
        module.importance.norm.running_var.fill_(0.5)
    return module


def make_pairs(dtype=torch.float32, padding=1e38, width=W, counts=COUNTS) -> Pairs:
    """Unit matchings of reports with 5, 3, 1 and 0 words; whatever is padding, is large."""
    generator = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    matchings = torch.nn.functional.normalize(draw(N, W, S), dim=-1)
    global_matching = torch.nn.functional.normalize(draw(N, S), dim=-1)
    cosines = draw(N, W).tanh()
    known = draw(N, W, W).tanh()
    words = draw(N, W, WORD_DIM)
    more = width - W
    matchings = torch.cat([matchings, draw(N, more, S)], 1)
    cosines = torch.cat([cosines, draw(N, more)], 1)
    word_mask = torch.arange(width) < torch.tensor(counts)[:, None]
    overlap = torch.rand(N, width, width, dtype=torch.float64) * 2 - 1  # of padding, anything
    there = word_mask[:, :W, None] & word_mask[:, None, :W]
    words = torch.cat([words, draw(N, more, WORD_DIM)], 1)
    overlap[:, :W, :W] = torch.where(there, known, overlap[:, :W, :W])
    return Pairs(
        matchings=torch.where(word_mask[..., None], matchings, padding).to(dtype).requires_grad_(),
        cosines=torch.where(word_mask, cosines, padding).to(dtype).requires_grad_(),
        global_matching=global_matching.to(dtype).requires_grad_(),
        word_mask=word_mask,
        overlap=overlap.to(dtype).requires_grad_(),
        words=words.to(dtype),
    )


def take(pairs: Pairs, rows, words=slice(None)) -> Pairs:
    return Pairs(
        pairs.matchings[rows][:, words],
        pairs.cosines[rows][:, words],
        pairs.global_matching[rows],
        pairs.word_mask[rows][:, words],
        overlap=pairs.overlap[rows][:, words, words],
        words=pairs.words[rows][:, words],
    )


def gradients(logits, pairs, module):
    inputs = [pairs.matchings, pairs.cosines, pairs.global_matching, pairs.overlap]
    weight = torch.linspace(-1, 2, len(logits), dtype=logits.dtype)
    given = torch.autograd.grad(
        (logits * weight).sum(), [*inputs, *module.parameters()], allow_unused=True
    )
    return given[: len(inputs)], given[len(inputs) :]


def test_every_aggregator_has_a_name():
    assert set(found()) == set(AGGREGATORS.values())
    assert VARIANTS.keys() <= {cls.__name__ for cls in found()}


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_padding_changes_nothing(aggregator, mode):
    aggregator.train(mode)
    narrow, wide = make_pairs(), make_pairs(padding=-1e38, width=W + 3)
    twin = copy.deepcopy(aggregator)
    one, other = aggregator(narrow), twin(wide)
    torch.testing.assert_close(one.logits, other.logits)
    for name, value in aggregator.state_dict().items():  # running statistics too
        torch.testing.assert_close(twin.state_dict()[name], value)
    inputs, parameters = gradients(one.logits, narrow, aggregator)
    wide_inputs, wide_parameters = gradients(other.logits, wide, twin)
    for a, b in zip(parameters, wide_parameters, strict=True):
        if a is not None:
            torch.testing.assert_close(a, b)
    for a, b in zip(inputs, wide_inputs, strict=True):
        if a is not None and a.shape[1:] == (W, W):
            there = wide.word_mask[:, :, None] & wide.word_mask[:, None]
            torch.testing.assert_close(a * there[:, :W, :W], b[:, :W, :W] * there[:, :W, :W])
            assert (b[~there] == 0).all()
        elif a is not None:
            of_words = a.shape[1] == W  # the other is the global matching
            torch.testing.assert_close(a, b[:, :W] if of_words else b)
            assert not of_words or (b[~wide.word_mask] == 0).all()


def test_pairs_do_not_see_each_other_in_evaluation(aggregator):
    aggregator.eval()
    pairs = make_pairs()
    together = aggregator(pairs)
    for n, count in enumerate(COUNTS):
        alone = aggregator(take(pairs, slice(n, n + 1), slice(max(1, count))))
        torch.testing.assert_close(alone.logits[0], together.logits[n])
        if alone.weights is not None:
            torch.testing.assert_close(alone.weights[0], together.weights[n, : max(1, count)])
        if alone.graph is not None:
            own = 1 + max(1, count)
            torch.testing.assert_close(alone.graph[0], together.graph[n, :, :own, :own])


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_word_order_does_not_matter(aggregator, mode):
    aggregator.train(mode)
    pairs = make_pairs(torch.float64)
    aggregator.double()
    order = torch.tensor([[3, 0, 4, 1, 2], [2, 0, 1, 3, 4], [0, 1, 2, 3, 4], [4, 3, 2, 1, 0]])
    rows = torch.arange(N)[:, None]
    moved = aggregator(
        Pairs(
            pairs.matchings[rows, order],
            pairs.cosines[rows, order],
            pairs.global_matching,
            pairs.word_mask[rows, order],
            overlap=pairs.overlap[rows[..., None], order[:, :, None], order[:, None]],
            words=pairs.words[rows, order],
        )
    )
    plain = aggregator(pairs)
    torch.testing.assert_close(moved.logits, plain.logits)
    if plain.weights is not None:
        torch.testing.assert_close(moved.weights, plain.weights[rows, order])
    if plain.graph is not None:
        nodes = torch.cat([torch.zeros(N, 1).long(), 1 + order], 1)
        expected = torch.stack(
            [graph[:, own][:, :, own] for graph, own in zip(plain.graph, nodes, strict=True)]
        )
        torch.testing.assert_close(moved.graph, expected)


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_reports_without_words_are_finite(aggregator, mode):
    aggregator.train(mode)
    pairs = make_pairs(counts=(0, 0, 0, 0))
    related = aggregator(pairs)
    assert related.logits.isfinite().all()
    for part in gradients(related.logits, pairs, aggregator):
        assert all(g is None or g.isfinite().all() for g in part)


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_gradients(aggregator, mode):
    aggregator.double().train(mode)
    pairs = make_pairs(torch.float64, padding=1.5)

    def logits(matchings, cosines, global_matching, overlap):
        given = take(pairs, slice(None))
        given = replace(
            given,
            matchings=matchings,
            cosines=cosines,
            global_matching=global_matching,
            overlap=overlap,
        )
        return aggregator(given).logits

    inputs = (pairs.matchings, pairs.cosines, pairs.global_matching, pairs.overlap)
    assert torch.autograd.gradcheck(logits, inputs)
    assert any(
        g is not None and g.abs().max() > 1e-6
        for g in gradients(logits(*inputs), pairs, aggregator)[0]
    )


def test_training_scores_as_evaluation(aggregator):
    pairs = make_pairs()
    training, evaluation = aggregator.train()(pairs).logits, aggregator.eval()(pairs).logits
    if getattr(aggregator, "importance", None) is not None and aggregator.importance.norm:
        assert not torch.allclose(training, evaluation)  # batch statistics, running ones
    else:
        torch.testing.assert_close(training, evaluation)


def test_read_outs(aggregator):
    related = aggregator.eval()(make_pairs())
    assert related.logits.shape == (N,)
    assert related.logits.std() > 1e-4
    has_words = torch.tensor(COUNTS) > 0
    if related.weights is not None:
        assert related.weights.shape == (N, W)
        assert (related.weights >= 0).all()
        total = related.weights.sum(-1)[has_words]
        if not aggregator.importance.include_global:
            torch.testing.assert_close(total, torch.ones(3))
        assert (total <= 1 + 1e-6).all()
    if related.graph is not None:
        assert related.graph.shape == (N, len(aggregator.semantic.steps), 1 + W, 1 + W)


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_half_precision(aggregator, mode):
    aggregator.train(mode)
    pairs = make_pairs(padding=2.0)
    plain = aggregator(pairs).logits
    with torch.autocast("cpu", torch.bfloat16):
        related = aggregator(pairs)
    torch.testing.assert_close(related.logits.float(), plain, rtol=0.05, atol=0.15)
    related.logits.float().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in aggregator.parameters())


def test_runs_on_meta(aggregator):
    pairs = make_pairs()
    tensors = (pairs.matchings, pairs.cosines, pairs.global_matching, pairs.word_mask)
    overlap = pairs.overlap.detach().to("meta")
    words = pairs.words.to("meta")
    pairs = Pairs(*(x.detach().to("meta") for x in tensors), overlap=overlap, words=words)
    pairs.cosines.requires_grad_()  # all that Gloria reads
    for mode in (True, False):
        related = aggregator.to("meta").train(mode)(pairs)
        assert related.logits.device.type == "meta"
        related.logits.sum().backward()


@pytest.mark.parametrize(
    ("matchings", "word_mask", "message"),
    [
        (torch.zeros(2, 3), torch.ones(2, 3).bool(), r"must be \(N, W, S\)"),
        (torch.zeros(2, 3, S), torch.ones(2, 4).bool(), r"\(2, 3, 6\) must be .* \(2, 4\)"),
        (torch.zeros(2, 3, S), torch.ones(2, 3).long(), r"needs \.bool\(\)"),
    ],
)
def test_wrong_pairs_say_what_is_wrong(matchings, word_mask, message):
    with pytest.raises(ValueError, match=message):
        Pairs(matchings, torch.zeros(2, 3), torch.zeros(2, S), word_mask)


def test_overlap_of_other_words_is_refused():
    words = torch.zeros(2, 3, S), torch.zeros(2, 3), torch.zeros(2, S), torch.ones(2, 3).bool()
    with pytest.raises(ValueError, match=r"overlap \(2, 4, 4\) must be .* \(2, 3\)"):
        Pairs(*words, overlap=torch.zeros(2, 4, 4))


def test_compositions_have_their_own_read_outs():
    pairs = make_pairs()
    parallel, sequential = (
        make_aggregator("reclf", S, {}),
        make_aggregator("reclf", S, {"composition": "sequential"}),
    )
    nodes, _ = parallel.semantic(pairs)
    pair, _ = parallel.importance(pairs.matchings, pairs.word_mask, pairs.global_matching)
    mean = (parallel.semantic_score(nodes[:, 0]) + parallel.importance_score(pair)) / 2
    torch.testing.assert_close(parallel(pairs).logits, mean)
    nodes, _ = sequential.semantic(pairs)
    pair, _ = sequential.importance(nodes[:, 1:], pairs.word_mask, nodes[:, 0])
    torch.testing.assert_close(sequential(pairs).logits, sequential.importance_score(pair))
    assert sequential.semantic_score is None


def test_importance_can_have_a_contrast_of_its_own():
    pairs = make_pairs()
    alone = make_aggregator("reclf", S, {"importance_loss": 0.5})
    assert alone.auxiliary_weight == 0.5
    pair, _ = alone.importance(pairs.matchings, pairs.word_mask, pairs.global_matching)
    torch.testing.assert_close(alone(pairs).auxiliary, alone.importance_score(pair))
    without = make_aggregator("reclf", S, {})
    assert without.auxiliary_weight == 0
    assert without(pairs).auxiliary is None
    sequence = {"composition": "sequential", "importance_loss": 0.5}
    assert make_aggregator("reclf", S, sequence).auxiliary_weight == 0
    for wrong in (-1, float("nan"), "0.2"):
        with pytest.raises(ValueError, match=rf"importance_loss must be a number .* {wrong!r}"):
            make_aggregator("reclf", S, {"importance_loss": wrong})
