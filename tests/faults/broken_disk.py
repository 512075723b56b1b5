"""A disk that fails, or a process that is killed, at the n-th change of a folder.

    with Broken(folder, at=17, fault=errno.ENOSPC) as disk: ...     disk.points counts the changes

A change is the opening of a file for writing, each write, sync, rename, removal and new folder, and
what libraries write without Python (weights, tokenizer), which counts as one. From the n-th on all
of them fail: a full disk stays full, though one may remove from it, and of a killed process nothing
more arrives.
"""

import builtins
import errno
import io
import os
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from safetensors import SafetensorError

import reclf.models.stored_model
from reclf.data.tokenization import PreTrainedTokenizerFast

KILL = 0
REMOVALS = ("unlink", "rmdir")  # which a full disk lets
CHANGES = ("mkdir", "rename", "replace", "fsync", "write", *REMOVALS)


class Killed(BaseException):
    """Nobody catches it for good, and nothing that is done on its way reaches the disk."""


class Broken:
    """Fails while it is entered.

    Args:
        at: the point that fails first, from 1; 0 counts only.
        fault: an errno, or KILL.
        stays: later points fail too.
    """

    def __init__(self, folder: Path, at: int = 0, fault: int = KILL, stays: bool = True):
        self.folder, self.at, self.fault, self.stays = folder, at, fault, stays or fault == KILL
        self.points = 0
        self.failed = ""  # what failed first
        self._patches = ExitStack()

    def __enter__(self) -> "Broken":
        patches = [
            patch.object(os, name, self._change(getattr(os, name), name)) for name in CHANGES
        ]
        open_file = os.open

        def make(path, flags, *arguments, **keywords):
            real = self._change(open_file) if flags & os.O_CREAT else open_file
            return real(path, flags, *arguments, **keywords)

        patches.append(patch.object(os, "open", make))
        opened = self._open(io.open)
        patches += [patch.object(io, "open", opened), patch.object(builtins, "open", opened)]
        save_file = reclf.models.stored_model.save_file
        save = PreTrainedTokenizerFast._save_pretrained

        def weights(state, path, **more):
            self._native(path, SafetensorError)
            return save_file(state, path, **more)

        def tokenizer(own, save_directory, **more):
            self._native(save_directory, Exception)
            return save(own, save_directory, **more)

        patches += [
            patch("reclf.models.stored_model.save_file", weights),
            patch.object(PreTrainedTokenizerFast, "_save_pretrained", tokenizer),
        ]
        for one in patches:
            self._patches.enter_context(one)
        return self

    def __exit__(self, *error: object) -> None:
        self._patches.close()

    def point(self, path: object, change: str = "") -> None:
        """Count one change, and fail if it is its turn."""
        if not f"{os.path.abspath(os.fsdecode(path))}/".startswith(f"{self.folder}/"):
            return
        self.points += 1
        if self.fault == errno.ENOSPC and change in REMOVALS:
            return
        if self.at and (self.points == self.at or (self.stays and self.points > self.at)):
            self.failed = self.failed or str(path)
            if self.fault == KILL:
                raise Killed
            raise OSError(self.fault, os.strerror(self.fault))

    def _native(self, path: object, kind: type[Exception]) -> None:
        try:
            self.point(path)
        except OSError as error:  # as the Rust of both libraries has it, of no kind of its own
            raise kind(f"I/O error: {error.strerror} (os error {error.errno})") from None

    def _change(self, real, name=""):
        def call(path, *arguments, **keywords):
            where = path
            if isinstance(path, int):
                where = os.readlink(f"/proc/self/fd/{path}")
            elif keywords.get("dir_fd") is not None:
                where = os.path.join(os.readlink(f"/proc/self/fd/{keywords['dir_fd']}"), path)
            try:
                self.point(where, name)
            except OSError as error:
                raise OSError(
                    error.errno, error.strerror, *([path] * isinstance(path, str | Path))
                ) from None
            return real(path, *arguments, **keywords)

        return call

    def _open(self, real):
        def call(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, *rest):
            inside = not isinstance(file, int) and set(mode) & set("wax+")
            if not inside or not f"{os.path.abspath(file)}/".startswith(f"{self.folder}/"):
                return real(file, mode, buffering, encoding, errors, newline, *rest)
            try:
                self.point(file)
            except OSError as error:
                raise OSError(error.errno, error.strerror, os.fspath(file)) from None
            raw = _File(self, os.fspath(file), mode.replace("b", "").replace("t", ""))
            buffered = io.BufferedWriter(raw)
            return (
                buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)
            )

        return call


class _File(io.FileIO):
    def __init__(self, disk: Broken, path: str, mode: str):
        self._disk = disk
        super().__init__(path, mode)

    def write(self, data):
        self._disk.point(self.name)
        return super().write(data)
