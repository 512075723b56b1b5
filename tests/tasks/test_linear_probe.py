"""Label fractions, the probe on features of known content, and fine-tuning."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from reclf.stats.bootstrap import bootstrap_interval
from reclf.stats.classification import macro_auroc, macro_auroc_interval
from reclf.tasks.features import held_out, pooled_features
from reclf.tasks.fine_tune import _loss, fine_tune
from reclf.tasks.linear_probe import (
    STRENGTHS,
    _best,
    choice_result,
    first_part,
    ids_hash,
    is_exclusive,
    label_result,
    linear_probe,
    stratified_order,
)
from reclf.tasks.logistic import logistic_path


def make_set(n, seed, classes=3, noise=0.5):
    """Features (n, 5) whose first columns are the labels plus noise."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, (n, classes)).astype(float)
    features = generator.normal(size=(n, 5)) * noise
    features[:, :classes] += labels
    return features, labels


@pytest.fixture
def labels():
    generator = np.random.default_rng(1)
    labels = (generator.random((203, 3)) < [0.5, 0.2, 0.05]).astype(float)
    labels[generator.random((203, 3)) < 0.1] = math.nan
    return labels


def test_fractions_are_nested_and_every_pattern_has_its_share(labels):
    order = stratified_order(labels, seed=4)
    assert sorted(order) == list(range(203))
    parts = [set(first_part(order, fraction)) for fraction in (0.01, 0.1, 0.5, 1.0)]
    assert [len(part) for part in parts] == [2, 20, 102, 203]
    assert parts[0] < parts[1] < parts[2] < parts[3]
    _, pattern = np.unique(np.nan_to_num(labels, nan=-1), axis=0, return_inverse=True)
    for value in np.unique(pattern):
        members = set(np.flatnonzero(pattern == value))
        assert abs(len(members & parts[2]) - 0.5 * len(members)) <= 1.5


def test_the_order_follows_from_the_seed(labels):
    assert (stratified_order(labels, 1) == stratified_order(labels, 1)).all()
    assert (stratified_order(labels, 1) != stratified_order(labels, 2)).any()
    with pytest.raises(ValueError, match="a label fraction must be above 0 and at most 1, got 10"):
        first_part(np.arange(5), 10)


def test_the_hash_of_a_part_knows_no_order_and_no_other_study():
    ids = ["a", "b", "c"]
    assert ids_hash(ids, np.array([0, 2])) == ids_hash(ids, np.array([2, 0]))
    assert ids_hash(ids, np.array([0, 2])) != ids_hash(ids, np.array([0, 1]))


def test_the_probe_finds_what_is_there_and_nothing_where_nothing_is():
    sets = [make_set(n, seed) for n, seed in ((200, 0), (80, 1), (150, 2))]
    result = linear_probe(*sets, names="abc")
    assert result["value"] > 0.9
    low, high = result["interval"]
    assert low < result["value"] < high
    noise = [(np.random.default_rng(9).normal(size=f.shape), labels) for f, labels in sets]
    assert 0.35 < linear_probe(*noise, names="abc")["value"] < 0.65


def test_test_labels_choose_nothing():
    train, val = make_set(90, 0, noise=1), make_set(60, 1, noise=1)
    features, labels = make_set(70, 2, noise=1)
    strength = linear_probe(train, val, (features, labels), "abc")["strength"]
    assert linear_probe(train, val, (features, 1 - labels), "abc")["strength"] == strength


def test_nan_labels_are_left_out_of_fit_and_score():
    train, val, test = [make_set(n, s) for n, s in ((200, 0), (80, 1), (150, 2))]
    hidden = train[1].copy()
    hidden[:60, 0] = math.nan
    wrong = (np.vstack([train[0][60:], train[0][:60]]), np.vstack([train[1][60:], hidden[:60]]))
    plain = (train[0][60:], train[1][60:])
    found, expected = linear_probe(wrong, val, test, "abc"), linear_probe(plain, val, test, "abc")
    assert found["per_class"]["a"] == pytest.approx(expected["per_class"]["a"], abs=0.01)
    test[1][:, 1] = math.nan
    assert math.isnan(linear_probe(train, val, test, "abc")["per_class"]["b"])


