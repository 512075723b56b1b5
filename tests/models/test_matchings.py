"""Local-matchings: known values, a loop over images, reports and words, padding, gradients."""

import math

import pytest
import torch
import torch.nn.functional as F

from reclf.models.matchings import LocalMatchings
from reclf.models.matchings import unit as unit_length

A, C, W, R, D, S = 2, 3, 5, 7, 6, 4
COUNTS = (5, 2, 0)
KINDS = ("cosine", "words_then_regions")


@pytest.fixture
def inputs():
    regions = torch.randn(A, R, D, dtype=torch.float64, requires_grad=True)
    words = torch.randn(C, W, D, dtype=torch.float64)
    word_mask = torch.arange(W) < torch.tensor(COUNTS)[:, None]
    words = torch.where(word_mask[..., None], words, 1e4).requires_grad_()
    return regions, words, word_mask


@pytest.fixture(params=KINDS)
def module(request):
    return LocalMatchings(D, S, request.param, 4.0, learn_attention_scale=True).double()


def unit(vector):
    return vector / vector.square().sum().sqrt()


def match_by_loop(module, regions, words):
    """The formulas for one image (R, D) and one report without padding (n, D), word by word."""
    scale = module.log_attention_scale.exp()
    matchings, cosines, attentions = [], [], []
    for i, word in enumerate(words):
        if module.kind == "cosine":
            scores = torch.stack([unit(word) @ unit(region) for region in regions])
        else:
            # How much of region j goes to word i, among the words of this report.
            scores = torch.stack([torch.softmax(words @ region, 0)[i] for region in regions])
        attention = torch.exp(scale * scores) / torch.exp(scale * scores).sum()
        attended = unit(
            sum(weight * region for weight, region in zip(attention, regions, strict=True))
        )
        difference = attended - unit(word)
        matchings.append(unit(module.local.weight @ difference**2 + module.local.bias))
        cosines.append(attended @ unit(word))
        attentions.append(attention)
    return torch.stack(matchings), torch.stack(cosines), torch.stack(attentions)


@torch.no_grad()
def test_by_hand():
    module = LocalMatchings(2, 2, attention_scale=math.log(3))
    module.local.weight.copy_(torch.eye(2))
    module.local.bias.zero_()
    regions = torch.tensor([[[2.0, 0.0], [0.0, 5.0]]])
    matchings, cosines, attention = module(
        regions, torch.tensor([[[3.0, 0.0]]]), torch.ones(1, 1).bool()
    )
    # exp(ln 3 * 1) : exp(0) = 3 : 1; attended = (1.5, 1.25), the word is (1, 0).
    length = math.hypot(1.5, 1.25)
    difference = torch.tensor([(1.5 / length - 1) ** 2, (1.25 / length) ** 2])
    torch.testing.assert_close(attention, torch.tensor([[[0.75, 0.25]]]))
    torch.testing.assert_close(cosines, torch.tensor([[1.5 / length]]))
    torch.testing.assert_close(matchings, (difference / difference.norm())[None, None])


def test_equals_plain_loop_in_value_and_gradient(module, inputs):
    regions, words, word_mask = inputs
    leaves = [regions, words, *module.local.parameters(), module.log_attention_scale]
    matched = [x.unflatten(1, (C, W)) for x in module(regions, words, word_mask)]
    total, total_by_loop = 0.0, 0.0
    for a in range(A):
        for c, n in enumerate(COUNTS):
            if n == 0:
                continue
            by_loop = match_by_loop(module, regions[a], words[c, :n])
            for fast, plain in zip(matched, by_loop, strict=True):
                torch.testing.assert_close(fast[a, c, :n], plain)
                weight = torch.randn_like(plain)
                total += (fast[a, c, :n] * weight).sum()
                total_by_loop += (plain * weight).sum()
    expected = torch.autograd.grad(total_by_loop, leaves)
    for fast, plain in zip(torch.autograd.grad(total, leaves), expected, strict=True):
        torch.testing.assert_close(fast, plain)


