"""Twins: cases that differ from a case in one fact, for minimal pairs.

case, plan of its report, fact -> candidates -> those that image and report can both show
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

from .case import KINDS, SEVERITIES, ZONES, Case, Finding, has_zone, is_plausible, sides_of
from .report import Plan, severity_rows

Findings = tuple[Finding, ...]


def twins(case: Case, plan: Plan, fact: str) -> list[Case]:
    """All cases that differ from `case` in one fact and can be told in the words of `plan`.

    Args:
        case: the original.
        plan: of its report; it may deny a kind, or tell two findings in one sentence.
        fact: one of FACTS.

    Raises:
        ValueError: if there is no such fact.
    """
    if fact not in FACTS:
        raise ValueError(f"fact must be one of {', '.join(FACTS)}, got {fact!r}")
    candidates = _CHANGES[fact](case.findings, plan)
    return [replace(case, findings=findings) for findings in candidates if is_plausible(findings)]


def _swap(findings: Findings, changed: dict[Finding, Finding]) -> Findings:
    return tuple(changed.get(f, f) for f in findings)


def _binding(findings: Findings, plan: Plan) -> Iterator[Findings]:
    for a, b in combinations(findings, 2):
        if {a.side, b.side} == {"left", "right"}:
            yield _swap(findings, {a: replace(a, side=b.side), b: replace(b, side=a.side)})


def _place(findings: Findings, plan: Plan) -> Iterator[Findings]:
    for a, b in combinations(findings, 2):
        # With equal zones it would be binding; "both" would change the little words around it.
        one_sided = {a.side, b.side} <= {"left", "right"}
        if one_sided and a.zone and b.zone and a.zone != b.zone:
            swapped = {
                a: replace(a, side=b.side, zone=b.zone),
                b: replace(b, side=a.side, zone=a.zone),
            }
            yield _swap(findings, swapped)


def _side(findings: Findings, plan: Plan) -> Iterator[Findings]:
    for f in findings:
        if f.side in ("left", "right"):
            yield _swap(findings, {f: replace(f, side="right" if f.side == "left" else "left")})


def _zone(findings: Findings, plan: Plan) -> Iterator[Findings]:
    for f in findings:
        for zone in ZONES:
            if f.zone and f.zone != zone:
                yield _swap(findings, {f: replace(f, zone=zone)})


def _kind(findings: Findings, plan: Plan) -> Iterator[Findings]:
    for f in findings:
        for kind in KINDS:
            # Only a kind with the same sort of place and the same severity words leaves the other
            # words alone, and only one that the report does not deny leaves it true.
            told = plan.styles[f.slot].severities in severity_rows(kind, plan.wording)
            placed = f.zone is not None or "edema" not in (kind, f.kind)  # it has its own phrase
            alike = has_zone(kind) == has_zone(f.kind) and f.side in sides_of(kind)
            if kind != f.kind and told and placed and alike and kind not in plan.denied:
                yield _swap(findings, {f: replace(f, kind=kind)})


def _severity(findings: Findings, plan: Plan) -> Iterator[Findings]:
    for f in findings:
        for severity in SEVERITIES:
            if severity != f.severity:
                yield _swap(findings, {f: replace(f, severity=severity)})


def _presence(findings: Findings, plan: Plan) -> Iterator[Findings]:
    for f in findings:
        # A sentence that it shares with another finding could not be left out.
        if all(s.slots == (f.slot,) for s in plan.sentences if f.slot in s.slots):
            yield tuple(other for other in findings if other is not f)


_CHANGES: dict[str, Callable[[Findings, Plan], Iterator[Findings]]] = {
    "binding": _binding,
    "place": _place,
    "side": _side,
    "zone": _zone,
    "kind": _kind,
    "severity": _severity,
    "presence": _presence,
}
FACTS = tuple(_CHANGES)
