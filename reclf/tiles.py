"""How many image-report pairs are related at a time, and which.

    word counts of the reports, number of images --> tiles of all pairs
    global logits --> the positive and the hardest negatives --> a list of pairs

Scores of all pairs of a batch cost memory and time as B^2. Tiles bound the memory, a shortlist the
time; neither changes the score of a pair.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# Bytes of the largest tensor of a tile. On a CPU it should stay in the cache that the cores share;
# a GPU wants work by the hundred megabytes, and few launches.
TILE_BYTES = {"cpu": 3 * 2**20, "cuda": 256 * 2**20}
# Share of a GPU's memory, or bytes on a CPU, that activations of pairs may take before they are
# recomputed in the backward pass instead.
KEPT_BYTES = 256 * 2**20
KEPT_SHARE = 0.25


class Tile(NamedTuple):
    """Some images with some reports, which follow one another in order of length."""

    images: slice
    reports: slice
    words: int  # of the longest report, at least 1
    padded: bool  # whether another report of the tile is shorter


def plan_tiles(images: int, counts: Sequence[int], pairs: int) -> list[Tile]:
    """All pairs of `images` images with reports of so many words each, at most `pairs` at a time.

    Args:
        counts: words per report, ascending.
    """
    images_at_a_time = max(1, min(images, pairs))
    reports_at_a_time = max(1, pairs // images) if images else 1
    tiles = []
    for start in range(0, len(counts), reports_at_a_time):
        some = counts[start : start + reports_at_a_time]
        reports = slice(start, start + len(some))
        width = max(1, some[-1])
        for first in range(0, images, images_at_a_time):
            rows = slice(first, min(images, first + images_at_a_time))
            tiles.append(Tile(rows, reports, width, some[0] < width))
    return tiles


def pairs_at_a_time(words: int, width: int, device: torch.device) -> int:
    """How many pairs fit a tile of this device.

    Args:
        words: of the longest report.
        width: numbers per word: D or S, or R where only cosines are formed.
    """
    return max(1, TILE_BYTES.get(device.type, TILE_BYTES["cuda"]) // (4 * max(1, words) * width))


def hardest_pairs(logits: Tensor, positives: Tensor, k: int) -> Tensor:
    """The pairs worth relating: positives, and the k hardest negatives of each row and column.

    Args:
        logits: (A, B), higher is harder.
        positives: bool (A, B).

    Returns:
        bool (A, B).
    """
    negatives = logits.detach().masked_fill(positives, float("-inf"))
    chosen = positives.clone()
    for dim in (0, 1):
        hardest = negatives.topk(min(k, logits.shape[dim]), dim).indices
        chosen.scatter_(dim, hardest, True)
    return chosen
