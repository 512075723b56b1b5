"""Prompt sets, poolings and what is reported of them."""

import importlib
import json
import math
import pkgutil

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from reclf import datasets
from reclf.datasets import open_i
from reclf.datasets.registry import load_dataset
from reclf.models.inference import encode_images, encode_texts, score_all
from reclf.stats.bootstrap import bootstrap_interval
from reclf.stats.estimate import Estimate
from reclf.tasks.linear_probe import label_result
from reclf.tasks.prompt_sets import POLARITIES, SHIPPED, load_prompts, shipped_set
from reclf.tasks.zero_shot import (
    PromptLogits,
    class_result,
    evaluate,
    score_prompts,
    score_studies,
    zero_shot,
)


def macro_f1(y_true, y_pred):
    """Of the classes that occur."""
    classes = np.unique(y_true)
    return f1_score(y_true, y_pred, labels=classes, average="macro", zero_division=0)


@pytest.fixture
def prompted():
    """Six images, classes "a" with 2 + 2 prompts and "b" with 3 + 1."""
    logits = np.random.default_rng(0).normal(size=(6, 8))
    columns = {
        "a": {"positive": [0, 1], "negative": [2, 3]},
        "b": {"positive": [4, 5, 6], "negative": [7]},
    }
    return PromptLogits({"combined": logits, "global": 2 * logits}, columns)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_shipped_sets_have_distinct_prompts_of_both_polarities(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["name"] == path.stem
    assert content["note"]
    for prompt in load_prompts(path.stem, list(content["classes"]))[0].values():
        assert set(prompt) == set(POLARITIES)
        texts = [text for polarity in POLARITIES for text in prompt[polarity]]
        assert len(texts) == len(set(texts))
        assert all(text[0].isupper() and text.endswith(".") for text in texts)
    prompts, source = load_prompts(path.stem, list(content["classes"]))
    assert source == path.stem
    assert list(prompts) == list(content["classes"])


def test_phantom_prompts_are_balanced_over_sides_and_zones():
    classes = json.loads((SHIPPED / "phantom.json").read_text())["classes"]
    for name in ("consolidation", "ground_glass_opacity", "atelectasis", "nodule"):
        texts = " ".join(classes[name]["positive"]).lower().split()
        counts = {word: texts.count(word) for word in ("left", "right")}
        assert counts["left"] == counts["right"], name


LOADERS = [
    info.name
    for info in pkgutil.iter_modules(datasets.__path__)
    if hasattr(importlib.import_module(f"reclf.datasets.{info.name}"), "write_tiny")
]
NAMELESS = {"Other diseases", "Other lesion"}  # no sentence says which


@pytest.mark.parametrize("name", [name for name in LOADERS if name != "prepared"])
def test_every_data_set_has_sentences_for_its_labels(tmp_path, name):
    root = importlib.import_module(f"reclf.datasets.{name}").write_tiny(tmp_path)
    assert shipped_set(name) != "labels"
    labels = load_dataset(name, root, "test", 32).labels
    prompts, _ = load_prompts(shipped_set(name), labels)
    assert set(labels) - set(prompts) <= NAMELESS


def test_sets_of_variants_and_of_unknown_data_sets(tmp_path):
    detailed, _ = load_prompts("rsna", ["Lung Opacity", "Normal", "No Lung Opacity / Not Normal"])
    assert len(detailed) == 3
    assert list(load_prompts("covidx", ["COVID-19"])[0]) == ["COVID-19"]  # CXR-4
    assert set(load_prompts("open_i", list(open_i.LABELS))[0]) == set(open_i.LABELS)
    classes = json.loads((SHIPPED / "vindr.json").read_text())["classes"]
    assert len(classes) == 28 - len(NAMELESS)
    assert shipped_set("table") == shipped_set("mine:Studies") == "labels"


def test_labels_are_found_whatever_their_spelling(tmp_path):
    path = tmp_path / "mine.json"
    prompt = {"positive": ["Yes."], "negative": ["No."]}
    path.write_text(json.dumps({"classes": {"Pleural Effusion": prompt, "Other": prompt}}))
    prompts, source = load_prompts(str(path), ["pleural_effusion", "unheard"])
    assert prompts == {"pleural_effusion": prompt}
    assert source == str(path)


def test_what_is_wrong_with_a_prompt_set_is_said(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"classes": {"a": {"positive": ["Yes."]}}}))
    with pytest.raises(ValueError, match=r"class 'a' of .* has no negative prompts"):
        load_prompts(str(path), ["a"])
    with pytest.raises(ValueError, match="no prompt set 'nosuch': shipped are chexpert, covidx, "):
        load_prompts("nosuch", ["a"])
    with pytest.raises(ValueError, match=r"no label has prompts in .*: labels x; classes"):
        load_prompts("siim", ["x"])


def test_prompts_from_label_names():
    prompts, _ = load_prompts("labels", ["Pleural_Effusion"])
    assert prompts["Pleural_Effusion"]["negative"][0] == "No pleural effusion."


