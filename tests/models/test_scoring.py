"""Pairs scored by list, by shortlist, in chunks and in half precision, against all of them."""

from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from trained_step import losses_and_gradients

from reclf.models.encoders import ImageFeatures, TextFeatures
from reclf.models.losses import contrastive_losses
from reclf.models.matchings import LocalMatchings
from reclf.models.reclf import RECLF
from reclf.models.relations.combined import RelationEnhanced
from reclf.models.relations.graph_attention import fused_attention
from reclf.models.relations.importance import IRM
from reclf.models.relations.options import SRMOptions
from reclf.models.relations.pooling import Gloria
from reclf.models.relations.semantic import SemanticStep
from reclf.models.scoring import PairScorer
from reclf.models.tiles import TILE_BYTES
from reclf_benchmarks.loops import gloria_logits, sgraf_logits

A, R, D, S = 3, 7, 6, 5
COUNTS = [4, 1, 6, 2]


def unpadded(texts):
    return [words[:n] for words, n in zip(texts.words, COUNTS, strict=True)]


def same_gradients(fast, plain, leaves):
    weight = torch.randn_like(plain)
    given = torch.autograd.grad((fast * weight).sum(), leaves, allow_unused=True, retain_graph=True)
    wanted = torch.autograd.grad((plain * weight).sum(), leaves, allow_unused=True)
    for a, b in zip(given, wanted, strict=True):
        # Of the key's bias, which the softmax drops, the fast path computes no gradient.
        torch.testing.assert_close(torch.zeros_like(b) if a is None and b is not None else a, b)


@pytest.mark.parametrize("chunk", [0, 1, 2, 5, 100])
@pytest.mark.parametrize("recompute", [False, True])
def test_srm_and_irm_equal_the_loop_of_two_models(features, chunk, recompute):
    images, texts = features
    matchings = LocalMatchings(D, S, learn_attention_scale=True).double()
    aggregator = RelationEnhanced(S, include_global=True).double()
    fast = PairScorer(matchings, aggregator, chunk, recompute).all_pairs(images, texts, COUNTS)
    plain = sgraf_logits(
        matchings,
        aggregator,
        images.regions,
        images.global_embedding,
        unpadded(texts),
        texts.global_embedding,
    )
    torch.testing.assert_close(fast, plain)
    leaves = [images.regions, images.global_embedding, texts.words, texts.global_embedding]
    same_gradients(fast, plain, [*leaves, *matchings.parameters(), *aggregator.parameters()])


@pytest.mark.parametrize("chunk", [0, 1, 5])
@pytest.mark.parametrize("kind", ["words_then_regions", "cosine"])
def test_gloria_equals_its_loop(features, kind, chunk):
    images, texts = features
    matchings = LocalMatchings(D, S, kind, 4.0, learn_attention_scale=True).double()
    scorer = PairScorer(matchings, Gloria(S), chunk)
    fast = scorer.all_pairs(images, texts, COUNTS)
    related, matched = scorer.explain_pairs(images, TextFeatures(*(part[:A] for part in texts)))
    torch.testing.assert_close(related.logits, fast.diagonal())
    cosines = matchings.cosines(images.regions, texts.words[:A, None], texts.word_mask[:A, None])
    torch.testing.assert_close(cosines, matched.cosines)
    if kind == "words_then_regions":
        plain = gloria_logits(matchings, images.regions, unpadded(texts))
        torch.testing.assert_close(fast, plain)
        leaves = [images.regions, texts.words, matchings.log_attention_scale]
        same_gradients(fast, plain, leaves)


def test_cosines_of_nothing_are_zero_and_have_finite_gradients():
    matchings = LocalMatchings(D, S)
    regions = torch.zeros(A, R, D, requires_grad=True)
    words = torch.zeros(2, 3, D, requires_grad=True)
    cosines = matchings.cosines(regions, words, torch.ones(2, 3).bool())
    assert (cosines == 0).all()
    cosines.sum().backward()
    assert regions.grad.isfinite().all()
    assert words.grad.isfinite().all()


