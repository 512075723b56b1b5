"""The report of a case, and what every word of it means.

    case -> plan_report -> Plan (templates and synonyms) -> write_report -> text, words

The plan holds every choice of wording and no fact. Writing one plan for two cases that differ in
one fact therefore gives two reports that differ in the words of that fact.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from random import Random
from typing import NamedTuple

from reclf.data.reports import split_words
from reclf.data.study import Word
from reclf_phantom.case import KINDS, SIDES, ZONES, Case, Finding

from .words import ANATOMY, LINKS, NEGATIONS, SIZED, SIZED_OR_GRADED, WORDINGS, Row, Wording

MIN_WORDS, MAX_WORDS = 20, 80
Part = tuple[str, str, int]  # text, word type or "" to look it up, finding or -1
_SPACE: Part = (" ", "filler", -1)
_PIECES = re.compile(r"(\{[^}]+\})")


class Style(NamedTuple):
    """How one finding is worded, whatever its facts turn out to be."""

    synonym: int
    severities: Row
    zones: Row
    beside: Row
    within: Row
    lungs: str


class Sentence(NamedTuple):
    """A template and the slots of the findings that it speaks of, in the order a, b."""

    template: str
    slots: tuple[int, ...] = ()
    absent: tuple[tuple[str, str], ...] = ()  # (kind, phrase) for {n} and {m}


@dataclass(frozen=True)
class Plan:
    """Every choice of wording of one report.

    Attributes:
        sentences: in the order of the report.
        styles: slot of a finding -> its wording.
        wording: the hospital's words.
    """

    sentences: tuple[Sentence, ...]
    styles: Mapping[int, Style]
    wording: Wording

    @property
    def denied(self) -> frozenset[str]:
        """Kinds that the report says are absent."""
        return frozenset(kind for s in self.sentences for kind, _ in s.absent)


def severity_rows(kind: str, wording: Wording) -> tuple[Row, ...]:
    """The severity words that a kind can take, one row per style of wording."""
    if kind in SIZED:
        return wording.sizes
    if kind in SIZED_OR_GRADED:
        return wording.sizes[:1] + wording.degrees
    return wording.degrees


def plan_report(case: Case) -> Plan:
    """Choose sentences and synonyms for a case, from the case's own random stream."""
    random, wording = case.stream("report"), WORDINGS[case.hospital]
    styles = {f.slot: _style(random, f, wording) for f in case.findings}
    stated = _state(random, case.findings, wording)
    denials = _deny(random, case, wording)
    normal = _describe_normal(random, case, wording)
    devices = [
        Sentence(random.choice(wording.devices[device]))
        for device in case.devices
        if device in wording.devices and random.random() < 0.8
    ]
    body = [stated, denials, normal[:2], devices]
    if random.random() < 0.4:
        random.shuffle(body)
    sentences = [sentence for part in body for sentence in part]
    if random.random() < 0.35:
        sentences.insert(0, Sentence(random.choice(wording.opening)))
    if random.random() < 0.25:
        sentences.append(Sentence(random.choice(wording.filler)))
    # Spare sentences bring a short report to its length; a long one loses its sentences without
    # findings first.
    spare = [*normal[2:], Sentence(wording.filler[0]), Sentence(wording.opening[0])]
    plan = Plan(tuple(sentences), styles, wording)
    length = sum(len(_words(text)) for part in _fill(plan, case.findings) for text, _, _ in part)
    for sentence in spare:
        if length >= MIN_WORDS:
            break
        if sentence not in sentences:
            sentences.append(sentence)
            length += len(split_words(sentence.template))
    while length > MAX_WORDS:
        idle = [s for s in sentences if not s.slots and not s.absent]
        sentences.remove(idle[-1])
        length -= len(split_words(idle[-1].template))
    return replace(plan, sentences=tuple(sentences))


def write_report(plan: Plan, findings: tuple[Finding, ...]) -> tuple[str, tuple[Word, ...]]:
    """Put facts into a plan.

    Args:
        plan: from `plan_report`, of this case or of one that differs from it in a fact.
        findings: the facts. Sentences about a slot that is no longer there are left out.

    Returns:
        The text, and one Word per word of `split_words(text)`; `Word.finding` counts `findings`.
    """
    sentences = _fill(plan, findings)
    words = tuple(
        _word(word, kind or _literal_type(word), number, finding, finding >= 0 and kind != "filler")
        for number, parts in enumerate(sentences)
        for text, kind, finding in parts
        for word in _words(text)
    )
    return _text(sentences), words


def report_text(plan: Plan, findings: tuple[Finding, ...]) -> str:
    """The text of `write_report` alone."""
    return _text(_fill(plan, findings))


def _fill(plan: Plan, findings: tuple[Finding, ...]) -> list[list[Part]]:
    """The sentences of a report; a template that refers back (former, latter) has two."""
    by_slot = {f.slot: (n, f) for n, f in enumerate(findings)}
    return [
        [part for piece in _pieces(text) for part in _expand(piece, sentence, plan, by_slot)]
        for sentence in plan.sentences
        if all(slot in by_slot for slot in sentence.slots)
        for text in sentence.template.split(". ")
    ]


