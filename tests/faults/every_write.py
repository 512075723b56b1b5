"""Fail at every change of the disk during a training, go on, and compare the weights to the bit.

    python tests/faults/every_write.py [ENOSPC | EIO | EACCES | KILL ...] [7]

All faults by default; a number takes every so many-th change.

A full disk, a disk that fails, no permission, and a kill; for good, and those that may pass, once.
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


def main(*names):
    warnings.simplefilter("ignore")
    steps = [int(name) for name in names if name.isdigit()]
    names = {*names} - {str(step) for step in steps}
    with tempfile.TemporaryDirectory() as made:
        points, good = count(Path(made, "whole"))
        tried = range(1, points + 1, *steps)
        ways = [(fault, True) for fault in FAULTS] + [(fault, False) for fault in FAULTS[:3]]
        for fault, stays in ways:
            name = errno.errorcode.get(fault, "KILL") + (" for good" if stays else " once")
            if names and name.split()[0] not in names:
                continue
            bad = 0
            for at in tried:
                folder = Path(made, "run")
                try:
                    found = problem(folder, at, fault, stays, good)
                except Exception as error:
                    found = f"{type(error).__name__}: {error}"
                if found:
                    bad += 1
                    print(f"{name} at point {at}: {found}", flush=True)
                shutil.rmtree(folder, ignore_errors=True)
            print(f"{name}: {bad} problems at {len(tried)} of {points} points", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
