"""Trainings of two CPU processes, one after the other: does each process end, whatever the end is?

    nice -n 19 python tests/training/many_launches.py 200

The ends of `short_training.py` take turns. The processes are forked from this one, which has
imported everything, and end as others do, with their interpreter. One that does not end in time is
named with the stacks of its threads, which faulthandler writes at SIGABRT.
"""

import faulthandler
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import psutil
import short_training

ENDS = ("whole", "error", "signal")
SECONDS = 240  # that a training may take on a busy machine; it takes 3 where nothing else runs


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def join(rank, port):
    """Make this process one of two that find each other as those do that a launcher starts."""
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip


def fork(rank, port, folder, end):
    """The number of a process of the group; 0 in that process."""
    child = os.fork()
    if child == 0:
        join(rank, port)
        said = os.open(folder / f"said{rank}.txt", os.O_CREAT | os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(said, stream)
        faulthandler.enable()
        sys.argv = [short_training.__file__, str(folder / "run"), end]
    return child


def ends_of(group, folder):
    """The exit status of each process; None, and what it said, where it had to be ended."""
    limit = time.monotonic() + SECONDS
    found = []
    for rank, process in enumerate(group):
        try:
            found.append((process.wait(max(0.1, limit - time.monotonic())), ""))
        except psutil.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            process.wait(20)
            found.append((None, (folder / f"said{rank}.txt").read_text()[-6000:]))
    return found


def main(count):
    """How many groups did not end as they should; None in a process of a group."""
    bad, seconds = 0, []
    for number in range(1, count + 1):
        end, folder, begun = ENDS[number % 3], Path(tempfile.mkdtemp()), time.monotonic()
        group, port = [], free_port()
        for rank in range(2):
            child = fork(rank, port, folder, end)
            if child == 0:
                return None
            group.append(psutil.Process(child))
        found = ends_of(group, folder)
        seconds.append(time.monotonic() - begun)
        if any(status is None or (status == 0) != (end == "whole") for status, _ in found):
            bad += 1
            print(f"training {number} ({end}): {found}", flush=True)
        shutil.rmtree(folder)
        if number % 20 == 0:
            middle = sorted(seconds)[number // 2]
            print(f"{number} trainings, {bad} bad, {middle:.1f} s in the middle", flush=True)
    print(f"{count - bad} of {count} trainings of two processes ended as they should", flush=True)
    return bad


if __name__ == "__main__":
    bad = main(int(sys.argv[1]))
    if bad is None:
        short_training.start()
    else:
        sys.exit(bad > 0)
