"""What a file names is imported on its user's word alone, and must be what is asked for."""

import io
import json
import sys
from types import SimpleNamespace

import pytest
import torch

from reclf.config import RunConfig
from reclf.models.baselines import untrained_like
from reclf.models.reclf import RECLF
from reclf.models.relations import AGGREGATORS
from reclf.pretrain import main, open_run
from reclf.runs.run import Run
from reclf.tasks.task_run import TaskRun

GIVEN = {
    "checkpoint": "best", "dataset": "", "data_root": "", "options": {}, "split": "", "name": "",
    "seed": 0, "device": "cpu",
}  # fmt: skip


class Mine(AGGREGATORS["mean"]):
    pass


MINE = f"{__name__}:Mine"


@pytest.fixture
def run(tmp_path, tiny):
    """A run of one's own aggregator."""
    model = RECLF(tiny(aggregator=MINE))
    run = Run(tmp_path / "mine", RunConfig(model.config))
    for name in ("best", "last"):
        run.write_checkpoint(name, model.save_pretrained)
    run.set_status("interrupted", step=1)
    return run


def test_a_class_that_is_handed_over_is_not_imported(run, monkeypatch):
    monkeypatch.delitem(sys.modules, __name__)
    monkeypatch.setattr(sys, "path", [])  # it could not be
    model = RECLF.from_pretrained(run.checkpoint("best"), aggregator=Mine)
    assert type(model.aggregator) is Mine
    assert type(untrained_like(model, 0).aggregator) is Mine
    again = RECLF.from_pretrained(run.checkpoint("best"), **model.code)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_trust_imports_it(run):
    with pytest.raises(ValueError, match=r"best/config\.json names code to run, model\.aggregator"):
        RECLF.from_pretrained(run.checkpoint("best"))
    assert type(RECLF.from_pretrained(run.checkpoint("best"), trust_code=True).aggregator) is Mine
    p = SimpleNamespace(run=str(run.folder), **GIVEN)
    with pytest.raises(ValueError, match="names code to run"):
        TaskRun.open(p)
    p.trust_code = True
    assert type(TaskRun.open(p).models["random"].aggregator) is Mine


def test_what_is_no_aggregator_is_refused_with_trust(run, tiny, tmp_path):
    with pytest.raises(TypeError, match="must be a subclass of"):
        RECLF.from_pretrained(run.checkpoint("best"), aggregator=dict)
    path = run.checkpoint("best") / "config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | {"aggregator": "os:system"}))
    (path.parent / "checksums.json").unlink()
    with pytest.raises(TypeError, match="'os:system' must be a subclass of"):
        RECLF.from_pretrained(path.parent, trust_code=True)
    RECLF(tiny(aggregator="mean")).save_pretrained(tmp_path / "mean")
    with pytest.raises(ValueError, match="is 'mean', and Mine was handed over"):
        RECLF.from_pretrained(tmp_path / "mean", aggregator=Mine)


def test_a_run_goes_on_by_trust_or_when_its_class_is_named_again(run):
    with pytest.raises(ValueError, match=r"mine/config\.json names code to run.*name it again"):
        open_run(run.folder)
    named = open_run(run.folder, {"model.aggregator": MINE})
    assert named.config == open_run(run.folder, trust_code=True).config
    assert type(RECLF(named.config.model).aggregator) is Mine


def test_the_command_line_asks_nobody(run, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 9))
    with pytest.raises(SystemExit):
        main(["--run-dir", str(run.folder)])
    assert "or --trust-code" in capsys.readouterr().err
    assert sys.stdin.read(2) == "y\n"