def test_poolings_are_the_plain_formulas(prompted):
    x = prompted.logits["combined"]
    mean = np.stack([x[:, :2].mean(1) - x[:, 2:4].mean(1), x[:, 4:7].mean(1) - x[:, 7]], 1)
    np.testing.assert_allclose(prompted.class_scores("mean"), mean)
    one = np.stack([x[:, 0] - x[:, 2], x[:, 4] - x[:, 7]], 1)
    np.testing.assert_allclose(prompted.class_scores("one"), one)
    np.testing.assert_allclose(prompted.class_scores("one", "global", "positive"), 2 * x[:, [0, 4]])


def test_the_maximum_is_over_equally_many_sampled_prompts(prompted):
    x = prompted.logits["combined"]
    found = prompted.class_scores("max", rule="positive", sampled=5)
    np.testing.assert_allclose(found[:, 0], x[:, :2].max(1))
    pairs = [x[:, pair].max(1) for pair in ([4, 5], [4, 6], [5, 6])]  # 2 of the 3, as "a" has
    assert any(np.allclose(found[:, 1], pair) for pair in pairs)
    drawn = prompted.drawn(5, seed=0)
    assert {name: len(prompt["positive"]) for name, prompt in drawn.items()} == {"a": 2, "b": 2}
    np.testing.assert_array_equal(found[:, 1], x[:, drawn["b"]["positive"]].max(1))


def test_z_normalisation_is_over_the_test_set_and_so_depends_on_it(prompted):
    found = prompted.class_scores("max_z", rule="positive")
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(0), 1)
    half = PromptLogits({"combined": prompted.logits["combined"][:3]}, prompted.columns)
    assert not np.allclose(half.class_scores("max_z", rule="positive"), found[:3])
    np.testing.assert_allclose(
        half.class_scores("max", rule="positive"),
        prompted.class_scores("max", rule="positive")[:3],
    )


def test_z_normalisation_of_scores_that_are_all_alike_is_zero(prompted):
    x = prompted.logits["combined"]
    x[:, :2] = 5.0  # class "a" has one score for every image
    found = prompted.class_scores("max_z", rule="positive")
    assert found[:, 0].tolist() == [0.0] * 6
    best = x[:, prompted.drawn(5, seed=0)["b"]["positive"]].max(1)
    np.testing.assert_allclose(found[:, 1], (best - best.mean()) / np.sqrt(best.var()))


def test_unknown_choices_are_refused(prompted):
    with pytest.raises(ValueError, match="pooling must be one of mean, max, max_z, one"):
        prompted.class_scores("median")
    with pytest.raises(ValueError, match="score must be one of combined, global, got 'local'"):
        prompted.class_scores(score="local")


def test_accuracy_counts_studies_with_one_class():
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [math.nan, 1]])
    scores = np.array([[2, 1], [2, 1], [9, 0], [9, 0], [0, 1.0]])
    result = class_result(labels, scores, ["a", "b"])
    assert result["n"] == 3
    assert result["value"] == pytest.approx(2 / 3)
    assert result["per_class"] == {"a": pytest.approx(2 / 3), "b": pytest.approx(2 / 3)}
    assert 0.2 < result["chance"] < 0.8


@pytest.mark.parametrize(
    ("labels", "predicted", "counts", "right"),
    [
        ((1, 0, 0), 0, True, True),
        ((0, 0, 1), 1, True, False),
        ((math.nan, 1, math.nan), 1, True, True),  # one positive, whatever is not known
        ((0, 0, 0), 0, False, False),
        ((1, 0, 1), 0, False, False),
        ((1, 1, 1), 0, False, False),
        ((math.nan, 0, 0), 0, False, False),
        ((math.nan,) * 3, 0, False, False),
    ],
)
@pytest.mark.parametrize("rows", [1, 3])
def test_a_study_counts_for_accuracy_where_one_class_is_positive(
    labels, predicted, counts, right, rows
):
    """Beside a study of each of two classes, both found."""
    truth = np.array([(1, 0, 0), (0, 1, 0)] + [labels] * rows, dtype=float)
    scores = np.array([(3, 2, 1), (1, 3, 2)] + [np.roll((3, 2, 1), predicted)] * rows)
    result = class_result(truth, scores, ["a", "b", "c"])
    assert result["n"] == 2 + rows * counts
    assert result["value"] == pytest.approx((2 + rows * (counts and right)) / result["n"])


