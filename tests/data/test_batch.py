"""Batches: pixels keep their type up to the device; pairs are studies without the rest."""

import numpy as np
import pytest
import torch

from reclf.data.collate import DISTINCT_STEP, Collate, Pairs
from reclf.data.study import Pair, Study
from reclf.data.tokenization import train_tokenizer

REPORTS = ["No effusion.", "Small left pleural effusion.", "Heart size is normal."]


@pytest.fixture
def collate():
    return Collate(train_tokenizer(REPORTS, 200), 16, 32)


def images(dtype, n=3):
    drawn = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (n, 5, 7), dtype=dtype)
    drawn[0, 0, 0] = np.iinfo(dtype).max
    return list(drawn)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_stored_pixels_become_floats_on_the_device(collate, dtype):
    drawn = images(dtype)
    batch = collate([Pair(i, r) for i, r in zip(drawn, REPORTS, strict=True)])
    assert batch.pixels.shape == (3, 1, 5, 7)
    assert batch.pixels.element_size() == np.dtype(dtype).itemsize
    moved = batch.to("cpu")
    assert moved.pixels.dtype == torch.float32
    floats = [i.astype(np.float32) / np.float32(np.iinfo(dtype).max) for i in drawn]
    assert moved.pixels[0, 0, 0, 0] == 1
    np.testing.assert_array_equal(moved.pixels[:, 0].numpy(), floats)
    whole = collate([Study("a", "a", i, r) for i, r in zip(floats, REPORTS, strict=True)])
    assert whole.pixels.dtype == torch.float32
    assert torch.equal(whole.to("cpu").pixels, moved.pixels)
    assert torch.equal(whole.input_ids, moved.input_ids)
    assert torch.equal(whole.report_keys, moved.report_keys)


def test_images_of_several_depths_in_one_batch(collate):
    mixed = [images(np.uint8)[0], images(np.uint16)[0], np.full((5, 7), 0.5, np.float32)]
    batch = collate([Pair(i, r) for i, r in zip(mixed, REPORTS, strict=True)])
    assert batch.pixels.dtype == torch.float32
    expected = [mixed[0] / np.float32(255), mixed[1] / np.float32(65535), mixed[2]]
    np.testing.assert_allclose(batch.pixels[:, 0], expected, rtol=1e-6)


def test_pairs_of_any_data_set(collate):
    studies = [Study(r, r, np.full((5, 7), 0.5, np.float32), r) for r in REPORTS]
    pairs = Pairs(studies)
    assert len(pairs) == 3
    assert pairs[1].report == REPORTS[1]
    assert [pair.report for pair in pairs.__getitems__([2, 0])] == [REPORTS[2], REPORTS[0]]

    class OnlyPairs(list):
        def pairs(self, indices):
            return [Pair(self[i], "asked for") for i in indices]

    loader = torch.utils.data.DataLoader(
        Pairs(OnlyPairs(images(np.uint8))), batch_size=3, collate_fn=collate
    )
    batch = next(iter(loader))
    assert batch.pixels.dtype == torch.uint8
    assert len(set(batch.report_keys.tolist())) == 1
    with pytest.raises(
        ValueError, match=r"images of one batch must have one shape, got \[\(5, 7\)"
    ):
        collate([Pair(np.zeros((5, 7)), "a"), Pair(np.zeros((5, 8)), "b")])


def test_false_reports_follow_those_of_the_studies(collate):
    image = np.zeros((5, 7), np.float32)
    false = ["Large left pleural effusion.", "No heart."]
    pairs = [Pair(image, REPORTS[0], negatives=("", "")),
             Pair(image, REPORTS[1], negatives=(false[0], "")),
             Pair(image, REPORTS[2], negatives=("", false[1]))]  # fmt: skip
    batch = collate(pairs)
    assert len(batch) == 3
    assert batch.negatives.tolist() == [[-1, -1], [3, -1], [-1, 4]]
    assert torch.equal(batch.input_ids, collate.texts([*REPORTS, *false]).input_ids)
    assert collate([Pair(image, REPORTS[0])]).negatives is None


def test_a_false_report_that_is_cut_before_it_differs_is_none(collate):
    long = "effusion " * 16
    pair = Pair(np.zeros((5, 7), np.float32), long + "left", negatives=(long + "right", "right"))
    assert collate([pair]).negatives.tolist() == [[-1, 2]]


@pytest.mark.parametrize(("source", "count"), [("embedding", 8), ("token", 4)])
def test_distinct_words_against_a_loop(source, count):
    """ "pleural" has several tokens, and moves what is behind it."""
    reports = ["small left effusion.", "small left pleural effusion. left", "effusion. left", ""]
    tokenizer = train_tokenizer(["small left effusion", "small left effusion"], 40)
    collate = Collate(tokenizer, 16, 64, source)
    images = [np.zeros((5, 7), np.float32)] * 4
    pairs = [Pair(i, r, negatives=("left small",)) for i, r in zip(images, reports, strict=True)]
    batch = collate(pairs)
    assert len(batch.input_ids) == 8  # with those that are false of a study
    first, numbers = batch.distinct
    width = batch.word_mask.shape[1]
    seen, expected = {}, []
    for row, report in enumerate(reports):
        for k, word in enumerate(collate.words(report)):
            place = batch.word_ids[row].tolist().index(k)
            key = (word, place) if source == "embedding" else word
            if key not in seen:
                seen[key] = len(expected)
                expected.append(row * width + k)
            assert numbers[row, k] == seen[key]
    assert numbers.shape == (4, width)
    assert len(expected) == count  # of ten words
    assert first.tolist() == expected + [0] * (DISTINCT_STEP - len(expected))
    moved = batch.to("meta").distinct
    assert moved.first.is_meta
    assert moved.numbers.is_meta
    assert collate.texts(reports).distinct.numbers.equal(numbers)
    assert Collate(tokenizer, 16, 64, "last")(pairs).distinct is None
