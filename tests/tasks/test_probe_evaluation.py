"""Linear probes and fine-tuning of a run: which studies of which split they are fitted on."""

import numpy as np
import pytest
from evaluated_run import evaluate

from reclf.stats.tables import plain
from reclf.tasks.evaluations import linear_probe
from reclf.tasks.features import held_out
from reclf.tasks.linear_probe import first_part, ids_hash, stratified_order
from reclf.tasks.linear_probe import linear_probe as fit


@pytest.mark.parametrize("val_split", ["val", "test"])
def test_a_probe_of_each_fraction_is_fitted_on_its_studies(choose, val_split):
    names = ["edema", "nodule"]
    p = choose(
        "linear_probe", labels=names, fractions=[0.5, 1.0], train_studies=25, val_studies=20,
        studies=30, val_split=val_split, seed=1,
    )  # fmt: skip
    evaluation, written = evaluate(linear_probe, p)
    protocol, shown = written["protocol"], evaluation.shown
    task_run = linear_probe.open_task(p)
    train, test = task_run.pooled(25, "train"), task_run.pooled(30)
    if val_split == "test":
        held = held_out(train.patients)
        train, val = train.take(np.flatnonzero(~held)), train.take(np.flatnonzero(held))
        assert protocol["hyper_parameters"].startswith("chosen on a fifth of the patients of 'tr")
    else:
        val = task_run.pooled(20, "val")
        assert protocol["hyper_parameters"] == "chosen on split 'val'"
    assert shown.sizes == [len(train.ids), len(val.ids), 30]
    assert [protocol["train_studies"], protocol["val_studies"], protocol["studies"]] == shown.sizes
    labels = train.columns(names)
    order = stratified_order(labels, seed=1)
    for fraction in (0.5, 1.0):
        rows = first_part(order, fraction)
        assert shown.positives[fraction].tolist() == labels[rows].sum(0).tolist()
        assert protocol["label_fractions"][str(fraction)] == {
            "n": len(rows), "hash": ids_hash(train.ids, rows),
        }  # fmt: skip
        for who in ("trained", "random"):
            parts = [(part.features[who], part.columns(names)) for part in (train, val, test)]
            parts[0] = parts[0][0][rows], parts[0][1][rows]
            expected = plain(fit(*parts, names, False, seed=1))
            assert written["fractions"][str(fraction)][who] == expected
    assert {name: written[name] for name in expected} == written["fractions"]["1.0"]["trained"]
    assert written["untrained_baseline"] == written["fractions"]["1.0"]["random"]
    assert (protocol["metric"], protocol["encoder"]) == (
        "macro AUROC, NaN labels left out",
        "frozen",
    )
    assert "recipe" not in protocol
    assert "epochs" not in protocol


@pytest.mark.parametrize("val_split", ["val", "test"])
def test_fine_tuning_reads_the_studies_of_each_fraction_when_they_are_needed(
    choose, monkeypatch, val_split
):
    calls = []

    def tune(model, some, others, report, names, **given):
        calls.append((model, [[s.study_id for s in part] for part in (some, others, report)]))
        assert names == ["nodule", "edema"]
        assert {**given, "progress": ""} == {
            "exclusive": False, "epochs": 3, "seed": 2, "workers": 0, "progress": "",
        }  # fmt: skip
        return {"value": len(calls) / 10, "interval": None, "n": 9, "chance": 0.5, "per_class": {}}

    monkeypatch.setattr(linear_probe, "fine_tune", tune)
    p = choose(
        "linear_probe", fine_tune=True, labels=["nodule", "edema"], fractions=[0.3, 1.0], epochs=3,
        train_studies=20, val_studies=8, studies=9, val_split=val_split, seed=2,
    )  # fmt: skip
    task_run = linear_probe.open_task(p)
    evaluation = linear_probe.evaluate(task_run, p)
    assert evaluation.task == "fine_tune"
    train, test = task_run.pooled(20, "train"), task_run.pooled(9)
    val = task_run.pooled(8, "val")
    if val_split == "test":
        held = held_out(train.patients)
        train, val = train.take(np.flatnonzero(~held)), train.take(np.flatnonzero(held))
    order = stratified_order(train.columns(["nodule", "edema"]), seed=2)
    for (model, ids), (fraction, who) in zip(
        calls, [(f, who) for f in (0.3, 1.0) for who in ("trained", "random")], strict=True
    ):
        assert model is task_run.models[who]
        few = [train.ids[i] for i in first_part(order, fraction)]
        assert ids == [few, list(val.ids), list(test.ids)]
    assert (evaluation.result["value"], evaluation.result["untrained_baseline"]["value"]) == (
        0.3,
        0.4,
    )
    protocol = evaluation.protocol
    assert (protocol["encoder"], protocol["epochs"]) == ("fine-tuned", 3)
    assert protocol["batch_norm"] == "train mode while fine-tuning"
