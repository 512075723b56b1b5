"""The loss of masks against values by hand and a plain loop over pixels."""

import math

import pytest
import torch

from reclf.tasks.mask_loss import mask_loss


def all_known(*shape):
    return torch.ones(*shape, dtype=torch.bool)


def test_by_hand():
    # Probabilities 3/4, 1/2, 1/4 against 1, 1, 0: 2 * 5/4 / (3/2 + 2) = 5/7 is the soft Dice.
    logits = torch.tensor([math.log(3), 0.0, -math.log(3)]).view(1, 1, 1, 3)
    truth = torch.tensor([True, True, False]).view(1, 1, 1, 3)
    entropy = -(math.log(3 / 4) + math.log(1 / 2) + math.log(3 / 4)) / 3
    found = mask_loss(logits, truth, all_known(1, 1)).item()
    assert found == pytest.approx(1 - 5 / 7 + entropy, abs=1e-5)


def test_monais_formula_of_empty_masks():
    """MONAI 1.6's value, `DiceCELoss(sigmoid=True)`: the smoothing stands on both sides."""
    nothing = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    sure = mask_loss(torch.full((1, 1, 2, 2), -40.0), nothing, all_known(1, 1))
    assert sure.item() == pytest.approx(0.0, abs=1e-6)
    unsure = mask_loss(torch.zeros(1, 1, 2, 2), nothing, all_known(1, 1)).item()
    assert unsure == pytest.approx(1 - 1e-5 / (2 + 1e-5) + math.log(2), abs=1e-6)


def test_dice_is_over_the_batch_and_a_mean_over_classes():
    truth = torch.zeros(2, 2, 1, 2, dtype=torch.bool)
    truth[0, 0] = True  # the second study lacks the first class, both lack the second
    logits = torch.where(truth, 40.0, -40.0)
    assert mask_loss(logits, truth, all_known(2, 2)).item() == pytest.approx(0, abs=1e-5)
    logits[0, 0, 0, 0] = 0.0  # half of one of two pixels is missed: 2 * 1.5 / (1.5 + 2)
    found = mask_loss(logits, truth, all_known(2, 2)).item()
    assert found == pytest.approx((1 - 3 / 3.5) / 2 + math.log(2) / 8, abs=1e-5)


def plain_loss(logits, truth, known):
    """Dice of each class over the batch plus binary cross-entropy, pixel by pixel."""
    studies, classes, height, width = logits.shape
    dice, entropy = 0.0, 0.0
    for c in range(classes):
        both = marked = there = 0.0
        for b in range(studies):
            if not known[b, c]:
                continue
            for y in range(height):
                for x in range(width):
                    p, t = logits[b, c, y, x].sigmoid(), float(truth[b, c, y, x])
                    both, marked, there = both + p * t, marked + p, there + t
                    entropy = entropy - t * p.log() - (1 - t) * (1 - p).log()
        dice = dice + 1 - (2 * both + 1e-5) / (marked + there + 1e-5)
    return dice / classes + entropy / logits.numel()


def test_it_is_the_plain_loop_in_value_and_gradient():
    torch.manual_seed(2)
    logits = torch.randn(3, 2, 4, 5, requires_grad=True)
    truth = torch.rand(3, 2, 4, 5) < 0.3
    known = torch.tensor([[True, True], [False, True], [True, False]])
    truth[~known] = False
    found = mask_loss(logits, truth, known)
    expected = plain_loss(logits, truth, known)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    mine, theirs = (torch.autograd.grad(loss, logits)[0] for loss in (found, expected))
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
    assert (mine[~known] == 0).all()  # what is not known teaches nothing
    assert (mine[known] != 0).all()
