"""RECLF: one path to scores, chunks, and one training step."""

import pytest
import torch

from reclf.models.encoders import ImageFeatures, TextFeatures
from reclf.models.losses import contrastive_losses
from reclf.models.reclf import RECLF
from reclf.models.relations import AGGREGATORS, SRM

CASES = [
    pytest.param("resnet", {"aggregator": name}, id=name)
    for name in AGGREGATORS
    if name != "global"
] + [
    pytest.param("vit", {"aggregator_options": {"composition": "sequential"}}, id="vit-sequential"),
    pytest.param(
        "vit", {"aggregator": "gloria", "attention": "words_then_regions"}, id="vit-gloria-dot"
    ),
    pytest.param(
        "resnet", {"learn_attention_scale": True, "image_pooling": "attention"}, id="learnt-scale"
    ),
    pytest.param(
        "resnet", {"aggregator_options": {"nearness": 0.3, "boundary": 0.6}}, id="near-words"
    ),
    pytest.param("resnet", {"aggregator_options": {"steps": 2, "overlap": 0.7}}, id="overlap"),
]


def encode(model, batch):
    return model.encode_images(batch.pixels), model.encode_reports(batch)


def gradients(model, total):
    model.zero_grad()
    total.backward()
    return {name: p.grad for name, p in model.named_parameters()}


def in_double(model, batch):
    batch.pixels = batch.pixels.double()
    return model.double()


@pytest.mark.parametrize(("image", "settings"), CASES)
def test_score_equals_relate_pair_by_pair(tiny, make_batch, image, settings):
    """Every image with every report, against a double loop of one image and one report."""
    batch, others = make_batch((3, 0, 5, 1)), make_batch((1, 1, 1), seed=1)
    model = in_double(RECLF(tiny(image, **settings)), batch).eval()
    images = model.encode_images(others.pixels.double())  # 3 images, 4 reports
    texts = model.encode_reports(batch)
    scores = model.score(images, texts)
    rows = []
    for a in range(3):
        for b, count in enumerate((3, 0, 5, 1)):
            image_a = images._replace(
                global_embedding=images.global_embedding[a : a + 1],
                regions=images.regions[a : a + 1],
                pooled=images.pooled[a : a + 1],
            )
            words = max(1, count)  # no padding
            text_b = texts._replace(
                global_embedding=texts.global_embedding[b : b + 1],
                words=texts.words[b : b + 1, :words],
                word_mask=texts.word_mask[b : b + 1, :words],
                sentences=texts.sentences[b : b + 1, :words],
            )
            related, matched = model.relate(image_a, text_b)
            assert matched.attention.shape == (1, words, 16)
            rows.append(related.logits[0])
    by_loop = torch.stack(rows).view(3, 4)
    torch.testing.assert_close(scores.logits_local, by_loop)
    weight = torch.randn(3, 4).double()
    fast = gradients(model, (scores.logits_local * weight).sum())
    images, texts = model.encode_images(others.pixels.double()), model.encode_reports(batch)
    # `by_loop` shares the first graph: build it again, now for pairs side by side.
    pairs = torch.cartesian_prod(torch.arange(3), torch.arange(4)).T
    related, _ = model.relate(
        images._replace(
            **{k: getattr(images, k)[pairs[0]] for k in ("global_embedding", "regions", "pooled")}
        ),
        type(texts)(*(x[pairs[1]] for x in texts)),
    )
    torch.testing.assert_close(related.logits.view(3, 4), by_loop)
    plain = gradients(model, (related.logits.view(3, 4) * weight).sum())
    for name, gradient in fast.items():
        if gradient is None and plain[name] is not None:  # what does not reach the score is not run
            gradient = torch.zeros_like(plain[name])
        torch.testing.assert_close(plain[name], gradient, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("aggregator", ["reclf", "irm", "max", "gloria", "global"])
def test_chunks_and_checkpoints_change_nothing(tiny, make_batch, aggregator, mode):
    batch = make_batch((3, 0, 5, 1, 4))
    options = {"nearness": 0.3, "boundary": 0.6, "overlap": 0.7} if aggregator == "reclf" else {}
    model = RECLF(tiny(aggregator=aggregator, aggregator_options=options))
    model = in_double(model, batch).train(mode)

    def run(**how):
        scores = model.score(*encode(model, batch), **how)
        weight = torch.linspace(-1, 1, 25).double().view(5, 5)
        return scores, gradients(model, (scores.logits * weight).sum())

    plain, expected = run()
    for pair_chunk in (1, 3, 5, 12, 40):  # images are split, reports are, in uneven parts
        for checkpoint_pairs in (False, True):
            scores, found = run(pair_chunk=pair_chunk, checkpoint_pairs=checkpoint_pairs)
            for a, b in zip(scores, plain, strict=True):
                assert (a is None) == (b is None)
                if a is not None:
                    torch.testing.assert_close(a, b)
            for name, gradient in expected.items():
                torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=1e-9)


