"""Reports that say something else, made of the report's own words: is the relation read, or a list?

    report --Lexicon--> findings stated, findings denied, their places and grades
           --exchange--> the same report with one fact changed, or why it has none

"denied" is the leading fact: a stated finding and a denied one change places ("cardiomegaly ... no
effusion", "effusion ... no cardiomegaly"). Both texts hold the same words, as a model reads them,
so that a score which knows no order of words cannot tell them apart.

A swap is made only where it makes the report false as far as words can say, and is read again
afterwards; a report that cannot be parsed so is refused with the reason, to be counted. The words
are those of the lexicon's `kinds` and `opposites`; "no", "without" and articles are English.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

from .lexicon import Lexicon, singulars
from .reports import clean, split_words, word_spans
from .study import Word

FACTS = ("denied", "side", "zone", "severity", "negation", "affirmation", "finding")
ARTICLES = ("a", "an", "the")
DENIALS = {"no": "", "without": "with"}  # what a denial becomes where its finding is stated
GROUP = ("severity", "location", "anatomy", "finding")  # words before a finding that go with it


class Swap(NamedTuple):
    """A report with one fact changed, or the reason why there is none.

    Attributes:
        text: the cleaned report with the fact changed; None where it is refused.
        refused: the reason, "" where there is a text.
        findings, kinds: names, and kinds by the lexicon, of the findings of which something else is
            said: of "denied" and "finding" the stated one first; () for facts of places and grades.
        pole: of places and grades, 0 or 1: what is stated is the first or the second of opposites.
    """

    text: str | None
    refused: str = ""
    findings: tuple[str, ...] = ()
    kinds: tuple[int, ...] = ()
    pole: int | None = None


class Mention(NamedTuple):
    """words[first:end] name a finding; `head` is the last of them, in the singular."""

    first: int
    end: int
    kind: int
    head: str
    stated: bool
    noun: bool


@dataclass(frozen=True)
class ParsedReport:
    text: str
    words: tuple[Word, ...]
    spans: list[tuple[int, int]]
    mentions: list[Mention]

    @classmethod
    def of(cls, report: str, lexicon: Lexicon) -> "ParsedReport":
        text = clean(report)
        words, spans = lexicon.read(text), word_spans(text)
        if len(words) != len(spans):  # "1. 2. Effusion", of which one number is left
            raise ValueError("numbers of its list cannot be told from its words")
        return cls(text, words, spans, list(_mentions(words, lexicon)))

    def heads(self, stated: bool) -> dict[str, list[Mention]]:
        """Mentions by head, of the nouns that are stated (or denied) each time they are named."""
        found: dict[str, list[Mention]] = {}
        for mention in self.mentions:
            found.setdefault(mention.head, []).append(mention)
        return {
            head: all_of
            for head, all_of in found.items()
            if all(m.noun and m.stated == stated for m in all_of)
        }

    def name(self, mention: Mention) -> str:
        return self.text[self.spans[mention.first][0] : self.spans[mention.end - 1][1]]

    def edited(self, changes: Mapping[tuple[int, int], str]) -> str:
        """The text with words[first:end] replaced; a capital stays where it is."""
        text = self.text
        for (first, end), new in sorted(changes.items(), reverse=True):
            start, stop = self.spans[first][0], self.spans[end - 1][1]
            old = text[start:stop]
            if not new:  # a word that goes takes the space behind it, and leaves its capital
                stop += len(text[stop:]) - len(text[stop:].lstrip())
                new = text[stop : stop + 1]
                stop += len(new)
            if not new[:2].isupper():  # "COPD" stays
                new = (new[:1].upper() if old[:1].isupper() else new[:1].lower()) + new[1:]
            text = text[:start] + new + text[stop:]
        return text


def swap(report: str, fact: str, lexicon: Lexicon, seed: int = 0) -> Swap:
    """The report with one of FACTS changed.

    "denied": a stated finding and a denied one change places. "side": left and right everywhere.
    "zone", "severity": of what is stated. "negation": a stated finding is denied; "affirmation": a
    denied one is stated. "finding": a stated one becomes one that the report does not name.

    Args:
        seed: chooses among several findings, together with the report: equal in every process.

    Raises:
        ValueError: an unknown fact, or a lexicon without `kinds`.
    """
    if fact not in FACTS:
        raise ValueError(f"fact must be one of {', '.join(FACTS)}, got {fact!r}")
    return swaps(report, lexicon, (fact,), seed)[fact]


def swaps(
    report: str, lexicon: Lexicon, facts: Sequence[str] = FACTS, seed: int = 0
) -> dict[str, Swap]:
    """Fact -> swap; the report is read once. Arguments as of `swap`.

    Raises:
        ValueError: a lexicon without `kinds`.
    """
    if not lexicon.kinds:
        raise ValueError(f"lexicon {lexicon.source} has no kinds of findings: see `chest`")
    try:
        parsed = ParsedReport.of(report, lexicon)
    except ValueError as error:
        return {fact: Swap(None, str(error)) for fact in facts}
    return {fact: _MAKERS[fact](parsed, fact, lexicon, seed) for fact in facts}


def refusals(reports: Iterable[str], lexicon: Lexicon) -> dict[str, Counter[str]]:
    """Fact -> reason -> how many of the reports have it; "" counts those with a swap."""
    counts: dict[str, Counter[str]] = {fact: Counter() for fact in FACTS}
    for report in reports:
        for fact, found in swaps(report, lexicon).items():
            counts[fact][found.refused] += 1
    return counts


def mirrored(report: str, lexicon: Lexicon) -> str:
    """The cleaned report with left and right exchanged everywhere: true of the mirrored film but
    for the heart, which lies on the other side."""
    parsed = ParsedReport.of(report, lexicon)
    opposite = lexicon.opposites["side"]
    return parsed.edited(
        {(i, i + 1): opposite[w.text] for i, w in enumerate(parsed.words) if w.text in opposite}
    )


def _mentions(words: Sequence[Word], lexicon: Lexicon) -> Iterable[Mention]:
    first = 0
    while first < len(words):
        mention = _mention_at(words, first, lexicon)
        if mention is not None:
            yield mention
        first = first + 1 if mention is None else mention.end


def _mention_at(words: Sequence[Word], first: int, lexicon: Lexicon) -> Mention | None:
    """The longest name of a finding that starts at a word."""
    longest = max(map(len, lexicon.kinds), default=0)
    for end in range(min(first + longest, len(words)), first, -1):
        group = words[first:end]
        if {(word.type, word.sentence) for word in group} != {("finding", words[first].sentence)}:
            continue
        before = tuple(word.text for word in group[:-1])
        for head in singulars(group[-1].text):
            if known := lexicon.kinds.get((*before, head)):
                return Mention(first, end, known[0], head, group[-1].important, known[1])
    return None


def _opposite(parsed: ParsedReport, fact: str, lexicon: Lexicon, seed: int) -> Swap:
    opposite = lexicon.opposites.get(fact, {})
    stated = {w.text for w in parsed.words if w.important}
    found = stated & opposite.keys()
    if not found:
        return Swap(None, f"no {fact} is stated of a finding")
    if stated & lexicon.unless[fact] or any(opposite[word] in found for word in found):
        return Swap(None, f"more than one {fact} is stated")
    changes = {
        (i, i + 1): opposite[w.text]
        for i, w in enumerate(parsed.words)
        if w.text in opposite and (w.important or fact == "side")
    }
    return Swap(parsed.edited(changes), pole=int(not found.isdisjoint(lexicon.second[fact])))


def _denied(parsed: ParsedReport, fact: str, lexicon: Lexicon, seed: int) -> Swap:
    stated, denied = parsed.heads(True), parsed.heads(False)
    if not stated or not denied:
        return Swap(None, f"no finding is {'denied' if stated else 'stated'} each time it is named")
    # A kind that is also denied by another name is not taken as stated, nor the reverse.
    said = {(mention.kind, mention.stated) for mention in parsed.mentions}
    pairs = [
        (one, other)
        for one, mine in stated.items()
        for other, theirs in denied.items()
        if said.isdisjoint({(m.kind, False) for m in mine} | {(m.kind, True) for m in theirs})
    ]
    if not pairs:
        return Swap(None, "the findings stated and denied are of one kind")
    pairs = [(one, other) for one, other in pairs if len(stated[one]) == len(denied[other])]
    if not pairs:
        return Swap(None, "the findings are named a different number of times")
    words = Counter(split_words(parsed.text))
    for one, other in _in_order(pairs, parsed.text, seed):
        changes = {}
        for mine, theirs in zip(stated[one], denied[other], strict=True):
            changes[mine[:2]], changes[theirs[:2]] = parsed.name(theirs), parsed.name(mine)
        text = parsed.edited(changes)
        if Counter(split_words(text)) == words and _says(text, lexicon, {other: True, one: False}):
            return Swap(text, "", (one, other), (stated[one][0].kind, denied[other][0].kind))
    return Swap(None, "the report with the findings exchanged does not read so")


def _turned(parsed: ParsedReport, fact: str, lexicon: Lexicon, seed: int) -> Swap:
    """A stated finding denied ("negation"), or a denied one stated ("affirmation")."""
    stated = fact == "negation"
    heads = parsed.heads(stated)
    for head in _in_order(heads, parsed.text, seed):
        changes: dict[tuple[int, int], str] = {}
        for mention in heads[head]:
            changes |= _no(parsed, mention.first) if stated else _yes(parsed, mention.first)
        text = parsed.edited(changes)
        if _says(text, lexicon, {head: not stated}):
            return Swap(text, "", (head,), (heads[head][0].kind,))
    if not heads:
        return Swap(None, f"no finding is {'stated' if stated else 'denied'} each time it is named")
    return Swap(None, "the report with the finding turned round does not read so")


def _no(parsed: ParsedReport, first: int) -> dict[tuple[int, int], str]:
    """The change that puts "no" before the group of words in which a finding stands."""
    words = parsed.words

    def joins(i: int) -> bool:
        between = parsed.text[parsed.spans[i][1] : parsed.spans[i + 1][0]]
        return words[i].sentence == words[first].sentence and between.isspace()

    while first > 0 and joins(first - 1) and words[first - 1].type in GROUP:
        first -= 1
    if first > 0 and joins(first - 1) and words[first - 1].text in ARTICLES:
        return {(first - 1, first): "no"}
    start, end = parsed.spans[first]
    word = parsed.text[start:end]
    return {(first, first + 1): f"no {word if word[:2].isupper() else word[:1].lower() + word[1:]}"}


def _yes(parsed: ParsedReport, first: int) -> dict[tuple[int, int], str]:
    """The changes that take the denials out of a finding's sentence."""
    sentence = parsed.words[first].sentence
    return {
        (i, i + 1): DENIALS[w.text]
        for i, w in enumerate(parsed.words)
        if w.sentence == sentence and w.text in DENIALS
    }


