"""Task evaluations as functions: what they say of data that a notebook test has not."""

from importlib import import_module

import numpy as np
import pytest
from evaluated_run import check_protocol, evaluate

from reclf.datasets import ms_cxr, rsna
from reclf.stats.estimate import Estimate
from reclf.stats.tables import plain
from reclf.tasks.evaluations import grounding, segmentation
from reclf.tasks.grounding import find_items
from reclf.tasks.linear_probe import first_part, stratified_order
from reclf.tasks.scoreboard import table
from reclf.tasks.segmentation import dice_result, marking_all_or_nothing, place_prior

LEAST = {
    "zero_shot": {"studies": 0, "sampled": 1},
    "linear_probe": {"train_studies": 0, "val_studies": 0, "studies": 0, "epochs": 1},
    "retrieval": {"studies": 0, "shortlist": 1, "k": 1, "score_all_up_to": 0},
    "segmentation": {
        "train_studies": 0, "val_studies": 0, "studies": 0, "steps": 1, "batch_size": 1,
        "learning_rate": 1e-9,
    },
    "grounding": {"studies": 0},
}  # fmt: skip
CHOICES = {
    "zero_shot": ("pooling", "score", "rule", "metric"),
    "linear_probe": (),
    "retrieval": ("metric", "index"),
    "segmentation": ("empty_masks",),
    "grounding": ("phrases", "heat", "metric"),
}


@pytest.mark.parametrize("task", sorted(LEAST))
def test_numbers_below_their_least_and_unknown_choices_are_refused_together(choose, task):
    module = import_module(f"reclf.tasks.evaluations.{task}")
    assert module.open_task(choose(task, **LEAST[task])).split == "test"
    below = {
        name: least * 0.5 if 0 < least < 1 else least - 1 for name, least in LEAST[task].items()
    }
    with pytest.raises(ValueError, match=r"must be") as refused:
        module.open_task(choose(task, **below | dict.fromkeys(CHOICES[task], "nosuch")))
    said = str(refused.value)
    for name, least in LEAST[task].items():
        assert f"{name} must be at least {least:g}, got {below[name]}" in said
    for name in CHOICES[task]:
        assert f"{name} must be one of " in said
    assert said.count(" must be ") == len(LEAST[task]) + len(CHOICES[task])


@pytest.mark.parametrize("named", ["auto", "labels"])
def test_grounding_of_ms_cxr_looks_for_its_phrases_and_of_others_for_their_words(
    choose, tmp_path, named
):
    given = {"dataset": "ms_cxr", "data_root": str(ms_cxr.write_tiny(tmp_path)), "split": "train"}
    p = choose("grounding", **given, phrases=named)
    task_run = grounding.open_task(p)
    evaluation = grounding.evaluate(task_run, p)
    phrases = "report" if named == "auto" else "labels"
    assert evaluation.protocol["phrases"] == phrases
    items = find_items(task_run.studies(0), phrases)
    assert [i.text for i in evaluation.shown.items] == [i.text for i in items]
    check_protocol(evaluation, task_run)


def test_grounding_with_one_phrase_has_no_control_by_another(choose, tmp_path):
    root = str(rsna.write_tiny(tmp_path))
    p = choose("grounding", dataset="rsna", data_root=root, split="train")
    evaluation, written = evaluate(grounding, p)
    assert len({item.phrase for item in evaluation.shown.items}) == 1
    assert len(evaluation.shown.items) > 1
    for who in ("trained", "random"):
        assert written["controls"][f"{who}, shuffled phrases"] is None
    assert written["other_phrase"] == {
        "n": 0, "n_of_another_label": 0, "trained_minus_other": None,
    }  # fmt: skip
    (line,) = (x for x in table({"grounding-rsna": written}).splitlines() if "another phrase" in x)
    assert "| not applicable |" in line


