"""From studies, or image-report pairs, to a `Batch`.

data set -> Study (numpy, text) -> collate -> Batch (tensors) -> model
data set -> Pair (image, report) -> the same, for training, which reads nothing else
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from .batch import LENGTH_STEP, Batch, DistinctWords, rounded_up, unit_range
from .study import ImageError, Pair, Study
from .terms import term_hashes, text_hash
from .tokenization import EncodedReports, encode_reports

DISTINCT_STEP = 32


class Pairs(Dataset):
    """The pairs of a data set, for a `DataLoader`.

    A study that cannot be read raises `ImageError`. If the data set says `on_problem = "skip"`, the
    next one that can be read and is not in the batch stands for it, so that batches stay full.

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
        try:
            return read_pairs(self.data, indices)
        except ImageError:
            if getattr(self.data, "on_problem", "refuse") != "skip":
                raise
        taken = {index % len(self) for index in indices}
        return [self._read_or_replace(index, taken) for index in indices]

    def _read_or_replace(self, index: int, taken: set[int]) -> Pair:
        reason = ""
        for step in range(len(self)):
            other = (index + step) % len(self) if step else index
            if step and other in taken:
                continue
            try:
                (pair,) = read_pairs(self.data, [other])
            except ImageError as error:
                reason = reason or str(error)
                continue
            taken.add(other % len(self))
            return pair._replace(instead_of=reason)
        raise ImageError(f"{reason}; and no other study can be read in its place")


def read_pairs(data: Any, indices: Sequence[int]) -> list[Pair]:
    """Images and reports of a data set, see `Pairs`."""
    if hasattr(data, "pairs"):
        return data.pairs(indices)
    return [Pair(s.image, s.report) for s in (data[index] for index in indices)]


class Collate:
    """Turns studies or pairs into a `Batch`.

    Args:
        tokenizer: any fast tokenizer.
        max_words, max_tokens: where reports are cut; `truncated` counts the cut ones.
        word_source: of the model. Of words that are context-free, a batch says which are distinct.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        max_words: int,
        max_tokens: int,
        word_source: str = "last",
    ):
        self.tokenizer = tokenizer
        self.max_words, self.max_tokens = max_words, max_tokens
        self.word_source = word_source
        self.truncated = 0

    def __call__(self, studies: Sequence[Study | Pair]) -> Batch:
        images = [study.image for study in studies]
        shapes = {image.shape for image in images}
        if len(shapes) != 1:
            raise ValueError(f"images of one batch must have one shape, got {sorted(shapes)}")
        if len({image.dtype for image in images}) == 1:
            pixels = torch.from_numpy(np.stack(images))
        else:  # 8 and 16 bits, as in a data set of PNG and DICOM files
            pixels = torch.stack([unit_range(torch.from_numpy(np.array(i))) for i in images])
        negatives = [getattr(study, "negatives", None) for study in studies]
        further = [text for own in negatives for text in own or () if text]
        batch = self.texts([*(study.report for study in studies), *further], pixels[:, None])
        reasons = (getattr(study, "instead_of", "") for study in studies)
        sets = [getattr(study, "terms", ()) for study in studies]
        hashes = [torch.stack([term_hashes(one) for one in own]) for own in sets if own]
        terms = torch.stack(hashes) if hashes else None
        batch = replace(batch, left_out=tuple(filter(None, reasons)), terms=terms)
        if negatives[0] is None:
            return batch
        there = torch.tensor([[bool(text) for text in own or ()] for own in negatives])
        rows = torch.arange(len(studies), len(studies) + len(further))
        rows = torch.full(there.shape, -1).masked_scatter(there, rows)
        # Where a report is cut before the words in which they differ, both are one.
        keys = batch.report_keys
        return replace(
            batch, negatives=rows.masked_fill(keys[rows] == keys[: len(studies), None], -1)
        )

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
        own = len(reports) if pixels is None else len(pixels)  # the others have no image
        context_free = self.word_source in ("token", "embedding")
        distinct = (
            distinct_words(encoded, own, self.word_source == "embedding") if context_free else None
        )
        return Batch(
            pixels=torch.empty(0, 1, 1, 1) if pixels is None else pixels,
            input_ids=encoded.input_ids,
            attention_mask=encoded.attention_mask,
            word_ids=encoded.word_ids,
            word_mask=encoded.word_mask,
            sentences=encoded.sentences,
            report_keys=torch.tensor([report_key(words) for words in encoded.words]),
            word_counts=tuple(map(len, encoded.words)),
            token_counts=tuple(encoded.attention_mask.sum(1).tolist()),
            distinct=distinct,
        )

    def words(self, report: str) -> list[str]:
        """The words of a report that the model reads, in order."""
        limits = {"max_words": self.max_words, "max_tokens": self.max_tokens}
        return encode_reports(self.tokenizer, [report], **limits).words[0]


def distinct_words(encoded: EncodedReports, reports: int, by_place: bool) -> DistinctWords:
    """Which words of the first reports have equal vectors, as context-free words have.

    Their number is rounded up, since libraries prepare a kernel for every shape.

    Args:
        by_place: the place of a word, that of its first token, is in its vector.
    """
    known: dict[tuple[str, int], int] = {}
    first: list[int] = []
    numbers = np.zeros((reports, encoded.word_mask.shape[1]), dtype=np.int64)
    for row, words in enumerate(encoded.words[:reports]):
        ids = encoded.word_ids[row].numpy()
        places = np.flatnonzero((np.diff(ids, prepend=-1) != 0) & (ids >= 0))  # first tokens
        for k, (word, place) in enumerate(zip(words, places.tolist(), strict=True)):
            key = word, place * by_place
            if key not in known:
                known[key] = len(first)
                first.append(row * numbers.shape[1] + k)
            numbers[row, k] = known[key]
    first += [0] * (rounded_up(len(first), DISTINCT_STEP) - len(first))
    return DistinctWords(torch.tensor(first), torch.from_numpy(numbers))


def report_key(words: list[str]) -> int:
    """A 63-bit number that is equal for reports with the same words, in any process."""
    return text_hash(" ".join(words))
