"""All evaluations: encoders compute in what the device has, and workers read the studies."""

import os
from importlib import import_module

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import PreTrainedModel

from reclf.datasets.phantom import Phantom
from reclf.models import inference
from reclf.tasks.decoder import feature_pyramid
from reclf.tasks.grounding import find_items, heat_maps
from reclf.tasks.segmentation import Pyramids, Segmenter, collect_masks

FEW = {"studies": 12}
TRAINED = {**FEW, "train_studies": 12, "val_studies": 12}
TASKS = {
    "zero_shot": ("zero_shot", FEW),
    "linear_probe": ("linear_probe", {**TRAINED, "fractions": [1.0]}),
    "fine_tune": ("linear_probe", {**TRAINED, "fractions": [1.0], "fine_tune": True, "epochs": 1}),
    "retrieval": ("retrieval", {**FEW, "shortlist": 4, "k": 1}),
    "segmentation": ("segmentation", {**TRAINED, "fractions": [1.0], "steps": 2}),
    "segmentation_fine_tuned": (
        "segmentation", {**TRAINED, "fractions": [1.0], "steps": 2, "fine_tune": True},
    ),
    "grounding": ("grounding", FEW),
}  # fmt: skip


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Evaluations compute in bfloat16, as on a GPU that has instructions for it."""
    monkeypatch.setattr(inference, "encoder_precision", lambda device: "bfloat16")


def evaluate(task, p):
    module = import_module(f"reclf.tasks.evaluations.{task}")
    module.evaluate(module.open_task(p), p)


@pytest.mark.parametrize("name", TASKS)
def test_every_tower_computes_as_the_protocol_says(choose, name, as_on_a_gpu):
    """An image of one gray, which tells only where the regions lie, may be seen in float32."""
    module, given = TASKS[name]
    low = []

    def note(tower, seen):
        if isinstance(tower, PreTrainedModel) and not (seen and seen[0].min() == seen[0].max()):
            low.append(torch.is_autocast_enabled("cpu"))

    hook = register_module_forward_pre_hook(note)
    try:
        evaluate(module, choose(module, **given))
    finally:
        hook.remove()
    assert low
    assert all(low), f"{low.count(False)} of {len(low)} calls of a tower in float32"


@pytest.mark.parametrize("name", [name for name in TASKS if name != "retrieval"])
def test_every_study_is_read_by_a_worker(choose, name, monkeypatch):
    """The phantom picks its own gallery; that of others: tests/tasks/test_task_run.py."""
    module, given = TASKS[name]
    here, read = [], Phantom.__getitem__

    def watched(self, index):
        here.append((os.getpid(), index))  # a worker's own copy of the list, unless it is this one
        return read(self, index)

    monkeypatch.setattr(Phantom, "__getitem__", watched)
    evaluate(module, choose(module, **given, workers=1))
    assert here == []


@pytest.mark.parametrize("image", ["resnet", "vit"])
def test_kept_maps_are_half_as_large_and_mark_the_same(build, studies, image, as_on_a_gpu):
    """Against float32 throughout: maps within 2 % of their spread, probabilities within .02."""
    model, data = build(image), collect_masks(studies)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "encoder_precision", lambda device: "float32")
        with torch.no_grad():
            exact = feature_pyramid(model.image_encoder, data.pixels)
        segmenter = Segmenter(model, data.names)
        segmenter.fit(data, steps=10, features=Pyramids(exact))
        expected = segmenter.predict(data, features=Pyramids(exact))
    kept = Pyramids.of(model, data)
    for mine, theirs in zip(kept.maps, exact, strict=True):
        assert mine.nbytes * 2 == theirs.nbytes
        assert not torch.equal(mine.float(), theirs.half().float())  # bfloat16 went before
        assert (mine - theirs).square().mean().sqrt() < 0.02 * theirs.std()
    found = segmenter.predict(data, features=kept)
    np.testing.assert_allclose(found, expected, atol=0.02)
    # What is not kept is the same.
    np.testing.assert_allclose(segmenter.predict(data), found, atol=0.01)


def test_heat_maps_in_bfloat16_are_those_in_float32(model, studies, monkeypatch):
    """Within 5 % of the spread of a map, both shifted to mean 0, as all measures see them."""
    items = find_items(studies[:12])
    exact = heat_maps(model, items)
    monkeypatch.setattr(inference, "encoder_precision", lambda device: "bfloat16")
    low = heat_maps(model, items)
    assert low.dtype == np.float32
    apart = low - exact
    apart -= apart.mean((1, 2), keepdims=True)
    assert 0 < (apart.std((1, 2)) / exact.std((1, 2))).max() < 0.05