def test_chunks_are_as_wide_as_their_longest_report(tiny, make_batch, monkeypatch):
    model, batch = RECLF(tiny()).eval(), make_batch((3, 0, 5, 1))
    seen = []
    plain = model.matchings.forward
    monkeypatch.setattr(
        model.matchings,
        "forward",
        lambda r, w, *more: seen.append((len(r), *w.shape[:2])) or plain(r, w, *more),
    )
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    model.score(*encode(model, batch), pair_chunk=8)
    # Images, reports, words: the longest reports first, lengths in steps of four.
    assert seen == [(4, 2, 5), (4, 2, 4)]
    seen.clear()
    model.score(*encode(model, batch), pair_chunk=3)
    assert seen == [(rows, 1, words) for words in (5, 4, 4, 4) for rows in (3, 1)]


@torch.no_grad()
def test_global_logits_by_loop(tiny, batch):
    model = RECLF(tiny(logit_scale=20.0, global_weight=0.5)).eval()
    images, texts = encode(model, batch)
    scores = model.score(images, texts)
    for a in range(4):
        for b in range(4):
            cosine = torch.cosine_similarity(
                images.global_embedding[a], texts.global_embedding[b], dim=0
            )
            torch.testing.assert_close(scores.logits_global[a, b], 20 * cosine)
    torch.testing.assert_close(scores.logits, 0.5 * scores.logits_global + scores.logits_local)


@torch.no_grad()
def test_global_logits_are_exact_under_autocast(tiny, batch):
    model = RECLF(tiny(logit_scale=20.0)).eval()
    images, texts = encode(model, batch)
    with torch.autocast("cpu", torch.bfloat16):
        found = model.score_global(images, texts)
    assert torch.equal(found, model.score_global(images, texts))


def test_global_aggregator_has_no_local_logits(tiny, batch):
    model = RECLF(tiny(aggregator="global", global_weight=2.0)).eval()
    scores = model.score(*encode(model, batch))
    assert scores.logits_local is None
    torch.testing.assert_close(scores.logits, 2 * scores.logits_global)
    related, matched = model.relate(*encode(model, batch))
    assert (related.logits == 0).all()
    assert matched.attention.shape == (4, 5, 16)


def test_logit_scale_stops_at_100(tiny):
    model = RECLF(tiny(logit_scale=20.0))
    assert model.logit_scale.item() == pytest.approx(20.0)
    with torch.no_grad():
        model.log_logit_scale.fill_(9.0)
    assert model.logit_scale.item() == pytest.approx(100.0)


def test_scores_do_not_depend_on_the_batch(tiny, make_batch):
    model = RECLF(tiny()).eval()
    batch, first = make_batch((3, 0, 5, 1)), make_batch((3, 0, 5, 1))
    for name, value in vars(batch).items():
        if value is not None:
            setattr(first, name, value[:2])
    torch.testing.assert_close(
        model.score(*encode(model, first)).logits,
        model.score(*encode(model, batch)).logits[:2, :2],
    )


def test_relate_takes_pairs(tiny, batch):
    model = RECLF(tiny()).eval()
    images, texts = encode(model, batch)
    with pytest.raises(ValueError, match="4 images and 3 reports do not pair up; use score"):
        model.relate(images, type(texts)(*(x[:3] for x in texts)))


def test_forward_gives_what_the_losses_take(tiny, batch):
    model = RECLF(tiny()).eval()
    out = model(batch, pair_chunk=3)
    scores = model.score(*encode(model, batch))
    torch.testing.assert_close(out["logits_global"], scores.logits_global)
    torch.testing.assert_close(out["logits_local"], scores.logits_local)
    assert contrastive_losses(**out).keys() == {"global_loss", "local_loss"}


