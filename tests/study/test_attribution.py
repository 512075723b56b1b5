"""captum's methods on a pair's score, against plain loops over cells, windows, words and steps."""

from types import SimpleNamespace

import numpy as np
import pytest
import small_pairs
import torch

from reclf.data.region_grid import filled
from reclf.explain import explain
from reclf_study.attribution import (
    REGION_METHODS,
    attention,
    feature_ablation,
    grad_cam,
    integrated_gradients,
    integrated_gradients_words,
    occlusion,
    region_word_ablation,
)
from reclf_study.pair_score import PairScore


@pytest.fixture
def study():
    return small_pairs.study()


@pytest.fixture
def make_score(tiny, study):
    def make(image="resnet", target="local", words=(), aggregator="reclf"):
        model = small_pairs.build(tiny, image, aggregator)
        return PairScore(model, study.image, study.report, target, words)

    return make


@pytest.fixture
def planted(study):
    """A score that is the brightness of cell (1, 2) alone."""
    image = study.image
    return SimpleNamespace(
        of_pixels=lambda pixels: pixels[:, 0, 16:32, 32:48].sum((1, 2)),
        of_kept_words=lambda keep: 3 * keep[:, 1] - keep[:, 0],
        image=image, grid=(4, 4), center=0.5, target="local", words=["left", "effusion"],
        batch=SimpleNamespace(pixels=torch.tensor(image)[None, None]),
    )  # fmt: skip


def without(image, rows, columns, fill="blur"):
    """The image (1, 1, H, W) with a block filled."""
    changed = image.copy()
    changed[rows, columns] = filled(image, fill)[rows, columns]
    return torch.tensor(changed)[None, None]


def cell(r, image="resnet"):
    """The pixels of a region: those of a ResNet are centered on pixels 0, 16, 32 and 48."""
    edges = [0, 9, 25, 41, 64] if image == "resnet" else [0, 16, 32, 48, 64]
    return tuple(slice(edges[k], edges[k + 1]) for k in divmod(r, 4))


# ---------------------------------------------------------------- a score that is known


@pytest.mark.parametrize("fill", ["blur", "mean"])
def test_a_score_of_one_cell_is_found_there_and_nowhere_else(planted, fill):
    image = planted.image
    lost = (image - filled(image, fill))[16:32, 32:48].sum()
    expected = np.zeros((4, 4))
    expected[1, 2] = lost
    ablated = feature_ablation(planted, fill)
    np.testing.assert_allclose(ablated.regions, expected, atol=1e-3)
    np.testing.assert_array_equal(ablated.words, [-1, 3])
    gradients = integrated_gradients(planted, fill)
    np.testing.assert_allclose(gradients.regions, expected, atol=1e-3)
    assert gradients.delta == pytest.approx(0, abs=1e-3)
    # A window of two cells reaches one cell further; what is never hidden without the cell, as the
    # one above at the border, looks as important.
    occluded = occlusion(planted, fill).regions
    assert occluded[1, 2] == pytest.approx(occluded.max(), rel=1e-4)
    assert occluded[0, 2] == pytest.approx(occluded[1, 2], rel=1e-4)
    assert occluded[2, 2] == pytest.approx(lost / 2, rel=1e-3)
    assert occluded[3, 0] == pytest.approx(0, abs=1e-3)
    occluded = occlusion(planted, fill, window=1).regions
    assert np.unravel_index(occluded.argmax(), (4, 4)) == (1, 2)


# ---------------------------------------------------------------- against plain loops


def test_attention_of_a_phrase_and_of_a_pair(make_score, study):
    score = make_score(target="cosine", words=[0, 2])
    known = explain(score.model, study)
    found = attention(score)
    np.testing.assert_allclose(
        found.regions, (known.attention[0] + known.attention[2]) / 2, rtol=1e-5
    )
    assert found.words is None
    found = attention(make_score())
    expected = sum(known.importance[w] * known.attention[w] for w in range(3))
    np.testing.assert_allclose(found.regions, expected, rtol=1e-4)
    np.testing.assert_array_equal(found.words, known.importance)
    assert found.regions.sum() == pytest.approx(1, rel=1e-5)
    plain = attention(make_score(aggregator="mean"))
    assert plain.words is None
    np.testing.assert_allclose(plain.regions, known.attention.mean(0), rtol=1e-4)


@pytest.mark.parametrize("image", ["resnet", "vit"])
@pytest.mark.parametrize(("target", "words"), [("local", ()), ("cosine", (1,)), ("logit", ())])
def test_grad_cam_is_the_map_weighed_by_its_mean_gradients(make_score, image, target, words):
    score = make_score(image, target, words)
    kept = []
    layer = score.model.image_encoder.region_map
    handle = layer.register_forward_hook(lambda module, given, made: kept.append(made))
    value = score.of_pixels(score.batch.pixels)
    handle.remove()
    (region_map,) = kept
    assert region_map.shape == (1, 6, 4, 4)  # also of a ViT: channels first, rows from the top
    (gradient,) = torch.autograd.grad(value.sum(), region_map)
    expected = torch.zeros(4, 4)
    for channel in range(6):
        expected += gradient[0, channel].mean() * region_map[0, channel]
    expected = expected.clamp_min(0).detach().numpy()
    found = grad_cam(score).regions
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_grad_cam_of_what_does_not_come_through_the_regions_is_refused(make_score):
    with pytest.raises(ValueError, match=r"'global' does not come through region_map.*occlusion"):
        grad_cam(make_score(target="global"))
    with pytest.raises(ValueError, match="'logit' does not come through region_map"):
        grad_cam(make_score(target="logit", aggregator="global"))
    assert grad_cam(make_score(target="cosine", words=[1], aggregator="global")).regions.any()