@pytest.mark.parametrize("chunk", [0, 1, 2])
@pytest.mark.parametrize(
    "cls", [RelationEnhanced, Gloria, partial(IRM, norm="report", word_gate=True, word_dim=D)]
)
def test_listed_pairs_are_those_of_all_pairs(features, cls, chunk):
    images, texts = features
    scorer = PairScorer(LocalMatchings(D, S).double(), cls(S).double(), chunk)
    rows, reports = torch.tensor([2, 0, 0, 1, 2]), torch.tensor([1, 3, 2, 1, 1])  # one pair twice
    listed = scorer.listed_pairs(images, texts, rows, reports, COUNTS)
    every = scorer.all_pairs(images, texts, COUNTS)[rows, reports]
    torch.testing.assert_close(listed, every)
    same_gradients(listed, every, [images.regions, texts.words])
    nothing = torch.tensor([], dtype=torch.long)
    assert scorer.listed_pairs(images, texts, nothing, nothing, COUNTS).shape == (0,)


@pytest.mark.parametrize("k", [1, 2])
def test_a_shortlist_leaves_out_what_is_easy(tiny, make_batch, k):
    batch = make_batch((3, 0, 5, 1, 4))
    model = RECLF(tiny(aggregator_options={"importance_loss": 0.5})).double()
    batch.pixels = batch.pixels.double()
    every, some = model(batch), model(batch, shortlist=k)
    torch.testing.assert_close(every["logits_global"], some["logits_global"])
    taken = some["logits_local"].isfinite()
    negatives = every["logits_global"] - 1e9 * torch.eye(5)
    for a in range(5):
        assert taken[a, a]
        assert taken[a, negatives[a].argmax()]
        assert taken[negatives[:, a].argmax(), a]
        assert taken[a].sum() >= 1 + k
    assert 5 * (1 + k) <= taken.sum() <= 5 * (1 + 2 * k)
    assert not taken.all()
    for name in ("logits_local", "logits_auxiliary"):
        assert torch.equal(some[name].isfinite(), taken)
        torch.testing.assert_close(some[name][taken], every[name][taken])
    sum(contrastive_losses(**some).values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    positives = torch.eye(5).bool()
    positives[1, 4] = positives[4, 1] = True
    assert model(batch, shortlist=1, positives=positives)["logits_local"][1, 4].isfinite()


@pytest.mark.parametrize("image", ["vit", "resnet"])
def test_encoder_chunks_change_neither_loss_nor_gradient(tiny, make_batch, image):
    """With batch norms in evaluation mode: in training a chunk is their batch."""
    batch = make_batch((3, 0, 5, 1, 4))
    batch.pixels = batch.pixels.double()
    model = RECLF(tiny(image)).double().train()
    model.image_encoder.tower.train(image == "vit")

    run = partial(losses_and_gradients, model, batch)
    losses, gradients = run()
    for chunk in (1, 2, 5, 8):  # 2 leaves an uneven last chunk
        found, others = run(encoder_chunk=chunk)
        torch.testing.assert_close(found, losses)
        assert others.keys() == gradients.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(others[name], gradient, rtol=1e-6, atol=1e-9)


def test_running_statistics_are_updated_once(tiny, make_batch):
    batch = make_batch((3, 0, 5, 1))
    options = {"norm": "batch"}
    models = [RECLF(tiny(aggregator_options=options)).train() for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    for model, again in zip(models, (False, True), strict=True):
        losses = contrastive_losses(
            **model(batch, pair_chunk=8, checkpoint_pairs=again, encoder_chunk=0)
        )
        sum(losses.values()).backward()
    norms = [dict(model.named_buffers()) for model in models]
    for name, value in norms[0].items():
        torch.testing.assert_close(norms[1][name], value, msg=lambda m, name=name: f"{name}: {m}")
    model = models[0]
    before = dict(model.image_encoder.tower.named_buffers())
    count = next(n for n in before if n.endswith("num_batches_tracked"))
    seen = int(before[count])
    sum(contrastive_losses(**model(batch, encoder_chunk=2)).values()).backward()
    assert int(dict(model.image_encoder.tower.named_buffers())[count]) == seen + 2  # two chunks


def test_the_fused_kernel_draws_the_same():
    """What a GPU runs in training; torch's kernel on the CPU computes the same function."""
    step = SemanticStep(S, SRMOptions(scaled=True)).double()
    nodes = torch.randn(4, 6, S, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(6) < torch.tensor([6, 1, 3, 5])[:, None]
    weight, bias = step.product()
    queries = nodes @ weight + bias
    fused = fused_attention(queries, nodes, mask, step.scale)
    plain = torch.stack(
        [
            (row @ own[there].T * step.scale).softmax(-1) @ own[there]
            for row, own, there in zip(queries, nodes, mask, strict=True)
        ]
    )
    torch.testing.assert_close(fused, plain)
    same_gradients(fused, plain, [nodes])


def in_type(dtype, *sides):
    """Features in a type, as the encoders give them."""
    change = lambda x: x.to(dtype) if torch.is_tensor(x) and x.is_floating_point() else x  # noqa: E731
    return [type(side)(*map(change, side)) for side in sides]


@pytest.mark.parametrize(("steps", "least"), [(1, 0.999), (3, 0.97)])
def test_bfloat16_keeps_the_order_of_scores(steps, least):
    """At the start the scores of pairs differ by a hundredth, which bfloat16 could not tell."""
    from scipy.stats import spearmanr

    torch.manual_seed(1)
    shapes = (12, 128), (12, 36, 128), (12, 30, 128)
    global_embeddings, regions, words = (torch.randn(*shape) for shape in shapes)
    images = ImageFeatures(global_embeddings, regions, global_embeddings, (6, 6))
    texts = TextFeatures(
        global_embeddings, words, torch.ones(12, 30).bool(), torch.zeros(12, 30).long()
    )
    scorer = PairScorer(LocalMatchings(128, 64), RelationEnhanced(64, steps=steps))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        low = scorer.all_pairs(*in_type(torch.bfloat16, images, texts), [30] * 12)
    scorer.matchings.double(), scorer.aggregator.double()
    with torch.no_grad():
        exact = scorer.all_pairs(*in_type(torch.float64, images, texts), [30] * 12)
    assert low.dtype == torch.float32
    assert spearmanr(low.flatten(), exact.flatten()).statistic >= least


class _Largest(TorchDispatchMode):
    """Bytes of the largest tensor that is made within."""

    bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **kwargs or {})
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.bytes = max(self.bytes, *(t.numel() * t.element_size() for t in made), 0)
        return result


@pytest.mark.parametrize("regions", [49, 784])
@pytest.mark.parametrize(
    ("device", "recompute", "limit"),
    [("meta", False, TILE_BYTES["cuda"]), ("meta", True, TILE_BYTES["cuda"]),
     ("cpu", True, TILE_BYTES["cpu"])],
)  # fmt: skip
def test_the_largest_tensor_of_a_tile_fits_with_many_regions(
    device, recompute, limit, regions, monkeypatch
):
    """Attention has a number for each word and region: six times 128 of 784."""
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)  # threads keep it out of sight
    images, reports, words, dim = (64, 64, 96, 128) if device == "meta" else (8, 8, 24, 128)
    with torch.device(device):
        sides = (
            ImageFeatures(
                torch.ones(images, dim), torch.ones(images, regions, dim), torch.ones(images, 1),
                (1, regions),
            ),
            TextFeatures(
                torch.ones(reports, dim), torch.ones(reports, words, dim),
                torch.ones(reports, words).bool(), torch.zeros(reports, words).long(),
            ),
        )  # fmt: skip
        scorer = PairScorer(LocalMatchings(dim, 64), RelationEnhanced(64), 0, recompute)
    with torch.no_grad(), _Largest() as largest:
        scorer.all_pairs(*sides, [words] * reports)
    features = 4 * images * regions * dim
    assert max(limit, features) / 8 < largest.bytes <= max(1.1 * limit, features)