def test_a_single_class_is_a_yes_or_no_at_zero():
    labels = np.array([[1], [0], [1], [math.nan], [0]])
    scores = np.array([[0.5], [-1], [-2], [5.0], [0.0]])  # 0 itself is no
    result = class_result(labels, scores, ["Pneumonia"])
    assert result["n"] == 4
    assert result["value"] == pytest.approx(3 / 4)
    assert result["per_class"] == pytest.approx({"no Pneumonia": 4 / 5, "Pneumonia": 2 / 3})


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
@pytest.mark.parametrize("rows", [1, 4])
def test_one_study_or_one_class_has_a_value_and_no_interval(rows, metric):
    labels, scores = np.array([[1.0, 0.0]] * rows), np.array([[2.0, 1.0]] * rows)
    result = class_result(labels, scores, ["a", "b"], metric)
    assert (result["value"], result["interval"], result["n"]) == (1.0, None, rows)
    assert str(Estimate.of(result)) == "1.000"
    both = class_result(np.eye(2)[[0, 1, 1]], np.eye(2)[[0, 1, 0]], ["a", "b"], metric)
    assert both["interval"][0] < both["interval"][1]


@pytest.mark.parametrize("names", ["ab", "b"])
def test_prompts_and_intervals_are_drawn_by_the_seed(prompted, names):
    """Exclusive classes are chosen by positive prompts, one class alone by the difference."""
    chosen = PromptLogits(prompted.logits, {name: prompted.columns[name] for name in names})
    labels = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [0, 1], [1, 1]], float)[:, -len(names) :]
    for seed in (2, 7) if names == "b" else (2,):  # a thousand resamples by the plain way each
        found = evaluate(chosen, labels, "max", "global", "difference", 1, seed)
        ranked = chosen.class_scores("max", "global", "difference", 1, seed)
        rule = "positive" if len(names) > 1 else "difference"
        choice = chosen.class_scores("max", "global", rule, 1, seed)
        assert found["auroc"] == label_result(labels, ranked, names, seed)
        rows = labels.sum(1) == 1 if len(names) > 1 else np.full(6, True)
        truth, guess = labels.argmax(1)[rows], choice.argmax(1)[rows]
        if len(names) == 1:
            truth, guess = labels[:, 0].astype(int), (choice[:, 0] > 0).astype(int)
        for metric, score in (("accuracy", accuracy_score), ("macro_f1", macro_f1)):
            assert found[metric] == class_result(labels, choice, names, metric, seed)
            assert found[metric]["value"] == pytest.approx(score(truth, guess))
            both = {"y_true": truth, "y_pred": guess}
            interval = bootstrap_interval(both, score, resamples=1000, seed=seed)
            assert found[metric]["interval"] == pytest.approx(interval)
            random = np.random.default_rng(seed).integers(0, 2, (50, len(truth)))
            chance = np.mean([score(truth, one) for one in random])
            assert found[metric]["chance"] == pytest.approx(chance)


def test_no_study_with_one_class_gives_nan_and_not_an_error():
    result = class_result(np.ones((4, 2)), np.zeros((4, 2)), ["a", "b"])
    assert math.isnan(result.pop("value"))
    assert result == {"interval": None, "chance": 0.5, "n": 0, "per_class": {}}


def test_logits_are_those_of_retrieval_by_class_and_polarity(model, studies):
    prompts = {
        "x": {"positive": ["There is edema.", "Edema."], "negative": ["No edema."]},
        "y": {"positive": ["There is a nodule."], "negative": ["No nodule.", "Clear lungs."]},
    }
    images = encode_images(model, studies[:5])
    found = score_prompts(model, images, prompts)
    texts = [t for prompt in prompts.values() for p in POLARITIES for t in prompt[p]]
    expected = score_all(model, images, encode_texts(model, texts))
    np.testing.assert_allclose(found.logits["combined"], expected.logits, atol=1e-5)
    np.testing.assert_allclose(found.logits["local"], expected.logits_local, atol=1e-5)
    assert found.columns["y"] == {"positive": [3], "negative": [4, 5]}
    labels = np.array([[1, 0], [0, 1], [1, math.nan], [0, 0], [0, 1]])
    everything = evaluate(found, labels)
    assert everything["auroc"] == zero_shot(model, images, labels, prompts)
    assert everything["auroc"]["per_class"].keys() == {"x", "y"}


def test_one_pass_in_chunks_gives_the_same_with_labels_and_ids(model, build, studies):
    names = list(studies[0].labels)[:2]
    prompts, _ = load_prompts("phantom", names)
    models = {"trained": model, "other": build(aggregator="global")}
    found, labels, ids = score_studies(models, iter(studies[:7]), prompts, batch_size=3)
    for who, each in models.items():
        expected = score_prompts(each, encode_images(each, studies[:7]), prompts)
        assert found[who].columns == expected.columns
        assert found[who].logits.keys() == expected.logits.keys()
        for score, logits in expected.logits.items():
            np.testing.assert_allclose(found[who].logits[score], logits, rtol=1e-4, atol=1e-4)
    assert ids == [study.study_id for study in studies[:7]]
    assert labels.tolist() == [[study.labels[name] for name in names] for study in studies[:7]]


def test_a_model_without_matchings_has_no_local_score(build, studies):
    images = encode_images(build(aggregator="global"), studies[:2])
    prompts, _ = load_prompts("labels", ["edema"])
    assert set(score_prompts(build(aggregator="global"), images, prompts).logits) == {
        "combined", "global",
    }  # fmt: skip
