"""The overview in one sentence: what a model can do after its training, and what is not shown.

Overview (numbers with intervals) -> claims, each against a reference -> one sentence
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reclf.stats.estimate import Estimate

from .overview import Overview


def verdict(results: Overview) -> str:
    """One sentence: what the model can do after this training, and what is not shown.

    A claim is shown where its 95 % interval lies above the reference: chance, or the whole interval
    of the untrained baseline or of the global score. Two intervals of one test set may overlap
    although the paired difference is real, so "not shown" is not "shown to be equal".
    """
    tables = results.retrieval
    combined, by_global = (tables[score]["recall_at_5"] for score in ("combined", "global"))
    recall, auroc = "recall@5", "macro AUROC"
    claims = [
        _Claim(
            f"finds the matching report or image among {tables['combined']['n']}",
            recall, combined, "chance", {"value": combined["chance"]},
        )
    ]  # fmt: skip
    if "local" in tables:
        does = "ranks better by the combined score than by the global score alone"
        claims.append(_Claim(does, recall, combined, "global", by_global))
    if results.zero_shot is not None:
        does = "recognizes findings from text prompts without labels"
        claims.append(
            _Claim(does, f"zero-shot {auroc}", results.zero_shot, "chance", {"value": 0.5})
        )
    if results.linear_probe is not None and results.linear_probe_untrained is not None:
        does = "has image features that predict findings better than the untrained baseline's"
        probes = results.linear_probe, results.linear_probe_untrained
        claims.append(
            _Claim(does, f"quick linear probe, {auroc}", probes[0], "untrained", probes[1])
        )
    known = [claim for claim in claims if not np.isnan(claim.found["value"])]
    shown = [str(claim) for claim in known if claim.is_shown]
    open_ = [str(claim) for claim in known if not claim.is_shown]
    if not shown:
        return f"Not shown after this training: that the model {'; that it '.join(open_)}."
    not_shown = f"; not shown: that it {'; that it '.join(open_)}" if open_ else ""
    return f"After this training the model {'; it '.join(shown)}{not_shown}."


@dataclass(frozen=True)
class _Claim:
    """What a model does if its number lies above a reference.

    Attributes:
        found: value and interval; without one nothing is shown.
        reference: value, and interval where it is itself a measurement.
    """

    does: str
    measure: str
    found: Mapping[str, Any]
    against: str
    reference: Mapping[str, Any]

    @property
    def is_shown(self) -> bool:
        mine = self.found["interval"]
        theirs = self.reference.get("interval", [self.reference["value"]])
        return mine is not None and theirs is not None and bool(mine[0] > theirs[-1])

    def __str__(self) -> str:
        return (
            f"{self.does} ({self.measure} {Estimate.of(self.found)}, "
            f"{self.against} {Estimate.of(self.reference)})"
        )
