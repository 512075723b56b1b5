"""How many image-report pairs are related at a time, and which.

    number of images, pairs that fit --> sides of a tile of the B x B pairs
    global logits --> the positive and the hardest negatives --> a list of pairs

Scores of all pairs of a batch cost memory and time as B^2. Tiles bound the memory, a shortlist the
time; neither changes the score of a pair.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

# Bytes of the largest tensor of a tile. On a CPU it should stay in the cache that the cores share;
# a GPU wants work by the hundred megabytes, and few launches.
TILE_BYTES = {"cpu": 3 * 2**20, "cuda": 256 * 2**20}


def tile_sides(images: int, pairs: int) -> tuple[int, int]:
    """Images and reports of a tile of at most so many pairs, each at least 1.

    All images with some reports, so that a report is matched in one large product; fewer images
    only where one report with all of them is too much. Of four reports and more a power of two, so
    that few shapes occur.
    """
    reports = max(1, pairs // max(1, images))
    if reports >= 4:
        reports = 1 << (reports.bit_length() - 1)
    return max(1, min(images, pairs)), reports


def pairs_at_a_time(words: int, width: float, dtype: torch.dtype, device: torch.device) -> int:
    """How many pairs fit a tile of this device.

    Args:
        words: of the longest report.
        width: numbers per word: of D, S and R what is largest, or a share of R.
        dtype: of the numbers.
    """
    largest = TILE_BYTES.get(device.type, TILE_BYTES["cuda"])
    return max(1, int(largest / (dtype.itemsize * max(1, words) * width)))


def hardest_pairs(logits: Tensor, positives: Tensor | None, k: int) -> Tensor:
    """The pairs worth relating: positives, and the k hardest negatives of each row and column.

    Args:
        logits: (A, B), higher is harder.
        positives: bool (A, B); None means the diagonal.

    Returns:
        bool (A, B).
    """
    if positives is None:
        positives = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    negatives = logits.detach().masked_fill(positives, float("-inf"))
    chosen = positives.clone()
    for dim in (0, 1):
        hardest = negatives.topk(min(k, logits.shape[dim]), dim).indices
        chosen.scatter_(dim, hardest, True)
    return chosen


def indices(numbers: Sequence[int] | Tensor, device: torch.device) -> Tensor:
    """int64 (N,) on a device, which is not waited for.

    A list, or a tensor of the CPU, as an index would be copied while a GPU waits and is waited for.
    """
    tensor = torch.as_tensor(numbers)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
