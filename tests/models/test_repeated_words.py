"""Words that repeat: what is computed of distinct ones alone equals what is computed of all."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from trained_step import losses_and_gradients

from reclf.data.batch import DistinctWords
from reclf.data.tokenization import train_tokenizer
from reclf.models.encoders import TextFeatures
from reclf.models.inference import collate_for
from reclf.models.matchings import LocalMatchings
from reclf.models.reclf import RECLF
from reclf.models.relations import AGGREGATORS
from reclf.models.relations.combined import RelationEnhanced
from reclf.models.relations.importance import IRM
from reclf.models.repeated_words import GROUP, in_places, sides_with_all_reports
from reclf.models.scoring import PairScorer
from reclf_benchmarks.loops import sgraf_logits

A, R, D, S = 3, 7, 6, 5
COUNTS = [4, 1, 6, 2, 0]
# Of 30 places, 5 reports of 6; padding has any number.
NUMBERS = torch.tensor(
    [[0, 1, 2, 0, 4, 4], [3, 0, 0, 0, 0, 0], [2, 1, 0, 4, 1, 1], [1, 3, 2, 2, 2, 2], [0] * 6]
)
FIRST = torch.tensor([0, 1, 2, 6, 15, 0, 0])  # the last two are in no place


@pytest.fixture
def repeated(features):
    """Features whose words are those of `NUMBERS`; padding is as random as before."""
    images, texts = features
    words = texts.words.detach().clone().flatten(0, 1)
    for row, count in enumerate(COUNTS):
        for k in range(count):
            words[row * 6 + k] = words[FIRST[NUMBERS[row, k]]]
    words = words.unflatten(0, (5, 6)).requires_grad_()
    return images, texts._replace(words=words), DistinctWords(FIRST, NUMBERS)


def by_word(gradient):
    """The gradient of every place, summed over the places where a distinct word stands."""
    total = torch.zeros(5, gradient.shape[-1], dtype=gradient.dtype)
    for row, count in enumerate(COUNTS[: len(gradient)]):
        for k in range(count):
            total[NUMBERS[row, k]] += gradient[row, k]
    return total


def same_gradients(fast, plain, images, texts, modules):
    weight = torch.randn_like(plain)
    leaves = [texts.words, images.regions, images.global_embedding, texts.global_embedding]
    leaves += [p for module in modules for p in module.parameters() if p.requires_grad]
    given, wanted = (
        torch.autograd.grad((x * weight).sum(), leaves, allow_unused=True, retain_graph=True)
        for x in (fast, plain)
    )
    torch.testing.assert_close(by_word(given[0]), by_word(wanted[0]))
    for a, b in zip(given[1:], wanted[1:], strict=True):
        torch.testing.assert_close(torch.zeros_like(b) if a is None and b is not None else a, b)


@pytest.mark.parametrize(("chunk", "recompute"), [(0, False), (0, True), (10, False), (15, True)])
def test_srm_and_irm_equal_the_loop(repeated, chunk, recompute):
    images, texts, distinct = repeated
    texts = TextFeatures(*(part[:4] for part in texts))  # the loop wants a word
    distinct = distinct._replace(numbers=NUMBERS[:4])
    modules = LocalMatchings(D, S).double(), RelationEnhanced(S, include_global=True).double()
    fast = PairScorer(*modules, chunk, recompute).all_pairs(images, texts, COUNTS[:4], distinct)
    plain = sgraf_logits(
        *modules,
        images.regions,
        images.global_embedding,
        [words[:n] for words, n in zip(texts.words, COUNTS, strict=False)],
        texts.global_embedding,
    )
    torch.testing.assert_close(fast, plain)
    same_gradients(fast, plain, images, texts, modules)


SCORED = {name: cls for name, cls in AGGREGATORS.items() if cls.uses_matchings}
SCORED |= {
    "overlap": partial(RelationEnhanced, overlap=2.0, nearness=0.5, boundary=1.0),
    "auxiliary": partial(RelationEnhanced, steps=2, importance_loss=0.5),
    "word_gate": partial(IRM, norm="report", word_gate=True, word_dim=D),
    "sequential": partial(RelationEnhanced, composition="sequential", include_global=True),
}


@pytest.mark.parametrize("kind", ["cosine", "words_then_regions"])
@pytest.mark.parametrize("name", SCORED)
def test_values_and_gradients_are_those_of_all_words(repeated, name, kind, monkeypatch):
    images, texts, distinct = repeated
    modules = LocalMatchings(D, S, kind).double(), SCORED[name](S).double()
    scorer = PairScorer(*modules, auxiliary=name == "auxiliary")
    plain = scorer.all_pairs(images, texts, COUNTS)
    matched = count_words(monkeypatch, modules[0])
    fast = scorer.all_pairs(images, texts, COUNTS, distinct)
    # In the other kind of attention a word depends on its report.
    assert set(matched) == ({len(FIRST)} if kind == "cosine" else {30})
    torch.testing.assert_close(fast, plain)
    same_gradients(fast, plain, images, texts, modules)


def count_words(monkeypatch, matchings):
    """Collects of every call how many words are matched with each image."""
    counts = []
    real = matchings._attend

    def counting(regions, words, *others):
        counts.append(words.shape[:-1].numel())
        return real(regions, words, *others)

    monkeypatch.setattr(matchings, "_attend", counting)
    return counts


def test_a_chunk_that_does_not_hold_all_reports_takes_the_words_as_they_stand(
    repeated, monkeypatch
):
    images, texts, distinct = repeated
    modules = LocalMatchings(D, S).double(), RelationEnhanced(S).double()
    plain = PairScorer(*modules).all_pairs(images, texts, COUNTS)
    matched = count_words(monkeypatch, modules[0])
    for chunk, most in ((4, 6), (5, 7)):  # a report at a time; an image with all reports
        matched.clear()
        fast = PairScorer(*modules, chunk).all_pairs(images, texts, COUNTS, distinct)
        torch.testing.assert_close(fast, plain)
        assert max(matched) == most


def test_bfloat16_is_as_near_as_without(repeated):
    """Values are as far from double precision as those of all words are, and gradients are summed
    in float32: a word in 600 places would stand still in bfloat16."""
    images, texts, distinct = repeated
    exact_modules = LocalMatchings(D, S).double(), RelationEnhanced(S, steps=2).double()
    exact = PairScorer(*exact_modules).all_pairs(images, texts, COUNTS)
    modules = [module.float() for module in exact_modules]
    low = (
        images._replace(
            regions=images.regions.bfloat16(), global_embedding=images.global_embedding.bfloat16()
        ),
        texts._replace(words=texts.words.bfloat16(), global_embedding=texts[0].bfloat16()),
    )
    with torch.autocast("cpu", torch.bfloat16):
        plain = PairScorer(*modules).all_pairs(*low, COUNTS)
        fast = PairScorer(*modules).all_pairs(*low, COUNTS, distinct)
    error = (plain.double() - exact).abs().max()
    assert (fast.double() - exact).abs().max() < 2 * error
    table = torch.zeros(1, 2, 1, dtype=torch.bfloat16, requires_grad=True)
    (placed,) = in_places(table, torch.zeros(600, dtype=torch.long), [600])
    placed.sum().backward()
    assert table.grad.flatten().tolist() == [600, 0]


def test_in_places_against_a_loop():
    distinct = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    numbers = torch.tensor([3, 0, 3, 1, 0])
    parts = in_places(distinct, numbers, [2, 3])
    assert [part.shape for part in parts] == [(2, 2, 3), (2, 3, 3)]
    weights = [torch.randn_like(part) for part in parts]
    expected = torch.zeros_like(distinct)
    for a in range(2):
        for n, number in enumerate(numbers.tolist()):
            group, k = (0, n) if n < 2 else (1, n - 2)
            assert torch.equal(parts[group][a, k], distinct[a, number])
            expected[a, number] += weights[group][a, k]
    sum((part * weight).sum() for part, weight in zip(parts, weights, strict=True)).backward()
    torch.testing.assert_close(distinct.grad, expected)
    assert in_places(distinct, None, [4]) == [distinct]


@pytest.mark.parametrize(
    ("images", "reports", "pairs", "bounded", "sides"),
    [
        (32, 32, 180, False, (16, 8)),  # 16 of the 22 images with a group of eight
        (9, 32, 180, False, (9, 16)),
        (32, 32, 4, False, (1, 4)),
        (4096, 64, 5000, False, (512, 8)),
        (32, 32, 180, True, (4, 32)),  # a tile of 128 pairs
        (32, 32, 32, True, (1, 32)),
        (32, 32, 31, True, None),
        (0, 0, 5, True, (1, 4)),
    ],
)
def test_sides_of_a_tile_with_all_reports(images, reports, pairs, bounded, sides):
    assert sides_with_all_reports(images, reports, pairs, bounded) == sides
    assert GROUP == 8


@pytest.fixture
def repeating(make_batch):
    """A batch in which words repeat, as it says itself: every word is one token."""
    batch = make_batch((3, 5, 5, 1))
    width = 7
    ids = torch.arange(3, 3 + width).repeat(4, 1)
    ids[2, 2] = 30  # one word is another
    batch.input_ids = ids
    batch.word_ids = torch.arange(-1, width - 1).repeat(4, 1)
    present = batch.word_ids < torch.tensor(batch.word_counts)[:, None]
    batch.word_ids = batch.word_ids.where(present, -1)
    batch.attention_mask = present.long()
    numbers = torch.arange(5).repeat(4, 1)
    numbers[2, 1] = 5
    batch.distinct = DistinctWords(torch.tensor([0, 1, 2, 8, 9, 11]), numbers)
    return batch


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"checkpoint_pairs": True},
        {"pair_chunk": 8},
        {"pair_chunk": 3},
        {"shortlist": 1},
        {"encoder_chunk": 2},
    ],
)
@pytest.mark.parametrize("word_source", ["token", "embedding", "last"])
def test_losses_and_gradients_of_a_model(tiny, repeating, word_source, how):
    model = RECLF(tiny("vit", word_source=word_source)).double().train()
    repeating.pixels = repeating.pixels.double()
    losses, gradients = losses_and_gradients(model, replace(repeating, distinct=None), **how)
    found, others = losses_and_gradients(model, repeating, **how)
    torch.testing.assert_close(found, losses)
    assert others.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(
            others[name], gradient, rtol=1e-6, atol=1e-9, msg=lambda m, name=name: f"{name}: {m}"
        )


def test_words_repeat_where_nothing_tells_them_apart(tiny, towers, repeating, monkeypatch):
    dropping = towers["bert"] | {"hidden_dropout_prob": 0.5}
    free = RECLF(tiny(word_source="embedding")).train()
    contextual = RECLF(tiny(word_source="last")).train()
    dropped = RECLF(tiny(word_source="embedding", text_tower={"config": dropping})).train()
    frozen = {"config": dropping, "freeze": True}
    still = RECLF(tiny(word_source="embedding", text_tower=frozen)).train()
    for model, words in ((free, 6), (contextual, 20), (dropped, 20), (still, 6)):
        matched = count_words(monkeypatch, model.matchings)
        model(repeating)
        assert sum(matched) == words
    matched = count_words(monkeypatch, dropped.matchings)
    dropped.eval()(repeating)
    assert sum(matched) == 6
    drawn_after = RECLF(tiny(word_source="token", text_tower={"config": dropping})).train()
    matched = count_words(monkeypatch, drawn_after.matchings)
    drawn_after(repeating)
    assert sum(matched) == 6


REPORTS = ["No effusion. The heart is normal.", "Small left effusion.", "", "No left effusion. No."]
TOWERS = {
    "bert": {"model_type": "bert"},
    "roberta": {"model_type": "roberta", "pad_token_id": 0},
    "distilbert": {"model_type": "distilbert", "dim": 8, "n_heads": 2, "n_layers": 2,
                   "hidden_dim": 14},
}  # fmt: skip


@pytest.mark.parametrize("source", ["token", "embedding"])
@pytest.mark.parametrize("kind", TOWERS)
def test_words_that_a_batch_calls_equal_have_equal_vectors(tiny, towers, kind, source):
    tower = TOWERS[kind] if kind == "distilbert" else towers["bert"] | TOWERS[kind]
    tokenizer = train_tokenizer(REPORTS * 2, 80)
    tower = tower | {"vocab_size": len(tokenizer), "max_position_embeddings": 40}
    config = tiny(word_source=source, text_tower={"config": tower}, max_words=16, max_tokens=32)
    model = RECLF(config, tokenizer).eval()
    batch = collate_for(model).texts(REPORTS)
    texts = model.encode_reports(batch)
    again = texts.words.flatten(0, 1)[batch.distinct.first[batch.distinct.numbers]]
    torch.testing.assert_close(again[texts.word_mask], texts.words[texts.word_mask])
    numbers = batch.distinct.numbers[texts.word_mask]
    assert len(numbers.unique()) < len(numbers)
    moved = (texts.words[0, 0] - texts.words[3, 3]).norm()  # "No", at another place
    assert moved < 1e-6 if source == "token" else moved > 1e-3
