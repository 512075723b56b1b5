"""Masks of studies, the loss of overlapping and unknown classes, and what is reported."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from reclf.data.study import Study
from reclf.tasks import segmentation
from reclf.tasks.segmentation import (
    Masks,
    Pyramids,
    Segmenter,
    collect_masks,
    dice_result,
    marking_all_or_nothing,
    mean_over_classes,
    place_prior,
)


def make_masks(truth, known=None, pixels=None):
    truth = torch.as_tensor(truth, dtype=torch.bool)
    n, classes, *shape = truth.shape
    known = torch.ones(n, classes, dtype=torch.bool) if known is None else torch.as_tensor(known)
    pixels = torch.zeros(n, 1, *shape) if pixels is None else pixels
    names = tuple("abcd"[:classes])
    return Masks(pixels, truth, known, names, tuple(map(str, range(n))))


@pytest.fixture(scope="module")
def squares():
    """24 dark images with a bright square each, which is the mask."""
    generator = np.random.default_rng(3)
    truth = np.zeros((24, 1, 64, 64), dtype=bool)
    for i in range(24):
        y, x = generator.integers(4, 36, 2)
        truth[i, 0, y : y + 24, x : x + 24] = True
    noise = generator.random((24, 1, 64, 64)) * 0.2
    return make_masks(truth, pixels=torch.tensor(truth * 0.7 + noise).float())


def test_a_class_without_a_mask_is_empty_by_its_label_or_unknown():
    def study(name, masks, labels):
        masks = {key: np.full((3, 4), True) for key in masks}
        return Study(name, name, np.zeros((3, 4), np.float32), "", labels, masks)

    studies = [
        study("0", ["b", "a"], {}),
        study("1", ["a"], {"b": 0.0}),
        study("2", ["a"], {"b": 1.0}),
        study("3", [], {"a": math.nan}),
    ]
    data = collect_masks(studies)
    assert data.names == ("a", "b")
    assert data.pixels.shape == (4, 1, 3, 4)
    assert data.known.tolist() == [[True, True], [True, True], [True, False], [False, False]]
    assert data.truth[1].all((1, 2)).tolist() == [True, False]
    presence = data.presence()
    np.testing.assert_array_equal(presence, [[1, 1], [1, 0], [1, math.nan], [math.nan, math.nan]])
    some = data.take(np.array([2, 0]))
    assert some.ids == ("2", "0")
    assert some.known.tolist() == [[True, False], [True, True]]
    assert collect_masks(studies, ["b"]).truth.shape == (4, 1, 3, 4)


def test_without_masks_it_says_how_to_name_them(studies):
    with pytest.raises(ValueError, match=r"of 1 studies has a mask of x; there are \w+.*mask_colu"):
        collect_masks([study for study in studies if study.masks][:1], ["x"])
    bare = [replace(study, masks={}) for study in studies[:2]]
    with pytest.raises(ValueError, match=r"none of 2 studies has a mask.*mask_columns"):
        collect_masks(bare)


@pytest.mark.parametrize("image", ["resnet", "vit"])
def test_a_frozen_encoder_stays_and_a_decoder_learns(build, squares, image):
    model = build(image)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    maps = Pyramids.of(model, squares)
    segmenter = Segmenter(model, squares.names, seed=2)
    start = dice_result(segmenter.predict(squares) > 0.5, squares)["value"]
    losses = segmenter.fit(squares, steps=40, features=maps)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    predicted = segmenter.predict(squares, batch_size=7, features=maps)
    assert predicted.shape == squares.truth.shape
    assert predicted.dtype == np.float16
    assert dice_result(predicted > 0.5, squares)["value"] > start + 0.2
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training
    # Kept maps are float16, and nothing else differs.
    np.testing.assert_allclose(segmenter.predict(squares), predicted, atol=0.02)


def test_training_follows_from_the_seed(model, squares):
    maps = Pyramids.of(model, squares)
    runs = [
        Segmenter(model, squares.names, seed=seed).fit(squares, 4, 5, features=maps)
        for seed in (2, 2, 3)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_the_best_step_on_validation_is_kept(model, squares):
    """The values say that step 2 of 20 is the best; what it predicted then is predicted now."""
    seen, given = [], iter([0.1, 0.7, math.nan, 0.7, *[0.5] * 6])
    segmenter = Segmenter(model, squares.names, fine_tuned=True)

    def validate():
        seen.append(segmenter.predict(squares))
        return next(given)

    segmenter.fit(squares, steps=20, validate=validate)
    assert len(seen) == segmentation.VALIDATIONS == 10
    assert segmenter.best_step == 4
    np.testing.assert_array_equal(segmenter.predict(squares), seen[1])
    assert (seen[1] != seen[-1]).any()


@pytest.mark.parametrize(("steps", "asked"), [(1, 1), (3, 3), (25, 10)])
def test_validation_is_asked_evenly_and_changes_no_step(model, squares, steps, asked):
    plain, validated = (Segmenter(model, squares.names) for _ in range(2))
    values = iter(range(100))  # ever better: the last step
    losses = validated.fit(squares, steps, validate=lambda: next(values))
    assert next(values) == asked
    assert validated.best_step == steps
    assert losses == plain.fit(squares, steps)
    np.testing.assert_array_equal(validated.predict(squares), plain.predict(squares))


def test_few_studies_are_seen_again_and_again(model, squares):
    one = squares.take(np.array([3]))
    assert len(Segmenter(model, squares.names).fit(one, steps=3, batch_size=8)) == 3


def test_fine_tuning_changes_a_copy_and_no_running_statistics(model, squares):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    segmenter = Segmenter(model, squares.names, fine_tuned=True)
    segmenter.fit(squares, steps=3)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    for name, value in segmenter.encoder.tower.state_dict().items():
        same = torch.equal(value, model.image_encoder.tower.state_dict()[name])
        assert same == ("running" in name or "num_batches" in name), name


def test_maps_that_would_fill_the_memory_are_not_kept(model, squares, monkeypatch):
    monkeypatch.setattr(segmentation, "CACHE_BYTES", 10_000)
    assert Pyramids.of(model, squares) is None
    assert len(Segmenter(model, squares.names).fit(squares, steps=1)) == 1


def test_dice_by_hand():
    truth = np.zeros((3, 2, 2, 4), dtype=bool)
    truth[0, 0, :, :2] = True  # 4 pixels
    truth[1, 0, 0] = True  # 4 pixels
    truth[0, 1, 0, 0] = True
    predicted = np.zeros_like(truth)
    predicted[0, 0, 0, :2] = True  # Dice 2 * 2 / (2 + 4)
    predicted[1, 0, 0] = True  # Dice 1
    predicted[2, 0, 0, 0] = True  # a false alarm
    predicted[0, 1] = True  # Dice 2 / 9
    known = np.ones((3, 2), dtype=bool)
    known[1, 1] = False
    data = make_masks(truth, known)
    found = dice_result(predicted, data)
    assert found["per_class"] == pytest.approx({"a": (2 / 3 + 1) / 2, "b": 2 / 9})
    assert found["per_class_iou"] == pytest.approx({"a": (1 / 2 + 1) / 2, "b": 1 / 8})
    assert found["value"] == pytest.approx((5 / 6 + 2 / 9) / 2)
    assert found["n_per_class"] == {"a": 2, "b": 1}
    assert found["n"] == 3
    assert found["false_alarms"] == 1 / 2  # of study 2 without a and study 2 without b
    np.testing.assert_allclose(found["per_study"], [(2 / 3 + 2 / 9) / 2, 1, math.nan])
    low, high = found["interval"]
    assert low <= found["value"] <= high
    one = dice_result(predicted, data, "one")
    assert one["per_class"] == pytest.approx({"a": (2 / 3 + 1 + 0) / 3, "b": (2 / 9 + 1) / 2})


def test_the_mean_over_classes_leaves_nan_out_of_both_means():
    values = np.array([[0.5, math.nan, math.nan], [0.1, 0.8, math.nan]])
    assert mean_over_classes(values) == pytest.approx((0.3 + 0.8) / 2)
    assert math.isnan(mean_over_classes(np.full((2, 2), math.nan)))


def test_chance_and_the_prior_of_place():
    truth = np.zeros((4, 1, 2, 8), dtype=bool)
    truth[:, 0, :, :2] = True  # a quarter of every image
    data = make_masks(truth)
    assert marking_all_or_nothing(data) == pytest.approx(2 * 0.25 / 1.25)
    assert place_prior(data, data) == 1.0
    moved = truth.copy()
    moved[1:] = False
    moved[1, 0, :, 6:] = True
    # One of two masks lies there: a cut at half of the mean keeps both places, at 4 + 4 pixels.
    half = make_masks(moved).take(np.array([0, 1]))
    assert place_prior(half, half) == pytest.approx(2 * 4 / (4 + 8))
    nothing = make_masks(np.zeros_like(truth))
    assert place_prior(nothing, data) == 0.0
