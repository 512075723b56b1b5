"""Baselines: pooling by hand, and GLoRIA's local loss transcribed caption by caption."""

import math

import pytest
import torch
import torch.nn.functional as F

from reclf.models.losses import info_nce
from reclf.models.matchings import LocalMatchings
from reclf.models.relations import Pairs
from reclf.models.relations.pooling import GlobalOnly, Gloria, MaxPooling, MeanPooling

B, W, R, D = 4, 5, 6, 8
COUNTS = (3, 5, 1, 2)
TEMP1, TEMP2, TEMP3 = 4.0, 5.0, 10.0


def gloria_similarities(regions, words, counts, aggregate):
    """GLoRIA's local similarities, images by captions, from its formulas.

    For caption i with its true words, and every image: attention of region r to word w
    softmax_w(v_r . t_w); times temp1, softmax over regions; context c_w = sum_r a_wr v_r;
    log(sum_w exp(temp2 * cos(t_w, c_w))) * temp3.
    """
    columns = []
    for i, count in enumerate(counts):
        column = []
        for image in regions:  # (R, D)
            caption = words[i, :count]  # (n, D)
            to_words = torch.stack([torch.softmax(caption @ region, dim=0) for region in image])
            row = []
            for w in range(count):
                attention = torch.softmax(to_words[:, w] * TEMP1, dim=0)  # (R,)
                context = sum(a * region for a, region in zip(attention, image, strict=True))
                row.append(torch.exp(TEMP2 * F.cosine_similarity(caption[w], context, dim=0)))
            pooled = sum(row) / (count if aggregate == "mean" else 1)
            column.append(torch.log(pooled) * TEMP3)
        columns.append(torch.stack(column))
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("aggregate", ["sum", "mean"])
def test_equals_gloria_local_loss_in_value_and_gradient(aggregate):
    regions = torch.randn(B, R, D, requires_grad=True)
    words = torch.randn(B, W, D)
    word_mask = torch.arange(W) < torch.tensor(COUNTS)[:, None]
    words = torch.where(word_mask[..., None], words, 1e3).requires_grad_()

    matched = LocalMatchings(D, 3, "words_then_regions", TEMP1)(regions, words, word_mask)
    gloria = Gloria(3, aggregate=aggregate)
    pairs = Pairs(
        matchings=matched.matchings.reshape(B * B, W, 3),
        cosines=matched.cosines.reshape(B * B, W),
        global_matching=torch.zeros(B * B, 3),
        word_mask=word_mask.expand(B, B, W).reshape(B * B, W),
    )
    logits = gloria(pairs).logits.view(B, B)
    loss = info_nce(logits)

    similarities = gloria_similarities(regions, words, COUNTS, aggregate)
    labels = torch.arange(B)
    to_caption = F.cross_entropy(similarities, labels)
    to_image = F.cross_entropy(similarities.transpose(0, 1), labels)
    expected = (to_caption + to_image) / 2  # GLoRIA adds the two, weighted outside
    torch.testing.assert_close(logits, similarities, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    fast = torch.autograd.grad(loss, [regions, words])
    plain = torch.autograd.grad(expected, [regions, words])
    for a, b in zip(fast, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.fixture
def pairs():
    """Two words (0, 4) and (2, 1); one word (-1, -2); none. Padding is large."""
    far = [1e30, 1e30]
    return Pairs(
        matchings=torch.tensor(
            [[[0.0, 4.0], [2.0, 1.0], far], [[-1.0, -2.0], far, far], [far, far, far]]
        ),
        cosines=torch.tensor([[0.5, -0.5, 9e9], [1.0, 9e9, 9e9], [9e9, 9e9, 9e9]]),
        global_matching=torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
        word_mask=torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0]]).bool(),
    )


@torch.no_grad()
def reading(aggregator):
    """Read 1 * first + 100 * second component, without a multiplier."""
    aggregator.score.read.weight.copy_(torch.tensor([[1.0, 100.0]]))
    aggregator.score.log_scale.zero_()
    return aggregator


def test_mean_by_hand(pairs):
    logits = reading(MeanPooling(2))(pairs).logits
    torch.testing.assert_close(logits, torch.tensor([1.0 + 250.0, -1.0 - 200.0, 0.0]))
    logits = reading(MeanPooling(2, include_global=True))(pairs).logits
    torch.testing.assert_close(logits, torch.tensor([2.0 + 250.0, -1.0 - 100.0, 101.0]))


def test_max_by_hand(pairs):
    logits = reading(MaxPooling(2))(pairs).logits
    torch.testing.assert_close(logits, torch.tensor([2.0 + 400.0, -1.0 - 200.0, 0.0]))


def test_gloria_by_hand(pairs):
    total = math.exp(1.0) + math.exp(-1.0)
    logits = Gloria(2, scale_in=2.0, scale_out=3.0)(pairs).logits
    torch.testing.assert_close(logits, torch.tensor([3 * math.log(total), 6.0, 0.0]))
    logits = Gloria(2, scale_in=2.0, scale_out=3.0, aggregate="mean")(pairs).logits
    torch.testing.assert_close(logits, torch.tensor([3 * math.log(total / 2), 6.0, 0.0]))


def test_gloria_starts_at_gloria_scales():
    assert (Gloria(2).scale_in, Gloria(2).scale_out, Gloria(2).aggregate) == (5.0, 10.0, "sum")
    with pytest.raises(ValueError, match='aggregate must be "sum" or "mean", got \'max\''):
        Gloria(2, aggregate="max")


def test_global_has_no_local_score(pairs):
    assert not GlobalOnly.uses_matchings
    with pytest.raises(NotImplementedError, match=r"GlobalOnly must define forward\(pairs\)"):
        GlobalOnly(2)(pairs)
