"""What the files of a checkpoint held when they were written: checksums.json.

{"algorithm": "sha256", "files": {"config.json": {"size": 1234, "digest": "9f86..."}, ...}}
"""

import hashlib
from pathlib import Path
from typing import Any

from .files import write_json

FILE = "checksums.json"
ALGORITHM = "sha256"  # `sha256sum` of a shell gives the same


def write_checksums(folder: Path) -> None:
    """Write checksums.json over all files of a folder and the folders in it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FILE)
    files = {path.relative_to(folder).as_posix(): _sums(path) for path in paths}
    write_json(folder / FILE, {"algorithm": ALGORITHM, "files": files})


def _sums(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, ALGORITHM).hexdigest()
    return {"size": path.stat().st_size, "digest": digest}
