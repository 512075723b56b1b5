"""Whether the files of a data set are there and whole, by their first and last bytes.

    rows -> size and time of every file -> known from an earlier opening, or the headers are read

Some 50 to 100 microseconds a film on a local disk. Where a disk is waited for, threads wait. What
headers tell is remembered by what the rows and their files are, so that a second opening asks only
for the sizes and times.
"""

import hashlib
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from reclf.config.foreign_files import read_json
from reclf.data.radiographs import Frame, ImageError, frame_of, image_size
from reclf.runs.files import write_json
from reclf.runs.in_threads import each

from .boxes import box_problems

T = TypeVar("T")
Found = list[tuple[str, str]]  # kind of problem, example

MANY = 2_000  # rows from which on a check is remembered
_RULES = "3"  # of this file: another number forgets what was remembered


def remembered(kind: str, facts: str, find: Callable[[], dict[str, T]]) -> dict[str, T]:
    """What `find` returned for the same facts on an earlier day, or what it returns now.

    Kept as JSON in the user's cache folder (XDG_CACHE_HOME, ~/.cache); a folder that cannot be
    written to costs the time of another check and nothing else.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(home) / "reclf" / kind / f"{facts}.json"
    with suppress(OSError, ValueError):
        return read_json(path)
    found = find()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, found)
    return found


def check_files(
    rows: Sequence[Any], headers: bool, square: tuple[int, str], title: str
) -> Mapping[int, Found]:
    """Index of a row -> what is wrong with its files; rows without a problem are left out.

    Args:
        rows: of `rows.Row`.
        headers: read the header of every file; else only see that it is there.
        square: size and fit of the square that boxes must not leave.
        title: of the progress line of a long check.
    """
    digest = hashlib.blake2b(f"{_RULES} {square}".encode(), digest_size=16)
    found: dict[int, Found] = {}
    for index, (missing, facts) in enumerate(each(_stat, rows, f"{title}: files")):
        digest.update(facts)
        if missing:
            found[index] = missing
    if not headers:
        for index, row in enumerate(rows):
            if row.boxes and (wrong := box_problems(row.boxes, row.image)):
                found.setdefault(index, []).extend(wrong)
        return found

    def find() -> dict[str, Found]:
        each_row = each(lambda row: _headers(row, square), rows, f"{title}: headers")
        return {str(index): wrong for index, wrong in enumerate(each_row) if wrong}

    known = remembered("headers", digest.hexdigest(), find) if len(rows) >= MANY else find()
    for place, told in known.items():
        found.setdefault(int(place), []).extend((kind, text) for kind, text in told)
    return found


def where_else(missing: Sequence[str]) -> str:
    """A file that may be meant by the first of the missing ones, in parentheses: of another ending
    or letter case in its folder, or of its name in a folder below; "" where there is none."""
    if not missing:
        return ""
    path = Path(missing[0])
    there = _some(path.parent)
    near = [name for name in there if name.lower() == path.name.lower()]
    near += [name for name in there if os.path.splitext(name)[0] == path.name]
    if near:
        return f" (there is {near[0]!r} in {path.parent}: paths have their ending and letter case)"
    for below in (name for name in there if (path.parent / name).is_dir()):
        if (path.parent / below / path.name).is_file():
            return f" (there is {below}/{path.name} in {path.parent}: paths begin at the root)"
    return ""


def _some(folder: Path) -> list[str]:
    """Names in a folder, 100,000 at most; none where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in itertools.islice(entries, 100_000))
    except OSError:
        return []


def files_of(row: Any) -> Iterator[tuple[str, str | Path]]:
    """The image of a row, and its masks that are files: what each is, and its path."""
    yield "image", row.image
    for mask in row.masks.values():
        if isinstance(mask, Path):
            yield "mask", mask


def _stat(row: Any) -> tuple[Found, bytes]:
    """Files of a row that are missing, and what the row and its files are."""
    missing, facts = [], []
    for kind, path in files_of(row):
        try:
            found = os.stat(path)
        except (OSError, ValueError):  # ValueError: a zero byte in a name
            found = None
        if found is None or not stat.S_ISREG(found.st_mode):
            missing.append((f"missing {kind}", str(path)))
            facts.append(f"missing {path}\n")
        else:
            facts.append(f"{found.st_size} {found.st_mtime_ns} {path}\n")
    if row.boxes:
        facts.append(repr(row.boxes))
    return missing, "".join(facts).encode(errors="surrogatepass")


def _headers(row: Any, square: tuple[int, str]) -> Found:
    """What is wrong with the files of a row that are there."""
    found: Found = []
    frame: Frame | None = None
    for kind, path in files_of(row):
        if not os.path.isfile(path):
            continue
        try:
            size = image_size(path)
        except ImageError as error:
            found.append((f"unreadable {kind}", str(error).removeprefix("cannot read ")))
            continue
        if kind == "image" and (row.boxes or row.masks):
            frame = frame_of(*size, *square)
        elif frame and size != (frame.height, frame.width):
            example = differing_sizes(path, size, (frame.height, frame.width))
            found.append(("mask of another size", example))
    if row.boxes:
        found += box_problems(row.boxes, row.image, frame)
    return found


def differing_sizes(path: str | Path, mask: tuple[int, int], image: tuple[int, int]) -> str:
    return (
        f"{path} is {mask[0]} x {mask[1]} pixels and its image {image[0]} x {image[1]}; a mask "
        "must have the pixels of its image"
    )
