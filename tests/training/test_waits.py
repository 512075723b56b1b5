"""Where a step of the optimizer waits for its device."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn
from waits import waits

from reclf.config import TrainConfig
from reclf.data.batch import DistinctWords
from reclf.models.reclf import RECLF
from reclf.models.relations import AGGREGATORS
from reclf.training.step import train_step


class One:
    """What `train_step` asks of Accelerate, for one process on a device."""

    num_processes = 1
    clip_grad_norm_ = staticmethod(nn.utils.clip_grad_norm_)

    def __init__(self, device):
        self.device = torch.device(device)

    def autocast(self):
        if self.device.type == "meta":  # it has none
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def backward(self, loss):
        loss.backward()

    def unscale_gradients(self):
        pass


def make_step(model, batch, device="meta", **settings):
    model = model.to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    optimizer.step_was_skipped = False
    config = TrainConfig(accumulate=1, **settings)
    random = torch.Generator().manual_seed(0)
    return lambda: train_step(model, optimizer, One(device), [batch], config, random)


KINDS = [
    *((name, {}, {}) for name in AGGREGATORS),
    ("srm", {"overlap": 0.7, "nearness": 0.1, "boundary": 0.1}, {"pair_chunk": 3}),
    ("irm", {"norm": "batch", "word_gate": True}, {"checkpoint_pairs": True}),
    ("irm", {"norm": "report", "include_global": True}, {"encoder_chunk": 2, "clip_norm": 0.0}),
    ("reclf", {"importance_loss": 0.5}, {"identity_aware": True}),
]


@pytest.mark.parametrize(("aggregator", "options", "settings"), KINDS)
def test_a_step_waits_nowhere(tiny, batch, aggregator, options, settings):
    image = "vit" if settings else "resnet"
    model = RECLF(tiny(image, aggregator=aggregator, aggregator_options=options))
    step = make_step(model, batch, **settings)
    with waits() as found:
        step()
    assert found == []


@pytest.mark.parametrize("settings", [{}, {"pair_chunk": 8}, {"checkpoint_pairs": True}])
def test_words_that_repeat_are_not_waited_for(tiny, batch, settings):
    batch.distinct = DistinctWords(torch.tensor([0, 1, 2]), torch.arange(20).view(4, 5) % 3)
    model = RECLF(tiny(word_source="embedding", aggregator_options={"overlap": 0.5}))
    step = make_step(model, batch, **settings)
    with waits() as found:
        step()
    assert found == []


def test_reports_in_parts_by_length_are_not_waited_for(tiny, batch):
    batch.token_counts = tuple(batch.attention_mask.sum(1).tolist())
    model = RECLF(tiny())
    model.text_encoder.chunks = 3
    step = make_step(model, batch)
    with waits() as found:
        step()
    assert found == []


@pytest.mark.parametrize(
    ("settings", "operation"),
    [
        ({"shortlist": 1}, "Cannot copy out of meta tensor"),
        ({"soft_targets": {"labels": 0.2}}, "aten::_unique2"),
        ({}, "Cannot copy out of meta tensor"),  # reports that are false of an image
    ],
)
def test_what_is_listed_by_its_value_waits_as_the_documents_say(tiny, batch, settings, operation):
    batch.terms = torch.arange(12).reshape(4, 1, 3)
    if not settings:
        batch.negatives, batch.pixels = torch.tensor([[3], [-1], [3]]), batch.pixels[:3]
    with pytest.raises(NotImplementedError, match=operation):
        make_step(RECLF(tiny()), batch, **settings)()


def test_the_step_that_is_counted_is_one(tiny, batch):
    model = RECLF(tiny())
    before = model.image_encoder.project_whole.weight.detach().clone()
    losses = make_step(model, batch, "cpu")()
    assert all(value.isfinite() for value in losses.values())
    assert not torch.equal(before, model.image_encoder.project_whole.weight)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize(("aggregator", "options", "settings"), KINDS)
def test_a_step_waits_nowhere_on_a_gpu(tiny, batch, aggregator, options, settings):
    model = RECLF(tiny(aggregator=aggregator, aggregator_options=options))
    step = make_step(model, batch.pin_memory(), "cuda", **settings)
    step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(
    ("operation", "named"),
    [
        (lambda there: there[[2, 0]], "a list as an index"),
        (lambda there: there[torch.tensor([2, 0])], "aten::index,"),
        (lambda there: there.index_put_((torch.tensor([1]),), there[:1]), "index_put"),
        (lambda there: there + torch.ones(3).to("meta"), "aten::_to_copy"),
        (lambda there: there.copy_(torch.ones(3)), "aten::copy_"),
    ],
)
def test_what_blocks_is_counted_with_its_line(operation, named):
    with waits() as found:
        operation(torch.ones(3, device="meta"))
    assert len(found) == 1
    assert named in found[0]
    assert "test_waits.py" in found[0]


@pytest.mark.parametrize(
    "reading", [torch.Tensor.item, torch.Tensor.tolist, bool, torch.nonzero, torch.Tensor.cpu]
)
def test_what_reads_a_value_is_an_error(reading):
    with pytest.raises(RuntimeError, match=r"[Mm]eta"):  # NotImplementedError is one
        reading(torch.ones(1, device="meta"))


def test_a_copy_that_does_not_block_is_none():
    with waits() as found:
        torch.ones(3).to("meta", non_blocking=True) + torch.ones(3, device="meta")
    assert found == []