def _other(parsed: ParsedReport, fact: str, lexicon: Lexicon, seed: int) -> Swap:
    named = {mention.kind for mention in parsed.mentions}
    new = {noun: lexicon.kinds[tuple(noun.split())][0] for noun in lexicon.nouns}
    heads = parsed.heads(True)
    for head in _in_order(heads, parsed.text, seed):
        for noun in _in_order(new.keys(), parsed.text, seed):
            last, kinds = noun.split()[-1], (heads[head][0].kind, new[noun])
            text = parsed.edited({m[:2]: noun for m in heads[head]})
            if new[noun] not in named and _says(text, lexicon, {last: True}):
                return Swap(text, "", (head, last), kinds)
    return Swap(None, "no finding is stated each time it is named")


def _says(text: str, lexicon: Lexicon, expected: Mapping[str, bool]) -> bool:
    """Whether a text states (True) or denies (False) these findings each time it names them."""
    parsed = ParsedReport.of(text, lexicon)
    return all(head in parsed.heads(stated) for head, stated in expected.items())


def _in_order(choices: Iterable, text: str, seed: int) -> list:
    """The choices in an order that the report and the seed draw."""
    return sorted(choices, key=lambda choice: crc32(f"{seed} {choice} {text}".encode()))


_MAKERS = {
    "denied": _denied,
    "side": _opposite,
    "zone": _opposite,
    "severity": _opposite,
    "negation": _turned,
    "affirmation": _turned,
    "finding": _other,
}
