"""Patients that a training must not see: reading a list of them, and writing one.

    python -m reclf.datasets.patients ms_cxr /data/ms-cxr FILE --- the patients of a data set
    option exclude_patients: FILE of another data set with the same ids ---> they are left out

A patient of the training set on whom a task reports makes its number too good.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reclf.runs.files import write_atomically

from .gallery_5x200 import SPLIT, read_5x200
from .parts import read_list, read_table
from .problems import DataProblems, MissingSplit, refuse
from .registry import load_dataset
from .tables_on_disk import as_read

REPORTED = frozenset({"test", SPLIT})  # splits that nothing learns from
_COLUMNS = ("patientid", "subjectid", "patient", "subject", "deidpatientid")


def read_patients(root: Path, given: Sequence[str] | str) -> set[str]:
    """Ids of patients.

    Args:
        root: of the data set.
        given: ids, or a file relative to the root: one id per line, a CSV with a column of patients
            (patient_id, subject_id, ...), or the JSON of a gallery 5x200.
    """
    if not isinstance(given, str | Path):
        return set(map(str, given))
    path = root / given
    if not path.is_file():
        advice = (
            "exclude_patients takes a list of ids, or a file with one id per line, relative to "
            "the root of the data set."
        )
        raise DataProblems(str(path), {"missing file": [str(path)]}, advice)
    if path.suffix == ".json":
        return set(read_5x200(path)["patients"])
    if ".csv" not in path.name:
        lines = (line.replace(";", ",").split(",") for line in read_list(path))
        return {one.strip() for line in lines for one in line} - {""}
    table = read_table(path, [])
    plain = {"".join(filter(str.isalnum, name)).lower(): name for name in table.columns}
    named = [plain[name] for name in _COLUMNS if name in plain]
    advice = f"Name the column patient_id; the columns are {', '.join(table.columns)}."
    refuse(path, "table without patients", [] if named else [path.name], advice)
    return set(table[named[0]]) - {""}


def refuse_strangers(name: str, left_out: set[str], known: set[str]) -> None:
    """Refuse a list of patients none of whom is in the data set, and ids that are there in another
    spelling: they would leave nobody out."""
    spelled = {as_read(one): one for one in known}
    others = [
        f"{one!r} for {spelled[as_read(one)]!r}"
        for one in sorted(left_out - known)
        if as_read(one) in spelled
    ]
    if others:
        raise ValueError(
            f"exclude_patients: {len(others)} ids are spelled unlike those of {name} "
            f"({', '.join(others[:3])}); write the ids as the data set has them"
        )
    if not left_out & known:
        raise ValueError(
            f"exclude_patients: none of the {len(left_out)} patients ({_some(left_out)}) is one of "
            f"{name} ({_some(known)}); write the ids as the data set has them"
        )


def _some(ids: set[str]) -> str:
    return ", ".join([*sorted(ids)[:3], *(["..."] if len(ids) > 3 else [])])


def patients_of(dataset: str, root: str | Path, **options: Any) -> list[str]:
    """The patients of all splits of a data set that has `patient_of`, see `base.FileStudies`."""
    try:
        opened = {"test": load_dataset(dataset, root, "test", **options)}
        present = opened["test"].split_counts
    except MissingSplit as error:
        opened, present = {}, error.present
    for split in set(present) - {"test", ""}:
        opened[split] = load_dataset(dataset, root, split, **options)
    return sorted(set().union(*(data.patient_of.values() for data in opened.values())))


def main(arguments: list[str] | None = None) -> None:
    """Write the patients of a data set, one a line, for the option exclude_patients of another."""
    parser = argparse.ArgumentParser(
        prog="python -m reclf.datasets.patients", description=main.__doc__
    )
    parser.add_argument("dataset", help="ms_cxr, or another data set")
    parser.add_argument("root", help="its folder")
    parser.add_argument("file", help="to write")
    parser.add_argument("--options", default="{}", help="of the data set, as JSON")
    given = parser.parse_args(arguments)
    try:
        found = patients_of(given.dataset, given.root, **json.loads(given.options))
    except ValueError as error:
        parser.error(str(error))
    text = "\n".join(found) + "\n"
    write_atomically(Path(given.file), lambda path: path.write_text(text, encoding="utf-8"))
    print(f"{len(found)} patients of {given.dataset} in {given.file}")


if __name__ == "__main__":
    main()
