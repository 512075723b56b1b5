"""A run under test: what is opened, the untrained baseline, the cache, what a result must say."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from evaluated_run import parameters

from reclf.config import RunConfig, TowerConfig
from reclf.datasets import nih
from reclf.datasets.prepare import prepare
from reclf.datasets.registry import load_dataset
from reclf.models.reclf import RECLF
from reclf.runs.run import Run
from reclf.tasks.evaluations import linear_probe as probe
from reclf.tasks.features import pooled_features
from reclf.tasks.grounding import find_items
from reclf.tasks.results import read_result
from reclf.tasks.scoreboard import lines_of
from reclf.tasks.segmentation import collect_masks
from reclf.tasks.task_run import TaskRun, model_hash

KEYS = {
    "value", "interval", "n", "untrained_baseline", "chance", "per_class", "training", "protocol",
}  # fmt: skip
PROTOCOL = {
    "dataset", "options", "split", "split_hash", "data_fingerprint", "gallery_hash",
    "trained_on", "patients_in_training", "checkpoint", "checkpoint_step", "checkpoint_hash",
    "encoder",
    "batch_norm", "image_size", "image_normalization", "precision", "untrained_baseline_seed",
    "interval", "seed",
}  # fmt: skip
RESULT = {
    "value": 0.5, "interval": [0.25, math.nan], "n": np.int64(3),
    "untrained_baseline": {"value": 0.1}, "chance": None, "per_class": {"a": np.float32(0.5)},
}  # fmt: skip


@pytest.fixture(scope="module")
def run(model, tmp_path_factory):
    """A run on 30 phantom studies per split whose model never trained."""
    config = RunConfig(model=model.config)
    config = replace(config, data=replace(config.data, options={"length": 30}))
    run = Run(tmp_path_factory.mktemp("bench") / "tiny", config)
    run.write_checkpoint("best", model.save_pretrained)
    run.set_status("done", step=9, best_step=7)
    return run


@pytest.fixture
def task_run(run):
    return TaskRun.open(parameters(run))


def test_an_empty_data_set_is_the_runs_own_with_its_options(task_run):
    assert (task_run.dataset, task_run.name, task_run.split) == ("phantom", "phantom", "test")
    assert len(task_run.open_split()) == len(task_run.open_split("train")) == 30
    assert task_run.open_split("train") is task_run.open_split("train")
    assert task_run.checkpoint_step == 7
    assert "checkpoint best of step 7, trained on 'phantom'" in str(task_run)


def test_labels_are_those_of_the_data_set_or_of_its_first_study(task_run, studies):
    assert task_run.labels == list(task_run.open_split().labels) == list(studies[0].labels)
    task_run.opened["test"] = studies[:2]  # a list knows of no labels
    assert task_run.labels == list(studies[0].labels)
    assert task_run.choose_labels([]) == task_run.labels
    assert task_run.choose_labels(["nodule", "edema"]) == ["nodule", "edema"]
    with pytest.raises(ValueError, match="phantom has no label Edema: its labels are consolida"):
        task_run.choose_labels(["nodule", "Edema"])
    task_run.opened["test"] = [replace(studies[0], labels={})]
    with pytest.raises(ValueError, match="its labels are none"):
        task_run.choose_labels([])


def test_another_data_set_has_options_of_its_own(run, tmp_path):
    root = nih.write_tiny(tmp_path / "films")
    task_run = TaskRun.open(
        parameters(run, dataset="nih", data_root=str(root), options={"boxes": False}, split="val")
    )
    assert task_run.options == {"boxes": False}
    assert (task_run.name, task_run.split, task_run.loader) == ("nih", "val", "nih")
    assert task_run.open_split().split == "val"
    table = TaskRun.open(parameters(run, dataset="table", data_root=str(tmp_path / "Lungs")))
    assert table.name == "lungs"
    named = TaskRun.open(parameters(run, dataset="mine:Studies", name="hospital_b"))
    assert named.name == "hospital_b"
    assert TaskRun.open(parameters(run, dataset="mine:Studies")).name == "studies"


def test_a_choice_is_checked_before_the_model_is_loaded(run, monkeypatch):
    monkeypatch.setattr(RECLF, "from_pretrained", None)  # whoever loads fails
    for given, message in [
        ({"device": "gpu"}, "device must be one of auto, cpu, cuda, got 'gpu'"),
        ({"checkpoint": "first"}, "checkpoint must be one of best, last, start, got 'first'"),
        ({"dataset": "nhi"}, "unknown data set 'nhi'"),
        ({"options": {"hospitl": "B"}}, "no option 'hospitl'; did you mean 'hospital'"),
        ({"workers": -1}, "workers must not be negative, got -1"),
        ({"split": "tset"}, "split must be one of train, val, test, got 'tset'; did you mean"),
    ]:
        with pytest.raises(ValueError, match=message):
            TaskRun.open(parameters(run, **given))
    with pytest.raises(ValueError, match="split must be one of train, val, test, got 'trian'"):
        TaskRun.open(parameters(run), "trian")


def test_a_run_without_a_checkpoint_says_so(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run in .*nothing.*make pretrain"):
        TaskRun.open(parameters(SimpleNamespace(folder=tmp_path / "nothing")))
    empty = Run(tmp_path / "empty", run.config)
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing.*checkpoints/best"):
        TaskRun.open(parameters(empty))


def test_what_an_aligned_start_gave_can_be_asked(model, run, tmp_path):
    begun = Run(tmp_path / "begun", run.config)
    begun.write_checkpoint("start", model.save_pretrained)
    task_run = TaskRun.open(parameters(begun, checkpoint="start"))
    assert task_run.checkpoint_step == 0
    assert "checkpoint start of step 0" in str(task_run)
    with pytest.raises(FileNotFoundError, match=r"checkpoints/start is missing: .*aligned_start"):
        TaskRun.open(parameters(run, checkpoint="start"))


def pretrained_run(model, folder):
    """A run whose image tower was read from a folder and then trained; and that folder."""
    tower = folder / "tower"
    model.export_image_tower(tower)
    image_tower = TowerConfig(name=str(tower))
    trained = RECLF(replace(model.config, image_tower=image_tower), model.tokenizer)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.5)
    config = RunConfig(model=trained.config)
    data = replace(config.data, options={"length": 60})
    run = Run(folder / "run", replace(config, data=data))
    run.write_checkpoint("best", trained.save_pretrained)
    run.set_status("done", step=9, best_step=7)
    return run, tower


def test_a_run_with_a_pretrained_tower_has_its_initialization_as_a_row(model, tmp_path):
    run, tower = pretrained_run(model, tmp_path)
    given = parameters(
        run, train_split="train", val_split="val", train_studies=0, val_studies=0, studies=0,
        epochs=1, fractions=[1.0], labels=["nodule"], fine_tune=False, recipe="",
    )  # fmt: skip
    task_run = probe.open_task(given)
    assert set(task_run.models) == {"trained", "random", "start"}
    evaluation = probe.evaluate(task_run, given)
    (found,) = evaluation.result["fractions"].values()
    assert found["start"]["n"] == 60
    assert evaluation.protocol["initialization"] == str(tower)
    (line,) = lines_of("linear_probe", read_result(evaluation.write(task_run)))
    assert line.start["value"] == found["start"]["value"]
    # A task that reads reports too would only measure projections which nobody trained.
    assert set(TaskRun.open(given).models) == {"trained", "random"}


def test_an_initialization_that_is_gone_has_no_row_and_says_why(model, tmp_path, capsys):
    run, tower = pretrained_run(model, tmp_path)
    tower.rename(tmp_path / "moved")
    task_run = TaskRun.open(parameters(run), images_only=True)
    assert set(task_run.models) == {"trained", "random"}
    said = f"cannot load the image tower {str(tower)!r} (no such folder)"
    assert f"The initialization has no row: {said}" in capsys.readouterr().out
    assert said in task_run.protocol([])["initialization"]


def test_the_hash_of_a_model_follows_weights_and_settings(model, build):
    before = model_hash(model)
    assert before == model_hash(model)
    changed = build()
    with torch.no_grad():
        changed.image_encoder.project_whole.bias[0] += 1e-6
    assert len({before, model_hash(changed), model_hash(build(attention_scale=5.0))}) == 3


def test_studies_are_drawn_by_the_seed_and_not_the_first_ones(run, task_run):
    data = task_run.open_split()
    chosen = task_run.subset(data, 8).indices
    assert list(chosen) == sorted(set(chosen))
    assert list(chosen) != list(range(8))
    assert chosen == task_run.subset(data, 8).indices
    assert chosen != TaskRun.open(parameters(run, seed=4)).subset(data, 8).indices
    assert len(task_run.subset(data, 0)) == len(task_run.subset(data, 99)) == 30
    assert len(task_run.studies(8)) == 8
    endless = load_dataset("phantom", "", "train", 64)
    with pytest.raises(ValueError, match="say how many to take, 0 takes all"):
        task_run.subset(endless, 0)


def test_pooled_features_are_kept_by_model_and_data(task_run, monkeypatch):
    first = task_run.pooled(6)
    assert set(first.features) == {"trained", "random"}
    files = set((task_run.run.folder / "cache").iterdir())

    def refuse(*given):
        raise AssertionError("encoded again")

    monkeypatch.setattr(RECLF, "encode_images", refuse)
    again = task_run.pooled(6)
    np.testing.assert_array_equal(again.features["trained"], first.features["trained"])
    monkeypatch.undo()
    task_run.pooled(5)
    with torch.no_grad():
        task_run.model.log_logit_scale += 0.1
    task_run.pooled(6)
    assert len(set((task_run.run.folder / "cache").iterdir()) - files) == 2
    monkeypatch.setattr(type(task_run.open_split()), "fingerprint", None)
    assert task_run.cached("pooled", None, "x") is None  # it may change unseen
    task_run.pooled(6)
    assert len(set((task_run.run.folder / "cache").iterdir()) - files) == 2


def test_a_protocol_has_every_shared_choice_and_a_hash_of_the_studies(task_run):
    protocol = task_run.protocol(["a", "b"], seed_of_task=1, encoder="fine-tuned")
    assert protocol.keys() == PROTOCOL | {"seed_of_task"}
    assert protocol["encoder"] == "fine-tuned"
    assert protocol["checkpoint_step"] == 7
    assert protocol["options"] == {"length": 30}
    assert protocol["split_hash"] == task_run.protocol(["a", "b"])["split_hash"]
    assert protocol["split_hash"] != task_run.protocol(["a", "c"])["split_hash"]
    assert task_run.protocol([])["encoder"] == "frozen"


def test_a_result_has_its_parts_and_what_the_training_took(task_run):
    task_run.run.set_status("done", step=9, best_step=7, seconds=301.5)
    path = task_run.write("task", RESULT, task_run.protocol(["a"]))
    assert path.name == "task-phantom.json"
    found = json.loads(path.read_text())
    assert found.keys() == KEYS
    assert found["training"] == {"steps": 9, "seconds": 301.5}
    assert found["interval"] == [0.25, None]  # NaN
    assert found["per_class"] == {"a": 0.5}
    for name in RESULT:
        rest = {key: value for key, value in RESULT.items() if key != name}
        with pytest.raises(ValueError, match=rf"a result of 'task' must have \['{name}'\]"):
            task_run.write("task", rest, {})


def test_a_result_without_a_number_is_refused_with_a_next_step(task_run):
    task_run.require_value(RESULT)
    with pytest.raises(ValueError, match=r"3 studies of 'phantom', split 'test', give no number"):
        task_run.require_value({**RESULT, "value": math.nan})


def test_a_figure_goes_into_the_run(task_run):
    from matplotlib.figure import Figure

    path = task_run.save_figure("task", Figure((2, 1)))
    assert path == task_run.run.folder / "figures" / "task-phantom.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in path.parent.iterdir()] == ["task-phantom.png"]


def test_a_prepared_copy_is_read_like_its_source(run, task_run, tmp_path):
    options = {"length": 12}
    prepare(
        tmp_path, "phantom", "", image_size=64, options=options, processes=1, progress=False,
        splits=("train", "test"),
    )  # fmt: skip
    copy = TaskRun.open(parameters(run, dataset="prepared", data_root=str(tmp_path)))
    raw = TaskRun.open(parameters(run, options=options))
    assert (copy.name, copy.loader, copy.split) == ("phantom", "phantom", "test")
    for split in ("train", "test"):
        mine, theirs = copy.pooled(5, split), raw.pooled(5, split)
        assert (mine.ids, mine.patients, mine.names) == (theirs.ids, theirs.patients, theirs.names)
        np.testing.assert_array_equal(mine.labels, theirs.labels)
        np.testing.assert_allclose(mine.features["trained"], theirs.features["trained"], atol=1e-3)
    mine, theirs = copy.studies(), raw.studies()
    assert [s.report for s in mine] == [s.report for s in theirs]
    assert torch.equal(collect_masks(mine).truth, collect_masks(theirs).truth)
    for a, b in zip(find_items(mine), find_items(theirs), strict=True):
        assert (a.phrase, a.words, a.label) == (b.phrase, b.words, b.label)
        assert (a.mask == b.mask).all()
    assert len(copy.gallery(5)) == 5


def test_workers_read_the_same_studies_in_the_same_order(run, task_run):
    many = TaskRun.open(parameters(run, workers=2))
    expected = task_run.studies(21)
    assert [s.study_id for s in many.studies(21)] == [s.study_id for s in expected]
    mine = pooled_features(many.models, many.read(21))
    assert mine.ids == tuple(s.study_id for s in expected)
    theirs = pooled_features(task_run.models, expected)
    np.testing.assert_array_equal(mine.features["trained"], theirs.features["trained"])


def test_workers_read_a_gallery_too(run, tmp_path):
    given = {"dataset": "nih", "data_root": str(nih.write_tiny(tmp_path)), "split": "train"}
    alone = TaskRun.open(parameters(run, **given)).gallery(3)
    read = [s.study_id for s in TaskRun.open(parameters(run, **given, workers=1)).gallery(3)]
    assert read == [study.study_id for study in alone]
    assert len(set(read)) == 3


def test_the_protocol_states_the_precision_of_the_encoders(task_run, monkeypatch):
    assert task_run.protocol([])["precision"] == "float32"
    monkeypatch.setattr("reclf.tasks.task_run.encoder_precision", lambda device: "bfloat16")
    stated = task_run.protocol([])["precision"]
    assert stated == "encoders bfloat16, features and scores float32"
