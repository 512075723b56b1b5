"""What the files of a checkpoint held when they were written: checksums.json.

    {"algorithm": "sha256", "files": {"config.json": {"size": 1234, "digest": "9f86..."}, ...}}

`sha256sum` of a shell gives the same digests.
"""

import hashlib
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

from reclf.config.foreign_files import DamagedFile, check_size, read_json

from .files import write_json

FILE = "checksums.json"
ALGORITHM = "sha256"
TRAINER = "trainer.pt"  # of a checkpoint that training goes on from; nobody else reads it


def write_checksums(folder: Path) -> None:
    """Write checksums.json over all files of a folder and the folders in it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FILE)
    files = {path.relative_to(folder).as_posix(): _sums(path) for path in paths}
    write_json(folder / FILE, {"algorithm": ALGORITHM, "files": files})


def check_files(folder: Path, leave: Collection[str] = ()) -> None:
    """Compare the files of a folder with its checksums; one without, of version 0.3, is taken.

    Args:
        leave: names that are not looked at.

    Raises:
        DamagedFile: the first file that is not what was written.
    """
    if not (folder / FILE).exists():
        return
    there = read_json(folder / FILE)
    try:
        if there["algorithm"] != ALGORITHM:
            raise ValueError(f"algorithm {there['algorithm']!r}, {ALGORITHM!r} is known")
        files = {str(name): (sums["size"], sums["digest"]) for name, sums in there["files"].items()}
        if outside := [name for name in files if name[:1] == "/" or ".." in name.split("/")]:
            raise ValueError(f"{outside[0]!r} is outside of the folder")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DamagedFile(folder / FILE, f"{type(error).__name__}: {error}") from error
    for name, (size, digest) in files.items():
        path = folder / name
        if name in leave:
            continue
        if not path.exists():
            raise DamagedFile(path, "it is missing")
        check_size(path, 2**50)
        if (found := path.stat().st_size) != size:
            raise DamagedFile(path, f"it has {found} bytes, and {size} were written")
        if _sums(path)["digest"] != digest:
            raise DamagedFile(path, f"its bytes are not those that were written, by {FILE}")


def _sums(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"size": status.st_size, "digest": _digest(path, status.st_size, status.st_mtime_ns)}


@lru_cache(256)  # a run that goes on looks at its checkpoint more than once
def _digest(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, ALGORITHM).hexdigest()
