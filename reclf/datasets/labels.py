"""Labels: 1, 0, -1 for uncertain and blank for not mentioned, or the names of findings in a cell.

What -1 and blank become decides what a classifier learns, so that both are named parameters of
every loader that has them; NaN, no information, unless told.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reclf.data.reports import NO_VALUE

from .problems import refuse
from .tables_on_disk import refuse_unlike_spellings

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
SEPARATORS = ";|"  # between the names in a cell, unless told
_NO_NAMES = {
    "true", "false", "yes", "no", "y", "n", "t", "f", "positive", "negative", "pos", "neg",
    "present", "absent", "uncertain", "unknown",
}  # fmt: skip
_WITH_VALUE = re.compile(r".*\w\s*[=:]\s*(-?\d*\.?\d+%?|true|false|yes|no)", re.IGNORECASE)
# "Edema?", "Edema (uncertain)", "possible Edema", "No Edema", "-Edema"
_WORDS_OF_DOUBT = "no|not|without|possible|probable|likely|uncertain|absent|negative|denied"
_DOUBT = re.compile(
    rf"(?:(?:{_WORDS_OF_DOUBT})\s+|[?-]\s*)?(.*?)\s*(?:\?|-|\((?:{_WORDS_OF_DOUBT}|[?-])\))?",
    re.DOTALL,
)
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
    table: pd.DataFrame,
    uncertain: Mapping[str, float | None],
    blank: float,
    where: str,
    *,
    kind: str = "cell that is no label",
    advice: str = "A label is 1, 0, -1 for uncertain, or empty.",
) -> list[dict[str, float]]:
    """label -> 1, 0 or NaN for every row of a table of text.

    Args:
        uncertain: label (a column) -> what -1 becomes; None where -1 is no label.
        blank: what an empty cell becomes.
        where, kind, advice: for the error that lists every cell that is no label.
    """
    columns, wrong = [], []
    for name, of_uncertain in uncertain.items():
        values: dict[Any, float] = {}
        for cell, count in table[name].value_counts().items():
            number = _number(str(cell))
            known = {-1.0: of_uncertain, 0.0: 0.0, 1.0: 1.0}
            value = blank if math.isnan(number) else known.get(number)
            if value is None:
                wrong.append(f"{name} = {cell!r} in {count} rows")
            else:
                values[cell] = value
        columns.append([values.get(cell, math.nan) for cell in table[name].tolist()])
    refuse(where, kind, wrong, advice)
    # Equal rows share their labels, hundreds of thousands of which take much memory.
    rows = list(zip(*columns, strict=True)) if columns else [()] * len(table)
    labels = {row: dict(zip(uncertain, row, strict=True)) for row in set(rows)}
    return [labels[row] for row in rows]


def _number(cell: str) -> float:
    """NaN for an empty cell, infinity for one that is no number."""
    try:
        return float(cell.strip() or "nan")
    except ValueError:
        return math.inf


def rows_of_names(
    cells: Iterable[str], separators: str, empty: str, path: Path
) -> list[dict[str, float]]:
    """label -> 1, 0 or NaN for cells such as "Edema; Mass" or "['Edema', 'Mass']".

    Args:
        separators: characters between names.
        empty: of a cell without names: "nan", or "zero" for none of the labels.
        path: of the table, for the error that lists names that were not meant as such.
    """
    cells = list(cells)
    names_of = {cell: _names(cell, separators) for cell in set(cells)}
    found = Counter(name for cell in cells for name in names_of[cell])
    if all(name.lower() in _NO_NAMES or _number(name) < math.inf for name in found):
        advice = (
            "A column of 1 and 0, or of yes and no, is one label: write 1 and 0, and list its "
            "name, label_columns: [name]. Where the values are classes, write their names."
        )
        refuse(path, "label name that is a value", map(repr, found), advice)
    with_value = [repr(name) for name in found if _WITH_VALUE.fullmatch(name)]
    advice = "Write the names of what is there, or a column of 1 and 0 for each label."
    refuse(path, "label name with a value", with_value, advice)
    as_words = {name.casefold(): name for name in found}
    doubted = [
        repr(name)
        for words, name in as_words.items()
        if (match := _DOUBT.fullmatch(words)) and match[1] != words and match[1] in as_words
    ]
    advice = "Where a label is uncertain or denied, write 1, 0 or nothing in a column of its own."
    refuse(path, "label name that doubts or denies another", doubted, advice)
    # Names that a list quotes are whole; so are others where somebody has named the separators,
    # but for those that are made of known names by one that is hardly in a name.
    told = separators != SEPARATORS
    between = r"\s*[;|\t\n]\s*" if told else r"\s*[,;|/\t\n]\s*"
    whole = {name for cell, names in names_of.items() if _is_list(cell) for name in names}
    parts_of = {name: set(re.split(between, name)) - {""} for name in found}
    times = Counter(part for parts in parts_of.values() for part in parts)
    joined = [
        repr(name)
        for name, parts in parts_of.items()
        if name[0] in "[{'\""  # the rest of a list or a dictionary
        or (len(parts) > 1 and name not in whole and found.keys() >= parts)
        or (len(parts) > 1 and not (told or name in whole) and any(times[p] > 1 for p in parts))
    ]
    advice = (
        f'Names stand between {separators!r}, or what the option label_separator says ("," for '
        f'commas, ";" where each of these is one name).'
    )
    refuse(path, "label name that holds several", joined, advice)
    refuse_unlike_spellings(path, "label spelled in two ways", found)
    labels, absent = sorted(found), {True: 0.0, False: blank_value(empty)}
    labels_of = {
        cell: {name: 1.0 if name in names else absent[bool(names)] for name in labels}
        for cell, names in names_of.items()
    }
    return [labels_of[cell] for cell in cells]


def _is_list(cell: str) -> bool:
    """Whether Python, numpy or JSON wrote it."""
    brackets = cell[:1] + cell[-1:] in ("[]", "()", "{}")
    return brackets and not re.search(r"""["']\s*:""", cell)


def _names(cell: str, separators: str) -> set[str]:
    if _is_list(cell):
        try:
            names = [str(name) for name in json.loads(cell)]
        except (ValueError, RecursionError):  # as Python or numpy write it, or without quotes
            quoted = re.findall(r"""'([^']*)'|"([^"]*)\"""", cell)
            names = [one or other for one, other in quoted] or cell[1:-1].split(",")
    else:
        names = re.split(f"[{re.escape(separators)}]", cell)
    return {name for each in names if (name := each.strip()).lower() not in NO_VALUE}
