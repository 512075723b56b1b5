"""Phrases with places, their maps, the controls, and means over studies."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reclf.data.region_grid import heat_in_pixels
from reclf.data.study import Box, Study
from reclf.models.inference import encode_texts, stack_images
from reclf.stats.maps import contrast_to_noise, iou_at_thresholds, pointing_hit
from reclf.tasks.grounding import (
    MEASURES,
    Item,
    _phrase_weights,
    box_mask,
    center_maps,
    find_items,
    grounding_result,
    heat_maps,
    is_of_another_label,
    measure,
    noise_maps,
    other_phrases,
)


def make_item(study_id="s", label="a", mask=None, text="a nodule", words=None):
    image = np.zeros((6, 8), np.float32)
    mask = np.zeros((6, 8), bool) if mask is None else mask
    return Item(Study(study_id, study_id, image, text), text, words, text, label, mask)


@pytest.fixture
def boxed():
    boxes = (Box("Mass", 1, 1, 2, 3), Box("Lung_Opacity", 0, 0, 4, 2), Box("Mass", 5.5, 2, 2, 2))
    return Study("x", "p", np.zeros((6, 8), np.float32), "A mass.", boxes=boxes)


@pytest.fixture(scope="module")
def items(studies):
    return find_items(studies[:12])


def test_a_pixel_is_in_a_box_if_its_center_is():
    # two of them begin or end at the very center of a pixel, which is in where it begins
    for box in (Box("", 1, 1, 2, 3), Box("", 0.4, 0.6, 3.2, 2.9), Box("", 5.5, 2, 9, 1),
                Box("", 1, 0.5, 2, 3), Box("", 0.5, 1, 4, 2.5)):  # fmt: skip
        mask = box_mask(box, (6, 8))
        for y in range(6):
            for x in range(8):
                inside = (
                    box.x <= x + 0.5 < box.x + box.width and box.y <= y + 0.5 < box.y + box.height
                )
                assert mask[y, x] == inside


def test_boxes_of_a_label_are_one_phrase_with_their_union(boxed):
    mass, opacity = find_items([boxed])
    assert (mass.phrase, opacity.phrase) == ("mass", "lung opacity")
    assert mass.text == "mass"
    assert mass.words is None
    assert mass.label == "Mass"
    union = box_mask(boxed.boxes[0], (6, 8)) | box_mask(boxed.boxes[2], (6, 8))
    assert (mass.mask == union).all()


def test_a_report_is_a_phrase_with_the_union_of_all(boxed):
    (item,) = find_items([boxed], "report")
    assert item.text == "A mass."
    assert item.label == "Mass and Lung_Opacity"
    assert item.mask.sum() == np.logical_or.reduce([i.mask for i in find_items([boxed])]).sum()


def test_words_that_speak_of_a_finding_with_its_own_mask(studies, items):
    for item in items:
        spoken = {item.study.words[i].finding for i in item.words}
        assert len(spoken) == 1
        (finding,) = spoken
        assert (item.mask == item.study.meta["instance_masks"][finding]).all()
        assert item.label == list(item.study.masks)[finding]
        assert item.phrase == " ".join(item.study.words[i].text for i in item.words)
    assert len(items) > 8
    labels = find_items(studies[:12], "labels")
    assert all(item.text == item.label.replace("_", " ") for item in labels)


def test_nothing_to_ground_says_what_would_be(boxed):
    bare = replace(boxed, boxes=())
    with pytest.raises(ValueError, match=r"none of 2 studies has a phrase with a place.*box_file"):
        find_items([bare, bare])
    with pytest.raises(ValueError, match="phrases must be one of auto, words, report, labels, got"):
        find_items([boxed], "sentences")


@torch.no_grad()
@pytest.mark.parametrize("attention", ["cosine", "words_then_regions"])
def test_a_map_is_the_plain_loop_over_single_pairs(build, items, attention):
    model = build(attention=attention)
    chosen = [*items[:4], replace(items[5], words=None)]
    found = heat_maps(model, chosen, batch_size=2)  # an uneven last batch, padded reports
    looked = heat_maps(model, chosen, heat="attention", batch_size=2)
    assert found.shape == (5, 64, 64)
    for item, heat, attended in zip(chosen, found, looked, strict=True):
        images = model.encode_images(stack_images([item.study]))
        texts = encode_texts(model, [item.text])
        words = item.words or range(int(texts.word_mask.sum()))
        weights = model.relate(images, texts)[1].attention[0]
        cells = torch.stack([weights[word] for word in words]).mean(0).view(1, *images.grid)
        # A region of the ResNet is centered half a pixel from the corner of its 16 x 16 pixels.
        expected = heat_in_pixels(cells.numpy(), (64, 64), 0.5 / 16, smooth=True)[0]
        np.testing.assert_allclose(attended, expected, atol=1e-5)
        if attention == "cosine":
            # The map of a word is its cosine with each region, up to a constant of the word.
            cosines = torch.stack(
                [
                    F.cosine_similarity(texts.words[0, word][None], images.regions[0], dim=1)
                    for word in words
                ]
            )
            cells = cosines.mean(0).view(1, *images.grid)
            expected = heat_in_pixels(cells.numpy(), (64, 64), 0.5 / 16, smooth=True)[0]
            np.testing.assert_allclose(heat - heat.mean(), expected - expected.mean(), atol=1e-4)


def test_spoken_phrases_are_looked_for_in_the_images_of_the_items(model, items):
    found = heat_maps(model, items[:3], items[3:6])
    mixed = [
        replace(spoken, study=replace(spoken.study, image=item.study.image))
        for item, spoken in zip(items[:3], items[3:6], strict=True)
    ]
    np.testing.assert_allclose(found, heat_maps(model, mixed), atol=1e-5)
    assert np.abs(found - heat_maps(model, items[:3])).max() > 1e-3
    with pytest.raises(ValueError, match="heat must be one of score, attention, got 'gradient'"):
        heat_maps(model, items[:2], heat="gradient")


def test_a_phrase_that_was_cut_off_is_looked_for_by_what_is_left(build, items):
    model = build(max_words=4)
    item = next(item for item in items if min(item.words) >= 4)
    found, whole = heat_maps(model, [item]), heat_maps(model, [replace(item, words=None)])
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize(
    ("words", "weights"),
    [
        (None, [0.25, 0.25, 0.25, 0.25, 0]),  # all words of the text, of which the last is padding
        ((1, 2), [0, 0.5, 0.5, 0, 0]),
        ((0,), [1, 0, 0, 0, 0]),
        ((3,), [0, 0, 0, 1, 0]),  # the last word
        ((3, 4), [0, 0, 0, 1, 0]),  # the next was cut in this text, and stayed in a longer one
        ((2, 3, 5, 9), [0, 0, 0.5, 0.5, 0]),  # beyond the longest text of the batch
        ((4,), [0.25, 0.25, 0.25, 0.25, 0]),  # all of the phrase was cut
        ((5,), [0.25, 0.25, 0.25, 0.25, 0]),
    ],
)
def test_a_phrase_weighs_its_words_up_to_where_the_text_was_cut(words, weights):
    mask = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]).bool()
    found = _phrase_weights([make_item(words=words), make_item(words=(4, 5))], mask)
    assert found.tolist() == [weights, [0, 0, 0, 0, 1]]
    assert mask.sum() == 9  # which is not written on


def said(study, label, phrase="", text=""):
    """An item of a study with a label, its phrase (by default the label) and text (the phrase)."""
    phrase = phrase or label.lower().replace("_", " ")
    return replace(make_item(study, label, text=text or phrase), phrase=phrase)


def test_another_phrase_is_never_the_same_one_nor_a_part_of_it():
    """NIH's kind: most items have one label."""
    items = [said(f"s{i}", "Infiltrate" if i % 9 else "Lung_Mass") for i in range(60)]
    items += [said("t", "Mass"), said("s1", "Effusion"), said("u", "infiltrate")]
    found = other_phrases(items, seed=3)
    for item, other in zip(items, found, strict=True):
        mine, theirs = set(item.phrase.split()), set(other.phrase.split())
        assert not mine <= theirs
        assert not theirs <= mine
        assert item.study.study_id != other.study.study_id
        assert is_of_another_label(item, other)
    assert found == other_phrases(items, seed=3)
    assert found != other_phrases(items, seed=4)


