"""A pair's score as a function of what is changed: the numbers of `RECLF.score` and `explain`."""

import numpy as np
import pytest
import small_pairs
import torch

from reclf.explain import explain
from reclf.models.reclf import Scores
from reclf_study.pair_score import PairScore


@pytest.fixture
def model(tiny):
    return small_pairs.build(tiny)


@pytest.fixture
def study():
    return small_pairs.study()


def pair(model, study, target="local", words=()):
    return PairScore(model, study.image, study.report, target, words)


@pytest.mark.parametrize("target", ["local", "global", "logit"])
def test_it_is_the_score_that_retrieval_uses(model, study, target):
    score = pair(model, study, target)
    with torch.no_grad():
        images = model.encode_images(score.batch.pixels)
        scores = model.score(images, model.encode_reports(score.batch))
    name = {"local": "logits_local", "global": "logits_global", "logit": "logits"}[target]
    assert score.value == pytest.approx(getattr(scores, name).item(), abs=1e-5)
    assert score.value == pytest.approx(
        explain(model, study).scores["logit" if target == "logit" else f"logit_{target}"], abs=1e-5
    )


def test_the_combined_score_is_the_model_s(model, study, monkeypatch):
    def combine(self, logits_global, logits_local):
        return Scores(logits_global, logits_local, torch.full_like(logits_global, 7.0))

    monkeypatch.setattr(type(model), "combine", combine)
    assert pair(model, study, "logit").value == explain(model, study).scores["logit"] == 7


def test_the_cosine_of_a_phrase_is_the_mean_of_its_words(model, study):
    cosines = explain(model, study).cosines
    assert pair(model, study, "cosine", [0, 2]).value == pytest.approx(
        (cosines[0] + cosines[2]) / 2, abs=1e-6
    )


@pytest.mark.parametrize(("image", "center"), [("resnet", 0.5 / 16), ("vit", 0.5)])
def test_it_knows_where_regions_look(tiny, study, image, center):
    assert pair(small_pairs.build(tiny, image), study).center == center


@pytest.mark.parametrize("image", ["resnet", "vit"])
def test_images_are_scored_apart(tiny, study, image):
    score = pair(small_pairs.build(tiny, image), study)
    pixels = torch.rand(3, 1, 64, 64)
    with torch.no_grad():
        together = score.of_pixels(pixels)
        alone = torch.cat([score.of_pixels(one[None]) for one in pixels])
    assert together.shape == (3,)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_the_report_as_it_is_gives_the_score_as_it_is(model, study):
    score = pair(model, study)
    with torch.no_grad():
        assert score.of_tokens(score.batch.input_ids).item() == pytest.approx(score.value)
        kept = score.of_kept_words(torch.ones(2, 3))
    assert kept.tolist() == pytest.approx([score.value] * 2)


def test_a_word_left_out_is_gone(model, study):
    score = pair(model, study)
    batch = score.batch
    keep = torch.tensor([[1.0, 0, 1], [0, 1, 1]])
    with torch.no_grad():
        found = score.of_kept_words(keep)
        images = model.encode_images(batch.pixels)
        for row, gone in enumerate((1, 0)):
            mask, words = batch.attention_mask.clone(), batch.word_mask.clone()
            for piece, word in enumerate(batch.word_ids[0].tolist()):
                if word == gone:
                    mask[0, piece] = 0
            words[0, gone] = False
            parts = batch.input_ids, mask, batch.word_ids, words, batch.sentences
            texts = model.text_encoder(*parts)
            expected = model.relate(images, texts)[0].logits.item()
            assert found[row].item() == pytest.approx(expected, abs=1e-5)
        # So gone that it may as well be another word.
        before = batch.input_ids.clone()
        batch.input_ids[batch.word_ids == 1] = 7
        assert score.of_kept_words(keep[:1]).item() == pytest.approx(found[0].item(), abs=1e-5)
        assert (before != batch.input_ids).any()


def test_attention_and_importance_are_those_of_explain(model, study):
    maps, weights = pair(model, study).attention()
    known = explain(model, study)
    np.testing.assert_array_equal(maps, known.attention)
    np.testing.assert_array_equal(weights, known.importance)
    cosines = pair(model, study).word_cosines(torch.tensor(study.image)[None, None])
    np.testing.assert_allclose(cosines[0].detach(), known.cosines, atol=1e-6)


def test_what_cannot_be_scored_is_refused(tiny, model, study):
    with pytest.raises(ValueError, match="one of local, global, logit, cosine, got 'loss'"):
        pair(model, study, "loss")
    with pytest.raises(ValueError, match=r"indices of words below 3; got \[3\]"):
        pair(model, study, "cosine", [3])
    with pytest.raises(ValueError, match=r"got \[\] for target 'cosine'"):
        pair(model, study, "cosine")
    with pytest.raises(ValueError, match=r"got \[0\] for target 'local'"):
        pair(model, study, "local", [0])
    with pytest.raises(ValueError, match="aggregator 'global' has no local logit"):
        pair(small_pairs.build(tiny, aggregator="global"), study)
    with pytest.raises(ValueError, match="the report has no words"):
        PairScore(model, study.image, "...", "global").attention()
