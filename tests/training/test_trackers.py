"""Trackers of a training: any that Accelerate knows, told the numbers of metrics.jsonl."""

from typing import ClassVar

import pytest
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker
from accelerate.utils import LoggerType
from squares import run_training

from reclf.config import override
from reclf.pretrain import open_run
from reclf.training import runtime


def test_tensorboard_gets_the_same_numbers(tmp_path, config, studies):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = override(config, {"train.trackers": ["tensorboard"]})
    run, _ = run_training(tmp_path / "run", config, studies)
    (events,) = run.folder.rglob("events.out.*")
    accumulator = EventAccumulator(str(events.parent)).Reload()
    (logged,) = [e for e in accumulator.Scalars("loss") if e.step == 8]
    (record,) = [r for r in run.history() if "loss" in r and r["step"] == 8]
    assert logged.value == pytest.approx(record["loss"], rel=1e-5)


class Ledger(GeneralTracker):
    """What a tracker of another package is told."""

    name, requires_logging_directory = "ledger", False
    told: ClassVar[list] = []

    def __init__(self, project):
        super().__init__()
        self.told.append(project)

    tracker = None

    def store_init_configuration(self, values):
        self.told.append(values)

    def log(self, values, step):
        self.told.append((step, values))

    def finish(self):
        self.told.append("end")


def test_any_tracker_gets_settings_and_numbers(tmp_path, config, studies, monkeypatch):
    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, "ledger", Ledger)
    config = override(config, {"train.trackers": ["ledger"]})
    runtime.check_trackers(config.train.trackers)
    run, _ = run_training(tmp_path / "run", config, studies)
    project, settings, *logged, end = Ledger.told
    assert (project, end) == ("reclf", "end")
    assert settings["train.batch_size"] == config.train.batch_size
    assert settings["train.trackers"] == '["ledger"]'
    assert [step for step, _ in logged] == [record["step"] for record in run.history()]
    (record,) = [r for r in run.history() if "loss" in r and r["step"] == 8]
    assert (8, record["loss"]) in [(step, values.get("loss")) for step, values in logged]


def test_a_tracker_without_its_package_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "get_available_trackers", lambda: [LoggerType.TENSORBOARD])
    with pytest.raises(ValueError, match=r"'wandb', whose package is not installed: `pip install"):
        open_run(tmp_path / "run", {"train.trackers": ["tensorboard", "wandb"]})
    with pytest.raises(ValueError, match=r"train\.trackers must be one of .*mlflow.*got 'wanb'"):
        open_run(tmp_path / "run", {"train.trackers": ["wanb"]})
    assert not (tmp_path / "run").exists()
