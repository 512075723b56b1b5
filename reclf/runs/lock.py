"""One training at a time in a run folder: a lock file with host, process and heartbeat.

    lock.json: {"host", "space", "pid", "started", "since"}; the time of its last change is the beat

Within its `processes.space` a holder lives as long as its process; elsewhere as long as its heart
beats, by the clock of the file system.
"""

import fcntl
import os
import platform
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from reclf.config.foreign_files import read_json
from reclf.stats.tables import json_text

from .files import named, temporary_name
from .processes import space, started

FILE = "lock.json"
BEAT = 10.0  # seconds between two heartbeats
STALE = 120.0  # seconds without one, after which a process of another machine is taken for dead


class RunInUse(RuntimeError):
    """Another process trains in the run folder, or has taken it over."""


class RunLock:
    """Held within `with`, also several times by the same object.

    Raises:
        RunInUse: on entering, another process holds it.
    """

    def __init__(self, folder: Path):
        self.path = folder / FILE
        self._depth, self._pid, self._file = 0, 0, -1
        self._end = threading.Event()

    def __enter__(self) -> "RunLock":
        if not self._is_ours():
            self._take()
        self._depth += 1
        return self

    def __exit__(self, *error: object) -> None:
        if not self._is_ours():  # a forked child leaves its parent's
            return
        self._depth -= 1
        if self._depth == 0:
            self._end.set()
            if self._is_in_place():
                self.path.unlink()
            os.close(self._file)

    @property
    def is_held(self) -> bool:
        """Whether a process that lives holds it, this one or another."""
        return self._is_ours() or self.holder() is not None

    def holder(self) -> dict[str, Any] | None:
        """What the lock says of a process that lives, with `beat`, seconds since its last
        heartbeat; None where there is none."""
        try:
            changed = self.path.stat().st_mtime
            held = _read(self.path)
        except OSError:
            return None
        beat = max(0.0, self._clock() - changed)
        if "space" not in held:  # being written
            lives = beat < BEAT
        elif held["space"] == space():
            lives = started(held["pid"]) == held["started"]
        else:
            lives = beat < STALE
        return {**held, "beat": beat} if lives else None

    def check(self) -> None:
        """Refuse to write where the lock is lost: after a long sleep another process took over.

        Raises:
            RunInUse: says so.
        """
        if self._is_ours() and not self._is_in_place():
            raise RunInUse(
                f"{self.path} is gone or another process's: the folder was taken over or removed "
                "while this process trained, which stops and writes nothing more"
            )

    def _is_ours(self) -> bool:
        return self._depth > 0 and self._pid == os.getpid()

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._file))
        except OSError:
            return False

    def _take(self) -> None:
        own = {"host": platform.node(), "space": space(), "pid": os.getpid()}
        own |= {"started": started(os.getpid()), "since": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        while True:
            try:
                with named(self.path):
                    file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR)
                break
            except FileExistsError:
                self._take_away()
        try:
            with named(self.path):
                os.write(file, (json_text(own) + "\n").encode())
        except BaseException:  # an empty one would look as if it were being written
            self.path.unlink()
            raise
        self._pid, self._file, self._end = os.getpid(), file, threading.Event()
        threading.Thread(target=_beat, args=(file, self._end), daemon=True).start()

    def _take_away(self) -> None:
        """Remove the lock of a process that is gone; of several that do so at once, one does."""
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)  # it may be a pipe
        except FileNotFoundError:
            return
        try:
            if held := self.holder():
                raise RunInUse(
                    f"{self.path.parent} is in training: process {held['pid']} on {held['host']}, "
                    f"since {held['since']}, last heartbeat {held['beat']:.0f} s ago. Wait for it "
                    "or stop it, or give another run_dir; with several processes, start them by "
                    "one launcher. A process that is gone loses its lock by itself, at most "
                    f"{STALE:.0f} s later"
                )
            with suppress(OSError):  # a file system may not have it
                fcntl.flock(file, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self.path), os.fstat(file)):
                    seen = _read(self.path)
                    self.path.unlink()
                    warnings.warn(
                        f"a training in {self.path.parent} did not end (process {seen['pid']} on "
                        f"{seen['host']}, since {seen['since']}): its lock is taken over",
                        stacklevel=5,
                    )
        finally:
            os.close(file)

    def _clock(self) -> float:
        """What the file system takes for now; this machine's clock where nothing can be written."""
        probe = temporary_name(self.path)
        try:
            probe.touch()
            now = probe.stat().st_mtime
            probe.unlink()
        except OSError:
            return time.time()
        return now


def _read(path: Path) -> dict[str, Any]:
    """What a lock says; question marks alone where it is no lock."""
    try:
        held = read_json(path, most=2**16)
        needed = {name: held[name] for name in ("host", "space", "pid", "started", "since")}
        if isinstance(held["pid"], int) and 0 < held["pid"] < 2**31:
            return needed
    except (ValueError, KeyError):
        pass
    return {"host": "?", "pid": "?", "since": "?"}


def _beat(file: int, end: threading.Event) -> None:
    while not end.wait(BEAT):
        with suppress(OSError):
            os.utime(file)
