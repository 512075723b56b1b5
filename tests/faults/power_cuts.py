"""Cut the power at random moments of a training, go on, and compare the weights to the bit.

    python tests/faults/power_cuts.py 50

prints what became of each cut, and how many of as many cuts are lost where nothing is synced.
"""

import random
import sys
import tempfile
import warnings
from pathlib import Path
from unittest.mock import patch

from disk import Recorded
from tiny_training import train, weights

from reclf.config.foreign_files import DamagedFile, read_json
from reclf.runs.run import Run


def record(folder):
    """A training in `folder`/run, and the steps that are promised to be on disk."""
    real = Run.write_checkpoint

    def write(run, name, *arguments):
        real(run, name, *arguments)
        if name == "last":
            disk.mark(read_json(run.checkpoint(name) / "progress.json")["step"])

    with Recorded(folder) as disk, patch.object(Run, "write_checkpoint", write):
        train(folder / "run")
    return disk


def saved(disk, moment):
    """The step of the checkpoint that was finished before a moment."""
    return max((event[1] for event in disk.log[:moment] if event[0] == "mark"), default=0)


def cut(disk, seed, target, syncs=True):
    """Build the disk after a random cut; the step that was promised, and the one that is there."""
    moment = random.Random(seed).randrange(len(disk.log))
    disk.build(moment, seed, target, syncs)
    (target / "run" / "lock.json").unlink(missing_ok=True)  # its process is this one, and lives
    if not (target / "run" / "config.json").exists():
        return saved(disk, moment), 0
    begun = Run(target / "run").resumable()
    return saved(disk, moment), read_json(begun / "progress.json")["step"] if begun else 0


def main(cuts):
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        disk = record(folder / "whole")
        good = weights(folder / "whole" / "run")
        print(f"{len(disk.log)} moments")
        same = lost = 0
        for seed in range(cuts):
            promised, there = cut(disk, seed, folder / str(seed))
            train(folder / str(seed) / "run")
            same += weights(folder / str(seed) / "run") == good
            lost += there < promised
            print(f"cut {seed}: step {promised} was promised, {there} is there", flush=True)
        print(f"{cuts} cuts: {same} went on to the same weights, {lost} lost a checkpoint")
        gone = 0
        for seed in range(cuts):
            try:
                promised, there = cut(disk, seed, folder / f"unsynced-{seed}", syncs=False)
                gone += there < promised
            except (DamagedFile, OSError):
                gone += 1
        print(f"without syncs: {gone} of {cuts} lost a checkpoint, or do not open")


if __name__ == "__main__":
    main(int(sys.argv[1]))
