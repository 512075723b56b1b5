"""Whom a run has learned from: hashes of its training patients, a line each, in the run folder.

A number on a patient of the training set is too good; tasks ask here whether theirs are.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from reclf.config.foreign_files import DamagedFile

from .files import write_atomically

FILE = "training_patients.txt"


def record_patients(folder: Path, hashes: Iterable[str]) -> None:
    """Add the patients of a training that begins or goes on."""
    lines = sorted({*hashes, *(recorded_patients(folder) or ())})
    text = "".join(f"{line}\n" for line in lines)
    write_atomically(folder / FILE, lambda path: path.write_text(text))


def recorded_patients(folder: Path) -> set[str] | None:
    """The hashes; None where the run did not record them.

    Raises:
        DamagedFile: a line is no hash, or there is none.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    raw = path.read_bytes()
    if not re.fullmatch(rb"([0-9a-f]{16}\n)+", raw):
        raise DamagedFile(path, "not a line of 16 hexadecimal digits for each patient")
    return set(raw.decode().split())
