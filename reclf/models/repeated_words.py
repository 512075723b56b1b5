"""Words that repeat are matched once per image, and their matchings put where they stand.

    distinct words --match--> (A, U, ...) --in_places--> (A, C * W, ...) of each group of reports

Where words are context-free, a word (at one place, where its vector knows it) has one vector in all
reports: of 1,250 words in 32 phantom reports 830 are distinct, and 160 where none knows its place.
What depends on an image and a word alone is computed of these. Of contextual words each is its own,
and a tile is matched as it stands.

Shape letters: A = images, U = distinct words, C = reports of a group, W = words.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .matchings import at_least_float32
from .tiles import tile_sides

# Reports of like length that are related at a time where a tile has all. Twice as many have more
# padding; with half as many a tile has twice the images, and a batch too few tiles for two
# threads (LOG.md, 2026-11-30).
GROUP = 8


def sides_with_all_reports(
    images: int, reports: int, pairs: int, bounded: bool
) -> tuple[int, int] | None:
    """Images of a tile that has all reports, and how many of these are related at a time.

    Args:
        pairs: that fit, each at least 1.
        bounded: whether they bound the whole tile, and not what is related at a time alone.

    Returns:
        None where not even one image with all reports fits.
    """
    tall = pairs // max(1, reports) if bounded else max(1, pairs // GROUP)
    if not tall:
        return None
    tall = max(1, min(images, 1 << (tall.bit_length() - 1)))
    return tall, tile_sides(tall, pairs)[1]


def in_places(distinct: Tensor, numbers: Tensor | None, sizes: Sequence[int]) -> Sequence[Tensor]:
    """What was computed of distinct words, (A, U, ...), at the places where they stand.

    Args:
        numbers: int64 (N,), the word at each place; None where each place has a word of its own.
        sizes: of the groups that places come in; their sum is N.

    Returns:
        (A, n, ...) of each group.
    """
    if numbers is None:
        return [distinct]
    return _InPlaces.apply(distinct, *numbers.split(sizes))


class _InPlaces(torch.autograd.Function):
    """`index_select` of several groups. Gradients are summed in float32: "no" stands often."""

    @staticmethod
    def forward(ctx, distinct: Tensor, *numbers: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(*numbers)
        ctx.shape = distinct.shape
        return tuple(distinct.index_select(1, group) for group in numbers)

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        total = at_least_float32(gradients[0]).new_zeros(ctx.shape)
        for group, grad in zip(ctx.saved_tensors, gradients, strict=True):
            total.index_add_(1, group, grad.to(total.dtype))
        return total.to(gradients[0].dtype), *(None for _ in gradients)
