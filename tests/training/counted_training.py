"""Run by test_processes.py: what each step of a training of two processes sends, and reads.

    python tests/training/counted_training.py FOLDER END --> FOLDER/0.json, FOLDER/1.json

Every collective that Python asks for, with its group and device, and every value of a tensor that
Python reads, by the step of the optimizer after which it came. In step LAST the
second process alone gets SIGINT (END "signal"), is out of time ("late") or finds a film that cannot
be read ("damaged"). Forked from one process that has imported everything.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

import short_training
import torch
import torch.distributed as distributed
from many_launches import free_port, join

from reclf.training import loop, step
from reclf.training.processes import Said

STEPS, LAST = 24, 17
COLLECTIVES = (
    "all_reduce", "all_gather", "all_gather_into_tensor", "broadcast", "reduce_scatter", "barrier",
)  # fmt: skip
READINGS = ("item", "tolist", "__bool__", "__float__", "__int__", "numpy", "nonzero")
SETTINGS = {"max_steps": STEPS, "evaluate_every": 11, "checkpoint_minutes": 60, "max_minutes": 60}

steps, seen, depth = [], [], [0]


def counting(owner, name, say):
    """Replace a function by one that notes a call, and not those that it makes itself."""
    real = getattr(owner, name)

    def counted(*arguments, **options):
        if not depth[0]:
            seen.append((len(steps), say(*arguments, **options)))
        depth[0] += 1
        try:
            return real(*arguments, **options)
        finally:
            depth[0] -= 1

    setattr(owner, name, counted)


def collective(name):
    def say(*arguments, group=None, **options):
        return f"{name} of {'the devices' if group is None else 'the hosts'}"

    return say


def caller():
    """The package and function that reads, outside of torch."""
    for frame in reversed(traceback.extract_stack()[:-3]):
        if "/torch/" not in frame.filename:
            return f"{Path(frame.filename).stem}.{frame.name}"
    raise AssertionError("only torch is there")


def count(end):
    """Note what the process does, and make it end in step LAST: in no way if `end` is empty."""
    for name in COLLECTIVES:
        counting(distributed, name, collective(name))
    for name in READINGS:
        counting(torch.Tensor, name, lambda *_, name=name, **__: f"{name} in {caller()}")
    real = step.batch_losses

    def losses(*arguments):
        steps.append(1)
        if end == "signal" and len(steps) == LAST:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*arguments)

    step.batch_losses = losses
    if end in ("late", "damaged"):
        loop.agree = ending(loop.agree, end)
    train_step = loop.train_step

    def whole(*arguments):
        result = train_step(*arguments)
        seen.append((len(steps), "end"))
        return result

    loop.train_step = whole


def ending(agree, end):
    place = Said._fields.index(end)

    def said(hosts, *flags):
        here = len(steps) == LAST
        return agree(hosts, *(flag or (here and k == place) for k, flag in enumerate(flags)))

    return said


def main(folder, end):
    """How the two processes ended; None in one of them."""
    port, children = free_port(), []
    for rank in range(2):
        child = os.fork()
        if child == 0:
            join(rank, port)
            count(end if rank == 1 else "")
            sys.argv = [__file__, str(folder / "run"), "whole"]
            short_training.SETTINGS |= {f"train.{name}": v for name, v in SETTINGS.items()}
            try:
                short_training.start()
            finally:
                (folder / f"{rank}.json").write_text(json.dumps(seen))
            return None
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    print(*main(Path(sys.argv[1]), sys.argv[2]) or [])