def test_a_label_without_both_classes_counts_as_chance_and_is_named():
    train, val, test = [make_set(n, s) for n, s in ((50, 0), (80, 1), (150, 2))]
    train[1][:, 2] = 0
    result = linear_probe(train, val, test, "abc")
    assert result["unlearnable"] == ["c"]
    assert result["per_class"]["c"] == 0.5


def test_exclusive_classes_are_one_choice_with_accuracy():
    generator = np.random.default_rng(0)
    sets = []
    for n in (120, 60, 90):
        classes = generator.integers(0, 3, n)
        features = np.eye(3)[classes] * 2 + generator.normal(size=(n, 3)) * 0.5
        sets.append((features, np.eye(3)[classes]))
    assert is_exclusive(sets[0][1])
    result = linear_probe(*sets, names="abc", exclusive=True)
    assert result["value"] > 0.9
    assert result["chance"] == np.bincount(sets[2][1].argmax(1)).max() / 90
    assert set(result["per_class"]) == set("abc")


@pytest.mark.parametrize("present", [[0, 2], [1, 2], [0, 1]])
def test_two_of_three_classes_are_one_regression_and_the_third_is_never_chosen(present):
    generator = np.random.default_rng(0)
    sets = []
    for n in (60, 40, 50):
        classes = np.array(present)[generator.integers(0, 2, n)]
        features = (classes == present[1])[:, None] * 3.0 + generator.normal(size=(n, 2)) * 0.5
        sets.append((features, np.eye(3)[classes]))
    sets[2][1][:10] = np.eye(3)[({0, 1, 2} - {*present}).pop()]  # cannot be found
    result = linear_probe(*sets, names="abc", exclusive=True)
    assert result["value"] == pytest.approx(40 / 50, abs=0.02)
    assert result["unlearnable"] == ["abc"[c] for c in range(3) if c not in present]
    assert (result["n_train"], result["n"]) == (60, 50)
    assert result["strength"] in STRENGTHS


def test_one_class_alone_is_always_chosen():
    features, labels = np.zeros((6, 2)), np.eye(3)[[1] * 6]
    test = np.zeros((4, 2)), np.eye(3)[[1, 1, 0, 2]]
    result = linear_probe((features, labels), (features, labels), test, "abc", exclusive=True)
    assert (result["value"], result["unlearnable"]) == (0.5, ["a", "c"])
    assert result["strength"] == STRENGTHS[0]  # of equal ones the first


def test_the_strength_is_the_best_on_validation_and_nan_counts_lowest():
    train, val, test = [make_set(n, s, noise=1) for n, s in ((40, 0), (60, 1), (50, 2))]
    result = linear_probe(train, val, test, "abc")
    path = logistic_path(*train, STRENGTHS)
    values = [macro_auroc(val[1], path[c].scores(val[0])) for c in STRENGTHS]
    assert len({*values}) > 2
    assert result["strength"] == STRENGTHS[int(np.argmax(values))]
    assert result["n_train"] == 40
    assert _best({1.0: math.nan, 2.0: 0.1, 3.0: 0.3, 4.0: 0.3, 5.0: -0.2}) == 3.0
    assert _best({1.0: math.nan, 2.0: math.nan}) == 1.0


def test_intervals_are_drawn_by_the_seed():
    generator = np.random.default_rng(4)
    labels, scores = generator.integers(0, 2, (30, 2)).astype(float), generator.random((30, 2))
    for seed in (0, 5):
        found = label_result(labels, scores, "ab", seed)
        assert found["interval"] == macro_auroc_interval(labels, scores, seed=seed)
        truth, predicted = labels.argmax(1), scores.argmax(1)
        expected = bootstrap_interval((truth == predicted).astype(float), seed=seed)
        assert choice_result(truth, predicted, "ab", seed)["interval"] == expected
    assert label_result(labels, scores, "ab")["interval"] != found["interval"]
    assert label_result(labels, scores, "ab")["n"] == 30
    assert label_result(labels, scores, "ab")["chance"] == 0.5


