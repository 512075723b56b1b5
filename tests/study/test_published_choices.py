"""How protocols of published numbers and of our results differ, by one vocabulary."""

from dataclasses import replace
from pathlib import Path

import pytest

from reclf.tasks.results import read_result
from reclf.tasks.zero_shot import METRICS
from reclf_study.paper_table.choices import CHOICES, TASKS, choices_of
from reclf_study.paper_table.published import differing, load_published

RESULTS = Path(__file__).parents[2] / "notebooks" / "results"


def g2d(dataset):
    """G2D's own linear probe with all labels."""
    keys = ("G2D, Table 4", "linear_probe", "G2D", dataset, 1.0)
    (found,) = [
        n for n in load_published() if (n.source, n.task, n.method, n.dataset, n.fraction) == keys
    ]
    return found


PROTOCOL = {
    "options": {"splits": "probe"},
    "split": "test",
    "trained_on": "mimic_cxr",
    "image_size": 224,
    "encoder": "frozen",
    "batch_norm": "eval: running statistics",
}


def test_what_differs_in_a_fixed_order():
    number = g2d("chexpert")
    assert differing(number, "linear_probe", {"n": 4003, "protocol": PROTOCOL}) == [
        "pre-training data: 213,384 pairs there, MIMIC-CXR here",
        "test studies: 202 there, 4,003 here",
        "image size: not stated there",
        "classifier: linear layer there, logistic regression here",
        "BatchNorm: not stated there",
    ]
    other = PROTOCOL | {"options": {}, "encoder": "fine-tuned", "trained_on": None}
    found = differing(number, "linear_probe", {"n": 202, "protocol": other})
    assert found[:2] == [
        "pre-training data: 213,384 pairs there, not stated here",
        "test split: official valid there, test here",
    ]
    assert "encoder: frozen there, fine-tuned here" in found
    assert not any(line.startswith("test studies") for line in found)


def test_equal_protocols_do_not_differ():
    result = read_result(RESULTS / "linear_probe-phantom.json")
    number = g2d("rsna")
    ours = choices_of("linear_probe", result)
    assert differing(replace(number, choices=ours), "linear_probe", result) == []
    for name, value in ours.items():
        one = replace(number, choices=ours | {name: "another"})
        (line,) = differing(one, "linear_probe", result)
        assert line.startswith(f"{CHOICES[name][0]}: another there, ")
        assert str(value)[:3] in line


@pytest.mark.parametrize("task", [task for task in TASKS if task != "fine_tune"])
def test_results_of_ours_state_all_that_counts_in_a_task(task):
    result = read_result(RESULTS / f"{task}-phantom.json")
    always = {name for name, (_, tasks) in CHOICES.items() if task in tasks}
    assert always <= choices_of(task, result).keys()


def ours(task, measure="", **changes):
    result = read_result(RESULTS / f"{task}-phantom.json")
    protocol = result["protocol"] | changes
    return choices_of(task, result | {"protocol": protocol}, measure)


def test_choices_of_a_probe_of_ours():
    probe = ours("linear_probe", batch_norm="eval: running statistics; of the baseline: others")
    assert (probe["classifier"], probe["batch_norm"]) == ("logistic regression", "eval")
    assert "release" not in probe
    assert ours("linear_probe", options={"version": "CXR-4"})["release"] == "CXR-4"
    assert ours("linear_probe", split="val")["test_split"] == "val"


def test_choices_of_a_segmentation_of_ours():
    protocol = {"steps": 20, "batch_size": 4, "learning_rate": 0.01, "empty_mask_rule": "one"}
    found = ours("segmentation", **protocol)
    assert found["training"] == "steps 20, batch size 4, learning rate 0.01"
    assert (found["empty_masks"], found["background"]) == ("one", "none")


def test_choices_of_zero_shot_of_ours():
    metrics = read_result(RESULTS / "zero_shot-phantom.json")["metrics"]
    for measure in METRICS:  # accuracy is of the studies with exactly one finding
        assert ours("zero_shot", measure)["test_studies"] == metrics[measure]["n"]
    assert metrics["accuracy"]["n"] < metrics["auroc"]["n"]
    found = ours("zero_shot", prompt_set="nih", pooling="mean: mean of all prompts")
    assert (found["prompts"], found["pooling"]) == ("all of our set 'nih'", "mean")
    sampled = {"prompt_set": "nih", "pooling": "max_z: ...", "sampled_prompts": 7}
    found = ours("zero_shot", **sampled, normalization="z over the test set")
    assert (found["prompts"], found["pooling"]) == ("7 a class of our set 'nih'", "max")
    assert found["normalization"] == "z over the test set"


def test_choices_of_retrieval_of_ours():
    tables = {
        "recall": {"trained, global": {"n": 30}, "random, global": {"n": 30}},
        "precision": {"trained, global": {"n": 20}},
    }
    relevance = "reports with the same words; precision: the same set of positive labels"
    result = {**tables, "protocol": {"split": "test", "relevance": relevance}}
    found = choices_of("retrieval", result, "recall_at_5")
    assert (found["relevance"], found["candidates"]) == ("reports with the same words", 30)
    found = choices_of("retrieval", result, "precision_at_5")
    assert (found["relevance"], found["candidates"]) == ("the same set of positive labels", 20)
    result["protocol"]["split"] = "5x200"
    assert choices_of("retrieval", result, "precision_at_5")["relevance"] == "the same class"
    unlabeled = result | {"precision": {}}
    assert "candidates" not in choices_of("retrieval", unlabeled, "precision_at_5")


def test_choices_of_grounding_of_ours():
    n = read_result(RESULTS / "grounding-phantom.json")["n"]
    assert (ours("grounding")["phrases"], ours("grounding", heat="x")["map"]) == (n, "x")


def test_a_fine_tuned_segmentation_is_a_segmentation():
    result = read_result(RESULTS / "segmentation-phantom.json")
    tuned = choices_of("segmentation_fine_tuned", result)
    assert tuned == choices_of("segmentation", result)
    assert "decoder" in tuned
