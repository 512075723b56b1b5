"""Held-out correlation: against a plain loop, and what it must not see."""

from zlib import crc32

import numpy as np
import pytest

from reclf.stats.evidence import FOLDS, held_out_correlation


def planted(n=120, seed=0):
    """x (n, 6), and facts: of its first number, of noise, and always so."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 6))
    facts = np.stack([x[:, 0] > 0, random.random(n) > 0.5, np.ones(n)], 1).astype(float)
    return x, facts, [f"p{i}" for i in range(n)]


def test_it_is_ridge_regression_on_the_other_folds():
    x, facts, groups = planted()
    view, predicted = x - x.mean(0), np.zeros_like(facts)
    ridge = np.square(view).sum() / len(x)
    for i, group in enumerate(groups):
        others = [j for j, g in enumerate(groups) if crc32(g.encode()) % FOLDS != _fold(group)]
        a, b = view[others], facts[others]
        weight = np.linalg.solve(a.T @ a + ridge * np.eye(6), a.T @ (b - b.mean(0)))
        predicted[i] = view[i] @ weight + b.mean(0)
    expected = [np.corrcoef(predicted[:, k], facts[:, k])[0, 1] for k in range(2)]
    assert held_out_correlation(x, facts, groups)[:2] == pytest.approx(expected)


def _fold(group):
    return crc32(group.encode()) % FOLDS


def test_what_x_knows_stands_out_and_what_never_varies_is_0():
    known, noise, always = held_out_correlation(*planted())
    assert known > 0.6
    assert abs(noise) < 0.3
    assert always == 0


def test_studies_of_one_patient_do_not_tell_each_other():
    random = np.random.default_rng(1)
    x = np.repeat(random.normal(size=(40, 50)), 3, 0)  # three equal films a patient
    facts = np.repeat(random.random((40, 20)) > 0.5, 3, 0).astype(float)
    by_film = held_out_correlation(x, facts, [f"s{i}" for i in range(120)])
    by_patient = held_out_correlation(x, facts, [f"p{i // 3}" for i in range(120)])
    assert by_film.mean() > 0.5
    assert by_patient.mean() < 0.1
