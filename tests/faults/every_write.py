"""Fail at every change of the disk during a training, go on, and compare the weights to the bit.

    python tests/faults/every_write.py [FIRST LAST]      points, all of them by default

Each with a full disk, a disk that fails, no permission, and a kill; once for a moment, and once for
good.
"""

import errno
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

from broken_disk import KILL, Broken, Killed
from tiny_training import train, weights

SHORT = {"train.max_steps": 2, "train.evaluate_every": 2}
FAULTS = (errno.ENOSPC, errno.EIO, errno.EACCES, KILL)


def attempt(folder, at, fault, stays):
    """Train until it fails.

    Returns:
        How it ended: "" well, since this change is not needed; "killed"; else the error's text.
    """
    with Broken(folder, at, fault, stays):
        try:
            train(folder, **SHORT)
        except Killed:
            return "killed"
        except OSError as error:
            return str(error)
    return ""


def problem(folder, at, fault, stays, good):
    """What is wrong with how the training ends and goes on; "" if nothing is."""
    ended = attempt(folder, at, fault, stays)
    if fault == KILL:
        if ended != "killed":
            return f"it ended with {ended!r}"
    elif ended and not (str(folder) in ended and os.strerror(fault) in ended and "\n" not in ended):
        return f"the error says {ended!r}"
    (folder / "lock.json").unlink(missing_ok=True)  # its process is this one, and lives
    train(folder, **SHORT)
    for name in ("last", "best"):
        if weights(folder, name) != good:
            return f"{name} has other weights"
    left = [
        path.name for path in folder.rglob("*") if path.name.endswith((".writing", ".previous"))
    ]
    return f"{left} are left" if left else ""


def count(folder):
    """The number of points, and the weights of a training that is not disturbed."""
    with Broken(folder) as disk:
        train(folder, **SHORT)
    return disk.points, weights(folder)


def main(first=1, last=None):
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as made:
        points, good = count(Path(made, "whole"))
        print(f"{points} points", flush=True)
        tried = bad = 0
        for at in range(first, (last or points) + 1):
            for fault in FAULTS:
                for stays in (True,) if fault == KILL else (True, False):
                    folder = Path(made, "run")
                    tried += 1
                    try:
                        found = problem(folder, at, fault, stays, good)
                    except Exception as error:
                        found = f"{type(error).__name__}: {error}"
                    if found:
                        bad += 1
                        name = errno.errorcode.get(fault, "kill")
                        print(f"point {at}, {name}, stays {stays}: {found}", flush=True)
                    shutil.rmtree(folder, ignore_errors=True)
        print(f"{tried} faults at points {first} to {last or points} of {points}: {bad} problems")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
