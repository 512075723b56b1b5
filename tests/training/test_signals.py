"""Signals to stop: the step is finished and saved first, whoever they were sent to."""

import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from commands import run_command, run_python
from stops import stop

import reclf.data.read_ahead
from reclf.data.read_ahead import STOPS, ReadAhead
from reclf.runs.run import Run
from reclf.training.signals import AGAIN, LAUNCHED, interrupts

DOCS = Path(__file__).parents[2] / "docs/training.md"


@pytest.fixture
def hang_ups():
    """SIGHUP has its default, although `nohup` may have started these tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def test_who_asks_to_stop():
    assert {s.name for s in STOPS} == {"SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"}


@pytest.mark.parametrize("number", STOPS, ids=lambda s: s.name)
def test_the_first_signal_sets_a_flag_and_the_same_one_later_stops_at_once(
    number, monkeypatch, hang_ups
):
    before = [signal.getsignal(s) for s in STOPS]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with interrupts() as flag:
        assert not flag.is_set()
        os.kill(os.getpid(), number)
        assert flag.wait(5)
        signal.raise_signal(number)  # as a launcher passes on what all have got
        now += 2 * AGAIN
        for other in set(STOPS) - {number}:  # as Jupyter goes on from SIGINT to SIGTERM
            signal.raise_signal(other)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert [signal.getsignal(s) for s in STOPS] == before


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts() as flag:
            signal.raise_signal(signal.SIGHUP)
            assert not flag.is_set()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("started_by", [*LAUNCHED, ""])
def test_a_process_of_a_launcher_that_is_gone_stops_and_a_detached_one_goes_on(
    started_by, monkeypatch
):
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    if started_by:
        monkeypatch.setenv(started_by, "some")
    with interrupts() as flag:
        monkeypatch.setattr(os, "getppid", lambda: 1)
        assert flag.wait(5 if started_by else 0.5) == bool(started_by)


class Studies(torch.utils.data.Dataset):
    """Tells the process that reads, which gets a signal first."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        if index == 20:
            for number in STOPS:
                os.kill(os.getpid(), number)
        return os.getpid()


def test_processes_that_read_do_not_answer_signals():
    (reader,) = set(ReadAhead(Studies(), 1))
    assert reader != os.getpid()


def test_signals_before_a_process_that_reads_is_ready_wait_and_threads_leave_them(monkeypatch):
    ready = reclf.data.read_ahead.quiet_worker

    def late(worker):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()  # as a library's
        for number in STOPS:
            os.kill(os.getpid(), number)
        ready(worker)

    monkeypatch.setattr(reclf.data.read_ahead, "quiet_worker", late)
    (reader,) = set(ReadAhead(Studies(), 1))
    assert reader != os.getpid()
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(STOPS)


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


SLURM = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit("saved"))
pathlib.Path("begun").touch()
time.sleep(60)
"""
SUBMIT = """
scontrol() { echo "scontrol $*"; }
python() { exec PYTHON training.py "$@"; }
export -f scontrol python
SLURM_JOB_ID=7 bash train.sbatch &
job=$!
until [ -e begun ]; do sleep 0.1; done
kill -USR1 $job
wait $job
"""


def test_the_slurm_job_of_the_documents_saves_and_is_queued_again(tmp_path):
    """Slurm tells the shell of the job alone (`--signal=B:USR1`)."""
    (content,) = re.findall(
        r"cat > train.sbatch <<'EOF'\n(.*?)^EOF$", DOCS.read_text(), re.M | re.S
    )
    (tmp_path / "train.sbatch").write_text(content)
    (tmp_path / "training.py").write_text(SLURM)
    submit = SUBMIT.replace("PYTHON", sys.executable)
    done = run_command(["bash", "-c", submit], 120, cwd=tmp_path)
    assert (done.stderr, done.stdout) == ("saved\n", "scontrol requeue 7\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "target", "name"),
    [("papermill", "itself", "TERM"), ("torchrun", "all", "TERM"), ("torchrun", "itself", "USR1")],
)
def test_a_training_that_is_told_to_stop_saves_first(way, target, name, tmp_path):
    """Three of those that `stops.py` tries."""
    found = stop(way, target, name, tmp_path / "run")
    assert (found["state"], found["saved"]) == ("interrupted", True)
    assert (Run(tmp_path / "run").checkpoint("last") / "trainer.pt").is_file()