def test_phrases_that_share_most_words_are_other_phrases():
    items = [said("a", "mass", "left upper mass"), said("b", "mass", "right upper mass")]
    assert other_phrases(items) == [items[1], items[0]]


def test_a_phrase_that_cannot_be_chosen_hides_none_that_can():
    """Of "a mass" the nodule states nothing, but it has all of its words; the lump is left."""
    items = [
        said("a", "Mass", "mass"),
        said("b", "Nodule", "nodule beside mass"),
        said("c", "Mass", "lump"),
    ]
    assert other_phrases(items)[0] is items[2]


def test_one_phrase_has_no_other():
    """RSNA's kind; and a phrase that differs from all others only in case or by more words."""
    items = [said(f"s{i}", "Lung_Opacity") for i in range(5)]
    assert other_phrases(items) == [None] * 5
    items.append(said("t", "Lung_Opacity", "Left Lung opacity."))
    assert other_phrases(items) == [None] * 6
    one_study = [said("s", "Mass"), said("s", "Effusion")]
    assert other_phrases(one_study) == [None, None]


def test_a_text_that_states_the_same_finding_is_the_last_choice():
    both = "a mass and an effusion"
    items = [
        said("a", "mass", "a mass", both),
        said("a", "effusion", "an effusion", both),
        said("b", "effusion", "an effusion", "an effusion"),
        said("c", "mass", "the mass", "the mass"),
        said("d", "nodule", "one nodule", "one nodule"),
    ]
    for seed in range(20):
        found = [other.study.study_id for other in other_phrases(items, seed)]
        # Study a has both findings, so only the nodule is none of them.
        assert found[:2] == ["d", "d"]
        assert found[2] in "cd"  # and not "a mass" of the report that states an effusion too
        assert found[3] in "bd"
    without = items[:4]
    for seed in range(20):
        assert other_phrases(without, seed)[0] is items[2]
        assert other_phrases(without, seed)[1] is items[3]
    # Only reports that state both: the other finding's words, where there are any.
    pairs = [
        said(s, f, f"{f} of {s}", f"{both} of {s}") for s in "xy" for f in ("mass", "effusion")
    ]
    found = [other.label for other in other_phrases(pairs)]
    assert found == ["effusion", "mass", "effusion", "mass"]


