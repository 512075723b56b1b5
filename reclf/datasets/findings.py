"""What a data check has found, and as tables."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from reclf.data.study import Study


@dataclass
class DataCheck:
    """What was found.

    Attributes:
        layout: name of the loader, or "images" for a folder of files without a table.
        root, options: what the loader was given.
        splits: split -> {"listed", "usable", "patients", "read"}: rows of the table, rows without
            a problem, patients of these, images that were read in full.
        problems: kind -> every example. Empty when all is well.
        labels: split -> label -> {"1", "0", "none"}: counts over usable studies.
        views: view -> images, laterals that the loader leaves out included where the table tells.
        sizes: (height, width) of the files -> images.
        reports: split -> numbers about their texts; empty where there are no reports.
        report_notes: what is to be known about the reading of reports -> every example.
        repeated: the texts that stand in most studies -> how many.
        samples: a few studies per split, for a contact sheet.
        advice: what to do next, with the line to paste.
    """

    layout: str
    root: str
    options: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    views: dict[str, int] = field(default_factory=dict)
    sizes: dict[tuple[int, int], int] = field(default_factory=dict)
    reports: dict[str, dict[str, float]] = field(default_factory=dict)
    report_notes: dict[str, list[str]] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    samples: list[tuple[str, Study]] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    def note(self, kind: str, *examples: str) -> None:
        if examples:
            known = self.problems.get(kind, [])
            self.problems[kind] = list(dict.fromkeys([*known, *examples]))

    def tables(self) -> dict[str, pd.DataFrame]:
        """The findings as tables with a title each, problems first; empty ones are left out."""
        labels = {
            label: {f"{split} {value}": n for split in self.labels for value, n in
                    self.labels[split][label].items()}
            for label in next(iter(self.labels.values()), {})
        }  # fmt: skip
        sizes = [(*size, n) for size, n in Counter(self.sizes).most_common(10)]
        tables = {
            "Problems": _with_examples(self.problems, "problem", "count"),
            "Splits": pd.DataFrame(self.splits).T,
            "Labels (usable studies)": pd.DataFrame(labels).T,
            "Views": pd.DataFrame({"images": self.views}),
            "Sizes of the files (ten most frequent)": pd.DataFrame(
                sizes, columns=["height", "width", "images"]
            ),
            "Reports": pd.DataFrame(self.reports, dtype=object).T,
            "Reading of reports": _with_examples(self.report_notes, "what", "reports"),
            "Most repeated reports": pd.DataFrame({"studies": self.repeated}),
        }
        return {title: table for title, table in tables.items() if len(table)}


def _with_examples(found: Mapping[str, Sequence[str]], kind: str, count: str) -> pd.DataFrame:
    rows = [(name, len(examples), "; ".join(examples[:3])) for name, examples in found.items()]
    return pd.DataFrame(rows, columns=[kind, count, "examples"])
