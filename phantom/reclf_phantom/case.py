"""The case specification: what is wrong with a phantom patient, where, and how badly.

    random stream -> findings (kind, side, zone, severity) -> Case -> image and report

Image and report are both functions of the case, so every label, mask and word relation is known.
A case is sampled with `random.Random`, whose scalar draws are some ten times faster than numpy's.
"""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

SIDES = ("left", "right", "bilateral")
ZONES = ("upper", "mid", "lower")
SEVERITIES = ("mild", "moderate", "severe")


class _Traits(NamedTuple):
    """What a finding of a kind has. Two kinds with equal sides and zones can replace each other."""

    frequency: float  # relative
    sides: tuple[str | None, ...]
    zoned: bool


_TRAITS = {
    "consolidation": _Traits(4.0, SIDES, True),
    "ground_glass_opacity": _Traits(3.0, SIDES, True),
    "pleural_effusion": _Traits(4.0, SIDES, False),
    "pneumothorax": _Traits(3.0, ("left", "right"), False),
    "atelectasis": _Traits(3.5, SIDES, True),
    "cardiomegaly": _Traits(2.5, (None,), False),
    "nodule": _Traits(3.5, ("left", "right"), True),
    "edema": _Traits(2.0, ("bilateral",), False),
}
KINDS = tuple(_TRAITS)
_TOGETHER = {  # how much more often than by chance two kinds meet; 0 = never
    ("pleural_effusion", "atelectasis"): 1.8,
    ("pleural_effusion", "consolidation"): 1.6,
    ("pleural_effusion", "cardiomegaly"): 1.8,
    ("pleural_effusion", "edema"): 2.0,
    ("cardiomegaly", "edema"): 3.0,
    ("pneumothorax", "cardiomegaly"): 0.5,
    ("pneumothorax", "edema"): 0.3,
    ("edema", "ground_glass_opacity"): 0.0,  # bilateral haze hides bilateral haze
    ("edema", "nodule"): 0.5,
}
_COUNTS = (0.08, 0.32, 0.40, 0.20)  # cases with 0, 1, 2, 3 findings
_DEVICE_RATES = {
    "ecg_leads": 0.30, "endotracheal_tube": 0.12, "gastric_tube": 0.10,
    "central_line": 0.15, "pacemaker": 0.07, "side_marker": 0.12,
}  # fmt: skip
DEVICES = tuple(_DEVICE_RATES)
_SPLIT_SHARES = (("val", 0.12), ("test", 0.32), ("train", 1.0))  # cumulative


@dataclass(frozen=True)
class Finding:
    """One abnormality.

    Attributes:
        kind: one of KINDS.
        side: the patient's side, one of SIDES; None for the heart, which has none.
        zone: one of ZONES, or None where the kind decides it (effusions lie low).
        severity: one of SEVERITIES; for a nodule its size.
        slot: number of the finding when the case was drawn. Shape and wording are drawn by slot,
            so that a case with one fact changed keeps everything else.
    """

    kind: str
    side: str | None
    zone: str | None
    severity: str
    slot: int = 0

    @property
    def grade(self) -> int:
        """0 mild, 1 moderate, 2 severe."""
        return SEVERITIES.index(self.severity)


@dataclass(frozen=True)
class Case:
    """A phantom patient.

    Attributes:
        findings: 0 to 3, of different kinds.
        devices: a subset of DEVICES.
        seed: draws everything that is not specified: anatomy, shapes, exposure, wording.
        hospital: "A", "B" (other appearance) or "C" (other wording).
    """

    findings: tuple[Finding, ...]
    devices: tuple[str, ...]
    seed: int
    hospital: str = "A"

    @property
    def spec(self) -> str:
        """The findings as a canonical string, equal for equal findings in any order."""
        return specification(self.findings)

    def stream(self, purpose: str) -> Random:
        """A random stream of this case that no other purpose disturbs."""
        return stream(self.seed, purpose)


