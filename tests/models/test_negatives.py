"""Reports without an image: their columns of logits, by every way of computing them."""

import math
from functools import partial

import pytest
import torch
from trained_step import losses_and_gradients

from reclf.models.losses import contrastive_losses
from reclf.models.reclf import RECLF

NEGATIVES = torch.tensor([[4, -1], [-1, -1], [6, 5], [-1, 4]])


@pytest.fixture
def batch(make_batch):
    """Four studies, and three reports that are false of one or two of them."""
    made = make_batch((3, 0, 5, 1, 4, 2, 5))
    made.pixels, made.negatives = made.pixels[:4].double(), NEGATIVES
    return made


@pytest.mark.parametrize("aggregator", ["reclf", "global"])
@pytest.mark.parametrize("how", [{}, {"shortlist": 1}], ids=["all", "shortlist"])
def test_columns_are_the_scores_of_these_pairs(tiny, batch, aggregator, how):
    options = {"importance_loss": 0.5} if aggregator == "reclf" else {}
    model = RECLF(tiny(aggregator=aggregator, aggregator_options=options)).double().eval()
    out = model(batch, **how)
    scores = model.score(model.encode_images(batch.pixels), model.encode_reports(batch))
    for name in ("logits_global", "logits_local"):
        every, found = getattr(scores, name), out[name]
        if every is None:
            assert found is None
            continue
        assert found.shape == (4, 6)
        for i, row in enumerate(NEGATIVES.tolist()):
            for n, report in enumerate(row):
                expected = every[i, report] if report >= 0 else -math.inf
                torch.testing.assert_close(found[i, 4 + n], torch.as_tensor(expected).to(found))
        taken = found[:, :4].isfinite()
        torch.testing.assert_close(found[:, :4][taken], every[:, :4][taken])
        assert taken.all() or (name, how) == ("logits_local", {"shortlist": 1})
    if aggregator == "reclf":
        assert torch.equal(out["logits_auxiliary"].isfinite(), out["logits_local"].isfinite())


def test_no_way_changes_loss_or_gradient(tiny, batch):
    model = RECLF(tiny("vit", aggregator_options={"importance_loss": 0.5})).double().train()

    run = partial(losses_and_gradients, model, batch)
    losses, gradients = run()
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    for how in ({"pair_chunk": 2}, {"encoder_chunk": 3, "checkpoint_pairs": True}):
        found, others = run(**how)
        torch.testing.assert_close(found, losses)
        for name, gradient in gradients.items():
            torch.testing.assert_close(others[name], gradient, rtol=1e-6, atol=1e-9)


def test_a_batch_of_which_no_report_has_one(tiny, make_batch):
    model, plain, none = RECLF(tiny()).eval(), make_batch(), make_batch()
    none.negatives = torch.full((4, 1), -1)
    expected, found = model(plain), model(none)
    assert found["logits_local"].shape == (4, 5)
    losses = contrastive_losses(**found)
    torch.testing.assert_close(losses, contrastive_losses(**expected))
    sum(losses.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
