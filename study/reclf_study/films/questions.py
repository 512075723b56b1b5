"""What the benchmark asks of each report: swaps of its own words, and what it states.

    report --Lexicon--> stated and denied kinds of findings, swaps by fact
    codes of indexers, where a manifest has them --the same Lexicon--> swaps that they contradict

Indexers read the film and the report, so what they coded is a second witness: of Open-I's swaps of
the side they contradict 2 in 630.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reclf.data.lexicon import Lexicon
from reclf.data.report_swaps import ParsedReport, Swap, swaps
from reclf.data.study import Study
from reclf.models.recall import same_report
from reclf.tasks.linear_probe import label_matrix

OPPOSITES = ("side", "zone", "severity")
ASKED = ("denied", *OPPOSITES, "negation", "finding")  # of FACTS, those with evidence on the film
CONTRADICTED = "the codes say otherwise"


@dataclass(frozen=True)
class Question:
    """One report.

    Attributes:
        stated: kinds of findings, by number in the lexicon, that it states at least once.
        swaps: fact -> the report with that fact changed, or why there is none.
        places: of the "denied" swap, the word that first names each of its two findings, in the
            report and in the swap: ((2, 5), (4, 3)).
    """

    stated: frozenset[int]
    swaps: dict[str, Swap]
    places: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(
        cls,
        report: str,
        lexicon: Lexicon,
        codes: str = "",
        facts: Sequence[str] = ASKED,
        seed: int = 0,
    ) -> "Question":
        """Read a report.

        Args:
            codes: of indexers, such as "Opacity/lung/base/left;Cardiomegaly/mild"; swaps that they
                contradict are refused. "" where there are none.
            facts: to ask about.
            seed: chooses among findings.
        """
        found = swaps(report, lexicon, facts, seed)
        if codes:
            text = re.sub(r"[,/]", " ", codes).replace(";", ". ")
            coded = ParsedReport.of(text, lexicon)
            for fact, swap in found.items():
                if swap.text is not None and _contradicts(coded, fact, swap, lexicon):
                    found[fact] = Swap(None, CONTRADICTED)
        places: tuple[tuple[int, ...], ...] = ()
        if "denied" in found and (swapped := found["denied"].text) is not None:
            findings = found["denied"].findings
            places = tuple(_places(one, findings, lexicon) for one in (report, swapped))
        return cls(stated_kinds(report, lexicon), found, places)


def stated_kinds(report: str, lexicon: Lexicon) -> frozenset[int]:
    """Kinds of findings that a report states; none where it cannot be read."""
    try:
        mentions = ParsedReport.of(report, lexicon).mentions
    except ValueError:
        return frozenset()
    return frozenset(mention.kind for mention in mentions if mention.stated)


@dataclass(frozen=True)
class AskedSplit:
    """The reports of a split, and what is asked of each.

    Attributes:
        reports, patients: of N studies.
        labels: float (N, names), NaN for no information.
        questions: one per study.
    """

    reports: Sequence[str]
    patients: Sequence[str]
    labels: np.ndarray
    questions: Sequence[Question]

    @cached_property
    def same_report(self) -> np.ndarray:
        """bool (N, N), True where two reports have the same words."""
        return same_report(self.reports)

    @classmethod
    def of(
        cls,
        studies: Sequence[Study],
        names: Sequence[str],
        lexicon: Lexicon,
        codes: str = "",
        facts: Sequence[str] = ASKED,
        seed: int = 0,
    ) -> "AskedSplit":
        """Read the reports of studies.

        Args:
            names: of labels.
            codes: name of the column of codes in `Study.meta`; "" takes the words alone.
            facts, seed: as of `Question.of`.
        """
        return cls(
            [study.report for study in studies],
            [study.patient_id for study in studies],
            label_matrix(studies, names),
            [
                Question.of(s.report, lexicon, str(s.meta.get(codes) or ""), facts, seed)
                for s in studies
            ],
        )

    @property
    def refused(self) -> dict[str, dict[str, int]]:
        """Fact -> reason -> reports without a swap; "" counts those with one."""
        return {
            fact: dict(Counter(q.swaps[fact].refused for q in self.questions).most_common())
            for fact in self.questions[0].swaps
        }

    def poles(self, fact: str) -> np.ndarray:
        """float (N, 1): 0 or 1 where a report states one pole of a fact, else NaN."""
        found = [question.swaps[fact].pole for question in self.questions]
        return np.array([[np.nan if pole is None else pole] for pole in found], dtype=float)

    def kinds(self, count: int) -> np.ndarray:
        """float (N, count): whether a report states a kind of finding."""
        stated = np.zeros((len(self.questions), count))
        for row, question in enumerate(self.questions):
            stated[row, list(question.stated)] = 1
        return stated


def _places(report: str, findings: Sequence[str], lexicon: Lexicon) -> tuple[int, ...]:
    mentions = ParsedReport.of(report, lexicon).mentions
    return tuple(next(m.end - 1 for m in mentions if m.head == finding) for finding in findings)


def _contradicts(coded: ParsedReport, fact: str, swap: Swap, lexicon: Lexicon) -> bool:
    if fact in OPPOSITES:
        words = {word.text for word in coded.words}
        poles = {int(w in lexicon.second[fact]) for w in words & lexicon.opposites[fact].keys()}
        return bool(poles) and swap.pole not in poles
    # What the swapped report states anew: the last of two findings, or the one affirmed.
    new = swap.kinds[-1:] if fact != "negation" else ()
    return not {mention.kind for mention in coded.mentions}.isdisjoint(new)
