"""Regularized CCA: against scikit-learn's, on a planted direction, and where it must refuse."""

import numpy as np
import pytest
from sklearn.cross_decomposition import CCA

from reclf.stats.cca import regularized_cca, ridge_regression


def views(n=400, noise=0.5, seed=0):
    """Two views of one hidden number a study, in dimensions of their own."""
    random = np.random.default_rng(seed)
    hidden = random.normal(size=n)
    x = np.outer(hidden, [3, 0, 1, 0]) + noise * random.normal(size=(n, 4)) + 5
    y = np.outer(hidden, [0, 2, 0]) + noise * random.normal(size=(n, 3)) - 1
    return x, y, hidden


def apply(projection, view):
    return view @ projection.weight.T + projection.bias


def test_without_ridge_it_is_canonical_correlation_analysis():
    x, y, _ = views()
    of_x, of_y, correlations = regularized_cca(x, y, 3, ridge=0)
    theirs = CCA(n_components=1, max_iter=5000, tol=1e-12).fit(x, y).transform(x, y)
    expected = np.corrcoef(theirs[0][:, 0], theirs[1][:, 0])[0, 1]
    first = np.corrcoef(apply(of_x, x)[:, 0], apply(of_y, y)[:, 0])[0, 1]
    assert correlations[0] == pytest.approx(expected, abs=1e-6)
    assert first == pytest.approx(expected, abs=1e-6)
    assert (np.diff(correlations) <= 0).all()


def test_the_planted_direction_leads_on_other_studies_too():
    of_x, of_y, _ = regularized_cca(*views()[:2], 2)
    x, y, hidden = views(seed=1)
    for projection, view in ((of_x, x), (of_y, y)):
        assert abs(np.corrcoef(apply(projection, view)[:, 0], hidden)[0, 1]) > 0.9


def test_outputs_are_centered_of_unit_size_and_weighted_by_correlation():
    x, y, _ = views()
    of_x, _, correlations = regularized_cca(x, y, 5, ridge=0)
    made = apply(of_x, x)
    assert made.mean(0) == pytest.approx(np.zeros(5), abs=1e-9)
    sizes = made.std(0)
    assert sizes[:3] / sizes[0] == pytest.approx(correlations[:3] / correlations[0])
    assert (made[:, 3:] == 0).all()  # y has three dimensions
    assert (correlations[3:] == 0).all()
    assert np.square(made[:, :3]).mean() == pytest.approx(1)


def test_noise_is_not_fitted_with_a_ridge():
    random = np.random.default_rng(3)
    x, y = random.normal(size=(30, 25)), random.normal(size=(30, 25))
    assert regularized_cca(x, y, 1, ridge=0)[2][0] > 0.99
    assert regularized_cca(x, y, 1)[2][0] < 0.8


def test_ridge_regression_is_least_squares_as_large_as_what_it_aims_at():
    x, y, _ = views()
    plain = np.linalg.lstsq(x - x.mean(0), y - y.mean(0), rcond=None)[0].T
    found = ridge_regression(x, y, ridge=0)
    ratio = found.weight / plain
    assert ratio == pytest.approx(np.full_like(ratio, ratio[0, 0]))
    made, wanted = apply(found, x), y - y.mean(0)
    assert made.mean(0) == pytest.approx(np.zeros(3), abs=1e-9)
    assert np.square(made).mean() == pytest.approx(np.square(wanted).mean())


def test_what_cannot_be_related_is_refused():
    x, y, _ = views(10)
    with pytest.raises(ValueError, match=r"got \(10, 4\) and \(9, 3\)"):
        regularized_cca(x, y[:9], 2)
    with pytest.raises(ValueError, match="the same for all studies"):
        regularized_cca(x, np.ones((10, 3)), 2)


def test_more_numbers_than_studies_give_what_their_principal_components_give():
    random = np.random.default_rng(5)
    _, y, hidden = views(n=60)
    x = np.outer(hidden, random.normal(size=90)) + random.normal(size=(60, 90))
    center = x - x.mean(0)
    components = np.linalg.svd(center, full_matrices=False)[2][:10]
    direct = regularized_cca(x, y, 2, components=10)
    by_hand = regularized_cca(center @ components.T, y, 2)
    assert direct[2] == pytest.approx(by_hand[2])
    made = apply(direct[0], x)
    expected = center @ components.T @ by_hand[0].weight.T
    signs = np.sign((made * expected).sum(0))
    assert made == pytest.approx(expected * signs, abs=1e-8)


def test_as_many_components_as_there_are_change_nothing():
    x, y, _ = views(n=40)
    for view in (x, np.concatenate([x] * 20, 1)):  # fewer, and more, numbers than studies
        rank = 4 if view is x else 39
        whole, some = (regularized_cca(view, y, 3, components=k)[2] for k in (0, rank))
        assert whole == pytest.approx(some)