def test_grounding_by_another_phrase_is_paired_with_the_phrase_itself(choose):
    evaluation, written = evaluate(grounding, choose("grounding", studies=12, metric="miou"))
    other, shown = written["other_phrase"], evaluation.shown
    assert other["n"] == other["n_of_another_label"] == len(shown.items) > 10
    mine, theirs = written["value"], written["controls"]["trained, shuffled phrases"]["value"]
    for name, control in written["controls"].items():
        assert control == plain(shown.found[name])
    controls = ["center of the image", "noise", "random, shuffled phrases"]
    assert sorted(written["controls"]) == [*controls, "trained, shuffled phrases"]
    assert written["chance"] == shown.found["noise"]["measures"]["miou"]["value"]
    assert shown.chance["pointing"] == written["area"]  # known exactly, as is a sign
    assert shown.chance["cnr_signed"] == 0.0
    assert written["untrained_baseline"] == plain(shown.found["untrained baseline"])
    assert written["value"] == shown.found["trained"]["measures"]["miou"]["value"]
    gain = Estimate.of(other["trained_minus_other"])
    assert gain.value == pytest.approx(mine - theirs)
    assert gain.low < gain.value < gain.high
    assert gain.n == written["n_studies"]
    assert "another phrase" in table({"grounding-phantom": written})


FEW_STEPS = {"steps": 4, "fractions": [1.0], "train_studies": 20, "val_studies": 6, "studies": 6}


@pytest.mark.parametrize("fine_tune", [False, True])
def test_segmentation_chooses_its_steps_on_validation(choose, fine_tune):
    given = {"fractions": [0.6], "empty_masks": "one", "seed": 1}
    p = choose("segmentation", **FEW_STEPS | given, fine_tune=fine_tune)
    evaluation, written = evaluate(segmentation, p)
    shown = evaluation.shown
    assert evaluation.task == ("segmentation_fine_tuned" if fine_tune else "segmentation")
    assert written["protocol"]["encoder"] == ("fine-tuned" if fine_tune else "frozen")
    assert ("encoder: running statistics" in written["protocol"]["batch_norm"]) == fine_tune
    ids = [set(part.ids) for part in (shown.train, shown.val, shown.test)]
    assert [len(one) for one in ids] == [20, 6, 6]
    assert len(set.union(*ids)) == 32
    assert written["protocol"]["model_selection"] == (
        "the best Dice of 10 evaluations, on split 'val'"
    )
    assert written["steps"] in (1, 2, 3, 4)
    assert written["untrained_baseline"]["steps"] in (1, 2, 3, 4)
    # the reported numbers are those of the masks that are shown
    found = plain(dice_result(shown.predicted, shown.test, "one", seed=1))
    assert {name: written[name] for name in found if name != "per_study"} == {
        name: value for name, value in found.items() if name != "per_study"
    }
    np.testing.assert_array_equal(plain(shown.dice), found["per_study"])
    assert "per_study" not in written["untrained_baseline"]
    assert written["chance"] == marking_all_or_nothing(shown.test, "one")
    assert written["place_prior"] == place_prior(shown.train, shown.test, "one")
    order = stratified_order(shown.train.presence(), seed=1)
    assert [rows.tolist() for rows in shown.parts.values()] == [
        first_part(order, fraction).tolist() for fraction in p.fractions
    ]
    assert {f: given["n"] for f, given in written["protocol"]["label_fractions"].items()} == {
        "0.6": 12,
    }  # fmt: skip
    last = written["fractions"]["0.6"]
    assert last["trained"] == {name: written[name] for name in last["trained"]}
    assert last["random"] == written["untrained_baseline"]


@pytest.mark.parametrize("val_split", ["test", "train"])
def test_neither_the_reported_nor_the_learned_studies_choose_the_steps(choose, val_split):
    p = choose("segmentation", **FEW_STEPS, val_split=val_split)
    evaluation, written = evaluate(segmentation, p)
    shown = evaluation.shown
    ids = [set(part.ids) for part in (shown.train, shown.val, shown.test)]
    assert len(ids[0]) + len(ids[1]) == 20
    assert ids[1]
    assert not ids[1] & (ids[0] | ids[2])
    assert written["protocol"]["model_selection"].endswith(
        "a fifth of the patients of 'train', by hash"
    )


def test_studies_that_show_nothing_choose_no_steps(choose):
    p = choose("segmentation", **FEW_STEPS | {"val_studies": 1, "classes": ["cardiomegaly"]})
    task_run = segmentation.open_task(p)
    bare = next(i for i in range(30) if "cardiomegaly" not in task_run.open_split("val")[i].masks)
    task_run.subset = lambda data, n=0: [data[bare]] if n == 1 else [data[i] for i in range(n)]
    with pytest.raises(ValueError, match="none of 1 studies of split 'val' shows cardiomegaly"):
        segmentation.evaluate(task_run, p)