@pytest.mark.parametrize("image", ["resnet", "vit"])
def test_integrated_gradients_by_a_loop_over_the_path(make_score, study, image):
    score = make_score(image)
    found = integrated_gradients(score, "mean", steps=8)
    whole = score.batch.pixels
    start = torch.tensor(filled(study.image, "mean"))[None, None]
    # Gauss and Legendre's points and weights, moved from [-1, 1] to [0, 1]
    places, weights = np.polynomial.legendre.leggauss(8)
    total = torch.zeros_like(whole)
    for place, weight in zip(places, weights, strict=True):
        point = (start + (place + 1) / 2 * (whole - start)).float().requires_grad_()
        total += weight / 2 * torch.autograd.grad(score.of_pixels(point).sum(), point)[0]
    expected = (total * (whole - start))[0, 0]
    np.testing.assert_allclose(found.pixels, expected, rtol=1e-2, atol=1e-4)
    with torch.no_grad():
        change = (score.of_pixels(whole) - score.of_pixels(start)).item()
    assert found.delta == pytest.approx(found.pixels.sum() - change, abs=1e-3)
    np.testing.assert_allclose(found.regions.sum(), found.pixels.sum(), rtol=1e-3)


def test_integrated_gradients_of_words_by_a_loop_over_the_path(make_score):
    score = make_score()
    found = integrated_gradients_words(score, steps=8)
    batch, table = score.batch, score.model.text_encoder.tower.get_input_embeddings()
    empty = batch.input_ids.clone()
    empty[batch.word_ids >= 0] = score.model.tokenizer.pad_token_id
    with torch.no_grad():
        whole, start = table(batch.input_ids), table(empty)
    places, weights = np.polynomial.legendre.leggauss(8)
    total = torch.zeros_like(whole)
    for place, weight in zip(places, weights, strict=True):
        point = (start + (place + 1) / 2 * (whole - start)).float().requires_grad_()
        handle = table.register_forward_hook(lambda module, given, made, point=point: point)
        value = score.of_tokens(batch.input_ids)
        handle.remove()
        total += weight / 2 * torch.autograd.grad(value.sum(), point)[0]
    by_piece = (total * (whole - start)).sum(-1)[0]
    expected = [by_piece[batch.word_ids[0] == w].sum().item() for w in range(3)]
    np.testing.assert_allclose(found.words, expected, rtol=1e-2, atol=1e-4)
    with torch.no_grad():
        change = score.value - score.of_tokens(empty).item()
    assert found.delta == pytest.approx(found.words.sum() - change, abs=1e-3)


@pytest.mark.parametrize("image", ["resnet", "vit"])
def test_ablation_by_a_loop_over_regions_and_words(make_score, study, image):
    score = make_score(image)
    found = feature_ablation(score)
    with torch.no_grad():
        for r in range(16):
            lost = score.value - score.of_pixels(without(study.image, *cell(r, image))).item()
            assert found.regions[divmod(r, 4)] == pytest.approx(lost, abs=1e-4)
        for w in range(3):
            keep = torch.ones(1, 3)
            keep[0, w] = 0
            lost = score.value - score.of_kept_words(keep).item()
            assert found.words[w] == pytest.approx(lost, abs=1e-4)


def test_a_phrase_has_no_loss_without_its_own_words(make_score):
    assert feature_ablation(make_score(target="cosine", words=[1])).words is None


def test_occlusion_by_a_loop_over_windows(make_score, study):
    score = make_score()
    found = occlusion(score)  # windows of 32 pixels that move by 16
    total, times = np.zeros((64, 64)), np.zeros((64, 64))
    with torch.no_grad():
        for top in (0, 16, 32):
            for left in (0, 16, 32):
                block = slice(top, top + 32), slice(left, left + 32)
                lost = score.value - score.of_pixels(without(study.image, *block)).item()
                total[block] += lost
                times[block] += 1
    np.testing.assert_allclose(found.pixels, total / times, atol=1e-4)
    for r in range(16):
        assert found.regions[divmod(r, 4)] == pytest.approx(
            (total / times)[cell(r)].mean(), abs=1e-4
        )


def test_every_word_and_region_by_a_loop(make_score, study):
    score = make_score()
    found = region_word_ablation(score)
    assert found.shape == (3, 4, 4)
    with torch.no_grad():
        before = score.word_cosines(score.batch.pixels)[0]
        for r in range(16):
            after = score.word_cosines(without(study.image, *cell(r)))[0]
            np.testing.assert_allclose(found[:, r // 4, r % 4], before - after, atol=1e-5)


@pytest.mark.parametrize("name", sorted(REGION_METHODS))
def test_every_method_leaves_the_model_as_it_was(make_score, name):
    score = make_score("vit")
    before = score.value
    assert REGION_METHODS[name](score).regions.shape == (4, 4)
    assert score.value == before
    assert all(p.grad is None for p in score.model.parameters())
    assert not score.model.image_encoder.region_map._forward_hooks
