"""Cut the power of a real file system at random moments of a training: ext4 in a loop-mounted file.

    sudo python tests/faults/loop_image.py 50

ext4 is told to stop without writing its log (the ioctl that file system tests use), so that what
was not synced is lost as at a power cut; then it is mounted again, and the training goes on.
Printed: what became of each cut, and of as many where nothing is synced. Needs root and Linux.
"""

import fcntl
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from unittest.mock import patch

from tiny_training import train, weights

from reclf.config.foreign_files import DamagedFile, read_json
from reclf.runs.run import Run

GOING_DOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
NO_LOG = struct.pack("I", 2)  # without flushing anything first
STEPS = {"train.max_steps": 30, "train.evaluate_every": 10}
LIMIT = 60  # seconds of a mount


def shell(*words):
    subprocess.run([str(word) for word in words], check=True, timeout=LIMIT, capture_output=True)


def start(run, saved, syncs):
    """Fork a training; the steps that are promised to be on disk are lines of the file `saved`."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    real = Run.write_checkpoint

    def write(self, name, *arguments):
        real(self, name, *arguments)
        if name == "last":
            with saved.open("a") as file:
                print(read_json(self.checkpoint(name) / "progress.json")["step"], file=file)

    try:
        with patch.object(Run, "write_checkpoint", write):
            if not syncs:
                os.fsync = lambda file: None
            train(run, **STEPS)
    finally:
        os._exit(0)


def cut(folder, seconds, syncs):
    """The step that was promised, and the one that is there; mounts again what was cut."""
    image, mount, saved = folder / "disk", folder / "mounted", folder / "saved"
    with image.open("wb") as file:
        file.truncate(100 << 20)
    shell("mkfs.ext4", "-q", image)
    mount.mkdir()
    shell("mount", "-o", "loop", image, mount)
    saved.touch()
    child = start(mount / "run", saved, syncs)
    time.sleep(seconds)
    disk = os.open(mount, os.O_RDONLY)
    fcntl.ioctl(disk, GOING_DOWN, NO_LOG)
    promised = int((saved.read_text().split() or ["0"])[-1])
    os.close(disk)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    shell("umount", mount)
    shell("mount", "-o", "loop", image, mount)
    run = mount / "run"
    if (run / "lock.json").exists():  # as old as it is after a start of the machine
        os.utime(run / "lock.json", (0, 0))
    if not (run / "config.json").exists():
        return promised, 0
    begun = Run(run).resumable()
    return promised, read_json(begun / "progress.json")["step"] if begun else 0


def main(cuts):
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        whole = Path(made, "whole")
        begun = time.monotonic()
        train(whole, **STEPS)
        seconds, good = time.monotonic() - begun, weights(whole)
        for syncs in (True, False):
            draw, same, lost, unread = random.Random(0), 0, 0, 0
            for number in range(cuts):
                folder = Path(made, f"{number}-{syncs}")
                folder.mkdir()
                try:
                    promised, there = cut(folder, draw.uniform(0, 1.2 * seconds), syncs)
                    lost += there < promised
                    print(f"cut {number}: {promised} was promised, {there} is there", flush=True)
                    train(folder / "mounted/run", **STEPS)
                    same += weights(folder / "mounted/run") == good
                except (DamagedFile, OSError) as error:
                    unread += 1
                    print(f"cut {number}: {error}", flush=True)
                shell("umount", folder / "mounted")
            print(
                f"{'as it is' if syncs else 'without syncs'}: of {cuts} cuts {same} went on to the "
                f"same weights, {lost} lost a checkpoint, {unread} do not open",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]))
