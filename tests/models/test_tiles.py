"""Tiles within their bounds; the hardest negatives by a loop."""

import pytest
import torch

from reclf.data.batch import rounded_up
from reclf.models.tiles import TILE_BYTES, hardest_pairs, pairs_at_a_time, tile_sides


@pytest.mark.parametrize(
    ("images", "pairs", "sides"),
    [
        (8, 24, (8, 3)),  # all images with three reports
        (8, 31, (8, 3)),
        (8, 32, (8, 4)),
        (8, 63, (8, 4)),  # of more than four a power of two
        (8, 64, (8, 8)),
        (8, 8, (8, 1)),
        (8, 5, (5, 1)),  # a report with all images is too much
        (8, 1, (1, 1)),
        (0, 5, (1, 4)),
    ],
)
def test_sides_of_a_tile(images, pairs, sides):
    assert tile_sides(images, pairs) == sides


def test_lengths_are_rounded_up():
    assert [rounded_up(n) for n in (0, 1, 4, 5, 8, 9)] == [4, 4, 4, 8, 8, 12]


def test_a_tile_fits_the_device():
    cpu = pairs_at_a_time(64, 256, torch.float32, torch.device("cpu"))
    assert cpu * 64 * 256 * 4 <= TILE_BYTES["cpu"] < 2 * cpu * 64 * 256 * 4
    assert pairs_at_a_time(64, 256, torch.bfloat16, torch.device("cpu")) == 2 * cpu
    assert pairs_at_a_time(64, 256, torch.float32, torch.device("cuda")) > cpu
    assert pairs_at_a_time(10**6, 10**6, torch.float32, torch.device("cpu")) == 1


@pytest.mark.parametrize("k", [1, 2, 9])
def test_hardest_pairs_against_a_loop(k):
    logits = torch.randn(5, 6)  # images, reports
    positives = torch.eye(5, 6).bool()
    positives[0, 3] = True
    expected = positives.clone()
    for a in range(5):
        negatives = [b for b in range(6) if not positives[a, b]]
        for b in sorted(negatives, key=lambda b: -logits[a, b])[:k]:
            expected[a, b] = True
    for b in range(6):
        negatives = [a for a in range(5) if not positives[a, b]]
        for a in sorted(negatives, key=lambda a: -logits[a, b])[:k]:
            expected[a, b] = True
    assert torch.equal(hardest_pairs(logits, positives, k), expected)