def test_given_pairs_equal_all_pairs(module, inputs):
    regions, words, word_mask = inputs
    every = [x.unflatten(1, (C, W)) for x in module(regions, words, word_mask)]
    chosen = torch.tensor([2, 0])  # report of each image
    given = module(regions, words[chosen][:, None], word_mask[chosen][:, None])
    for one, all_pairs in zip(given, every, strict=True):
        torch.testing.assert_close(one, torch.stack([all_pairs[a, chosen[a]] for a in range(A)]))


def test_gradients_of_given_pairs(module, inputs):
    regions, words, word_mask = inputs
    chosen = torch.tensor([0, 1])
    mask = word_mask[chosen][:, None]
    own = words.detach()[chosen].clamp(-2, 2)[:, None].requires_grad_()
    assert torch.autograd.gradcheck(lambda r, w: tuple(module(r, w, mask)), (regions, own))


def test_unit_equals_normalize_in_value_and_gradient():
    vectors = torch.randn(3, 4, 5)
    vectors[1, 2] = 0  # a padded word
    one, other = vectors.clone().requires_grad_(), vectors.clone().requires_grad_()
    weight = torch.randn(3, 4, 5)
    (unit_length(one) * weight).sum().backward()
    (F.normalize(other, dim=-1) * weight).sum().backward()
    torch.testing.assert_close(unit_length(one), F.normalize(other, dim=-1))
    other.grad[1, 2] = 0  # where torch gives 1e12 times the weight
    torch.testing.assert_close(one.grad, other.grad)


def test_second_derivatives_are_refused_rather_than_wrong():
    vectors = torch.randn(2, 3, requires_grad=True)
    (grad,) = torch.autograd.grad(
        unit_length(vectors)[:, 0].square().sum(), vectors, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_padding_is_finite_and_does_not_change_words(module, inputs):
    regions, words, word_mask = inputs
    more = torch.cat([words, torch.full((C, 2, D), -1e4)], 1)
    wider = module(regions, more, torch.cat([word_mask, torch.zeros(C, 2).bool()], 1))
    for padded, plain in zip(wider, module(regions, words, word_mask), strict=True):
        assert padded.isfinite().all()
        same = padded.unflatten(1, (C, W + 2))[:, :, :W] - plain.unflatten(1, (C, W))
        assert same[:, word_mask].abs().max() < 1e-12


def test_shapes_and_lengths(module, inputs):
    matchings, cosines, attention = module(*inputs)
    assert matchings.shape == (A, C * W, S)
    assert cosines.shape == (A, C * W)
    assert attention.shape == (A, C * W, R)
    torch.testing.assert_close(attention.sum(-1), torch.ones(A, C * W).double())
    torch.testing.assert_close(matchings.norm(dim=-1), torch.ones(A, C * W).double())


def test_zero_words_have_finite_gradients(module, inputs):
    # What the text encoder gives for padding.
    regions, _, word_mask = inputs
    words = torch.zeros(C, W, D, dtype=torch.float64, requires_grad=True)
    matched = module(regions, words, word_mask)
    sum(x.sum() for x in matched).backward()
    assert words.grad.isfinite().all()
    assert regions.grad.isfinite().all()


def test_global_matching(module):
    images, reports = torch.randn(A, 1, D).double(), torch.randn(1, C, D).double()
    whole = module.match_global(images, reports)
    for a in range(A):
        for c in range(C):
            difference = (unit(images[a, 0]) - unit(reports[0, c])) ** 2
            expected = unit(module.whole.weight @ difference + module.whole.bias)
            torch.testing.assert_close(whole[a, c], expected)


def test_attention_scale_is_a_multiplier_and_learns_on_request():
    fixed = LocalMatchings(D, S, attention_scale=4.0)
    assert fixed.log_attention_scale.exp().item() == pytest.approx(4.0)
    assert not fixed.log_attention_scale.requires_grad
    learnt = LocalMatchings(D, S, attention_scale=4.0, learn_attention_scale=True)
    assert learnt.log_attention_scale.requires_grad
    assert "log_attention_scale" in fixed.state_dict()
