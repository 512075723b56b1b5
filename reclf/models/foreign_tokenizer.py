"""A tokenizer that somebody else may have written: looked at before it is built.

    tokenizer.json, tokenizer_config.json --check_tokenizer--> nothing slow, nothing that multiplies

What it makes of a text is then about as long as the text, in a time that grows with it.
"""

import base64
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reclf.config.foreign_files import DamagedFile, check_size, read_json

MOST_BYTES = 2**25  # of each file; 250,000 words in 100 languages have half
MOST_WORDS = 2**20
MOST_ADDED = 2**11  # tokens beside the vocabulary, each of which is looked for in every text
MODELS = ("WordPiece", "BPE", "Unigram", "WordLevel")
PARTS = (
    "BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "Prepend",
    "Replace", "Strip", "StripAccents", "Sequence", "BertPreTokenizer", "ByteLevel",
    "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation", "Split", "UnicodeScripts",
    "Whitespace", "WhitespaceSplit", "BertProcessing", "RobertaProcessing", "TemplateProcessing",
)  # fmt: skip
# Alternatives without groups that repeat something at their end alone: no match is tried twice.
_ONE = r"(?:\\[pP]\{\w+\}|\\[^pP]|\[\^?(?:\\.|[^\]\[\\])+\]|[^\\\[\](){}*+?|])+(?:\+|\{[1-9],\})?"
QUICK = re.compile(rf"{_ONE}(?:\|{_ONE})*")


def read_tokenizer(folder: Path, most_words: int = MOST_WORDS) -> Any:
    """The tokenizer in a folder, tried once.

    Args:
        most_words: of its vocabulary: no more than the weights that it goes with have rows.

    Raises:
        DamagedFile: it is none that can be read.
        ValueError: it is code of its own, or could take more time or memory than texts do.
    """
    from transformers import AutoTokenizer

    check_tokenizer(folder, most_words)
    for path in (folder / "tokenizer_config.json", folder / "config.json"):
        if path.exists() and "auto_map" in read_json(path):
            raise ValueError(
                f"{path}: auto_map names code to run, and a checkpoint is not trusted with that: "
                "nothing was imported. Save the model with a tokenizer of transformers itself"
            )
    try:
        found = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        found([" a", " \N{GRINNING FACE}"][: len(found)])
    except BaseException as error:  # of transformers; a panic of tokenizers is no Exception
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise DamagedFile(folder, f"no tokenizer that can be read: {error}") from error
        raise
    return found


def check_tokenizer(folder: Path, most_words: int = MOST_WORDS) -> None:
    """Refuse by its files, before it is built, what could take more time or memory than texts do;
    errors as of `read_tokenizer`."""
    for path in folder.iterdir():
        if path.suffix in (".json", ".txt", ".model"):
            check_size(path, MOST_BYTES)
    path, *others = (
        folder / f"{n}.json" for n in ("tokenizer", "tokenizer_config", "added_tokens")
    )
    given, settings, added = (read_json(p) if p.exists() else {} for p in (path, *others))
    lists = [v for k, v in settings.items() if k.endswith(("special_tokens", "tokens_decoder"))]
    try:
        problems = [*_problems(given, [given.get("added_tokens"), added, *lists], most_words)]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DamagedFile(path, f"no tokenizer: {error!r}") from error
    if problems:
        raise ValueError(
            f"{path}: {problems[0]}, which could take more time or memory than texts do. Save the "
            "model with a tokenizer of the kinds that BERT, RoBERTa or CLIP have"
        )


def _problems(given: dict[str, Any], added: list[Any], most_words: int) -> Iterator[str]:
    model = given.get("model", {"vocab": ()})
    if model.get("type", "BPE") not in MODELS:
        yield f"its model is {model['type']!r}"
    if max(len(model["vocab"]), len(model.get("merges", ()))) > most_words:
        yield f"{len(model['vocab']):,} words, and the weights have {most_words:,} rows"
    if model.get("max_input_chars_per_word", 0) > 1000:
        yield f"words of {model['max_input_chars_per_word']} characters"
    tokens = [str(token) for some in added for token in some or ()]
    if len(tokens) > MOST_ADDED or max(map(len, tokens), default=0) > 1000:
        yield f"more than {MOST_ADDED:,} added tokens, or long ones"
    parts = [given[k] for k in ("normalizer", "pre_tokenizer", "post_processor") if given.get(k)]
    seen: Counter[str] = Counter()
    for part in parts:  # which grows meanwhile
        kind, pattern = part["type"], part.get("pattern", {})
        seen[kind] += 1
        if kind not in PARTS or seen[kind] > (8 if kind in ("Replace", "Sequence") else 2):
            yield f"the part {kind!r}, number {seen[kind]} of its kind"
            return
        for inner in ("normalizers", "pretokenizers", "processors"):
            parts += part.get(inner, ())
        regex = pattern.get("Regex", "a")
        if len(regex) > 1000 or not QUICK.fullmatch(regex):
            yield f"{kind} with the regular expression {regex[:60]!r}"
        single, special = part.get("single", ["Sequence"]), part.get("special_tokens", {})
        table = base64.b64decode(part.get("precompiled_charsmap", ""))
        put = table[4 + int.from_bytes(table[:4], "little") :].split(b"\0")
        if (
            len(part.get("content", "")) > len(pattern.get("String", "1"))
            or max(map(len, (*put, part.get("prepend", "")))) > 64
            or len(single) > 8
            or sum("Sequence" in piece for piece in single) != 1
            or max((len(token["ids"]) for token in special.values()), default=0) > 8
        ):
            yield f"{kind} that makes texts longer"
