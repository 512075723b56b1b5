"""A batch of studies as tensors: what the model reads. `collate.py` makes it.

Shape letters: B = studies in the batch, E = reports without an image, which follow those of the
studies in all tensors of texts; T = tokens (padded), W = words (padded).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Lengths of texts are rounded up to a multiple of this. Libraries prepare a kernel for every shape
# that is new to them, and lengths as they come are new in every batch (LOG.md, 2026-11-25).
LENGTH_STEP = 4


def rounded_up(length: int, multiple: int = LENGTH_STEP) -> int:
    """The next multiple, at least one of them."""
    return multiple * max(1, -(-length // multiple))


class DistinctWords(NamedTuple):
    """Which words of B reports have equal vectors; known where a batch is made, without asking a
    GPU for its values."""

    first: Tensor  # int64 (U,), where each distinct word stands first, of B * W places
    numbers: Tensor  # int64 (B, W), the distinct word in each place; any in padding


@dataclass
class Batch:
    """Studies as tensors. Reports are padded to the longest one here, rounded up a little."""

    # (B, 1, H, W); float32 in [0, 1], or uint8 or uint16 as they were stored until `to`: a quarter
    # of the bytes to move, and the device turns them into floats faster.
    pixels: Tensor
    input_ids: Tensor  # int64 (B + E, T)
    attention_mask: Tensor  # int64 (B + E, T)
    word_ids: Tensor  # int64 (B + E, T), the word of each piece, -1 for special and padding tokens
    word_mask: Tensor  # bool (B + E, W)
    sentences: Tensor  # int64 (B + E, W), the sentence of each word
    report_keys: Tensor  # int64 (B + E,), equal for equal texts
    word_counts: tuple[int, ...] = ()  # words per report, known without asking a GPU; () if not
    token_counts: tuple[int, ...] = ()  # tokens per report, likewise
    left_out: tuple[str, ...] = ()  # why studies that were asked for are not in it
    terms: Tensor | None = None  # int64 (B, kinds of soft targets, terms), see `terms.term_hashes`
    # int64 (B, N), reports that are false of a study's image: rows of the texts, -1 for none.
    negatives: Tensor | None = None
    distinct: DistinctWords | None = None  # of the B studies, where words repeat

    def to(self, device: torch.device | str) -> "Batch":
        """On a device, with pixels in float32."""
        moved = self._map(lambda tensor: tensor.to(device, non_blocking=True))
        return replace(moved, pixels=unit_range(moved.pixels))

    def pin_memory(self) -> "Batch":
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {
            name: change(v) for name, v in values.items() if isinstance(v, Tensor)
        }
        if self.distinct is not None:
            changed["distinct"] = DistinctWords(*map(change, self.distinct))
        return replace(self, **changed)

    def __len__(self) -> int:
        return len(self.pixels)


def unit_range(pixels: Tensor) -> Tensor:
    top = 1 if pixels.is_floating_point() else torch.iinfo(pixels.dtype).max
    return pixels.float() if top == 1 else pixels.float() / top
