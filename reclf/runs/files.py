"""Files and folders that are whole or not there, whenever a process is killed or the power fails.

    write a copy beside it -> sync the copy -> rename -> sync the folder -> remove the previous one

A rename alone is not enough: a disk may keep the new name, and not yet the bytes behind it.
"""

import errno
import hashlib
import os
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from reclf.stats.tables import json_text

from .processes import space, started

_TEMPORARY = re.compile(r"\..+\.([0-9a-f]{8})\.(\d{1,9})\.writing")
_FORGOTTEN = 86_400.0  # seconds; of another machine nobody knows whether the writer lives
# What file systems answer that cannot sync a folder: they keep the order of renames themselves.
_NO_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EACCES)


class WriteFailed(OSError):
    """The disk did not take a file; `filename` is the one that was to be written."""

    def __str__(self) -> str:
        return (
            f"cannot write {self.filename}: {self.strerror}. What was there before is whole; with "
            "room and permission to write, the same command goes on"
        )


def sync(path: Path) -> None:
    """Return when the bytes of a file, or the names in a folder, are on disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not (path.is_dir() and error.errno in _NO_FOLDERS):
            raise OSError(error.errno, error.strerror, str(path)) from error


def sync_folder(path: Path) -> None:
    """`sync` of all that is in a folder, and of the folder."""
    for folder, _, names in os.walk(path, topdown=False):
        for name in (*names, ""):
            sync(Path(folder, name))


def make_folder(path: Path) -> None:
    """Make a folder and those above it, on disk when this returns."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it; on disk when this returns.

    Raises:
        WriteFailed: the disk is full, say; the old file stays.
    """
    temporary = temporary_name(path)
    with named(path, temporary):
        make_folder(path.parent)
        remove_left_overs(path.parent)
        try:
            write(temporary)
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        except BaseException:
            _remove(temporary)
            raise


def write_json(path: Path, values: Any) -> None:
    """Write indented JSON atomically, see `json_text`."""
    text = json_text(values, indent=2) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def refuse_links(folder: Path) -> None:
    """Refuse what would be written through: folders, and files that grow, that are links out.

    Raises:
        ValueError: names the link.
    """
    for path in [*folder.glob("*"), *folder.glob("checkpoints/*")]:
        is_written = path.is_dir() or path.suffix in (".jsonl", ".txt")
        if path.is_symlink() and is_written and not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(
                f"{path} is a link to {path.resolve()}, and a run writes in its own folder alone: "
                "put what it points to in its place, or link the whole folder of the run"
            )


def replace_folder(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` make a folder beside `path`, then put it in its place.

    At every moment one whole copy is there, see `whole_folder`.

    Raises:
        WriteFailed: as `write_atomically`.
    """
    fresh, previous = temporary_name(path), _previous(path)
    with named(path, fresh):
        make_folder(path.parent)
        remove_left_overs(path.parent)
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            write(fresh)
            sync_folder(fresh)
            if path.exists():
                sync(path.parent)  # a kill may have come before the last sync below
                shutil.rmtree(previous, ignore_errors=True)
                path.rename(previous)
            fresh.rename(path)
            sync(path.parent)
        except BaseException:
            _remove(fresh)
            raise
        shutil.rmtree(previous, ignore_errors=True)


def temporary_name(path: Path) -> Path:
    """What `path` is called while this process writes it."""
    return path.with_name(f".{path.name}.{_here()}.{os.getpid()}.writing")


def remove_left_overs(folder: Path) -> None:
    """Remove from a folder what processes that are gone were writing; what another machine, or an
    earlier boot of this one, was writing goes after a day without a change."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if found := _TEMPORARY.fullmatch(name):
                path, is_here = folder / name, found[1] == _here()
                quiet = time.time() - path.stat().st_mtime
                if not started(int(found[2])) if is_here else quiet > _FORGOTTEN:
                    _remove(path)


def remove_halves(folder: Path) -> None:
    """Clean up after a `replace_folder` that was stopped in a folder; nobody may be at it."""
    for path in folder.glob("*.writing"):
        _remove(path)
    for previous in folder.glob("*.previous"):
        path = previous.with_suffix("")
        if path.exists():
            sync(folder)  # as in `replace_folder`
            _remove(previous)
            continue
        with suppress(OSError):  # the only copy, which `whole_folder` finds under either name
            previous.rename(path)
            sync(folder)


def whole_folder(path: Path) -> Path:
    """`path`, or the previous copy if `replace_folder` was stopped in between."""
    previous = _previous(path)
    return previous if previous.exists() and not path.exists() else path


@contextmanager
def named(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Errors of the disk name the file that was to be written: a full disk names none.

    Args:
        temporary: stands for `path`; errors that name another file keep its name.
    """
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        given = Path(os.fsdecode(error.filename or path))
        ours = given in (path, *path.parents) or temporary in (given, *given.parents)
        if error.errno is None or not ours:
            raise
        raise WriteFailed(error.errno, error.strerror, str(path)) from error


@contextmanager
def unless_read_only(folder: Path) -> Iterator[None]:
    """Within, what a folder that may only be read does not take is not kept, which a warning says:
    its numbers are still shown."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        warnings.warn(
            f"{folder} may only be read ({error.strerror}): results are shown and not kept",
            stacklevel=1,  # one place, so that it is said once
        )


def _here() -> str:
    return hashlib.blake2b(space().encode(), digest_size=4).hexdigest()


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")


def _remove(path: Path) -> None:
    """Remove what is left of a write that failed, as far as the disk lets us."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
