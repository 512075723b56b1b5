"""A tokenizer trained on reports, and the way from words to tokens and back.

    reports (B) -> clean, split_words -> words (W)                what a person reads
    words -> tokens (T), and word_ids that lead back              what a text encoder reads

A *token* is what a tokenizer makes of a word. Any fast tokenizer will do; one is trained here where
the text encoder brings none.

Shape letters: B = reports, T = tokens with the special ones (padded), W = words (padded).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import WordPiece
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from .batch import rounded_up
from .reports import clean, sentence_numbers, split_words

_SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def train_tokenizer(corpus: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a lower-case WordPiece tokenizer, for use where no pretrained text encoder is given.

    The same reports give the same vocabulary, in any order. Keep it by `save_pretrained(folder)`,
    read it back by `AutoTokenizer.from_pretrained(folder)`.

    Args:
        corpus: reports, cleaned here as `encode_reports` cleans them. Training split only.
        vocab_size: most tokens, the five special ones of BERT included. A token occurs twice or
            more in the corpus, so that a small corpus may give fewer.

    Raises:
        ValueError: if the corpus has no word, or vocab_size cannot hold its characters.
    """
    lines = [" ".join(split_words(clean(report))) for report in _texts(corpus, "corpus")]
    characters = sorted(set("".join(lines)) - {" "})
    if not characters:
        raise ValueError("corpus has no words; give the reports of the training split")
    # The library numbers the "##c" tokens in the order of a hash table that differs from run to
    # run, and breaks ties by number. Naming them beforehand, as if special, fixes the numbers.
    fixed = [*_SPECIAL.values(), *characters, *(f"##{c}" for c in characters)]
    if vocab_size < len(fixed):
        raise ValueError(
            f"vocab_size {vocab_size} cannot hold the {len(characters)} characters of the corpus "
            f"and their '##' forms; {len(fixed)} is the least, 1000 to 8000 is usual"
        )

    def empty(vocabulary: dict[str, int]) -> Tokenizer:
        tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return tokenizer

    learner = empty({})
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=2, special_tokens=fixed, show_progress=False
    )
    learner.train_from_iterator(lines, trainer)
    vocabulary = learner.get_vocab()
    tokenizer = empty(vocabulary)  # a fresh one, in which only the five are special
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **_SPECIAL)


class EncodedReports(NamedTuple):
    input_ids: Tensor  # int64 (B, T), right-padded with the tokenizer's padding token
    attention_mask: Tensor  # int64 (B, T), 1 for tokens, special ones too, 0 for padding
    word_ids: Tensor  # int64 (B, T), the word a token belongs to; -1 for special and padding
    word_mask: Tensor  # bool (B, W), True where there is a word
    sentences: Tensor  # int64 (B, W), the sentence of each word from 0 on; 0 for padding
    words: list[list[str]]  # the words kept, one list per report
    truncated: int  # number of reports that lost words to a limit


