"""The phantom: an endless data set of chest radiographs and reports with exact ground truth.

    (seed, split, index) -> Case -> image and masks, report and words -> Study

Masks, word types, word relations and important words are known because they were planted. Use it
to try the package without any download, to test, and to measure what no real data set can show:
whether a model relates the right words and looks at the right place.

Splits share no case specification: the hash of a specification decides its split, and a study is
redrawn until it fits. The normal case, which has no finding, is the one exemption; it appears in
every split.
"""

import hashlib
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

import cv2
import numpy as np

import reclf_phantom
from reclf.config.settings import check, check_choice
from reclf.data.study import Pair, Study
from reclf_phantom.case import KINDS, Case, sample_case, split_of
from reclf_phantom.image import FILMS, render

from .counterfactuals import FACTS, counterfactuals
from .report import Plan, plan_report, report_text, write_report

__all__ = ["FACTS", "Phantom", "counterfactual_pair", "counterfactual_pairs"]

_LENGTHS = {"train": 1_000_000, "val": 500, "test": 500}
_MIN_SIZE = 32  # below it a mild nodule is less than two pixels wide
# Of the reports and of the films; both decide what a study is.
FOLDERS = Path(__file__).parent, Path(reclf_phantom.__file__).parent
_SEARCH = 2_000  # studies looked at per pair or gallery item before giving up


class Phantom:
    """Map-style data set of phantom studies.

    A study depends on the arguments and its index alone: not on the process that draws it, nor on
    what was drawn before. The same index shows the same patient at every hospital and size.

    Args:
        root: not used; there is nothing to read.
        split: "train", "val" or "test".
        image_size: pixels on a side, 32 or more.
        seed: another seed gives other studies.
        hospital: "A"; "B" takes its films differently; "C" writes its reports differently.
        devices: False leaves out tubes, lines, leads and markers, in image and report.
        length: number of studies; by default 1,000,000 for train, which nobody will exhaust, and
            500 for val and test.

    Attributes:
        labels: names of the findings, in the order of every table.
        facts: in which a counterfactual can differ from a study.
        endless: whether the studies are as many as training asks for: no order is needed.
        fingerprint: hash of everything that decides the content, code and words included.
    """

    name = "phantom"
    labels = KINDS
    facts = FACTS

    def __init__(
        self,
        root: str | Path | None = None,
        split: str = "train",
        image_size: int = 128,
        *,
        seed: int = 0,
        hospital: str = "A",
        devices: bool = True,
        length: int | None = None,
    ):
        if root not in (None, ""):
            raise ValueError(f"the phantom is drawn, not read: leave root empty, got {root!r}")
        check_choice("split", split, tuple(_LENGTHS))
        check_choice("hospital", hospital, tuple(FILMS))
        check(image_size >= _MIN_SIZE, "image_size", image_size, f"be {_MIN_SIZE} or more")
        check(length is None or length >= 0, "length", length, "be 0 or more")
        self.split = split
        self.image_size = image_size
        self.seed = seed
        self.hospital = hospital
        self.devices = devices
        self.length = _LENGTHS[split] if length is None else length
        self.endless = split == "train" and length is None

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Study:
        return self.study(self.case(index), index)

    def pairs(self, indices: Sequence[int]) -> list[Pair]:
        """Images and reports alone, a little faster than the studies."""
        cases = [self.case(index) for index in indices]
        return [self._pair(case, plan_report(case)) for case in cases]

    def counterfactuals(self, number: int, fact: str) -> tuple[Pair, Pair]:
        """A study that has such a fact, and its counterfactual, as images and reports alone.

        Another number gives another study, nearly always: they are drawn, not counted.

        Raises:
            ValueError: no study of this split has such a fact.
        """
        draw = Random(f"{self.seed}/{self.split}/{number}/{fact}")
        for _ in range(_SEARCH):
            case = self.case(draw.randrange(self.length))
            plan = plan_report(case)
            changed = self._counterfactual(case, plan, fact, same_split=True)
            if changed is not None:
                return self._pair(case, plan), self._pair(changed, plan)
        raise ValueError(f"no study among {_SEARCH} has a {fact} to change")

    def report(self, index: int) -> str:
        """The report of a study, some ten times faster than the study: no image is drawn."""
        case = self.case(index)
        return report_text(plan_report(case), case.findings)

    @property
    def fingerprint(self) -> str:
        content = (
            self.name, self.split, self.image_size, self.seed, self.hospital, self.devices,
            self.length, _content_version(*FOLDERS),
        )  # fmt: skip
        return hashlib.blake2b(repr(content).encode(), digest_size=8).hexdigest()

    def case(self, index: int) -> Case:
        """The specification of a study, some ten times faster than the study."""
        if not 0 <= index < self.length:
            raise IndexError(
                f"index {index} is outside the {self.length} studies of split {self.split!r}"
            )
        text = f"{self.seed}/{self.split}/{index}"
        seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
        return sample_case(seed, self.split, self.hospital, self.devices)

    def gallery(self, n: int) -> list[Study]:
        """`n` studies with distinct case specifications, hence at most one normal, for retrieval.

        Of a phantom with `devices=False` no device identifies a study.
        """
        data = self._long(n * _SEARCH)
        chosen: dict[str, Study] = {}
        for index in range(len(data)):
            if len(chosen) == n:
                break
            case = data.case(index)
            if case.spec not in chosen:
                chosen[case.spec] = data.study(case, index)
        return list(chosen.values())

    def _long(self, length: int) -> "Phantom":
        """The same studies and those that follow: the phantom has no end."""
        data = copy(self)
        data.length, data.endless = length, False
        return data

    def _pair(self, case: Case, plan: Plan) -> Pair:
        return Pair(render(case, self.image_size).image, report_text(plan, case.findings))

    def _counterfactual(self, case: Case, plan: Plan, fact: str, same_split: bool) -> Case | None:
        candidates = counterfactuals(case, plan, fact)
        if same_split:
            candidates = [c for c in candidates if not c.findings or split_of(c.spec) == self.split]
        # The stream's name seeds it: with another one, other counterfactuals would be chosen.
        return case.stream(f"twin {fact}").choice(candidates) if candidates else None

    def study(self, case: Case, index: int, plan: Plan | None = None, suffix: str = "") -> Study:
        """Draw and write a case.

        Args:
            case: from `case(index)`, or a counterfactual of it.
            index: names the study.
            plan: wording of the report; None draws it from the case.
            suffix: added to the name, which a counterfactual shares otherwise.
        """
        image, masks = render(case, self.image_size)
        report, words = write_report(plan or plan_report(case), case.findings)
        present = {finding.kind for finding in case.findings}
        patient = f"phantom-{self.seed}-{self.split}-{index}{suffix}"
        return Study(
            study_id=f"{patient}-{self.hospital}",
            patient_id=patient,
            image=image,
            report=report,
            labels={kind: float(kind in present) for kind in KINDS},
            # Kinds are distinct in a case, so the union over instances is the instance.
            masks={f.kind: mask for f, mask in zip(case.findings, masks, strict=True)},
            words=words,
            meta={
                "case": vars(case) | {"findings": [dict(vars(f)) for f in case.findings]},
                "spec": case.spec,
                "hospital": case.hospital,
                "instance_masks": masks,
            },
        )


