"""Counterfactuals of studies that nobody can draw anew: films and reports that were taken.

    study --mirror--> film and text with the sides exchanged
    two studies --composite--> right half of one, left half of the other; and that mirrored
    report --a fact of `report_swaps`--> a report that is false of its film; there is no other film

What a report allows is read from its words by a lexicon, so that it is a guess; what cannot be read
so is left out, and counted. Orientation is that of a film on a screen: the patient's right side is
on the left of the image.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from random import Random
from typing import Any

import numpy as np

from reclf.data.lexicon import Lexicon, load_lexicon
from reclf.data.report_swaps import FACTS, Swap, mirrored, swap
from reclf.data.reports import clean, word_spans
from reclf.data.study import Pair, Word
from reclf.runs.progress import track

from .selection import first_reports

MOST = 20_000  # reports that are looked at, evenly spaced; films are taken of these
MOST_KEPT = 100_000  # swaps, each of which takes milliseconds to make
ONE_SIDED = frozenset({"lingula", "lingular", "middle"})  # the other lung has none


class FilmCounterfactuals:
    """Counterfactuals of a data set of studies with reports.

    Args:
        data: map-style data set of studies.
        lexicon: of the language of the reports, see `report_swaps`.

    Attributes:
        facts: "mirror" and "composite" give pairs, the text facts one more report.
        allowed: after `look`, fact -> how many reports allow it, in words.
    """

    text_facts = FACTS
    facts = ("mirror", "composite", *FACTS)

    def __init__(self, data: Any, lexicon: Lexicon | None = None):
        self.data, self.lexicon = data, lexicon or load_lexicon()
        self.allowed: dict[str, str] = {}
        self._swaps: dict[tuple[str, str, int], Swap] = {}
        self._mirror: list[int] = []
        self._right: list[int] = []
        self._left: list[int] = []

    def look(self, facts: Iterable[str]) -> None:
        """Find out which reports allow these facts.

        Raises:
            ValueError: none allows one of them; names it and the reasons.
        """
        reports = first_reports(self.data, len(self.data))
        every = range(0, len(reports), -(-len(reports) // MOST) or 1)
        for fact in facts:
            title = f"counterfactuals, {fact}" if len(every) > 1000 else ""
            reasons = Counter(self._refused(i, reports[i], fact) for i in track(every, title))
            allow = reasons.pop("", 0)
            said = f"{allow:,} of {len(every):,} reports allow it"
            if fact == "composite":
                halves = f"{len(self._right):,} the right half, {len(self._left):,} the left"
                said, allow = f"{said}, {halves}", 0 if self._too_few() else allow
            self.allowed[fact] = said
            if not allow:
                why = "; ".join(f"{reason}: {n:,}" for reason, n in reasons.most_common(3))
                raise ValueError(
                    f"data.counterfactuals.{fact}: {said} ({why}). Take it out of "
                    "data.counterfactuals"
                )

    def counterfactuals(self, number: int, fact: str) -> tuple[Pair, Pair]:
        """Two pairs that differ in "mirror" or "composite"; the number draws the studies.

        There are as many different ones as studies, so that a frozen tower can keep what it made.
        """
        draw = Random(f"{number % len(self.data)}/{fact}")
        if fact == "mirror":
            study = self.data[draw.choice(self._mirror)]
            image, report = study.image, study.report
        else:
            right = left = -1
            while right == left:
                right, left = draw.choice(self._right), draw.choice(self._left)
            one, other = self.data[right], self.data[left]
            middle = one.image.shape[1] // 2
            image = np.concatenate([one.image[:, :middle], other.image[:, middle:]], 1)
            report = self._joined(one.report, other.report)
        flipped = np.ascontiguousarray(image[:, ::-1])
        return Pair(image, report), Pair(flipped, mirrored(report, self.lexicon))

    def swapped(self, report: str, fact: str, seed: int) -> str:
        """A report with a fact of `text_facts` changed, "" where it has none; equal for equal
        arguments."""
        key = report, fact, seed
        if key not in self._swaps:
            if len(self._swaps) > MOST_KEPT:
                self._swaps.clear()
            self._swaps[key] = swap(report, fact, self.lexicon, seed)
        return self._swaps[key].text or ""

    def _refused(self, index: int, report: str, fact: str) -> str:
        """Why a report does not allow a fact, "" where it does."""
        if fact in self.text_facts:
            self.swapped(report, fact, 0)
            return self._swaps[report, fact, 0].refused
        if fact == "mirror":
            if not self._sentences(report):
                return "its words cannot be placed in it"
            words = self.lexicon.read(report)
            if ONE_SIDED.intersection(word.text for word in words):
                return "it names what only one side has"
            if not any(w.important and w.text in self.lexicon.opposites["side"] for w in words):
                return "no side is stated of a finding"
            self._mirror.append(index)
            return ""
        sides = {side for _, side, states in self._sentences(report) if states} - {"both"}
        self._right += [index] * ("right" in sides)
        self._left += [index] * ("left" in sides)
        return "" if sides else "no sentence states a finding of one side alone"

    def _sentences(self, report: str) -> list[tuple[str, str, bool]]:
        """Text, side and whether it states a finding there, of each sentence. The side is "left",
        "right", "" where none is named, and "both" where its words fit no half."""
        text = clean(report)
        try:
            words = list(zip(word_spans(text), self.lexicon.read(text), strict=True))
        except ValueError:  # places in the text that are not those of the words
            return []
        found = []
        for _, group in groupby(words, lambda pair: pair[1].sentence):
            (start, _), *_, (_, end) = (own := list(group))[0][0], own[-1][0]
            found.append((f"{text[start:end]}.", *self._side([word for _, word in own])))
        return found

    def _side(self, words: Sequence[Word]) -> tuple[str, bool]:
        named = [word for word in words if word.text in self.lexicon.opposites["side"]]
        sides = {
            next((s for s in ("left", "right") if w.text.startswith(s)), "both") for w in named
        }
        no_half = self.lexicon.unless["side"] | ONE_SIDED
        if len(sides) > 1 or not no_half.isdisjoint(word.text for word in words):
            sides = {"both"}
        return next(iter(sides), ""), any(word.important for word in named)

    def _joined(self, right: str, left: str) -> str:
        """The report of a composite: sentences of the right side alone of one, of the left side
        alone of the other, and those without a side that both reports have."""
        one, other = self._sentences(right), self._sentences(left)
        shared = {text.lower() for text, side, _ in other if not side}
        parts = [text for text, side, _ in one if side == "right"]
        parts += [text for text, side, _ in other if side == "left"]
        parts += [text for text, side, _ in one if not side and text.lower() in shared]
        return " ".join(parts)

    def _too_few(self) -> bool:
        """Whether there are no two studies of which a composite can be made."""
        return (
            not self._right or not self._left or {*self._right} | {*self._left} == {self._left[0]}
        )