def stream(seed: int, purpose: str) -> Random:
    """A random stream of a seed for one purpose. (Seeding by an integer is faster than by text.)"""
    return Random(seed << 32 | zlib.crc32(purpose.encode()))


def specification(findings: Sequence[Finding]) -> str:
    """Canonical string of findings, such as "nodule:left:upper:mild"; "normal" without any."""
    parts = (":".join((f.kind, f.side or "-", f.zone or "-", f.severity)) for f in findings)
    return " + ".join(sorted(parts)) or "normal"


def split_of(spec: str) -> str:
    """The one split in which a specification may appear, from its hash.

    The hash and not the order of drawing decides, so the splits of any two seeds are disjoint.
    """
    share = int.from_bytes(hashlib.blake2b(spec.encode(), digest_size=4).digest()) / 2**32
    return next(name for name, limit in _SPLIT_SHARES if share < limit)


def has_zone(kind: str) -> bool:
    return _TRAITS[kind].zoned


def sides_of(kind: str) -> tuple[str | None, ...]:
    return _TRAITS[kind].sides


def is_plausible(findings: Sequence[Finding]) -> bool:
    """Whether every finding is visible together with the others.

    Two opacities of the lung do not share a place, and nothing in the lower zone hides behind
    more than a mild effusion of its side.
    """
    for n, one in enumerate(findings):
        for other in findings[n + 1 :]:
            if one.kind == other.kind:
                return False
            if _same_side(one, other) and (_hides(one, other) or _hides(other, one)):
                return False
    return True


def sample_case(seed: int, split: str, hospital: str, devices: bool) -> Case:
    """Draw the case of one seed; its specification belongs to `split`, or is normal."""
    random = stream(seed, "case")
    # The number of findings is drawn once: a normal case belongs to every split and would
    # otherwise be accepted more readily than the others.
    count = random.choices(range(4), _COUNTS)[0]
    while True:
        findings = _sample_findings(random, count)
        if is_plausible(findings) and (not count or split_of(specification(findings)) == split):
            break
    present = stream(seed, "devices")
    drawn = tuple(device for device, rate in _DEVICE_RATES.items() if present.random() < rate)
    return Case(findings, drawn if devices else (), seed, hospital)


def _sample_findings(random: Random, count: int) -> tuple[Finding, ...]:
    findings: list[Finding] = []
    for slot in range(count):
        weights = [traits.frequency for traits in _TRAITS.values()]
        for n, kind in enumerate(KINDS):
            for other in findings:
                pair, reverse = (kind, other.kind), (other.kind, kind)
                weights[n] *= _TOGETHER.get(pair, _TOGETHER.get(reverse, 1.0))
                weights[n] *= kind != other.kind
        kind = random.choices(KINDS, weights)[0]
        side = _sample_side(random, kind, findings)
        zone = random.choice(ZONES) if has_zone(kind) else None
        findings.append(Finding(kind, side, zone, random.choice(SEVERITIES), slot))
    return tuple(findings)


def _sample_side(random: Random, kind: str, others: list[Finding]) -> str | None:
    sides = sides_of(kind)
    if len(sides) == 1:
        return sides[0]
    # Findings of opposite sides are what binding is measured on, so they are made common.
    taken = {f.side for f in others} & {"left", "right"}
    if len(taken) == 1 and random.random() < 0.5:
        return "left" if taken == {"right"} else "right"
    return random.choices(sides, (4, 4, 1.5)[: len(sides)])[0]


def _same_side(one: Finding, other: Finding) -> bool:
    if one.side is None or other.side is None:
        return False
    return one.side == other.side or "bilateral" in (one.side, other.side)


def _hides(one: Finding, other: Finding) -> bool:
    if one.zone is not None:
        return one.zone == other.zone
    covers = one.kind == "pleural_effusion" and one.severity != "mild"
    # A large pneumothorax collapses the lung that would hold the other finding.
    covers_all = one.kind == "pneumothorax" and one.severity == "severe" and other.zone == "upper"
    return covers_all or (covers and other.zone == "lower")
