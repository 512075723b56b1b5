"""A study (one examination), and a batch of studies as tensors.

    data set -> Study (numpy, text) -> collate -> Batch (tensors) -> model
    data set -> Pair (image, report) -> the same, for training, which reads nothing else

Shape letters: B = studies in the batch, T = word pieces (padded), W = words (padded).
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from .study import Pair, Study
from .tokenization import LENGTH_STEP, encode_reports


class Pairs(Dataset):
    """The pairs of a data set, for a `DataLoader`.

    Args:
        data: map-style data set of studies. If it has `pairs(indices)`, a list of `Pair`, that is
            used: it leaves out masks, labels and what else a `Study` has.
    """

    def __init__(self, data: Any):
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Pair:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Pair]:
        if hasattr(self.data, "pairs"):
            return self.data.pairs(indices)
        return [Pair(s.image, s.report) for s in (self.data[index] for index in indices)]


@dataclass
class Batch:
    """Studies as tensors. Reports are padded to the longest one here, rounded up a little."""

    # (B, 1, H, W); float32 in [0, 1], or uint8 or uint16 as they were stored until `to`: a quarter
    # of the bytes to move, and the device turns them into floats faster.
    pixels: Tensor
    input_ids: Tensor  # int64 (B, T)
    attention_mask: Tensor  # int64 (B, T)
    word_ids: Tensor  # int64 (B, T), the word of each piece, -1 for special and padding tokens
    word_mask: Tensor  # bool (B, W)
    sentences: Tensor  # int64 (B, W), the sentence of each word
    report_keys: Tensor  # int64 (B,), equal for equal texts
    word_counts: tuple[int, ...] = ()  # words per report, known without asking a GPU; () if not

    def to(self, device: torch.device | str) -> "Batch":
        """On a device, with pixels in float32."""
        moved = self._map(lambda tensor: tensor.to(device, non_blocking=True))
        return replace(moved, pixels=_unit_range(moved.pixels))

    def pin_memory(self) -> "Batch":
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        tensors: dict[str, Any] = {
            name: change(v) for name, v in values.items() if isinstance(v, Tensor)
        }
        return replace(self, **tensors)

    def __len__(self) -> int:
        return len(self.pixels)


def _unit_range(pixels: Tensor) -> Tensor:
    top = 1 if pixels.is_floating_point() else torch.iinfo(pixels.dtype).max
    return pixels.float() if top == 1 else pixels.float() / top


class Collate:
    """Turns studies or pairs into a `Batch`.

    Args:
        tokenizer: any fast tokenizer.
        max_words, max_tokens: where reports are cut; `truncated` counts the cut ones.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_words: int, max_tokens: int):
        self.tokenizer = tokenizer
        self.max_words, self.max_tokens = max_words, max_tokens
        self.truncated = 0

    def __call__(self, studies: Sequence[Study | Pair]) -> Batch:
        images = [study.image for study in studies]
        shapes = {image.shape for image in images}
        if len(shapes) != 1:
            raise ValueError(f"images of one batch must have one shape, got {sorted(shapes)}")
        if len({image.dtype for image in images}) == 1:
            pixels = torch.from_numpy(np.stack(images))
        else:  # 8 and 16 bits, as in a data set of PNG and DICOM files
            pixels = torch.stack([_unit_range(torch.from_numpy(np.array(i))) for i in images])
        return self.texts([study.report for study in studies], pixels[:, None])

    def texts(self, reports: list[str], pixels: Tensor | None = None) -> Batch:
        """A batch of reports, with no images (pixels of no rows) unless given."""
        encoded = encode_reports(
            self.tokenizer,
            reports,
            max_words=self.max_words,
            max_tokens=self.max_tokens,
            multiple=LENGTH_STEP,
        )
        self.truncated += encoded.truncated
        return Batch(
            pixels=torch.empty(0, 1, 1, 1) if pixels is None else pixels,
            input_ids=encoded.input_ids,
            attention_mask=encoded.attention_mask,
            word_ids=encoded.word_ids,
            word_mask=encoded.word_mask,
            sentences=encoded.sentences,
            report_keys=torch.tensor([report_key(words) for words in encoded.words]),
            word_counts=tuple(map(len, encoded.words)),
        )

    def words(self, report: str) -> list[str]:
        """The words of a report that the model reads, in order."""
        limits = {"max_words": self.max_words, "max_tokens": self.max_tokens}
        return encode_reports(self.tokenizer, [report], **limits).words[0]


def report_key(words: list[str]) -> int:
    """A 63-bit number that is equal for reports with the same words, in any process."""
    digest = hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
