"""Signals sent to trainings, by every way they are started: do all save and say "interrupted"?

    python tests/training/stops.py                      all, a row each; about an hour on two cores
    python tests/training/stops.py torchrun papermill   some

A row says who got which signal, the state afterwards, whether the last step that was logged is the
one that is saved, and the seconds until all processes had ended.
"""

import json
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from reclf.runs.run import Run

ROOT = Path(__file__).parents[2]
SIGNALS = ("INT", "TERM", "HUP", "USR1")
# Who gets it: the process that was started, one of those that it started, or all of them.
TARGETS = {
    "python": ("itself", "all"),
    "accelerate": ("itself", "first", "second", "all"),
    "torchrun": ("itself", "first", "second", "all"),
    "papermill": ("itself", "first", "all"),
}
CASES = [(w, t, s) for w, targets in TARGETS.items() for t in targets for s in SIGNALS]
SETTINGS = {
    "model.image_size": 32,
    "train.max_steps": 5000,
    "train.batch_size": 4,
    "train.val_studies": 4,
    "train.checkpoint_minutes": 30,
    "train.device": "cpu",
    "data.workers": 1,
}
SECONDS = 300  # for each wait, on a busy machine


def command(way, folder):
    """What starts a training in a folder."""
    python = [sys.executable, "-m"]
    if way == "papermill":
        values = {"run_dir": folder, "overrides": json.dumps(SETTINGS)}
        values = [part for name, value in values.items() for part in ("-p", name, value)]
        return [
            *python,
            "papermill",
            ROOT / "notebooks/pretrain.ipynb",
            folder / "o.ipynb",
            *values,
        ]
    launch = {
        "python": python,
        "accelerate": [
            *python, "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
            "--num_machines", "1", "--main_process_port", "0", "--mixed_precision", "no",
            "--dynamo_backend", "no", "-m",
        ],
        "torchrun": [
            *python, "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m",
        ],
    }[way]  # fmt: skip
    settings = [part for item in SETTINGS.items() for part in ("--set", "{}={}".format(*item))]
    return [*launch, "reclf.pretrain", "--run-dir", folder, "--quiet", *settings]


def wait_until(happens, what):
    limit = time.monotonic() + SECONDS
    while not happens():
        if time.monotonic() > limit:
            raise TimeoutError(what)
        time.sleep(0.1)


def stop(way, target, name, folder):
    """Start a training, send a signal after its first record, and say how it ended."""
    folder.mkdir(parents=True)
    run = None
    with (folder / "said.txt").open("w") as said:
        process = psutil.Popen(
            [str(part) for part in command(way, folder)], stdout=said, stderr=said,
            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        )  # fmt: skip
    try:
        metrics = folder / "metrics.jsonl"
        wait_until(lambda: metrics.is_file() and metrics.stat().st_size, "nothing was logged")
        run = Run(folder)
        everyone = [process, *process.children(recursive=True)]
        children = sorted(process.children(), key=lambda child: child.create_time())
        if way in ("accelerate", "torchrun"):
            children.sort(key=lambda child: child.environ()["RANK"])
        chosen = {"itself": [process], "all": everyone, "first": children[:1]}
        for one in chosen.get(target) or children[1:2]:
            one.send_signal(getattr(signal, f"SIG{name}"))
        sent = time.monotonic()
        while any(map(_runs, everyone)):
            process.poll()  # takes its end, so that it is no zombie
            if time.monotonic() - sent > SECONDS:
                raise TimeoutError("processes are left")
            time.sleep(0.1)
        status, logged = run.status, run.history()[-1]["step"]
        return {
            "state": status["state"], "saved": status["step"] == logged,
            "seconds": round(time.monotonic() - sent, 1),
        }  # fmt: skip
    finally:
        for one in everyone if run else [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        with suppress(psutil.TimeoutExpired):
            process.wait(20)


def _runs(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # gone, maybe since the line before
        return False


def main(wanted):
    failed = 0
    # A shell starts what it does not wait for with SIGINT ignored, which papermill would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("| started by | signal to | signal | state | last step saved | seconds |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for way, target, name in CASES:
            if wanted and not {way, f"{way}-{target}", f"{way}-{target}-{name}"} & {*wanted}:
                continue
            try:
                found = stop(way, target, name, Path(folder) / f"{way}-{target}-{name}")
            except TimeoutError as error:
                found = {"state": str(error), "saved": False, "seconds": SECONDS}
            failed += found["state"] != "interrupted" or not found["saved"]
            row = " | ".join(str(value) for value in (way, target, name, *found.values()))
            print(f"| {row} |", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
