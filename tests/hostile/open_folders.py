"""Opens every hostile folder as its user would, and says how each ended; see `test_hostile`.

    python open_folders.py FOLDER [NAME ...] --> name, outcome, seconds, text of each, as JSON

Outcomes: "clear" (a ValueError or an OSError), "executed", "hung", "allocated", "raw" (any other
error), "opened".
"""

import io
import json
import os
import resource
import shutil
import signal
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import torch
from accelerate import Accelerator
from hostile_cases import CASES, make_base

from reclf import RECLF
from reclf.config import TowerConfig
from reclf.data.radiographs import read_fitted, read_image
from reclf.datasets.open_i import read_reports
from reclf.datasets.registry import load_dataset
from reclf.datasets.tables_on_disk import read_cells
from reclf.explain import Explanation
from reclf.models.towers import build_tower
from reclf.pretrain import open_run
from reclf.runs.run import Run
from reclf.tasks.prompt_sets import load_prompts
from reclf.tasks.scoreboard import results_of, table
from reclf.tasks.task_run import TaskRun
from reclf.training.checkpoints import load_state
from reclf.training.reader import left_out
from reclf_study.ablation import plan
from reclf_study.paper_table.published import load_published
from reclf_study.paper_table.suite import read_suite
from reclf_widgets.monitor import TrainingMonitor

# Of processor time, since the clock of a busy machine says little; what sleeps gets WAITING.
SECONDS, WAITING, MEMORY = 5, 60, 2**30
FURTHER = {"seed": 0, "device": "cpu", "data_root": "", "options": {}, "split": "", "name": ""}


class Hung(BaseException):
    """Not an Exception, which somebody on the way might catch."""


def ring(*_):
    raise Hung


def task(run, **given):
    p = SimpleNamespace(run=str(run), checkpoint="best", dataset="", **FURTHER)
    task_run = TaskRun.open(SimpleNamespace(**vars(p) | given))
    task_run.open_split()
    return task_run


def copy_of(folder, **options):
    data = load_dataset("prepared", folder / "copy", "test", 32, **options)
    return data[0], data.reports, data.all_labels, data.pairs([0])


def with_weights(folder):
    run = Run(folder / "run")
    model = RECLF.from_pretrained(run.checkpoint("last"))
    return load_state(run, model, torch.optim.AdamW(model.parameters()), Accelerator())


def no_progress(folder):
    for path in (folder / "run").rglob("progress.json"):
        path.unlink()
    return Run(folder / "run").status


def films(folder):
    for path in folder.glob("film.*"):
        try:
            read_fitted(path, 64)
        finally:
            read_image(path)


def monitor(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TrainingMonitor(folder / "run").alt_text()


def status(folder):
    run = Run(folder / "run")
    return run.status, run.sittings, run.result("zero_shot-x")


WAYS = {
    "model": lambda folder: RECLF.from_pretrained(folder / "run/checkpoints/best"),
    "task": lambda folder: task(folder / "run"),
    "go on": lambda folder: open_run(folder / "run"),
    "no progress": no_progress,
    "go on with weights": with_weights,
    "film": films,
    "table": lambda folder: [read_cells(path) for path in folder.glob("t.csv*")],
    "reports": lambda folder: read_reports(folder / "NLMCXR_reports.tgz"),
    "left out": lambda folder: left_out(folder / "run"),
    "results": lambda folder: table(results_of(folder / "run")),
    "monitor": monitor,
    "plan": lambda folder: plan(folder, None, 3),
    "status": status,
    "copy": copy_of,
    "compare copy": lambda folder: copy_of(folder, source=folder),
    "task on copy": lambda folder: task(folder / "run", dataset="prepared", name="",
                                        data_root=str(folder / "copy")),
    "explanation": lambda folder: Explanation.load(folder / "explanation.npz"),
    "tower": lambda folder: build_tower(TowerConfig(name=str(folder / "tower")), "image", 3),
    "prompts": lambda folder: load_prompts(str(folder / "prompts.json"), ["nodule"]),
    "published": lambda folder: load_published(folder / "published.yaml"),
    "suite": lambda folder: read_suite(folder / "suite.yaml"),
}  # fmt: skip


def address_space():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def attempt(way, folder, canary):
    """Outcome and text."""
    sys.stdin = io.StringIO("y\n" * 50)  # an eager user
    before = address_space()
    resource.setrlimit(resource.RLIMIT_AS, (before + MEMORY, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(WAITING)
    try:
        WAYS[way](folder)
        outcome, text = "opened", ""
    except (ValueError, OSError) as error:
        outcome, text = "clear", f"{type(error).__name__}: {error}"
        cause = error
        while cause is not None:
            if isinstance(cause, MemoryError) or "can't allocate" in str(cause):
                outcome = "allocated"
            cause = cause.__cause__ or cause.__context__
    except Hung:
        outcome, text = "hung", f"{SECONDS} s of processor time, or {WAITING} s by the clock"
    except MemoryError as error:
        outcome, text = "allocated", repr(error)
    except BaseException as error:
        outcome, text = "raw", f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if canary.exists() or "canary_code" in sys.modules:
        canary.unlink(missing_ok=True)
        sys.modules.pop("canary_code", None)
        outcome = "executed"
    return outcome, text


def main():
    root = Path(sys.argv[1])
    canary = root / "canary"
    os.environ["CANARY"] = str(canary)
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, ring)
    make_base(root / "base")
    os.chdir(root)
    sys.path.insert(0, str(root))
    code = "import os\nopen(os.environ['CANARY'], 'w').close()\n"
    (root / "canary_code.py").write_text(code)
    (root / "gs").write_text(f"#!{sys.executable}\n{code}")  # what Pillow starts for PostScript
    (root / "gs").chmod(0o755)
    os.environ["PATH"] = f"{root}{os.pathsep}{os.environ['PATH']}"
    attempt("model", root / "base", canary)  # what is loaded late is loaded now
    for name, (way, change) in CASES.items():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        folder = root / "case"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(root / "base", folder)
        change(folder)
        start = time.monotonic()
        outcome, text = attempt(way, folder, canary)
        line = {"name": name, "outcome": outcome, "seconds": time.monotonic() - start, "text": text}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
