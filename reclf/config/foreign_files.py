"""Files that somebody else may have written: read within bounds, and trusted to name no code.

    config.json, status.json, ... --read_json--> values; text with a colon as `NamedByFile`
    explanation.npz --read_arrays--> arrays, no larger than the file itself says

What a file names is never imported (`reclf.config.import_strings`) unless the caller trusts it.
"""

import json
import math
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

if TYPE_CHECKING:
    import numpy as np

MOST_JSON = 2**26  # bytes of a JSON file; none that is written here has a tenth
MOST_ARRAYS = 2**29  # bytes of all arrays of a file, once they are read


# What to do about a file of a run; of others, to restore them.
WAYS_ON = {
    "config.json": "restore it from a copy; of a run's own, checkpoints/last/run.json is one",
    "status.json": "set it aside: the run then goes on from its checkpoints",
    "environment.json": "restore it from a copy, or set it aside: the run then goes on without "
    "comparing what it ran on before",
    "training_patients.txt": "restore it from a copy, or set it aside: training that goes on "
    "records its patients anew",
}


class DamagedFile(ValueError):
    """A file does not hold what was written into it: which, what is wrong, and the way on.

    Args:
        way_on: "" takes what fits the file's place in a run.
    """

    def __init__(self, path: Path, wrong: str, way_on: str = ""):
        self.path, self.wrong, self.way_on = path, wrong, way_on or _way_on(path)
        super().__init__(path, wrong, self.way_on)

    def __str__(self) -> str:
        return f"{self.path} is damaged ({self.wrong}): {self.way_on}"


def _way_on(path: Path) -> str:
    parents = [parent.name.partition(".")[0] for parent in path.parents]
    for name, other in (("best", "last"), ("last", "best")) if "checkpoints" in parents else ():
        if name in parents:
            return (
                f"use the other checkpoint (-p checkpoint {other}, or checkpoints/{other} of the "
                "run), which a training goes on from by itself; or, if you changed the file "
                "yourself, set its checksums.json aside"
            )
    if "checkpoints" in parents and "start" in parents:
        return "move checkpoints/start of the run aside: tasks then leave out what it began with"
    if "results" in parents:
        return "run its notebook again, which replaces it"
    return WAYS_ON.get(path.name, "restore it from a copy")


class NamedByFile(str):
    """Text of a file that could be an import string. It stays one in copies and settings.

    Attributes:
        file: where it stands.
    """

    __slots__ = ("file",)
    file: Path

    def __deepcopy__(self, memo: Any) -> "NamedByFile":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return named_by_file, (str(self), self.file)


def named_by_file(text: str, file: Path) -> NamedByFile:
    """Text as a file has it."""
    found = NamedByFile(text)
    found.file = file
    return found


def read_json(path: Path, trust_code: bool = False, most: int = MOST_JSON) -> dict[str, Any]:
    """The object of a JSON file.

    Args:
        trust_code: the file may name code: its import strings are plain text.
        most: bytes.

    Raises:
        FileNotFoundError: no such file.
        DamagedFile: not JSON of an object, nested too deeply, or with NaN.
        ValueError: no regular file, or too large; names the file.
    """
    check_size(path, most)
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text, parse_constant=_refuse_constant)
        if not isinstance(found, dict):
            raise ValueError(f"holds a {type(found).__name__}, not an object of names and values")
        return found if trust_code else _marked(found, path)
    except RecursionError:
        raise DamagedFile(path, "its values are nested too deeply") from None
    except ValueError as error:
        raise DamagedFile(path, str(error)) from error


def check_kinds(values: Mapping[str, Any], kinds: Mapping[str, Any], path: Path) -> None:
    """Refuse, as a `DamagedFile`, values of other types than these; those that lack are fine."""
    for name, kind in kinds.items():
        if not isinstance(values.get(name), kind | None):
            raise DamagedFile(path, f"{name} is {values[name]!r:.60}")


def check_size(path: Path, most: int) -> None:
    """Refuse what is no regular file (a pipe never ends), or larger than `most` bytes."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{path} is no regular file")
    if found.st_size > most:
        raise ValueError(f"{path} has {found.st_size:,} bytes; at most {most:,} are read")


def read_arrays(path: Path, most: int = MOST_ARRAYS) -> dict[str, "np.ndarray"]:
    """The arrays of a .npz file, compressed or not; nothing in it is run.

    Raises:
        FileNotFoundError: no such file.
        DamagedFile: no such file of arrays, pickled objects in it, shapes that its bytes do not
            have, or more than `most` bytes.
    """
    import numpy as np

    check_size(path, most)
    try:
        with ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
            if total > most:
                raise ValueError(f"its arrays have {total:,} bytes; at most {most:,} are read")
            for member in archive.infolist():
                with archive.open(member) as file:
                    _check_array(file, member.file_size, member.filename)
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, OSError, EOFError, BadZipFile, KeyError, NotImplementedError) as error:
        raise DamagedFile(path, f"it cannot be read as arrays: {error}") from error


def _check_array(file: Any, size: int, name: str) -> None:
    """Refuse an array whose shape asks for more than its bytes, before it is made."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    read = {(1, 0): npy.read_array_header_1_0}.get(version, npy.read_array_header_2_0)
    shape, _, kind = read(file)
    if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize > size:
        raise ValueError(f"{name} is of shape {shape}, and has {size:,} bytes")


def _marked(value: Any, path: Path) -> Any:
    if isinstance(value, Mapping):
        return {name: _marked(item, path) for name, item in value.items()}
    if isinstance(value, list):
        return [_marked(item, path) for item in value]
    return named_by_file(value, path) if isinstance(value, str) and ":" in value else value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
