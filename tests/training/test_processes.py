"""Several processes: their joint batch, and that they end, whole or not."""

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