@pytest.mark.parametrize("recompute", [False, True])
def test_the_auxiliary_score_of_a_pair_is_that_of_the_pair_alone(tiny, batch, recompute):
    model = RECLF(tiny(aggregator_options={"importance_loss": 0.5})).eval()
    images, texts = encode(model, batch)
    expected = torch.empty(len(batch), len(batch))
    for a in range(len(batch)):
        for b in range(len(batch)):
            image = ImageFeatures(*(x[a : a + 1] for x in images[:3]), images.grid)
            report = TextFeatures(*(x[b : b + 1] for x in texts))
            expected[a, b] = model.relate(image, report)[0].auxiliary
    out = model(batch, pair_chunk=3, checkpoint_pairs=recompute)
    torch.testing.assert_close(out["logits_auxiliary"], expected)
    torch.testing.assert_close(out["logits_local"], model.score(images, texts).logits_local)
    weight = torch.randn(expected.shape)
    fast = gradients(model, (out["logits_auxiliary"] * weight).sum())
    slow = gradients(model, (expected * weight).sum())
    for name, value in slow.items():
        if value is None:  # SRM's: not reached, or with zeros where both scores came together
            assert fast[name] is None or not fast[name].any()
        else:
            torch.testing.assert_close(fast[name], value, atol=1e-5, rtol=1e-4)


def test_the_combined_score_has_one_path(tiny, batch):
    """Global weight times the global logit, plus the local one where there is any."""
    model = RECLF(tiny(global_weight=0.25))
    scores = model.combine(torch.tensor([4.0, 8.0]), torch.tensor([1.0, -3.0]))
    assert scores.logits.tolist() == [2.0, -1.0]
    assert model.combine(torch.tensor([4.0]), None).logits.tolist() == [1.0]
    called = []

    def combine(logits_global, logits_local):
        called.append(1)
        return scores

    model.combine = combine
    images, texts = model.encode_images(batch.pixels), model.encode_reports(batch)
    rows = torch.tensor([0])
    assert model.score(images, texts) is model.score_pairs(images, texts, rows, rows) is scores
    assert len(called) == 2


class Silent(SRM):
    auxiliary_weight = 0.5


def test_an_auxiliary_weight_without_its_score_is_refused(tiny, batch):
    model = RECLF(tiny(aggregator=f"{__name__}:Silent"))
    message = r"Silent has auxiliary_weight 0\.5, but its Related\.auxiliary is None: return"
    with pytest.raises(ValueError, match=message):
        model(batch)


@pytest.mark.parametrize("image", ["resnet", "vit"])
@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_one_step_on_meta(tiny, batch, image, aggregator):
    """Nothing is made on the CPU by the way: the meta device has no data to mix with."""
    with torch.device("meta"):
        model = RECLF(tiny(image, aggregator=aggregator, image_pooling="attention")).train()
    # transformers looks into the padding mask, which has no values here.
    model.text_encoder.tower.register_forward_pre_hook(
        lambda tower, inputs, named: (inputs, {**named, "attention_mask": None}), with_kwargs=True
    )
    losses = contrastive_losses(**model(batch.to("meta"), checkpoint_pairs=True))
    total = sum(losses.values())
    assert total.device.type == "meta"
    total.backward()
    assert model.image_encoder.project_whole.weight.grad.device.type == "meta"


@pytest.mark.parametrize("image", ["resnet", "vit"])
def test_a_few_steps_learn_the_batch(tiny, batch, image):
    model = RECLF(tiny(image)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    history = []
    for _ in range(30):
        total = sum(contrastive_losses(**model(batch)).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(total.item())
    assert history[-1] < 0.5 * history[0]


@pytest.mark.parametrize("options", [{}, {"overlap": 0.7}])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_on_the_cpu(tiny, batch, dtype, options):
    model = RECLF(tiny(aggregator_options=options)).train()
    with torch.autocast("cpu", dtype):
        losses = contrastive_losses(**model(batch, pair_chunk=3, checkpoint_pairs=True))
    assert all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("image", ["resnet", "vit"])
@pytest.mark.parametrize(
    ("aggregator", "options"), [*((name, {}) for name in AGGREGATORS), ("reclf", {"overlap": 0.7})]
)
def test_one_step_on_a_gpu(tiny, batch, image, aggregator, options):
    model = RECLF(tiny(image, aggregator=aggregator, aggregator_options=options)).cuda().train()
    before = model.image_encoder.project_whole.weight.detach().clone()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    with torch.autocast("cuda", torch.bfloat16):
        losses = contrastive_losses(**model(batch.to("cuda"), pair_chunk=3, checkpoint_pairs=True))
    sum(losses.values()).backward()
    optimizer.step()
    assert all(value.isfinite() for value in losses.values())
    assert not torch.equal(before, model.image_encoder.project_whole.weight)
    on_cpu = model.cpu().eval()(batch)["logits_global"]
    torch.testing.assert_close(
        model.cuda()(batch.to("cuda"))["logits_global"].cpu(), on_cpu, rtol=1e-2, atol=1e-2
    )
