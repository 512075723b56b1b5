"""Short trainings that are killed at random moments, and go on: the same weights, a true status?

    python tests/training/kills.py 100 --seed 0

Each is started, killed (SIGKILL, SIGTERM or SIGINT) at a moment drawn over the time that a whole
one takes, opened, and started again until it ends by itself; of ten, one is killed twice. What is
compared: the weights of an uninterrupted training bit for bit, and the status at every opening with
the checkpoint that lies there. Trainings are forked from a process that has imported everything.
"""

import argparse
import collections
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path += [str(Path(__file__).parents[1] / "faults")]

from tiny_training import train, weights

from reclf.runs.run import Run

SIGNALS = ("KILL", "TERM", "INT")
SETTINGS = {"train.max_steps": 12, "train.evaluate_every": 4, "train.checkpoint_minutes": 1e-3}
SECONDS = 240  # that a training may take on a busy machine


def start(folder, workers=0):
    """The process of a training, which ends with 0, or 1 where it was interrupted."""
    child = os.fork()
    if child:
        return psutil.Process(child)
    code = 2
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        with (folder.parent / f"{folder.name}.txt").open("a") as said:
            os.dup2(said.fileno(), 2)
        train(folder, **SETTINGS, **{"data.workers": workers})
        code = 0
    except KeyboardInterrupt:
        code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def truth(folder):
    """What the status must be while nobody trains: what the checkpoint says."""
    run = Run(folder)
    found = run.status
    assert not run.lock.is_held, "the lock of a process that is gone is held"
    assert found["state"] in ("new", "interrupted", "trained"), found
    paths = [run.checkpoint(name) / "progress.json" for name in ("last", "best")]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        assert found["state"] != "trained", found
        assert found.get("step", 0) == 0, found
        return found["state"]
    step = json.loads(path.read_text())["step"]
    assert found["step"] == step, f"status {found}, checkpoint of step {step}"
    assert (found["state"] == "trained") == (step == SETTINGS["train.max_steps"]), found
    return found["state"]


def kill(folder, name, seconds, workers):
    """Start a training and kill it after some seconds; gives what the run is then."""
    process = start(folder, workers)
    time.sleep(seconds)
    started = [process, *process.children(recursive=True)] if process.is_running() else []
    process.send_signal(getattr(signal, f"SIG{name}"))
    process.wait(SECONDS)
    _, left = psutil.wait_procs(started, 30)
    assert not left, f"processes are left: {left}"
    return truth(folder) if (folder / "config.json").exists() else "no run"


def survive(folder, random, whole, expected):
    """One training with its kills; gives the signal, and what the run was after it."""
    workers, name = random.choice((0, 0, 1)), random.choice(SIGNALS)
    state = kill(folder, name, random.uniform(0, 1.1 * whole), workers)
    if random.random() < 0.1:
        kill(folder, name, random.uniform(0, 0.8 * whole), workers)
    assert start(folder, workers).wait(SECONDS) == 0, "it did not go on"
    assert truth(folder) == "trained"
    assert weights(folder) == expected, "other weights"
    return name, state


def main(count, seed):
    """How many did not survive."""
    draw, counts, bad = random.Random(seed), collections.Counter(), []
    with tempfile.TemporaryDirectory() as root:
        begun = time.monotonic()
        assert start(Path(root) / "whole").wait(SECONDS) == 0
        whole, expected = time.monotonic() - begun, weights(Path(root) / "whole")
        for number in range(count):
            folder = Path(root) / str(number)
            try:
                counts[survive(folder, draw, whole, expected)] += 1
            except (AssertionError, psutil.TimeoutExpired) as error:
                said = folder.parent / f"{number}.txt"
                said = said.read_text()[-1500:] if said.exists() else ""
                bad.append(f"{number}: {error}\n{said}")
                print(bad[-1], flush=True)
    states = ("no run", "new", "interrupted", "trained")
    print(f"| signal | {' | '.join(states)} |\n|---|{'---|' * len(states)}")
    for name in SIGNALS:
        print(f"| {name} | {' | '.join(str(counts[name, state]) for state in states)} |")
    print(
        f"{count - len(bad)} of {count} went on to the same weights, with a true status throughout"
    )
    return len(bad)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sys.exit(main(given.count, given.seed) > 0)