def counterfactual_pair(data: Phantom, index: int, fact: str) -> tuple[Study, Study]:
    """A study and its counterfactual, in which one fact is changed in image and report.

    The reports agree word for word outside the fact; anatomy, shapes, exposure and noise agree.

    Args:
        data: where the study comes from.
        index: of the study.
        fact: "binding" (two findings swap sides), "place" (they swap side and zone), "side",
            "zone", "kind", "severity", or "presence" (a finding is dropped).

    Raises:
        ValueError: no finding of the study has a fact to change; see `counterfactual_pairs`.
    """
    pair = _studies(data, index, fact, same_split=False)
    if pair is None:
        raise ValueError(
            f"study {index} has no {fact} to change ({data.case(index).spec}); "
            "counterfactual_pairs() looks for studies that have"
        )
    return pair


def counterfactual_pairs(data: Phantom, n: int, fact: str) -> Iterator[tuple[Study, Study]]:
    """The first `n` counterfactual pairs of a split of which both studies belong to that split.

    The search goes on past `len(data)`, since the phantom has no end.
    """
    data = data._long(n * _SEARCH)
    pairs = (_studies(data, index, fact, same_split=True) for index in range(len(data)))
    return islice((pair for pair in pairs if pair is not None), n)


def _studies(data: Phantom, index: int, fact: str, same_split: bool) -> tuple[Study, Study] | None:
    case = data.case(index)
    plan = plan_report(case)
    changed = data._counterfactual(case, plan, fact, same_split)
    if changed is None:
        return None
    return data.study(case, index, plan), data.study(changed, index, plan, f"-{fact}")


@cache
def _content_version(*folders: Path) -> str:
    """Hash of all files of the phantom, so that a change to code or words changes fingerprints.

    It covers names and contents, in the order of the names; hidden files and folders, which
    editors and Python leave, are no part of the phantom.
    """
    inside = [path for folder in folders for path in sorted(folder.glob("[!.]*"))]
    paths = [path for path in inside if path.is_file()]
    content = [(path.name, path.read_bytes()) for path in paths]
    versions = np.__version__, cv2.__version__
    return hashlib.blake2b(repr((versions, content)).encode(), digest_size=8).hexdigest()
