"""Which data a task reads, wherever it lies, and whose patients the run has learned from."""

from dataclasses import replace

import pandas as pd
import pytest
from evaluated_run import parameters

from reclf.config import DataConfig, RunConfig
from reclf.datasets import mimic_cxr, ms_cxr, nih
from reclf.datasets.patient_hashes import patient_hashes
from reclf.datasets.prepare import prepare
from reclf.datasets.registry import load_dataset
from reclf.runs.run import Run
from reclf.runs.training_patients import record_patients, recorded_patients
from reclf.tasks.task_run import TaskRun


def test_patients_that_the_run_has_learned_from_are_told(model, tmp_path):
    root = mimic_cxr.write_tiny(tmp_path / "mimic")
    mimic_cxr.make_5x200(root, per_class=1)
    options = {"exclude_patients": ["11000003"]}
    data = DataConfig(dataset="mimic_cxr", root=str(root), options=options)
    run = Run(tmp_path / "run", RunConfig(model=model.config, data=data))
    run.write_checkpoint("best", model.save_pretrained)

    def told(split, dataset="", folder="", **options):
        p = parameters(run, dataset=dataset, data_root=str(folder), split=split, options=options)
        opened = TaskRun.open(p)
        studies = list(opened.open_split().patient_of)
        return opened.protocol(studies)["patients_in_training"]

    assert told("test") is None  # of a run that did not record them
    train = load_dataset("mimic_cxr", root, "train", **options)
    record_patients(run.folder, patient_hashes("mimic_cxr", train).values())
    # 15 patients of train, without those of the gallery and the one that is left out
    assert len(recorded_patients(run.folder)) == 9
    assert not {"10000002", "mimic_cxr"} & recorded_patients(run.folder)
    for split, patients in (("test", 7), ("val", 7), ("5x200", 5)):
        assert told(split) == f"0 of {patients}"
    with pytest.warns(UserWarning, match=r"learned from 9 of the 10 patients of 'mimic_cxr' that"):
        assert told("train", exclude_patients=[]) == "9 of 10"
    # MS-CXR has ids of MIMIC-CXR; NIH's are its own, whatever they look like.
    phrases = ms_cxr.write_tiny(tmp_path / "phrases")
    with pytest.warns(UserWarning, match=r"learned from 1 of the 3 patients of 'ms_cxr'"):
        assert told("train", "ms_cxr", phrases) == "1 of 3"
    record_patients(run.folder, patient_hashes("rsna", train).values())
    assert len(recorded_patients(run.folder)) == 18  # what an earlier sitting saw stays
    films = nih.write_tiny(tmp_path / "films")
    table = pd.read_csv(films / "Data_Entry_2017_v2020.csv", dtype=str)
    table["Patient ID"] = "10000002"
    table.to_csv(films / "Data_Entry_2017_v2020.csv", index=False)
    lists = films / "train_val_list.txt", films / "test_list.txt"
    lists[1].write_text(lists[0].read_text() + lists[1].read_text())
    assert told("test", "nih", films) == "0 of 1"


def test_a_prepared_copy_has_the_patients_of_its_source(tmp_path):
    raw = mimic_cxr.write_tiny(tmp_path / "raw")
    prepare(tmp_path / "copy", "mimic_cxr", raw, image_size=32, processes=1, progress=False)
    of_raw = patient_hashes("mimic_cxr", load_dataset("mimic_cxr", raw, "train", 32))
    copy = load_dataset("prepared", tmp_path / "copy", "train", 32)
    assert patient_hashes("prepared", copy) == of_raw
    assert patient_hashes("phantom", load_dataset("phantom")) is None


def test_the_runs_own_folder_is_known_by_any_path(model, tmp_path, monkeypatch):
    nih.write_tiny(tmp_path / "films")
    monkeypatch.chdir(tmp_path)
    config = RunConfig(model=model.config)
    data = replace(
        config.data, dataset="nih", root="films", options={"boxes": False}, test_split="val"
    )
    run = Run(tmp_path / "run", replace(config, data=data))
    run.write_checkpoint("best", model.save_pretrained)
    for root in ("", "films", str(tmp_path / "films")):
        task_run = TaskRun.open(parameters(run, data_root=root))
        assert task_run.split == "val"
        assert task_run.options == {"boxes": False}
        assert task_run.root == str(tmp_path / "films")


def test_the_runs_own_data_set_keeps_its_options_wherever_it_lies(model, tmp_path):
    nih.write_tiny(tmp_path / "moved")
    config = RunConfig(model=model.config)
    options = {"boxes": False, "on_problem": "skip"}
    data = replace(config.data, dataset="nih", root="gone", options=options, test_split="val")
    run = Run(tmp_path / "run", replace(config, data=data))
    run.write_checkpoint("best", model.save_pretrained)
    moved = {"data_root": str(tmp_path / "moved")}
    for named in ("", "nih"):
        task_run = TaskRun.open(parameters(run, **moved, dataset=named))
        assert (task_run.options, task_run.split) == (options, "val")
        assert task_run.open_split().split == "val"
    given = {"on_problem": None, "cache": "memory"}
    task_run = TaskRun.open(parameters(run, **moved, options=given))
    assert task_run.options == {"boxes": False, "cache": "memory"}
    other = TaskRun.open(parameters(run, dataset="table", data_root=str(tmp_path / "moved")))
    assert (other.options, other.split) == ({}, "test")
