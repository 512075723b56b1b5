"""Features in chunks are those of single studies, whatever the padding."""

import numpy as np
import pytest
import torch
from task_fixtures import make_config

from reclf.data.collate import Collate
from reclf.data.tokenization import train_tokenizer
from reclf.datasets.registry import load_dataset
from reclf.models import inference
from reclf.models.inference import (
    collate_for,
    encode_images,
    encode_texts,
    score_all,
    stack_images,
    take_images,
)
from reclf.models.reclf import RECLF
from reclf.pretrain import make_model


@torch.no_grad()
def test_chunks_do_not_change_image_features(model, studies):
    model.train()
    found = encode_images(model, studies[:7], batch_size=3)  # an uneven last chunk
    assert not model.training
    assert found.grid == (4, 4)
    for i in (0, 4, 6):
        single = model.encode_images(stack_images([studies[i]]))
        for mine, theirs in zip(found[:3], single[:3], strict=True):
            torch.testing.assert_close(mine[i], theirs[0], rtol=1e-4, atol=1e-5)
    some = take_images(found, torch.tensor([5, 1]), torch.device("cpu"))
    assert torch.equal(some.regions, found.regions[[5, 1]])
    assert some.grid == found.grid


@torch.no_grad()
def test_padding_does_not_change_text_features(model, studies):
    reports = [study.report for study in studies[:7]] + ["Normal."]
    found = encode_texts(model, reports, batch_size=3)
    counts = [len(collate_for(model).words(report)) for report in reports]
    assert found.word_mask.sum(1).tolist() == counts
    assert found.words.shape[1] >= max(counts)
    for i in (0, 4, 7):
        single = encode_texts(model, [reports[i]])
        torch.testing.assert_close(
            found.global_embedding[i], single.global_embedding[0], rtol=1e-4, atol=1e-5
        )
        torch.testing.assert_close(
            found.words[i, : counts[i]], single.words[0, : counts[i]], rtol=1e-4, atol=1e-5
        )
        assert (found.words[i, counts[i] :] == 0).all()


def token_slots(model, reports, batch_size):
    """Tokens that the text tower computes, padding included."""
    seen = []

    def note(tower, given, named):
        seen.append(named["input_ids"].numel())

    hook = model.text_encoder.tower.register_forward_pre_hook(note, with_kwargs=True)
    encode_texts(model, reports, batch_size)
    hook.remove()
    return sum(seen)


def test_reports_of_like_length_are_encoded_together(model, studies):
    short, long = "Normal.", max((study.report for study in studies), key=len)
    each = [collate_for(model).texts([report]).input_ids.shape[1] for report in (short, long)]
    assert each[0] < each[1] / 2
    assert token_slots(model, [short, long] * 4, 4) == 4 * sum(each)


def test_half_of_the_tokens_of_real_reports_are_saved(open_i):
    """Of 1,000 reports, 64 at a time: 37 % of the tower's tokens are real in the order of the
    files, and 74 % by length."""
    reports = load_dataset("table", str(open_i), "train").reports[:1000]
    model = make_model(make_config(max_tokens=160), train_tokenizer(reports, 2000), seed=1)
    batches = [
        collate_for(model).texts(reports[start : start + 64]) for start in range(0, 1000, 64)
    ]
    real = sum(int(batch.attention_mask.sum()) for batch in batches)
    assert real / sum(batch.input_ids.numel() for batch in batches) < 0.4
    assert real / token_slots(model, reports, 64) > 0.7


@torch.no_grad()
def test_chunks_do_not_change_scores(model, studies):
    images = encode_images(model, studies[:7])
    texts = encode_texts(model, [study.report for study in studies[:5]])
    found, expected = score_all(model, images, texts, image_chunk=3), model.score(images, texts)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.shape == (7, 5)
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


def test_a_model_without_a_tokenizer_says_what_to_give(model):
    assert isinstance(collate_for(model), Collate)
    with pytest.raises(ValueError, match=r"has no tokenizer; give one to RECLF\(config, tokenizer"):
        collate_for(RECLF(model.config))


def test_regions_of_a_large_gallery_are_kept_in_half_precision_and_rank_the_same(
    build, studies, monkeypatch
):
    """Scores move by at most 1 % of their spread; studies further apart keep their order."""
    texts = [study.report for study in studies]
    for aggregator in ("srm", "mean"):
        model = build(aggregator=aggregator)
        monkeypatch.setattr(inference, "HALF_ABOVE", 2**30)
        full, words = encode_images(model, studies), encode_texts(model, texts)
        size = 4 * full.regions.numel()
        for most, dtype in ((size, torch.float32), (size - 1, torch.float16)):
            monkeypatch.setattr(inference, "HALF_ABOVE", most)
            half = encode_images(model, studies, batch_size=5)
            assert half.regions.dtype == dtype
            assert half.pooled.dtype == half.global_embedding.dtype == torch.float32
        expected, found = (score_all(model, images, words) for images in (full, half))
        assert found.logits_local.dtype == torch.float32
        local, tolerance = expected.logits_local, 0.01 * expected.logits_local.std(0)
        assert ((found.logits_local - local).abs() <= tolerance).all()
        assert not torch.equal(found.logits_local, local)
        apart = local[:, None] - local[None] > 2 * tolerance
        assert apart.float().mean() > 0.4
        assert (found.logits_local[:, None] > found.logits_local[None])[apart].all()
        rows = torch.arange(len(studies))
        with torch.no_grad():
            listed = model.score_pairs(half, words, rows, rows).logits_local
            related, _ = model.relate(half, words)
        torch.testing.assert_close(listed, found.logits_local.diagonal(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            related.logits, found.logits_local.diagonal(), rtol=1e-4, atol=1e-4
        )


def test_encoders_compute_in_bfloat16_where_the_device_does(model, studies, monkeypatch):
    device = torch.device("cpu")
    assert inference.encoder_precision(device) == "float32"
    monkeypatch.setattr(inference, "choose_precision", lambda *_, **__: "bf16")
    assert inference.encoder_precision(device) == "float32"  # whatever a training does there
    assert inference.encoder_precision(torch.device("cuda")) == "bfloat16"
    exact = encode_images(model, studies[:5]), encode_texts(model, [s.report for s in studies[:5]])
    monkeypatch.setattr(inference, "encoder_precision", lambda device: "bfloat16")
    low = encode_images(model, studies[:5]), encode_texts(model, [s.report for s in studies[:5]])
    for mine, theirs in zip(low, exact, strict=True):
        for a, b in zip(mine[:3], theirs[:3], strict=True):
            assert a.dtype == b.dtype
            if a.is_floating_point():
                assert not torch.equal(a, b)
                torch.testing.assert_close(a, b, rtol=0.05, atol=0.05)
