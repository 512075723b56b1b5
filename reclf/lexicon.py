"""What kind of word is it? Types of the words of reports that nobody has annotated.

    report --words, phrases first--> type of each word
           --denials within a sentence--> which words state a finding that is present

The phantom knows its words; real reports come without such knowledge. A small word list tells a
finding ("effusion") from a place ("left") and a grade ("mild"), and rules in the manner of NegEx
(Chapman et al., J Biomed Inform 2001) tell what is stated from what is denied. It guesses, for
colours in pictures and for a first look at importance weights on real data: syntax, hedges and
words that it does not list escape it. `tests/test_lexicon.py` holds it to the phantom's truth, and
to the codes of human indexers on Open-I where that data set is at hand. The list is ours, for
English; another one is a JSON file of the same form.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from .batches import WORD_TYPES, Study, Word
from .reports import clean, sentence_numbers, split_words

SHIPPED = Path(__file__).with_name("lexicons")
DENIALS = ("what_follows", "what_precedes", "until", "unless_near")
NEAR = 4  # words after a denial in which "change" makes it none: "no significant interval change"
STATING = ("finding", "location", "severity")


@dataclass(frozen=True)
class Lexicon:
    """Word types and words that deny.

    Attributes:
        types: phrase, a tuple of lower-case words in the singular -> type.
        denies: "what_follows" and "what_precedes", words that deny the rest of the sentence in that
            direction, "until" one of these; no denial where one of "unless_near" is near.
        source: name or path it was read from, for protocols.
    """

    types: Mapping[tuple[str, ...], str]
    denies: Mapping[str, frozenset[str]]
    source: str

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
        until, near = self.denies["until"], self.denies["unless_near"]
        part = [0]
        for word in words:
            part.append(part[-1] + (word in until))
        found = [False] * len(words)
        for i, word in enumerate(words):
            follows = word in self.denies["what_follows"]
            precedes = word in self.denies["what_precedes"]
            around = [*words[i + 1 : i + 1 + NEAR]]
            if precedes and not follows:
                around += words[max(0, i - NEAR) : i]
            if near.intersection(form for one in around for form in _forms(one)):
                continue
            for j in range(len(words)):
                if part[j + 1] == part[i + 1] and (follows if j > i else precedes and j < i):
                    found[j] = True
        return found

    def with_words(self, study: Study) -> Study:
        """A study whose words are known; what its data set knows of them stays."""
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
    content = json.loads(path.read_text(encoding="utf-8"))
    unknown = sorted(set(content["types"]) - set(WORD_TYPES))
    if unknown:
        raise ValueError(f"{path.name} has types {unknown}; known are {', '.join(WORD_TYPES)}")
    if set(content["denies"]) != set(DENIALS):
        given = ", ".join(sorted(content["denies"]))
        raise ValueError(f"{path.name}: denies must have {', '.join(DENIALS)}, got {given}")
    types: dict[tuple[str, ...], str] = {}
    for kind, phrases in content["types"].items():
        for phrase in phrases:
            words = tuple(split_words(phrase))
            if " ".join(words) != phrase:
                raise ValueError(
                    f"{path.name}: {phrase!r} is not lower-case words and single spaces"
                )
            if types.setdefault(words, kind) != kind:
                raise ValueError(f"{path.name}: {phrase!r} is {types[words]} and {kind}; keep one")
    denies = {name: frozenset(content["denies"][name]) for name in DENIALS}
    return Lexicon(types, denies, spec if path == shipped else path.name)
