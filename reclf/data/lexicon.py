"""What kind of word is it? Types of the words of reports that nobody has annotated.

    report --words, phrases first--> type of each word
           --denials within a sentence--> which words state a finding that is present

The phantom knows its words; real reports come without such knowledge. A small word list tells a
finding ("effusion") from a place ("left") and a grade ("mild"), and rules in the manner of NegEx
(Chapman et al., J Biomed Inform 2001) tell what is stated from what is denied. It guesses, for
colors in pictures and for a first look at importance weights on real data: syntax, hedges, words
that it does not list, and a finding stated after a comma ("no pneumothorax, small effusion") escape
it. `tests/data/test_lexicon.py` compares it with the phantom's truth, and with the codes of human
indexers on Open-I where that data set is at hand. The list is ours, for English; another one is a
JSON file of the same form.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from reclf.config.foreign_files import read_json

from .reports import clean, sentence_numbers, split_words
from .study import WORD_TYPES, Study, Word

SHIPPED = Path(__file__).with_name("lexicons")
DENIALS = ("what_follows", "what_precedes", "until", "unless_near")
NEAR = 4  # words beside a denial in which "change" makes it none: "no significant interval change"
STATING = ("finding", "location", "severity")


@dataclass(frozen=True)
class Lexicon:
    """Word types and words that deny.

    Attributes:
        types: phrase, a tuple of lower-case words in the singular -> type.
        denies: name of DENIALS -> phrases: "what_follows" and "what_precedes" deny the rest of the
            sentence in that direction, "until" one of these, unless one of "unless_near" is near.
        source, digest: name of the list, and a hash of its file, for protocols.
    """

    types: Mapping[tuple[str, ...], str]
    denies: Mapping[str, frozenset[tuple[str, ...]]]
    source: str
    digest: str

    def word_types(self, words: Sequence[str]) -> list[str]:
        """The type of each word of one sentence, the longest phrases first; "filler" where the list
        knows none."""
        forms = [_forms(word) for word in words]
        longest = max(map(len, self.types), default=0)
        found: list[str] = []
        while len(found) < len(words):
            start = len(found)
            for length in range(min(longest, len(words) - start), 0, -1):
                if kind := self._type_of(
                    words[start : start + length - 1], forms[start + length - 1]
                ):
                    found += [kind] * length
                    break
            else:
                found.append("filler")
        return found

    def _type_of(self, before: Sequence[str], last: Sequence[str]) -> str | None:
        return next((t for form in last if (t := self.types.get((*before, form)))), None)

    def denied(self, words: Sequence[str]) -> list[bool]:
        """Which words of one sentence stand in what it denies."""
        starts = self._places(words, "until")
        parts = [sum(start <= i for start in starts) for i in range(len(words))]
        follows = self._places(words, "what_follows")
        precedes = self._places(words, "what_precedes")
        types = self.word_types(words)
        found = [False] * len(words)
        for start, length in (follows | precedes).items():
            end = start + length
            after = start in follows
            before = start in precedes or (after and end == len(words))  # "Pneumothorax: no"
            if self._denies_nothing(words, types, start, end):
                continue
            for i, part in enumerate(parts):
                if part == parts[start] and (after if i >= end else before and i < start):
                    found[i] = True
        return found

    def _denies_nothing(
        self, words: Sequence[str], types: Sequence[str], start: int, end: int
    ) -> bool:
        """Whether a denial at words[start:end] is none: "no interval change in", "cannot be
        excluded", and both of "not excluded". "No degenerative change" and "no change of
        pneumonia" are denials.
        """
        near = self.denies["unless_near"]
        precedes = self.denies["what_precedes"]
        both = precedes & self.denies["what_follows"]  # "not"
        for i in range(end, min(end + NEAR, len(words))):
            if "finding" in types[end:i] or (*words[i + 1 : i + 2],) in (("of",), ("to",)):
                break
            if near.intersection((form,) for form in _forms(words[i])):
                return True
        cue = tuple(words[start:end])
        if cue in both:
            return any(end <= i < end + NEAR for i in self._places(words, "what_precedes"))
        earlier = {(word,) for word in words[max(0, start - NEAR) : start]}
        return cue in precedes and not earlier.isdisjoint(both | near)

    def _places(self, words: Sequence[str], name: str) -> dict[int, int]:
        """Where one of the phrases of `denies[name]` starts -> how many words it has."""
        return {
            i: len(phrase)
            for phrase in sorted(self.denies[name], key=len)
            for i in range(len(words) - len(phrase) + 1)
            if tuple(words[i : i + len(phrase)]) == phrase
        }

    def with_words(self, study: Study) -> Study:
        """A study whose words are known, to measure by; what its data set knows of them stays."""
        return study if study.words is not None else replace(study, words=self.read(study.report))

    def read(self, report: str) -> tuple[Word, ...]:
        """One Word per word that a model reads of a report, without finding instances.

        `important` are the words of finding, place and grade that a sentence does not deny, where
        it states a finding at all.
        """
        text = clean(report)
        words = split_words(text)
        read: list[Word] = []
        for number, group in groupby(
            zip(sentence_numbers(text), words, strict=True), lambda w: w[0]
        ):
            sentence = [word for _, word in group]
            types, denied = self.word_types(sentence), self.denied(sentence)
            states = any(t == "finding" and not d for t, d in zip(types, denied, strict=True))
            read += [
                Word(word, kind, number, important=states and kind in STATING and not no)
                for word, kind, no in zip(sentence, types, denied, strict=True)
            ]
        return tuple(read)


def _forms(word: str) -> list[str]:
    """A word as it is, and what it may be the plural of."""
    forms = [word]
    if word.endswith("ies"):
        forms.append(word[:-3] + "y")
    if word.endswith("es"):
        forms.append(word[:-2])
    if word.endswith("s"):
        forms.append(word[:-1])
    return forms


def load_lexicon(spec: str = "chest") -> Lexicon:
    """A shipped lexicon by name, or a JSON file of the same form by path.

    Raises:
        FileNotFoundError: neither is there; the message lists the shipped ones.
        ValueError: unknown types, other denials than DENIALS, phrases with two types, or phrases
            that are not words as `split_words` gives them; the message names them.
    """
    shipped = SHIPPED / f"{spec}.json"
    path = shipped if shipped.is_file() else Path(spec)
    if not path.is_file():
        names = ", ".join(sorted(found.stem for found in SHIPPED.glob("*.json")))
        raise FileNotFoundError(f"no lexicon {spec!r}: shipped are {names}; else give a JSON file")
    content, raw = read_json(path), path.read_bytes()
    unknown = sorted(set(content["types"]) - set(WORD_TYPES))
    if unknown:
        raise ValueError(f"{path.name} has types {unknown}; known are {', '.join(WORD_TYPES)}")
    if set(content["denies"]) != set(DENIALS):
        given = ", ".join(sorted(content["denies"]))
        raise ValueError(f"{path.name}: denies must have {', '.join(DENIALS)}, got {given}")
    types: dict[tuple[str, ...], str] = {}
    for kind, phrases in content["types"].items():
        for words in _phrases(phrases, kind, path.name):
            if types.setdefault(words, kind) != kind:
                raise ValueError(
                    f"{path.name}: {' '.join(words)!r} is {types[words]} and {kind}; keep one"
                )
    return Lexicon(
        types,
        {n: frozenset(_phrases(content["denies"][n], n, path.name)) for n in DENIALS},
        spec if path == shipped else path.name,
        hashlib.sha256(raw).hexdigest()[:8],
    )


def _phrases(given: Any, name: str, file: str) -> list[tuple[str, ...]]:
    if not isinstance(given, list):
        raise ValueError(f"{file}: {name} must be a list of phrases, got {given!r}")
    found = [tuple(split_words(str(phrase))) for phrase in given]
    for phrase, words in zip(given, found, strict=True):
        if " ".join(words) != phrase:
            raise ValueError(f"{file}: {phrase!r} is not lower-case words and single spaces")
    return found