def test_one_label_in_other_words_is_another_phrase_and_counted_apart():
    items = [said("a", "mass", "left upper mass"), said("b", "mass", "right lower mass")]
    assert other_phrases(items) == [items[1], items[0]]
    assert not is_of_another_label(*items)
    whole = [said("a", "Mass and Lung_Opacity", "x y"), said("b", "lung opacity", "z")]
    assert not is_of_another_label(*whole)


def test_the_center_is_highest_in_the_middle_and_even():
    maps = center_maps([make_item()] * 3)
    assert maps.shape == (3, 6, 8)
    assert np.unravel_index(maps[0].argmax(), (6, 8)) in [(y, x) for y in (2, 3) for x in (3, 4)]
    np.testing.assert_allclose(maps[0], maps[0][::-1, ::-1])


def test_noise_is_chance(model, items):
    maps = noise_maps(model, items, seed=4)
    assert maps.shape == (len(items), 64, 64)
    assert (maps == noise_maps(model, items, seed=4)).all()
    assert (maps != noise_maps(model, items, seed=5)).any()
    for y, x in ((0, 0), (1, 3)):  # a cell's center lies between its two middle pixels
        corner = maps[0, 16 * y + 7 : 16 * y + 9, 16 * x + 7 : 16 * x + 9]
        assert np.ptp(corner) < 0.1
    cells = np.random.default_rng(4).random((len(items), 1, 4, 4), dtype=np.float32)
    assert maps[2, 0, 0] == cells[2, 0, 0, 0]  # beyond the outermost centers nothing changes
    many = [make_item(str(i), mask=box_mask(Box("", 2, 1, 4, 3), (6, 8))) for i in range(400)]
    noise = np.random.default_rng(0).random((400, 6, 8))
    assert grounding_result(many, noise)["value"] == pytest.approx(0.25, abs=0.06)


@pytest.fixture
def measured():
    """Seven items of three studies; the last has a mask of the whole image."""
    generator = np.random.default_rng(2)
    items = []
    for i, study in enumerate("aaabbbc"):
        mask = np.zeros((6, 8), bool)
        mask[i % 3 : i % 3 + 3, i : i + 2] = True
        items.append(make_item(study, "xy"[i % 2], mask if study != "c" else np.ones((6, 8), bool)))
    return items, generator.random((7, 6, 8)).astype(np.float32)


def test_measures_are_those_of_single_maps(measured):
    items, maps = measured
    found = measure(items, maps)
    assert set(found) == set(MEASURES)
    for i, (item, heat) in enumerate(zip(items, maps, strict=True)):
        assert found["pointing"][i] == pointing_hit(heat, item.mask)
        unit = (heat - heat.min()) / (heat.max() - heat.min())
        ious = [
            iou_at_thresholds(unit, item.mask, [threshold])[0]
            for threshold in (0.1, 0.2, 0.3, 0.4, 0.5)
        ]
        assert found["miou"][i] == pytest.approx(np.mean(ious))
        for name, signed in (("cnr", False), ("cnr_signed", True)):
            np.testing.assert_equal(found[name][i], contrast_to_noise(heat, item.mask, signed))


@pytest.mark.parametrize("metric", MEASURES)
def test_the_mean_is_over_items_and_the_bootstrap_over_studies(measured, metric):
    items, maps = measured
    found = grounding_result(items, maps, metric, seed=3)
    values = measure(items, maps)[metric]
    assert found["value"] == pytest.approx(np.nanmean(values))
    assert (found["n"], found["n_studies"]) == (7, 3)
    assert found["per_class"]["x"] == pytest.approx(np.nanmean(values[::2]))
    assert found["n_per_class"] == {"x": 4, "y": 3}
    assert found["area"] == pytest.approx(np.mean([item.mask.mean() for item in items]))
    generator, means = np.random.default_rng(3), []
    rows = [[0, 1, 2], [3, 4, 5], [6]]
    for _ in range(2000):
        drawn = [i for study in generator.integers(0, 3, 3) for i in rows[study]]
        known = values[drawn][~np.isnan(values[drawn])]
        if len(known):
            means.append(known.mean())
    assert found["interval"] == pytest.approx(list(np.quantile(means, [0.025, 0.975])))
    with pytest.raises(ValueError, match="metric must be one of pointing, cnr, cnr_signed, miou"):
        grounding_result(items, maps, "dice")