def test_one_study_or_one_class_has_a_value_and_no_interval():
    right, wrong = np.array([1, 1, 1]), np.array([1, 0, 1])
    assert choice_result(right, wrong, "ab")["interval"] is None
    assert choice_result(right, wrong, "ab")["value"] == pytest.approx(2 / 3)
    assert choice_result(right[:1], right[:1], "ab")["interval"] is None
    assert choice_result(wrong, right, "ab")["interval"] is not None
    labels = np.array([[1.0, 0.0]])
    assert label_result(labels, labels, "ab")["interval"] is None


def test_exclusive_means_one_and_known():
    assert not is_exclusive(np.array([[1, 1], [0, 1.0]]))
    assert not is_exclusive(np.array([[1, math.nan], [0, 1.0]]))
    assert not is_exclusive(np.ones((3, 1)))


def test_features_are_of_the_encoder_in_eval_mode_and_kept(model, build, studies, tmp_path):
    models = {"one": model, "two": build(embed_dim=5)}
    cache = tmp_path / "features.npz"
    model.train()
    found = pooled_features(models, studies[:7], batch_size=3, cache=cache)
    assert not model.training
    with torch.no_grad():
        pixels = torch.tensor(studies[4].image)[None, None]
        expected = model.encode_images(pixels).pooled[0]
    np.testing.assert_allclose(found.features["one"][4], expected, atol=1e-5)
    assert found.names == tuple(studies[0].labels)
    assert found.labels[4].tolist() == list(studies[4].labels.values())
    columns = found.columns([found.names[2], "unheard", found.names[0]])
    np.testing.assert_array_equal(columns[:, [0, 2]], found.labels[:, [2, 0]])
    assert np.isnan(columns[:, 1]).all()
    again = pooled_features({}, [], cache=cache)  # nothing is encoded
    np.testing.assert_array_equal(again.features["two"], found.features["two"])
    assert (again.names, again.ids, again.patients) == (found.names, found.ids, found.patients)


def test_a_hold_out_divides_patients():
    patients = np.array([f"p{i // 3}" for i in range(90)])
    held = held_out(patients)
    assert held.shape == (90,)
    assert not set(patients[held]) & set(patients[~held])
    assert 3 <= held.sum() <= 40
    assert (held_out(patients[::-1]) == held[::-1]).all()


def test_fine_tuning_learns_and_leaves_the_model_as_it_was(model, studies):
    names = list(studies[0].labels)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = fine_tune(
        model, studies[:17], studies[17:], studies[17:], names, epochs=2, batch_size=8, progress=""
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert len(result["validation"]) == 2
    assert result["validation"][result["epoch"] - 1] == max(result["validation"])
    assert result["value"] == pytest.approx(max(result["validation"]))  # same studies here


def test_the_loss_of_fine_tuning_is_the_plain_loop_in_value_and_gradient():
    logits = torch.randn(5, 3, requires_grad=True)
    labels = torch.tensor([[1, 0, math.nan], [0, 0, 1], [math.nan] * 3, [1, 1, 1], [0, 1, 0.0]])
    total, known = torch.zeros(()), 0
    for i in range(5):
        for c in range(3):
            if not math.isnan(labels[i, c]):
                p = logits[i, c].sigmoid()
                total = total - (p.log() if labels[i, c] == 1 else (1 - p).log())
                known += 1
    one = torch.eye(3)[[0, 2, 1, 1, 0]]
    chosen = sum(-logits[i].softmax(0)[c].log() for i, c in enumerate((0, 2, 1, 1, 0))) / 5
    for exclusive, given, expected in ((False, labels, total / known), (True, one, chosen)):
        found = _loss(logits, given, exclusive)
        torch.testing.assert_close(found, expected)
        gradients = [torch.autograd.grad(x, logits)[0] for x in (found, expected)]
        torch.testing.assert_close(*gradients)


def test_fine_tuning_of_exclusive_classes_gives_accuracy(model, studies):
    parts = [
        [replace(s, labels={"a": float(i % 2), "b": float(1 - i % 2)}) for i, s in enumerate(part)]
        for part in (studies[:12], studies[12:19], studies[19:])
    ]
    result = fine_tune(model, *parts, names="ab", exclusive=True, epochs=1, progress="")
    assert result["n"] == 5
    assert result["chance"] == 3 / 5
    assert result["value"] in [k / 5 for k in range(6)]
    assert set(result["per_class"]) == {"a", "b"}
