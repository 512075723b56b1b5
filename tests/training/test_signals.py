"""Signals to stop: the step is finished and saved first, whoever they were sent to."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from commands import run_python
from notebook_runs import NOTEBOOKS

from reclf.data.read_ahead import STOPS, ReadAhead
from reclf.runs.run import Run
from reclf.training.runtime import interrupts

SMALL = {
    "model.image_size": 32,
    "train.batch_size": 4,
    "train.val_studies": 4,
    "train.checkpoint_minutes": 30,
    "data.workers": 1,
}


def test_who_asks_to_stop():
    assert {s.name for s in STOPS} == {"SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"}


@pytest.mark.parametrize("number", STOPS, ids=lambda s: s.name)
def test_the_first_signal_sets_a_flag_and_the_second_stops_at_once(number):
    before = [signal.getsignal(s) for s in STOPS]
    with interrupts() as flag:
        assert not flag.is_set()
        os.kill(os.getpid(), number)
        assert flag.wait(5)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(s) for s in STOPS] == before


class Studies(torch.utils.data.Dataset):
    """Tells the process that reads, which gets a signal first."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        if index == 20:
            for number in set(STOPS) - {signal.SIGTERM}:
                os.kill(os.getpid(), number)
        return os.getpid()


def test_processes_that_read_do_not_answer_signals():
    (reader,) = set(ReadAhead(Studies(), 1))
    assert reader != os.getpid()


LEFT_OVER = """
import torch
from reclf.data.read_ahead import quiet_worker
loader = torch.utils.data.DataLoader(range(1000), 1, num_workers=2, worker_init_fn=quiet_worker)
batches = iter(loader)
next(batches)
loader.__class__.__del__ = batches.__class__.__del__ = lambda self: None  # nobody ends them
print("end")
"""


def test_a_process_ends_although_those_that_read_for_it_are_left():
    assert run_python(LEFT_OVER, seconds=60) == "end\n"


class ParentPollerUnix(threading.Thread):
    """Stands for ipykernel's, by its name; records what it takes for its parent."""

    def __init__(self):
        super().__init__(daemon=True)
        self.parent_pid, self.over = os.getppid(), threading.Event()

    def run(self):
        self.over.wait(60)


def test_a_kernel_whose_parent_is_gone_saves_first(monkeypatch):
    poller = ParentPollerUnix()
    poller.start()
    parent = os.getppid()
    with interrupts() as flag:
        assert not flag.wait(0.5)
        monkeypatch.setattr(os, "getppid", lambda: 1)
        assert flag.wait(5)
        assert poller.parent_pid == os.getppid()
        assert (poller.parent_pid != os.getppid()) is False
    assert (poller.parent_pid, type(poller.parent_pid)) == (parent, int)
    poller.over.set()
    poller.join(timeout=5)


@pytest.mark.slow
def test_papermill_that_is_told_to_stop_leaves_a_run_to_go_on_with(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    command = [
        sys.executable,
        "-m",
        "papermill",
        NOTEBOOKS / "pretrain.ipynb",
        folder / "out.ipynb",
    ]
    for name, value in (("run_dir", str(folder)), ("steps", 5000), ("overrides", SMALL)):
        command += ["-p", name, value if isinstance(value, str) else json.dumps(value)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: (folder / "metrics.jsonl").is_file() and Run(folder).history(), 200)
        assert Run(folder).status["state"] == "running"
        process.terminate()
        process.wait(60)
    wait_until(lambda: not Run(folder).lock.is_held, 60)
    status = Run(folder).status
    logged = Run(folder).history()[-1]["step"]
    assert (status["state"], status["step"]) == ("interrupted", logged)
    assert (Run(folder).checkpoint("last") / "trainer.pt").is_file()


def wait_until(happens, seconds):
    limit = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.2)
