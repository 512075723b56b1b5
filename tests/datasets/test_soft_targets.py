"""Terms beside the pairs of a training, and a training with soft targets."""

import numpy as np
import pytest
import torch

from reclf.config import override
from reclf.data.collate import Pairs
from reclf.data.study import Study
from reclf.data.terms import similarity
from reclf.datasets.counterfactuals import WithCounterfactuals
from reclf.datasets.phantom import Phantom
from reclf.datasets.soft_targets import WithTerms
from reclf.models.inference import collate_for
from reclf.pretrain import pretrain
from reclf.runs.run import Run
from reclf.training.presets import make_config

PHANTOM = Phantom(None, "train", 32)


class Plain:
    """Studies without labels and codes."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return Study(f"s{index}", f"p{index}", np.ones((8, 8), np.float32), "no edema")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("labels", r"train.soft_targets.labels: the studies of Plain have no labels; take another"),
        (
            "mesh",
            r"soft_targets.mesh: .* no codes in `Study.meta\[\"mesh\"\]`, the column \"mesh\" of",
        ),
    ],
)
def test_what_a_data_set_does_not_have_is_refused(kind, message):
    with pytest.raises(ValueError, match=message):
        WithTerms(Plain(), [kind])
    assert WithTerms(Plain(), ["text"]).pairs([2])[0].terms == ({"no", "edema"},)


def test_a_counterfactual_pair_counts_for_itself_alone():
    """Its labels and words are the same: they must not draw the two together."""
    learned = WithTerms(PHANTOM, ["labels", "text"])
    data = WithCounterfactuals(learned, {"binding": 0.5}, PHANTOM)
    pairs = data.pairs(range(8))
    plain = PHANTOM.pairs(range(8))
    for index, (pair, study) in enumerate(zip(pairs, plain, strict=True)):
        if data.fact(index) is None:
            assert pair.terms == learned.pairs([index])[0].terms
            assert np.array_equal(pair.image, study.image)
        else:
            assert pair.terms == (None, None)


def test_a_training_with_soft_targets(tmp_path):
    config = override(
        make_config("phantom_small"),
        {
            "model.image_size": 32,
            "data.counterfactuals": {"binding": 0.25},
            "data.workers": 0,
            "train.soft_targets": {"labels": 0.25, "text": 0.25},
            "train.max_steps": 2,
            "train.batch_size": 4,
            "train.val_studies": 8,
        },
    )
    run = Run(tmp_path, config)
    model = pretrain(run, progress_bar=False)
    assert run.status["state"] == "trained"
    data = Pairs(WithTerms(PHANTOM, config.train.soft_targets))
    batch = collate_for(model)(data.__getitems__(range(16)))
    assert batch.terms.shape[:2] == (16, 2)
    same = [set(s.labels.items()) for s in map(PHANTOM.__getitem__, range(16))]
    labels = similarity(batch.terms[:, 0])
    for i in range(16):
        for j in range(16):
            assert (labels[i, j] == 1) == (same[i] == same[j])
    assert torch.equal(similarity(batch.to("cpu").terms[:, 0]), labels)
