"""The probe's solver: scikit-learn's solutions, label by label, and a gradient of zero."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reclf.tasks import logistic
from reclf.tasks.logistic import logistic_path

STRENGTHS = (0.3, 0.001, 0.03)


def correlated(n, size, seed=0):
    """Features (n, size) of few strong directions, not negative, of unlike scales and offsets."""
    generator = np.random.default_rng(seed)
    mix = generator.normal(size=(size, size)) * np.arange(1, size + 1) ** -0.8
    found = np.maximum(generator.normal(size=(n, size)) @ mix.T + 0.3, 0)
    return (found * generator.uniform(0.01, 30, size) + 5).astype(np.float32)


def labels_of(features, count, seed=1):
    """Labels (n, count) that a plane of the features states with noise, from half to a tenth."""
    generator = np.random.default_rng(seed)
    z = (features - features.mean(0)) / features.std(0)
    scores = z @ generator.normal(size=(features.shape[1], count))
    noisy = scores / scores.std(0) + generator.normal(size=scores.shape)
    return (noisy > np.linspace(0, 1.8, count)).astype(float)


def scikit_learn(features, targets, strength):
    regression = LogisticRegression(C=strength, max_iter=50_000, class_weight="balanced", tol=1e-8)
    return make_pipeline(StandardScaler(), regression).fit(features.astype(float), targets)


@pytest.mark.parametrize(("n", "size", "unknown"), [(300, 40, 0.0), (300, 40, 0.3), (37, 90, 0.2)])
def test_scores_are_those_of_scikit_learn_for_every_label_and_strength(n, size, unknown):
    """To a thousandth of the spread of the scores; more features than studies too."""
    features = correlated(n + 200, size)
    targets = labels_of(features, 3)[:n]
    targets[np.random.default_rng(2).random(targets.shape) < unknown] = math.nan
    features[:, 4] = 7.25  # does not vary
    few, others = features[:n], features[n:]
    path = logistic_path(few, targets, STRENGTHS)
    assert list(path) == sorted(STRENGTHS)
    for strength, linear in path.items():
        found = linear.scores(others)
        for k in range(3):
            known = ~np.isnan(targets[:, k])
            expected = scikit_learn(few[known], targets[known, k], strength)
            expected = expected.decision_function(others)
            assert np.abs(found[:, k] - expected).max() < 1e-3 * expected.std()


def test_a_label_that_is_known_of_some_is_the_label_of_these_alone():
    features = correlated(240, 30)
    targets = labels_of(features, 2)
    hidden = targets.copy()
    hidden[100:, 1] = math.nan
    both = logistic_path(features, hidden, [0.1])[0.1].scores(features)
    for k, rows in ((0, slice(None)), (1, slice(100))):
        alone = logistic_path(features[rows], targets[rows, k : k + 1], [0.1])[0.1].scores(features)
        assert np.abs(both[:, k] - alone[:, 0]).max() < 1e-3 * alone.std()


def test_exclusive_classes_are_scikit_learns_softmax():
    generator = np.random.default_rng(0)
    classes = generator.choice(4, 260, p=[0.5, 0.3, 0.15, 0.05])
    features = correlated(260, 25)
    features[:, :4] += 4 * features[:, :4].std(0) * np.eye(4)[classes] / 3
    few, others = slice(160), slice(160, None)
    for c, linear in logistic_path(features[few], np.eye(4)[classes][few], STRENGTHS, True).items():
        expected = scikit_learn(features[few], classes[few], c)
        scores = [linear.scores(features[others]), expected.decision_function(features[others])]
        found, theirs = (s - s.mean(1, keepdims=True) for s in scores)
        assert np.abs(found - theirs).max() < 1e-3 * theirs.std()
        assert (found.argmax(1) == expected.predict(features[others])).mean() > 0.98


@pytest.mark.parametrize("exclusive", [False, True])
def test_the_gradient_of_the_written_out_objective_is_zero_at_the_solution(exclusive):
    features = correlated(150, 12)
    if exclusive:
        targets = np.eye(3)[np.random.default_rng(3).integers(0, 3, 150)]
    else:
        targets = labels_of(features, 2)
    linear = logistic_path(features, targets, [0.05], exclusive)[0.05]
    z = torch.from_numpy((features - features.mean(0, dtype=float)) / features.std(0, dtype=float))
    weights = torch.from_numpy(linear.weights).requires_grad_()
    intercept = torch.from_numpy(linear.intercept).requires_grad_()
    logits, truth = z @ weights + intercept, torch.from_numpy(targets)
    loss = torch.zeros((), dtype=torch.float64)
    for i in range(150):
        if exclusive:
            k = int(truth[i].argmax())
            balanced = 150 / (3 * truth[:, k].sum())
            loss = loss - balanced * logits[i].log_softmax(0)[k]
        else:
            for k in range(2):
                same = (truth[:, k] == truth[i, k]).sum()
                sign = 1 if truth[i, k] else -1
                loss = loss - 150 / (2 * same) * (sign * logits[i, k]).sigmoid().log()
    objective = (weights.square().sum() / 2 + 0.05 * loss) / (0.05 * 150)
    for gradient in torch.autograd.grad(objective, [weights, intercept]):
        assert gradient.abs().max() < 1e-5
    shifted = z @ (weights + 0.01) + intercept
    assert not torch.allclose(shifted, logits, atol=1e-3)


def test_one_studys_copy_weighs_as_two():
    features, rows = correlated(60, 8), np.r_[0:60, 0:60]
    targets = labels_of(features, 1)
    once = logistic_path(features, targets, [0.2])[0.2].scores(features)
    twice = logistic_path(features[rows], targets[rows], [0.1])[0.1].scores(features)
    np.testing.assert_allclose(once, twice, atol=1e-3 * once.std())


def test_a_label_of_one_class_is_refused_and_no_solution_is_said(monkeypatch):
    features = correlated(50, 6)
    targets = labels_of(features, 2)
    one = targets.copy()
    one[:, 1] = np.where(np.arange(50) < 20, math.nan, 0.0)
    with pytest.raises(ValueError, match="each label must have both classes"):
        logistic_path(features, one, [0.1])
    monkeypatch.setattr(logistic, "MOST_STEPS", 1)
    with pytest.warns(UserWarning, match=r"1 steps at strength 0.1 leave a derivative of"):
        logistic_path(features, targets, [0.1])


def test_small_fits_take_one_thread_and_leave_the_others_as_they_were(monkeypatch):
    before = torch.get_num_threads()
    seen = []
    torch.set_num_threads(2)
    try:
        spectrum = logistic._spectrum
        monkeypatch.setattr(
            logistic, "_spectrum", lambda z: seen.append(torch.get_num_threads()) or spectrum(z)
        )
        features = correlated(40, 5)
        logistic_path(features, labels_of(features, 1), [0.1])
        monkeypatch.setattr(logistic, "SMALL", 0)
        logistic_path(features, labels_of(features, 1), [0.1])
        assert seen == [1, 2]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
