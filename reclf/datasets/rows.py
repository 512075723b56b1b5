"""A row: what the tables of a data set say of one study, and what is wrong with the rows.

    tables -> list of Row -> check_rows -> rows of one split, problems

Whatever goes wrong is found here, once, before anything trains on a shortened table. A row is
cheap: no pixel is read before a study is asked for.
"""

import gc
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from reclf.data.reports import has_words
from reclf.data.study import Box

from .file_checks import check_files
from .masks import FilledBoxes, RunLengths

_NONE: Mapping[str, Any] = {}


class Row(NamedTuple):
    """What the tables say of one study, before any pixel is read. Boxes: as in the table.

    A mask is a file, or numbers of the table that draw it. The image may be text: of hundreds of
    thousands, paths take ten times the memory.
    """

    study_id: str
    patient_id: str
    split: str
    image: Path | str
    report: str = ""
    labels: Mapping[str, float] = _NONE
    masks: Mapping[str, Path | RunLengths | FilledBoxes] = _NONE
    boxes: tuple[Box, ...] = ()
    meta: Mapping[str, Any] = _NONE


@contextmanager
def uncollected() -> Iterator[None]:
    """Within, Python does not look for garbage: among hundreds of thousands of rows, which it
    finds to be none again and again, that takes a quarter of the time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


class Conflicts(NamedTuple):
    """Rows that contradict each other, over all splits.

    Attributes:
        bad: their indices.
        problems: kind -> every example.
    """

    bad: set[int]
    problems: dict[str, list[str]]


def find_conflicts(rows: Sequence[Row]) -> Conflicts:
    """Studies that stand twice, and patients in two splits."""
    split_of: dict[str, str] = {}
    leaks: dict[str, set[str]] = {}
    seen: set[str] = set()
    repeated = []
    for index, (study, patient, split, *_) in enumerate(rows):
        known = split_of.setdefault(patient, split) if split else ""
        if known != split:  # "" is in use nowhere
            leaks.setdefault(patient, {known}).add(split)
        if study in seen:
            repeated.append(index)
        seen.add(study)
    bad, problems = set(repeated), {}
    if repeated:
        problems["duplicate study"] = [rows[index].study_id for index in repeated]
    # Left out of every split: neither side can be known to be the right one.
    if leaks:
        bad.update(index for index, row in enumerate(rows) if row.patient_id in leaks)
        problems["patient in two splits"] = [
            f"{patient} ({' and '.join(sorted(found))})" for patient, found in leaks.items()
        ]
    return Conflicts(bad, problems)


def check_rows(
    rows: Sequence[Row],
    split: str,
    title: str = "",
    *,
    reports: bool = True,
    headers: bool = True,
    square: tuple[int, str] = (224, "pad"),
    conflicts: Conflicts | None = None,
) -> tuple[list[Row], dict[str, list[str]]]:
    """Find what would go wrong, in a minute for hundreds of thousands of images.

    Args:
        rows: of all splits; the files are looked at for `split` only.
        title: of the data set, for the progress of a long check.
        reports: whether a report without words is a problem.
        headers: read the first and last bytes of every file; else only see that it is there.
        square: size and fit of the square that boxes must not leave.
        conflicts: of the rows, where they are known.

    Returns:
        The rows of `split` without a problem, and kind of problem -> examples.
    """
    conflicts = conflicts or find_conflicts(rows)
    bad, problems = set(conflicts.bad), {k: list(v) for k, v in conflicts.problems.items()}

    def note(kind: str, index: int, example: str) -> None:
        problems.setdefault(kind, []).append(example)
        bad.add(index)

    wanted = [index for index, row in enumerate(rows) if row.split == split]
    of_files = check_files([rows[index] for index in wanted], headers, square, title)
    for place, index in enumerate(wanted):
        for kind, example in of_files.get(place, ()):
            note(kind, index, example)
        if reports and not has_words(rows[index].report):
            note("empty report", index, rows[index].study_id)
    return [rows[index] for index in wanted if index not in bad], problems


def fingerprint(rows: Sequence[Row], options: tuple) -> str:
    """16 hexadecimal digits of what the rows hold, files by their name, and of the options."""
    digest = hashlib.blake2b(repr(options).encode(), digest_size=8)
    for row in rows:
        files: list[tuple[str, Any]] = [("image", os.path.basename(row.image))]
        files += [(name, m.name if isinstance(m, Path) else m) for name, m in row.masks.items()]
        content = (row.study_id, row.patient_id, row.report, dict(row.labels), files, row.boxes)
        digest.update(repr(content).encode())
    return digest.hexdigest()
