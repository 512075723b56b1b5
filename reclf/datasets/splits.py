"""Splits of a data set: their names, and patients divided by a hash where no list is published."""

import hashlib
import unicodedata
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from reclf.data.reports import NO_VALUE

from .problems import refuse

SPLITS = ("train", "val", "test")
_NAMES = {
    "training": "train", "validate": "val", "validation": "val", "valid": "val", "dev": "val",
    "testing": "test",
}  # fmt: skip
_WRITTEN = {*SPLITS, *_NAMES}
_NO_SPLIT = NO_VALUE | {"true", "false", "yes", "no"}


def split_name(text: str) -> str:
    """The project's name of a split: "validate", "Valid" and "dev" are "val"."""
    name = unicodedata.normalize("NFKC", text).strip().lower()
    return _NAMES.get(name, name)


def refuse_unnamed_splits(path: Path, table: pd.DataFrame) -> None:
    """Refuse a table without a column "split" that has its splits in a column of another name:
    dividing its patients anew would train on its test studies."""
    named = []
    for column in table.columns:
        names: set[str] = set()
        for cell in table[column].unique():
            if (name := "" if cell is None else str(cell).strip().lower()) in NO_VALUE:
                continue
            names.add(name)
            if name not in _WRITTEN:
                break
        if len(names) > 1 and names <= _WRITTEN:
            named.append(f"{column!r} ({', '.join(sorted(names))})")
    advice = (
        "Name it by the option split_column; with split_column: null patients are divided by a "
        "hash of their ids instead."
    )
    refuse(path, "column that holds splits", named, advice)


def refuse_misspelled_splits(path: Path, cells: pd.Series) -> None:
    """Own names of splits are welcome; an empty cell, a number, yes or no, a near miss are not."""
    wrong = []
    for cell, count in cells.value_counts().items():
        name = split_name(cell)
        near = [split_name(known) for known in get_close_matches(name, [*SPLITS, *_NAMES], 1)]
        means_nothing = name in _NO_SPLIT or not any(map(str.isalpha, name))
        if means_nothing or (near and name not in SPLITS):
            hint = f"; {near[0]}?" if near else ""
            wrong.append(f"{cell!r} ({count} rows{hint})" if cell else f"empty ({count} rows)")
    advice = "Write train, val, test, or a word of your own; split_column: null splits by a hash."
    refuse(path, "cell that names no split", wrong, advice)


def check_split(split: str, dataset: str, name: str = "split") -> None:
    """Refuse a misspelt train, val or test; a table, or a class of your own, may have other names.
    Empty is a default."""
    known = split_name(split) in ("", *SPLITS)
    near = get_close_matches(split.lower(), SPLITS, n=1)
    if ":" not in dataset and not known and (near or dataset == "phantom"):
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name} must be one of {', '.join(SPLITS)}, got {split!r}{hint}")


def split_of_patient(patient_id: str) -> str:
    """train, val or test (80/10/10) by a hash of the patient: no seed, the same on every machine
    and unchanged for old patients when new ones come."""
    digest = hashlib.blake2b(patient_id.encode(), digest_size=8).digest()
    tenth = int.from_bytes(digest, "big") % 10
    return "train" if tenth < 8 else SPLITS[tenth - 7]


def val_of_patient(patient_id: str) -> str:
    """train or val (90/10) by the same hash, for releases that have a test set and no val."""
    return "val" if split_of_patient(patient_id) == "val" else "train"
