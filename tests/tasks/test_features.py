"""Features in chunks are those of single studies, whatever the padding."""

import numpy as np
import pytest
import torch

from reclf.data.collate import Collate
from reclf.models.inference import (
    collate_for,
    encode_images,
    encode_texts,
    score_all,
    stack_images,
    take_images,
)
from reclf.models.reclf import RECLF


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
