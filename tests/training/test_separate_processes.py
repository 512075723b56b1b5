"""Several processes that do not know of each other do not train into one folder."""

import pytest

from reclf.config import TrainConfig
from reclf.pretrain import main
from reclf.training.runtime import STARTED, SeparateProcesses, make_accelerator


@pytest.mark.parametrize("name", STARTED)
def test_a_process_of_several_that_believes_it_is_alone_is_refused(name, tmp_path, monkeypatch):
    for other in STARTED:
        monkeypatch.delenv(other, raising=False)
    config = TrainConfig(device="cpu")
    for alone in ("1", ""):
        monkeypatch.setenv(name, alone)
        assert make_accelerator(config, tmp_path).num_processes == 1
    monkeypatch.setenv("SLURM_NTASKS", "4")  # of a batch script, which is one process
    assert make_accelerator(config, tmp_path).num_processes == 1
    monkeypatch.setenv(name, "4")
    with pytest.raises(SeparateProcesses, match=rf"4 processes were started \({name}\)"):
        make_accelerator(config, tmp_path)


def test_the_command_says_so_in_one_sentence_and_trains_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    settings = ["--set", "train.device=cpu", "--set", "train.max_steps=1"]
    with pytest.raises(SystemExit) as stop:
        main(["--run-dir", str(tmp_path / "run"), *settings])
    assert stop.value.code == 2
    said = capsys.readouterr().err.strip()
    assert "Add --multi_gpu to `accelerate launch`" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "run" / "checkpoints" / "last").exists()
