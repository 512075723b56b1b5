"""Several processes: their joint batch, and that they end, whole or not."""

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from commands import run_command

import reclf.training.processes
from reclf.models.reclf import RECLF
from reclf.runs.run import Run
from reclf.training.processes import JointModel

SCRIPT = Path(__file__).parent / "short_training.py"


@pytest.mark.parametrize("shortlist", [0, 1])
def test_joint_columns_are_those_of_one_process_with_all(tiny, make_batch, monkeypatch, shortlist):
    """Two processes, run one after the other, get the columns of one process with both."""
    options = {"importance_loss": 0.5}
    model, both = RECLF(tiny(aggregator_options=options)).eval(), make_batch((3, 0, 5, 1))
    expected = model(both, shortlist=shortlist)
    images = model.encode_images(both.pixels)
    joint = {2: images.global_embedding, 3: images.regions}

    def gather(share, dim=0):
        if dim == 0:
            return joint[share.ndim]
        # Columns: the global ones are needed whole, to choose the hardest; others stay own.
        return expected["logits_global"] if share.ndim == 2 else share

    monkeypatch.setattr(reclf.training.processes, "gather", gather)
    columns = []
    for rank in (0, 1):
        part = make_batch((3, 0, 5, 1))
        for name, value in vars(both).items():
            if value is not None:
                setattr(part, name, value[2 * rank : 2 * rank + 2])
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        columns.append(JointModel(model)(part, shortlist=shortlist))
    for name in ("logits_local", "logits_auxiliary"):
        torch.testing.assert_close(torch.cat([c[name] for c in columns], 1), expected[name])


def count_training(folder, end):
    """What `counted_training.py` saw of two processes: how they ended, the run, and of each process
    step -> what it did."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    script = SCRIPT.with_name("counted_training.py")
    done = run_command([sys.executable, script, folder, end], 240, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    of_processes = []
    for rank in (0, 1):
        steps = {}
        for step, what in json.loads((folder / f"{rank}.json").read_text()):
            steps.setdefault(step, []).append(what)
        of_processes.append(steps)
    return done.stdout.splitlines()[-1].split(), Run(folder / "run"), of_processes


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    return count_training(tmp_path_factory.mktemp("counted"), "signal")


def test_processes_agree_once_a_step_and_wait_for_no_device(counted):
    """Beside what the joint batch needs: features are gathered, their gradients scattered."""
    for steps in counted[2]:
        for number in (*range(2, 10), *range(12, 17)):  # not logged, validated or stopped at
            within, after = split(steps[number], "end")
            assert set(within) == {
                "all_gather of the devices",
                "reduce_scatter of the devices",
                # transformers; on a CPU alone (`masked_without_waiting`)
                "__bool__ in masking_utils._ignore_bidirectional_mask_sdpa",
            }
            *collated, exchange, answer = after
            # Of the batch that is read, which is on no device yet.
            assert set(collated) == {"numpy in collate.distinct_words", "tolist in collate.texts"}
            assert (exchange, answer) == ("all_reduce of the hosts", "tolist in processes.agree")
        assert "__bool__ in window.look" in steps[10]  # what waits is seen: every tenth is logged


def split(items, at):
    place = items.index(at)
    return items[:place], items[place + 1 :]


def test_a_signal_to_one_process_stops_all_at_its_step(counted):
    ends, run, of_processes = counted
    assert ends == ["-2", "-2"]
    assert [max(steps) for steps in of_processes] == [17, 17]
    assert (run.status["state"], run.status["step"]) == ("interrupted", 17)
    assert run.history()[-1]["step"] == 17
    assert (run.checkpoint("last") / "trainer.pt").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "code", "state"), [("late", "0", "trained"), ("damaged", "2", "failed")]
)
def test_what_one_process_says_ends_all_at_its_step(tmp_path, end, code, state):
    ends, run, of_processes = count_training(tmp_path, end)
    assert ends == [code, code]
    assert [max(steps) for steps in of_processes] == [17, 17]
    assert (run.status["state"], run.status["step"]) == (state, 17)
    validated = [record["step"] for record in run.history() if "val_recall_at_5" in record]
    assert validated == ([11, 17] if end == "late" else [11])


@pytest.mark.slow
def test_two_processes_end_where_one_fails(tmp_path):
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += ["--num_processes", "2", "--num_machines", "1", "--main_process_port", "0"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = run_command([*launch, SCRIPT, tmp_path / "run", "error"], env=environment)
    state = Run(tmp_path / "run").status["state"]
    assert done.returncode != 0
    assert "this process was made to fail" in done.stderr
    assert state == "failed"


@pytest.mark.slow
def test_the_processes_of_several_trainings_end():
    """One launch in sixteen hung at exit, while a reducer of DDP outlived its group."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = run_command(
        [sys.executable, SCRIPT.with_name("many_launches.py"), "3"], 600, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 trainings of two processes ended" in done.stdout
