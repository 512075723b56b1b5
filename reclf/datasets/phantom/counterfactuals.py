"""Counterfactuals: cases that differ from a case in one fact, for counterfactual pairs.

case, plan of its report, fact -> candidates -> those that image and report can both show
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

from reclf_phantom.case import (
    KINDS,
    SEVERITIES,
    ZONES,
    Case,
    Finding,
    has_zone,
    is_plausible,
    sides_of,
)

from .report import Plan, severity_rows

Findings = tuple[Finding, ...]
Change = Callable[[Findings, Plan], Iterator[Findings]]


def counterfactuals(case: Case, plan: Plan, fact: str) -> list[Case]:
    """All cases that differ from `case` in one fact and can be stated in the words of `plan`.

    Args:
        case: the original.
        plan: of its report; it may deny a kind, or state two findings in one sentence.
        fact: one of FACTS.

    Raises:
        ValueError: if there is no such fact.
    """
    if fact not in FACTS:
        raise ValueError(f"fact must be one of {', '.join(FACTS)}, got {fact!r}")
    candidates = _CHANGES[fact](case.findings, plan)
    return [replace(case, findings=findings) for findings in candidates if is_plausible(findings)]


def _binding(findings: Findings, plan: Plan) -> Iterator[Findings]:
    for a, b in combinations(findings, 2):
        if {a.side, b.side} == {"left", "right"}:
            yield _with(findings, {a: replace(a, side=b.side), b: replace(b, side=a.side)})


def _place(findings: Findings, plan: Plan) -> Iterator[Findings]:
    for a, b in combinations(findings, 2):
        # With equal zones it would be binding; "both" would change the little words around it.
        one_sided = {a.side, b.side} <= {"left", "right"}
        if one_sided and a.zone and b.zone and a.zone != b.zone:
            moved = replace(a, side=b.side, zone=b.zone), replace(b, side=a.side, zone=a.zone)
            yield _with(findings, dict(zip((a, b), moved, strict=True)))


def _each(field: str, values: tuple[str, ...]) -> Change:
    """Every other of `values` for a field of one finding, where it has one of them."""

    def change(findings: Findings, plan: Plan) -> Iterator[Findings]:
        for f in findings:
            for value in values:
                other: Any = {field: value}
                if getattr(f, field) in values and getattr(f, field) != value:
                    yield _with(findings, {f: replace(f, **other)})

    return change


def _kind(findings: Findings, plan: Plan) -> Iterator[Findings]:
    for f in findings:
        for kind in KINDS:
            # Only a kind with the same sort of place and the same severity words leaves the other
            # words alone, and only one that the report does not deny leaves it true.
            graded = plan.styles[f.slot].severities in severity_rows(kind, plan.wording)
            placed = f.zone is not None or "edema" not in (kind, f.kind)  # it has its own phrase
            alike = has_zone(kind) == has_zone(f.kind) and f.side in sides_of(kind)
            if kind != f.kind and graded and placed and alike and kind not in plan.denied:
                yield _with(findings, {f: replace(f, kind=kind)})


def _presence(findings: Findings, plan: Plan) -> Iterator[Findings]:
    for f in findings:
        # A sentence that it shares with another finding could not be left out.
        if all(s.slots == (f.slot,) for s in plan.sentences if f.slot in s.slots):
            yield tuple(other for other in findings if other is not f)


def _with(findings: Findings, changed: dict[Finding, Finding]) -> Findings:
    return tuple(changed.get(f, f) for f in findings)


_CHANGES: dict[str, Change] = {
    "binding": _binding,
    "place": _place,
    "side": _each("side", ("left", "right")),
    "zone": _each("zone", ZONES),
    "kind": _kind,
    "severity": _each("severity", SEVERITIES),
    "presence": _presence,
}
FACTS = tuple(_CHANGES)
