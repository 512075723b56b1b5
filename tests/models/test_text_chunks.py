"""A batch of reports in parts by length: the same values and gradients, with less padding."""

from dataclasses import replace

import pytest
import torch
from task_fixtures import make_config
from trained_step import losses_and_gradients

from reclf.config import WORD_SOURCES
from reclf.data.batch import rounded_up
from reclf.data.tokenization import train_tokenizer
from reclf.datasets.registry import load_dataset
from reclf.models.inference import collate_for
from reclf.models.reclf import RECLF
from reclf.pretrain import make_model

COUNTS = (3, 0, 5, 1, 4)


@pytest.fixture
def known(make_batch):
    """A batch that knows how many tokens its reports have, as one that was collated does."""
    batch = make_batch(COUNTS)
    return replace(batch, token_counts=tuple(batch.attention_mask.sum(1).tolist()))


def shapes(model, batch):
    """The shapes of `input_ids` that the text tower gets."""
    seen = []

    def note(tower, given, named):
        seen.append(tuple(named["input_ids"].shape))

    hook = model.text_encoder.tower.register_forward_pre_hook(note, with_kwargs=True)
    with torch.no_grad():
        features = model.encode_reports(batch)
    hook.remove()
    return seen, features


@pytest.mark.parametrize("source", WORD_SOURCES)
@pytest.mark.parametrize("chunks", [2, 3, 8])
def test_parts_change_neither_loss_nor_gradient(tiny, known, chunks, source):
    known.pixels = known.pixels.double()
    model = RECLF(tiny("vit", word_source=source)).double().train()
    losses, gradients = losses_and_gradients(model, known)
    for how in ({}, {"encoder_chunk": 2}):
        model.text_encoder.chunks = chunks
        found, others = losses_and_gradients(model, known, **how)
        torch.testing.assert_close(found, losses)
        assert others.keys() == gradients.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(others[name], gradient, rtol=1e-6, atol=1e-9)


@torch.no_grad()
def test_features_are_those_of_each_report_alone(tiny, known, make_batch):
    """The plain reference: one report after the other, without padding."""
    model = RECLF(tiny()).eval()
    model.text_encoder.chunks = 3
    _, features = shapes(model, known)
    for row, (length, words) in enumerate(zip(known.token_counts, COUNTS, strict=True)):
        texts = (known.input_ids, known.attention_mask, known.word_ids)
        alone = [part[row : row + 1, :length] for part in texts]
        mask = known.word_mask[row : row + 1, : max(words, 1)]
        plain = model.text_encoder(*alone, mask, known.sentences[:1, : max(words, 1)])
        torch.testing.assert_close(features.global_embedding[row], plain.global_embedding[0])
        torch.testing.assert_close(features.words[row, :words], plain.words[0, :words])


def test_each_part_is_as_wide_as_its_longest_report(tiny, known):
    model = RECLF(tiny()).eval()
    assert known.token_counts == (6, 2, 9, 3, 8)
    whole = known.input_ids.shape
    assert shapes(model, known)[0] == [whole]
    model.text_encoder.chunks = 3
    widths = [rounded_up(longest) for longest in (3, 8)]
    assert shapes(model, known)[0] == [(2, widths[0]), (2, widths[1]), (1, 9)]
    # Of a batch whose lengths are not known nothing is asked of the device.
    assert shapes(model, replace(known, token_counts=()))[0] == [whole]


def test_four_parts_of_real_batches_save_nearly_half_of_the_tokens(open_i):
    """Of 960 reports in batches of 64: 37 % of the tower's tokens are real, 73 % in four parts."""
    reports = load_dataset("table", str(open_i), "train").reports[:960]
    model = make_model(make_config(max_tokens=160), train_tokenizer(reports, 2000), seed=1)
    share = {}
    for model.text_encoder.chunks in (1, 4):
        slots = real = 0
        for start in range(0, 960, 64):
            batch = collate_for(model).texts(reports[start : start + 64])
            slots += sum(rows * width for rows, width in shapes(model, batch)[0])
            real += sum(batch.token_counts)
        share[model.text_encoder.chunks] = real / slots
    assert share[1] < 0.4
    assert share[4] > 0.7