def encode_reports(
    tokenizer: Any,
    reports: Sequence[str],
    *,
    max_words: int = 96,
    max_tokens: int = 192,
    multiple: int = 1,
) -> EncodedReports:
    """Words and tokens of a batch of reports, padded to the longest of the batch.

    A word is kept whole or dropped whole: the first word that passes a limit ends its report. A
    word of which the tokenizer makes nothing becomes its unknown token. A report without words has
    only the special tokens, and W is at least 1.

    Args:
        tokenizer: any tokenizer of transformers that has a padding and an unknown token.
        reports: texts, cleaned here.
        max_words: most words of a report.
        max_tokens: most tokens of a report, special ones included.
        multiple: lengths are padded further, to a multiple of this, but not beyond the limits.

    Raises:
        ValueError: if reports is one string or empty, a limit leaves no room for a token, or the
            tokenizer lacks its padding or unknown token.
    """
    texts = _texts(reports, "reports")
    known = _known_tokens(tokenizer)
    opening, closing = known.opening, known.closing
    room = max_tokens - len(opening) - len(closing)
    if not texts or max_words < 1 or room < 1:
        raise ValueError(
            f"need a report, max_words >= 1 and max_tokens > {len(opening) + len(closing)} (the "
            f"special tokens); got {len(texts)} reports, max_words={max_words}, "
            f"max_tokens={max_tokens}"
        )
    texts = [clean(text) for text in texts]
    all_words = [split_words(text) for text in texts]
    tokens_of = known.of_words(tokenizer, {word for words in all_words for word in words})

    rows, kept, truncated = [], [], 0
    for words in all_words:
        tokens: list[int] = []
        word_ids: list[int] = []
        count = 0
        for word in words[:max_words]:
            new = tokens_of[word]
            if len(tokens) + len(new) > room:
                break
            tokens += new
            word_ids += [count] * len(new)
            count += 1
        truncated += count < len(words)
        kept.append(words[:count])
        rows.append((tokens, word_ids))

    longest = len(opening) + len(closing) + max(len(tokens) for tokens, _ in rows)
    longest = min(rounded_up(longest, multiple), max_tokens)
    input_ids = np.full((len(rows), longest), tokenizer.pad_token_id, dtype=np.int64)
    attention_mask = np.zeros_like(input_ids)
    word_of_token = np.full_like(input_ids, -1)
    for row, (tokens, word_ids) in enumerate(rows):
        first, end = len(opening), len(opening) + len(tokens)
        input_ids[row, : end + len(closing)] = opening + tokens + closing
        attention_mask[row, : end + len(closing)] = 1
        word_of_token[row, first:end] = word_ids
    counts = np.array([len(words) for words in kept])
    width = min(rounded_up(int(counts.max()), multiple), max_words)
    word_mask = np.arange(width) < counts[:, None]
    sentences = np.zeros(word_mask.shape, dtype=np.int64)
    for row, (text, count) in enumerate(zip(texts, counts, strict=True)):
        sentences[row, :count] = sentence_numbers(text)[:count]
    return EncodedReports(
        input_ids=torch.from_numpy(input_ids),
        attention_mask=torch.from_numpy(attention_mask),
        word_ids=torch.from_numpy(word_of_token),
        word_mask=torch.from_numpy(word_mask),
        sentences=torch.from_numpy(sentences),
        words=kept,
        truncated=truncated,
    )


def _texts(reports: Iterable[str], name: str) -> list[str]:
    if isinstance(reports, str):
        raise ValueError(f"{name} must be a list of texts, got one string; put it in a list")
    return list(reports)


def _special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """What the tokenizer puts before and behind a text, e.g. [CLS] and [SEP]."""
    for kind in ("pad", "unk"):
        if getattr(tokenizer, f"{kind}_token_id") is None:
            raise ValueError(
                f"the tokenizer has no {kind} token; set one that its text encoder knows, "
                f"e.g. tokenizer.{kind}_token = tokenizer.eos_token"
            )
    encoded = tokenizer(" a", return_special_tokens_mask=True)
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    first, last = special.index(0), len(special) - special[::-1].index(0)
    return list(ids[:first]), list(ids[last:])


@dataclass
class _KnownTokens:
    """What a tokenizer has made of the words met so far; reports repeat few words many times."""

    settings: tuple[int, int, int]  # size of the vocabulary, padding and unknown token
    opening: list[int]
    closing: list[int]
    tokens: dict[str, list[int]] = field(default_factory=dict)

    def of_words(self, tokenizer: Any, words: set[str]) -> Mapping[str, list[int]]:
        """Tokens of these words and of others, at least one each.

        A word is given behind a space and not as the start of a text: byte-level tokenizers have
        different tokens for the two, and most words of their pre-training stood behind a space.
        """
        if new := sorted(words - self.tokens.keys()):
            if len(self.tokens) > _MOST_WORDS:
                self.tokens, new = {}, sorted(words)
            texts = [f" {word}" for word in new]
            ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
            unknown = [tokenizer.unk_token_id]
            self.tokens |= {w: list(i) or unknown for w, i in zip(new, ids, strict=True)}
        return self.tokens


_MOST_WORDS = 100_000  # some 40 MB
_REMEMBERED: WeakKeyDictionary[Any, _KnownTokens] = WeakKeyDictionary()


def _known_tokens(tokenizer: Any) -> _KnownTokens:
    settings = len(tokenizer), tokenizer.pad_token_id, tokenizer.unk_token_id
    known = _REMEMBERED.get(tokenizer)
    if known is None or known.settings != settings:
        known = _REMEMBERED[tokenizer] = _KnownTokens(settings, *_special_tokens(tokenizer))
    return known
