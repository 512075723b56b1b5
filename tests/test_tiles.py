"""Tiles and shortlists: every pair once, within bounds; the hardest negatives by a loop."""

import pytest
import torch

from reclf.tiles import TILE_BYTES, hardest_pairs, pairs_at_a_time, plan_tiles

COUNTS = [0, 1, 1, 4, 7]


@pytest.mark.parametrize("images", [1, 3, 8])
@pytest.mark.parametrize("pairs", [1, 2, 5, 16, 1000])
def test_every_pair_is_in_one_tile(images, pairs):
    seen = torch.zeros(images, len(COUNTS), dtype=torch.long)
    for tile in plan_tiles(images, COUNTS, pairs):
        part = seen[tile.images, tile.reports]
        assert 0 < part.numel() <= max(1, pairs)
        part += 1
        words = COUNTS[tile.reports]
        assert tile.words == max(1, *words)
        assert tile.padded == (min(words) < tile.words)
    assert (seen == 1).all()


def test_no_images_or_reports_give_no_tiles():
    assert plan_tiles(0, COUNTS, 5) == []
    assert plan_tiles(3, [], 5) == []


def test_a_tile_fits_the_device():
    cpu = pairs_at_a_time(64, 256, torch.device("cpu"))
    assert cpu * 64 * 256 * 4 <= TILE_BYTES["cpu"] < 2 * cpu * 64 * 256 * 4
    assert pairs_at_a_time(64, 256, torch.device("cuda")) > cpu
    assert pairs_at_a_time(10**6, 10**6, torch.device("cpu")) == 1


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
