"""A folder on a disk that loses power: what was written and not synced may be gone.

    with Recorded(folder) as disk: ...      real files, and a log of every change and sync
    disk.build(moment, seed, target)        the folder as it may look after a cut at that moment

The content of a file that was not synced is empty, partial, zeros or whole. The names in a folder
are those after any of its changes since it was synced, each folder for itself: no file system
promises more.
"""

import os
import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

CHANGES = ("mkdir", "rmdir", "unlink", "remove", "rename", "replace")


class Recorded:
    """Records while it is entered.

    Attributes:
        log: events: ("mkdir" | "file" | "gone" | "sync", path), ("content", path, bytes),
            ("rename", path, target) and ("mark", anything), paths relative to the folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.log: list[tuple] = []
        self._seen: dict[str, tuple | None] = {}  # path -> what tells whether a file has changed
        self._patches = ExitStack()

    def __enter__(self) -> "Recorded":
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in (*CHANGES, "fsync"):
            around = patch.object(os, name, self._watched(name, getattr(os, name)))
            self._patches.enter_context(around)
        return self

    def __exit__(self, *error: object) -> None:
        self._patches.close()
        self._look()

    def mark(self, value: object) -> None:
        """Note what is promised to be on disk from now on."""
        self.log.append(("mark", value))

    def _watched(self, name: str, real: Callable) -> Callable:
        def call(path, *arguments, **keywords):
            where = self._relative(path, keywords.get("dir_fd"))
            self._look()
            result = real(path, *arguments, **keywords)
            if where is None:
                return result
            if name == "fsync":
                self.log.append(("sync", where))
            elif name in ("rename", "replace"):
                target = self._relative(arguments[0], None)
                self.log.append(("rename", where, target))
                for path_ in [p for p in self._seen if f"{p}/".startswith(f"{target}/")]:
                    del self._seen[path_]
                for path_ in [p for p in self._seen if f"{p}/".startswith(f"{where}/")]:
                    self._seen[target + path_[len(where) :]] = self._seen.pop(path_)
            else:
                self._look()
            return result

        return call

    def _relative(self, path, dir_fd) -> str | None:
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        elif dir_fd is not None:
            path = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)
        path = os.path.abspath(path)
        inside = f"{path}/".startswith(f"{self.folder}/")
        return os.path.relpath(path, self.folder) if inside else None

    def _look(self) -> None:
        """Log what has changed by other ways than those that are watched."""
        there: set[str] = set()
        for parent, folders, files in os.walk(self.folder):
            for name in (*folders, *files):
                path = os.path.join(parent, name)
                where = os.path.relpath(path, self.folder)
                there.add(where)
                if name in folders:
                    if where not in self._seen:
                        self._seen[where] = None
                        self.log.append(("mkdir", where))
                    continue
                status = os.stat(path)
                now = (status.st_ino, status.st_size, status.st_mtime_ns)
                if where not in self._seen:
                    self.log.append(("file", where))
                if self._seen.get(where) != now:
                    self.log.append(("content", where, Path(path).read_bytes()))
                self._seen[where] = now
        for where in sorted(self._seen.keys() - there, reverse=True):  # what is inside goes first
            del self._seen[where]
            self.log.append(("gone", where))

    def build(self, moment: int, seed: int, target: Path, syncs: bool = True) -> None:
        """Make the folder as it may look after a cut.

        Args:
            moment: number of events that happened.
            syncs: False takes no notice of them, as if nothing had been synced since the start.
        """
        root = _Folder()
        for event in self.log[:moment]:
            kind, where = event[:2]
            if kind in ("mark",) or (kind == "sync" and not syncs):
                continue
            if kind == "sync":
                (root.find(where) if where != "." else root).sync()
                continue
            parent, name = root.parent(where)
            if kind in ("mkdir", "file"):
                parent.change(name, _Folder() if kind == "mkdir" else _File())
            elif kind == "content":
                parent.now[name].versions.append(event[2])
            elif kind == "gone":
                parent.change(name, None)
            else:
                moved = parent.now[name]
                into, new = root.parent(event[2])
                if into is parent:
                    parent.change(name, None, new, moved)
                else:
                    into.change(new, moved)
                    parent.change(name, None)
        target.mkdir(parents=True)
        root.build(target, random.Random(seed))


class _File:
    def __init__(self):
        self.versions = [b""]  # the first is on disk

    def sync(self) -> None:
        self.versions = self.versions[-1:]

    def build(self, path: Path, rng: random.Random) -> None:
        whole, safe = rng.choice(self.versions), self.versions[0]
        safe = safe if whole.startswith(safe) else b""
        kept = rng.randrange(len(safe), len(whole) + 1)
        zeros = bytes(len(whole) - kept)
        path.write_bytes(rng.choice([whole, whole[:kept], whole[:kept] + zeros]))


class _Folder:
    def __init__(self):
        self.versions: list[dict] = [{}]  # of names; the first is on disk

    @property
    def now(self) -> dict:
        return self.versions[-1]

    def change(self, *pairs) -> None:
        """Names and what they stand for from now on, None for nothing; all of them at once."""
        names = self.now | dict(zip(pairs[::2], pairs[1::2], strict=True))
        self.versions.append({name: one for name, one in names.items() if one is not None})

    def sync(self) -> None:
        self.versions = self.versions[-1:]

    def find(self, where: str):
        one = self
        for name in where.split("/"):
            one = one.now[name]
        return one

    def parent(self, where: str) -> tuple["_Folder", str]:
        above, _, name = where.rpartition("/")
        return (self.find(above) if above else self), name

    def build(self, path: Path, rng: random.Random) -> None:
        path.mkdir(exist_ok=True)
        for name, one in sorted(rng.choice(self.versions).items()):
            one.build(path / name, rng)
