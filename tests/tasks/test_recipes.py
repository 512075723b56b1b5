"""The published division of CheXpert under one name: what it sets, and what a user may change."""

from types import SimpleNamespace

import numpy as np
import pytest
from notebook_runs import untrained_run

from reclf.config import merge
from reclf.datasets import chexpert
from reclf.datasets.labels import COMPETITION_LABELS, GLORIA_UNCERTAIN
from reclf.datasets.prepare import prepare
from reclf.tasks.evaluations import linear_probe
from reclf.tasks.recipes import RECIPES, follow

DEFAULTS = {
    "checkpoint": "best", "dataset": "", "data_root": "", "options": {}, "split": "", "name": "",
    "train_split": "train", "val_split": "val", "train_studies": 2000, "val_studies": 300,
    "studies": 500, "labels": [], "fractions": [1.0], "fine_tune": False, "epochs": 1, "seed": 0,
    "device": "cpu", "workers": 0, "recipe": "chexpert",
}  # fmt: skip


def parameters(**given):
    return SimpleNamespace(**DEFAULTS | given, given=frozenset(given))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = {"model.image_size": 64, "data.options": {"length": 30}}
    return untrained_run(tmp_path_factory.mktemp("runs") / "first", settings)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return chexpert.write_tiny(tmp_path_factory.mktemp("films"))


def test_the_official_valid_set_is_the_test_and_val_are_other_patients(run, root):
    p = parameters(run=str(run.folder), data_root=str(root))
    task_run = linear_probe.open_task(p)
    evaluation = linear_probe.evaluate(task_run, p)
    assert evaluation.shown.sizes == [15, 5, 10]  # frontal images of the tiny copy
    assert evaluation.shown.names == list(COMPETITION_LABELS)
    parts = {name: task_run.open_split(name) for name in ("train", "val", "test")}
    assert all("valid" in study.study_id for study in parts["test"])
    patients = [{study.patient_id for study in part} for part in parts.values()]
    assert not patients[0] & patients[1]
    labels = np.array([[s.labels[name] for name in COMPETITION_LABELS] for s in parts["train"]])
    assert set(labels.ravel()) == {0.0, 1.0}  # no blank and no uncertain one is left
    protocol = evaluation.protocol
    assert protocol["recipe"] == RECIPES["chexpert"].stated
    assert protocol["options"]["uncertain"] == GLORIA_UNCERTAIN
    assert (protocol["options"]["blank"], protocol["options"]["splits"]) == ("zero", "probe")
    assert evaluation.write(task_run).name == "linear_probe-chexpert.json"


def test_what_the_user_gives_beside_it_wins():
    found = follow(parameters(train_studies=100, labels=["Edema"], options={"uncertain": "nan"}))
    assert (found.train_studies, found.val_studies, found.studies) == (100, 5000, 0)
    assert found.labels == ["Edema"]
    assert found.options["uncertain"] == "nan"
    assert (found.split, found.train_split, found.val_split) == ("test", "train", "val")
    assert follow(found).__dict__ == found.__dict__
    plain = parameters(recipe="", train_studies=100)
    assert follow(plain) is plain


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"split": "val"}, "recipe 'chexpert' sets split to 'test', got 'val': leave one of"),
        ({"val_split": "test"}, "sets val_split to 'val', got 'test'"),
        ({"options": {"splits": "official"}}, "sets splits to 'probe', got 'official'"),
        ({"dataset": "nih"}, "dataset of recipe 'chexpert' must be one of chexpert, prepared or"),
        ({"recipe": "mgca"}, "recipe must be one of chexpert or empty, got 'mgca'"),
    ],
)
def test_what_would_make_it_another_recipe_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        follow(parameters(**given))


def test_a_prepared_copy_must_be_made_by_its_options(root, tmp_path):
    recipe = RECIPES["chexpert"]
    right = merge(recipe.options, {"splits": "probe", "reports": None})
    by_default = {key: value for key, value in right.items() if key != "views"}  # frontal, too
    for name, options in (
        ("right", right), ("by_default", by_default), ("wrong", right | {"blank": "nan"}),
        ("lateral", right | {"views": ["Frontal", "Lateral"]}),
    ):  # fmt: skip
        options = {key: value for key, value in options.items() if value is not None}
        prepare(
            tmp_path / name, "chexpert", str(root), image_size=32, options=options, processes=1,
            splits=("train", "val", "test"), progress=False,
        )  # fmt: skip
    given = {"dataset": "prepared", "data_root": str(tmp_path / "right")}
    found = follow(parameters(**given))
    assert (found.dataset, found.options, found.split) == ("prepared", {}, "test")
    follow(parameters(dataset="prepared", data_root=str(tmp_path / "by_default")))
    for name in ("wrong", "lateral"):
        with pytest.raises(ValueError, match=r"was prepared from 'chexpert' by .*prepare a copy"):
            follow(parameters(dataset="prepared", data_root=str(tmp_path / name)))
