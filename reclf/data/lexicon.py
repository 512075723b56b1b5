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
from dataclasses import dataclass, field, replace
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
        kinds: phrase of a finding, in the singular -> number of its kind, and whether it is a noun,
            for `report_swaps`; empty in a list without them, as `opposites` is.
        nouns: the first noun of each kind.
        opposites: "side", "zone", "severity" -> word -> word, both ways; of several words with one
            opposite, it goes back to the first.
        second: the same names -> the words of the second pole: "right", "lower", "severe".
        unless: the same names -> words beside which nothing is the opposite: "bilateral".
    """

    types: Mapping[tuple[str, ...], str]
    denies: Mapping[str, frozenset[tuple[str, ...]]]
    source: str
    digest: str
    kinds: Mapping[tuple[str, ...], tuple[int, bool]] = field(default_factory=dict)
    nouns: tuple[str, ...] = ()
    opposites: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    second: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unless: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def word_types(self, words: Sequence[str]) -> list[str]:
        """The type of each word of one sentence, the longest phrases first; "filler" where the list
        knows none."""
        forms = [singulars(word) for word in words]
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
            if near.intersection((form,) for form in singulars(words[i])):
                return True
        cue = tuple(words[start:end])
        if cue in both:
            return any(end <= i < end + NEAR for i in self._places(words, "what_precedes"))
        earlier = {(word,) for word in words[max(0, start - NEAR) : start]}
        return cue in precedes and not earlier.isdisjoint(both | near)

    def _places(self, words: Sequence[str], name: str) -> dict[int, int]:
        """Where one of the phrases of `denies[name]` starts -> how many words it has."""
        phrases = self.denies[name]
        return {
            i: length
            for length in sorted(set(map(len, phrases)))
            for i in range(len(words) - length + 1)
            if tuple(words[i : i + length]) in phrases
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


def singulars(word: str) -> list[str]:
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
    kinds: dict[tuple[str, ...], tuple[int, bool]] = {}
    for number, kind in enumerate(content.get("kinds", ())):
        for form in ("nouns", "others"):
            for words in _phrases(kind[form], form, path.name):
                if types.get(words) != "finding" or words in kinds:
                    raise ValueError(
                        f"{path.name}: {' '.join(words)!r} of kinds must be a finding of types, "
                        "and of one kind"
                    )
                kinds[words] = (number, form == "nouns")
    opposites: dict[str, dict[str, str]] = {}
    facts = content.get("opposites", {})
    for fact, given in facts.items():
        opposites[fact] = {}
        for pair in given["pairs"]:
            if [len(words) for words in _phrases(pair, fact, path.name)] != [1, 1]:
                raise ValueError(f"{path.name}: {fact} has {pair}, which are not two words")
            opposites[fact] = dict([pair[::-1], pair]) | opposites[fact]
    return Lexicon(
        types,
        {n: frozenset(_phrases(content["denies"][n], n, path.name)) for n in DENIALS},
        spec if path == shipped else path.name,
        hashlib.sha256(raw).hexdigest()[:8],
        kinds,
        tuple(kind["nouns"][0] for kind in content.get("kinds", ())),
        opposites,
        {f: frozenset(two for _, two in given["pairs"]) for f, given in facts.items()},
        {f: frozenset(given["unless"]) for f, given in facts.items()},
    )


def _phrases(given: Any, name: str, file: str) -> list[tuple[str, ...]]:
    if not isinstance(given, list):
        raise ValueError(f"{file}: {name} must be a list of phrases, got {given!r}")
    found = [tuple(split_words(str(phrase))) for phrase in given]
    for phrase, words in zip(given, found, strict=True):
        if " ".join(words) != phrase:
            raise ValueError(f"{file}: {phrase!r} is not lower-case words and single spaces")
    return found
