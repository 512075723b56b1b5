"""Labels of the CheXpert family: 1, 0, -1 for uncertain, and blank for not mentioned.

What -1 and blank become decides what a classifier learns, so that both are named parameters of
every loader that has them; NaN, no information, unless told.
"""

import math
from collections.abc import Mapping, Sequence

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


def label_value(cell: str, uncertain: float, blank: float = math.nan) -> float:
    """1, 0 or NaN for the text of a cell; ValueError for anything else."""
    value = float(cell) if cell.strip() else math.nan
    if math.isnan(value):
        return blank
    if value not in (1, 0, -1):
        raise ValueError(f"a label must be 1, 0, -1 or empty, got {cell!r}")
    return uncertain if value == -1 else value
