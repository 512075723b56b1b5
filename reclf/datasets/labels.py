"""Labels of the CheXpert family: 1, 0, -1 for uncertain, and blank for not mentioned.

What -1 and blank become decides what a classifier learns, so that both are named parameters of
every loader that has them; NaN, no information, unless told.
"""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from .problems import DataProblems

# In the order of the CheXpert release. Only names are ever looked up, never positions.
CHEXPERT_LABELS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion",
    "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
    "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip
COMPETITION_LABELS = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion",
)  # fmt: skip

# GLoRIA and MGCA: with this goes blank="zero".
GLORIA_UNCERTAIN = {
    "Atelectasis": "one",
    "Cardiomegaly": "zero",
    "Consolidation": "zero",
    "Edema": "one",
    "Pleural Effusion": "one",
}
_CELLS = {"1": "1", "0": "0", "-1": "-1", "": "", "nan": ""}
_VALUES = {"nan": math.nan, "zero": 0.0, "one": 1.0}


def uncertain_values(
    uncertain: str | Mapping[str, str], labels: Sequence[str] = CHEXPERT_LABELS
) -> dict[str, float]:
    """What -1 becomes, per label.

    Args:
        uncertain: "nan", "zero" or "one" for all labels, or label -> one of these; a label that is
            not named becomes NaN.
    """
    given = dict.fromkeys(labels, uncertain) if isinstance(uncertain, str) else dict(uncertain)
    for name, value in given.items():
        if name not in labels:
            raise ValueError(f"uncertain: no label {name!r}; the labels are {', '.join(labels)}")
        if value not in _VALUES:
            raise ValueError(f"uncertain must be 'nan', 'zero' or 'one', got {value!r} for {name}")
    return {name: _VALUES[given.get(name, "nan")] for name in labels}


def blank_value(blank: str) -> float:
    """What an empty cell becomes: "nan" (not mentioned) or "zero" (taken as absent)."""
    if blank not in ("nan", "zero"):
        raise ValueError(f"blank must be 'nan' or 'zero', got {blank!r}")
    return _VALUES[blank]


def label_rows(
    table: pd.DataFrame, uncertain: Mapping[str, float], blank: float, where: str
) -> list[dict[str, float]]:
    """label -> 1, 0 or NaN for every row of a table of text.

    Args:
        uncertain: label (a column) -> what -1 becomes.
        blank: what an empty cell becomes.
        where: the table's name, for the error that lists every cell that is no label.
    """
    columns, wrong = [], []
    for name, of_uncertain in uncertain.items():
        values = {}
        for cell, count in table[name].value_counts().items():
            known = _CELLS.get(str(cell).strip().lower().removesuffix(".0"))
            if known is None:
                wrong.append(f"{name} = {cell!r} in {count} rows")
            values[cell] = {"-1": of_uncertain, "": blank}.get(known or "", float(known or "nan"))
        columns.append([values[cell] for cell in table[name]])
    if wrong:
        advice = "A label is 1, 0, -1 for uncertain, or empty."
        raise DataProblems(where, {"cell that is no label": wrong}, advice)
    return [dict(zip(uncertain, row, strict=True)) for row in zip(*columns, strict=True)]
