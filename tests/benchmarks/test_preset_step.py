"""The kinds of a step that are timed: the first two compute the same, the third another model."""

import torch

from reclf_benchmarks.preset_step import KINDS, steps

SMALL = {
    "model.image_size": 32,
    "model.image_tower.config.embedding_size": 4,
    "model.image_tower.config.hidden_sizes": [4, 4, 8, 8],
    "data.vocab_size": 80,
    "train.batch_size": 4,
    "train.device": "cpu",
    "train.precision": "no",
}


def test_words_that_repeat_change_the_time_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("reclf.pretrain.TOKENIZER_REPORTS", 40)
    jobs = steps(tmp_path, SMALL)
    assert list(jobs) == list(KINDS)
    each, once, without_place = (job() for job in jobs.values())
    torch.testing.assert_close(once, each, rtol=1e-4, atol=1e-5)
    assert (without_place["local_loss"] - each["local_loss"]).abs() > 1e-6
