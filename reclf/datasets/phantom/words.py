"""The words of the phantom's reports: synonyms and sentence templates, per wording.

    words.json -> read_wordings -> the Wording of each hospital -> report

Hospitals A and B share one wording. C has held-out synonyms and templates; of the first it keeps
one familiar word in each list, as a real neighbor hospital would. A word that a list holds twice
is chosen twice as often.

Templates name findings a and b, each with the slots
    {a.kind}      pleural effusion
    {a.severity}  small
    {a.core}      small pleural effusion
    {a.full}      small left pleural effusion
    {a.place}     on the left, in the right upper zone
    {a=former}    the literal word, which speaks of finding a
and a template states kind, severity and place of every finding that it names, in one sentence or,
separated by ". ", in two. The nouns are singular and take no article, so that a counterfactual
report with one fact changed differs in the words of that fact alone.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from reclf.config.settings import check
from reclf_phantom.case import DEVICES, KINDS

Row = tuple[str, str, str]


@dataclass(frozen=True)
class Wording:
    """Everything a hospital can say.

    Attributes:
        kinds: kind -> noun phrases.
        sizes, degrees: words for (mild, moderate, severe), for kinds with a size or a degree.
        zones: words for (upper, mid, lower).
        beside: phrases for a finding without zone on the (left, right, both) side(s).
        within: phrases with {zone} and {zones} for the (left, right, both) side(s).
        lungs: phrase for a finding of both lungs.
        single: templates for one finding.
        placed: templates for one finding that has a side.
        double: templates for two findings with a side each.
        together: templates for any two findings.
        negative: templates with {n}, one absent kind.
        negatives: templates with {n} and {m}, two absent kinds.
        heart: normal heart, said when there is no cardiomegaly.
        lung: normal lungs, said when the lungs have no finding.
        normal: other normal anatomy.
        opening, filler: sentences without content.
        devices: device -> sentences; a device that is not listed is not mentioned.
    """

    kinds: dict[str, tuple[str, ...]]
    sizes: tuple[Row, ...]
    degrees: tuple[Row, ...]
    zones: tuple[Row, ...]
    beside: tuple[Row, ...]
    within: tuple[Row, ...]
    lungs: tuple[str, ...]
    single: tuple[str, ...]
    placed: tuple[str, ...]
    double: tuple[str, ...]
    together: tuple[str, ...]
    negative: tuple[str, ...]
    negatives: tuple[str, ...]
    heart: tuple[str, ...]
    lung: tuple[str, ...]
    normal: tuple[str, ...]
    opening: tuple[str, ...]
    filler: tuple[str, ...]
    devices: dict[str, tuple[str, ...]]


# Kinds that are described by their size. The others take a degree, or a size where it reads well.
SIZED = ("pleural_effusion", "pneumothorax", "nodule")
SIZED_OR_GRADED = ("consolidation", "ground_glass_opacity", "atelectasis")

_ONE = {"{a.kind}", "{a.severity}", "{a.place}"}
_TWO = _ONE | {"{b.kind}", "{b.severity}", "{b.place}"}
# What a template of a field has to state. Texts of other fields have no slots.
_REQUIRED = {
    "single": _ONE, "placed": _ONE, "double": _TWO, "together": _TWO,
    "negative": {"{n}"}, "negatives": {"{n}", "{m}"}, "within": {"{zone}"},
}  # fmt: skip
_SHORT = {"core": "{x.severity}{x.kind}", "full": "{x.severity}{x.place}{x.kind}"}


def read_wordings(content: Mapping[str, Any]) -> dict[str, Wording]:
    """Hospital -> wording, from the content of words.json.

    Raises:
        ValueError: a name is missing or unknown, a list is empty or of another form, or a template
            does not state what its field is for; the message names the place and the text.
    """
    wordings = {
        name: _wording(f"wordings.{name}", given) for name, given in content["wordings"].items()
    }
    hospitals = content["hospitals"]
    _check_names("hospitals", hospitals.values(), wordings, wordings)
    return {hospital: wordings[name] for hospital, name in hospitals.items()}


def _wording(name: str, given: Mapping[str, Any]) -> Wording:
    kinds_of_value = {field.name: field.type for field in fields(Wording)}
    _check_names(name, given, kinds_of_value, kinds_of_value)
    _check_names(f"{name}.kinds", given["kinds"], KINDS, KINDS)
    _check_names(f"{name}.devices", given["devices"], (), DEVICES)
    read: dict[str, Any] = {}
    for field, kind in kinds_of_value.items():
        place, value = f"{name}.{field}", given[field]
        required = _REQUIRED.get(field, set())
        if kind == tuple[Row, ...]:
            check(bool(value), place, value, "have one or more rows")
            read[field] = tuple(_texts(place, row, required, 3) for row in value)
        elif kind == tuple[str, ...]:
            read[field] = _texts(place, value, required)
        else:
            read[field] = {key: _texts(f"{place}.{key}", texts) for key, texts in value.items()}
    return Wording(**read)


def _check_names(
    place: str, given: Collection[str], needed: Collection[str], known: Collection[str]
) -> None:
    names = f"have the names {', '.join(known)}" + ("" if needed else " or some of them")
    check(set(needed) <= set(given) <= set(known), place, list(given), names)


def _texts(
    place: str, given: Any, required: Collection[str] = (), count: int | None = None
) -> tuple[str, ...]:
    """A list of texts, each of which states with its slots what is required and nothing else."""
    texts = isinstance(given, list) and all(text and isinstance(text, str) for text in given)
    right = texts and len(given) == (count or max(1, len(given)))
    check(right, place, given, f"be a list of {count or 'one or more'} texts")
    states = f"state {', '.join(sorted(required)) or 'no finding'}"
    for text in given:
        check(_stated(text) == set(required), place, text, states)
    return tuple(given)


def _stated(text: str) -> set[str]:
    """The facts in a text's slots, such as "{a.kind}"; anything else in braces stays as it is."""
    text = re.sub(r"\{([ab])\.(core|full)\}", lambda m: _SHORT[m[2]].replace("x", m[1]), text)
    text = re.sub(r"\{([ab])=\w+\}", r"{\1.kind}", text).replace("{zones}", "{zone}")
    return set(re.findall(r"\{[^{}]*\}|[{}]", text))


_CONTENT = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
WORDINGS = read_wordings(_CONTENT)
# Words of a type of their own, and words that join a place phrase without naming a place.
NEGATIONS, ANATOMY, LINKS = (
    frozenset(_texts(name, _CONTENT[name])) for name in ("negations", "anatomy", "links")
)