def _text(sentences: list[list[Part]]) -> str:
    return " ".join(_tidy("".join(text for text, _, _ in parts)) for parts in sentences)


def _style(random: Random, finding: Finding, wording: Wording) -> Style:
    return Style(
        random.randrange(6),
        random.choice(severity_rows(finding.kind, wording)),
        random.choice(wording.zones),
        random.choice(wording.beside),
        random.choice(wording.within),
        random.choice(wording.lungs),
    )


def _state(random: Random, findings: tuple[Finding, ...], wording: Wording) -> list[Sentence]:
    order = list(findings)
    random.shuffle(order)
    sentences: list[Sentence] = []
    while order:
        joined = order[: 2 if len(order) > 1 and random.random() <= 0.5 else 1]
        order = order[len(joined) :]
        placed = all(finding.side for finding in joined)
        if len(joined) == 1:
            templates = wording.single + wording.placed if placed else wording.single
        else:
            double = placed and random.random() < 0.75
            templates = wording.double if double else wording.together
        sentences.append(Sentence(random.choice(templates), tuple(f.slot for f in joined)))
    return sentences


def _deny(random: Random, case: Case, wording: Wording) -> list[Sentence]:
    present = {f.kind for f in case.findings}
    absent = [kind for kind in KINDS if kind not in present]
    random.shuffle(absent)
    sentences = []
    for _ in range(random.choices((0, 1, 2), (2, 5, 3))[0]):
        several = random.random() < 0.45
        kinds = [absent.pop() for _ in range(1 + several)]
        template = random.choice(wording.negatives if several else wording.negative)
        phrases = tuple((kind, random.choice(wording.kinds[kind])) for kind in kinds)
        sentences.append(Sentence(template, (), phrases))
    return sentences


def _describe_normal(random: Random, case: Case, wording: Wording) -> list[Sentence]:
    """Normal anatomy in random order; nothing that a finding, changed or not, could contradict."""
    kinds = {f.kind for f in case.findings}
    templates = random.sample(wording.normal, len(wording.normal))
    first = [wording.heart] if "cardiomegaly" not in kinds else []
    if not kinds - {"cardiomegaly"}:
        first.append(wording.lung)
    templates[:0] = [random.choice(options) for options in first if random.random() < 0.5]
    return [Sentence(t) for t in templates]


def _expand(
    piece: str, sentence: Sentence, plan: Plan, by_slot: Mapping[int, tuple[int, Finding]]
) -> list[Part]:
    """Put the facts into one piece of a template."""
    if not piece.startswith("{"):
        return [(piece, "", -1)]
    name = piece[1:-1]
    if name in "nm":
        return [(sentence.absent["nm".index(name)][1], "finding", -1)]
    slot = sentence.slots["ab".index(name[0])]
    number, finding = by_slot[slot]
    if name[1] == "=":
        return [(name[2:], "filler", number)]
    style = plan.styles[slot]
    kinds = plan.wording.kinds[finding.kind]
    kind = (kinds[style.synonym % len(kinds)], "finding", number)
    severity = (style.severities[finding.grade], "severity", number)
    match name[2:]:
        case "kind":
            return [kind]
        case "severity":
            return [severity]
        case "core":
            return [severity, _SPACE, kind]
        case "full":
            zone = _zone(finding, style)
            place = (" ".join(w for w in (finding.side, zone) if w), "location", number)
            return [severity, _SPACE, place, _SPACE, kind]
    return _place(finding, style, number)


def _zone(finding: Finding, style: Style) -> str:
    return style.zones[ZONES.index(finding.zone)] if finding.zone else ""


def _place(finding: Finding, style: Style, number: int) -> list[Part]:
    if finding.side is None:
        return []
    side = SIDES.index(finding.side)
    if finding.zone:
        zone = _zone(finding, style)
        phrase = style.within[side].format(zone=zone, zones=zone + "s")
    elif finding.kind == "edema":
        phrase = style.lungs
    else:
        phrase = style.beside[side]
    parts: list[Part] = []
    for word in phrase.split():
        parts += [(word, "filler", -1) if word in LINKS else (word, "location", number), _SPACE]
    return parts[:-1]


def _literal_type(word: str) -> str:
    if word in NEGATIONS:
        return "negation"
    return "anatomy" if word in ANATOMY else "filler"


def _tidy(text: str) -> str:
    """Close the gap that an empty place leaves, and begin sentences with a capital."""
    text = " ".join(text.split()).replace(" .", ".").replace(" ,", ",").removesuffix(".")
    return f"{text[0].upper()}{text[1:]}."


@cache
def _pieces(template: str) -> tuple[str, ...]:
    return tuple(piece for piece in _PIECES.split(template) if piece)


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    return tuple(split_words(text))


# Words repeat, and a new frozen dataclass takes four times as long as one from the cache.
_word = lru_cache(maxsize=16384)(Word)
