"""The report of a case, and what every word of it means.

    case -> plan_report -> Plan (templates and synonyms) -> write_report -> text, words

The plan holds every choice of wording and no fact. Writing one plan for two cases that differ in
one fact therefore gives two reports that differ in the words of that fact.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from random import Random
from typing import NamedTuple

from reclf.data.reports import split_words
from reclf.data.study import Word

from .case import KINDS, SEVERITIES, SIDES, ZONES, Case, Finding
from .words import ANATOMY, LINKS, NEGATIONS, SIZED, SIZED_OR_GRADED, WORDINGS, Row, Wording

MIN_WORDS, MAX_WORDS = 20, 80
Spoken = tuple[str, str, int]  # text, word type or "" to look it up, finding or -1
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
    by_slot = {f.slot: (n, f) for n, f in enumerate(case.findings)}
    length = sum(
        len(_words(text))
        for sentence in sentences
        for spoken in _speak(sentence, plan, by_slot)
        for text, _, _ in spoken
    )
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
    return Plan(tuple(sentences), styles, wording)


def write_report(plan: Plan, findings: tuple[Finding, ...]) -> tuple[str, tuple[Word, ...]]:
    """Put facts into a plan.

    Args:
        plan: from `plan_report`, of this case or of its twin.
        findings: the facts. Sentences about a slot that is no longer there are left out.

    Returns:
        The text, and one Word per word of `split_words(text)`; `Word.finding` counts `findings`.
    """
    told = _tell(plan, findings)
    words: list[Word] = []
    for number, spoken in enumerate(told):
        for text, word_type, finding in spoken:
            important = finding >= 0 and word_type != "filler"
            for word in _words(text):
                typed = word_type or _literal_type(word)
                words.append(_word(word, typed, number, finding, important))
    return _text(told), tuple(words)


def report_text(plan: Plan, findings: tuple[Finding, ...]) -> str:
    """The text of `write_report` alone."""
    return _text(_tell(plan, findings))


def _tell(plan: Plan, findings: tuple[Finding, ...]) -> list[list[Spoken]]:
    by_slot = {f.slot: (n, f) for n, f in enumerate(findings)}
    return [
        spoken
        for sentence in plan.sentences
        if all(slot in by_slot for slot in sentence.slots)
        for spoken in _speak(sentence, plan, by_slot)
    ]


def _text(told: list[list[Spoken]]) -> str:
    return " ".join(_tidy("".join(text for text, _, _ in spoken)) for spoken in told)


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
        pair = _pair_to_join(random, order)
        if pair is not None:
            one, other = pair
            placed = one.side is not None and other.side is not None
            double = placed and random.random() < 0.75
            templates = wording.double if double else wording.together
            sentences.append(Sentence(random.choice(templates), (one.slot, other.slot)))
            order = [f for f in order if f not in pair]
            continue
        one = order.pop(0)
        templates = wording.single + wording.placed if one.side else wording.single
        sentences.append(Sentence(random.choice(templates), (one.slot,)))
    return sentences


def _pair_to_join(random: Random, order: list[Finding]) -> tuple[Finding, Finding] | None:
    if len(order) < 2 or random.random() > 0.5:
        return None
    return order[0], order[1]


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
    """Normal anatomy in random order; nothing that a finding or its twin could contradict."""
    kinds = {f.kind for f in case.findings}
    templates = random.sample(wording.normal, len(wording.normal))
    first = [wording.heart] if "cardiomegaly" not in kinds else []
    if not kinds - {"cardiomegaly"}:
        first.append(wording.lung)
    templates[:0] = [random.choice(options) for options in first if random.random() < 0.5]
    return [Sentence(t) for t in templates]


def _speak(
    sentence: Sentence, plan: Plan, by_slot: Mapping[int, tuple[int, Finding]]
) -> list[list[Spoken]]:
    """The sentences of a template; one that refers back (former, latter) has two."""
    return [
        [spoken for piece in _pieces(part) for spoken in _expand(piece, sentence, plan, by_slot)]
        for part in sentence.template.split(". ")
    ]


def _expand(
    piece: str, sentence: Sentence, plan: Plan, by_slot: Mapping[int, tuple[int, Finding]]
) -> list[Spoken]:
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
    severity = (style.severities[SEVERITIES.index(finding.severity)], "severity", number)
    space = (" ", "filler", -1)
    match name[2:]:
        case "kind":
            return [kind]
        case "severity":
            return [severity]
        case "core":
            return [severity, space, kind]
        case "full":
            where = [finding.side or "", _zone(finding, style)]
            place = (" ".join(w for w in where if w), "location", number)
            return [severity, space, place, space, kind]
        case "place":
            return _place(finding, style, number)
    raise ValueError(f"template slot {piece} is none of kind, severity, core, full, place")


def _zone(finding: Finding, style: Style) -> str:
    return style.zones[ZONES.index(finding.zone)] if finding.zone else ""


def _place(finding: Finding, style: Style, number: int) -> list[Spoken]:
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
    spoken: list[Spoken] = []
    for word in phrase.split():
        link = word in LINKS
        spoken += [(word, "filler" if link else "location", -1 if link else number)]
        spoken += [(" ", "filler", -1)]
    return spoken[:-1]


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


# Words repeat, and making a frozen dataclass anew takes four times as long as finding it.
_word = lru_cache(maxsize=16384)(Word)
