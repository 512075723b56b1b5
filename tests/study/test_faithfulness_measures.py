"""Curves, infidelity and the measures of a map: hand values of additive scores, and plain loops."""

import numpy as np
import pytest
import small_pairs
import torch

from reclf.data.region_grid import filled, random_map
from reclf_study.faithfulness_measures import (
    MEASURES,
    CellScore,
    curves,
    infidelity,
    measure,
    rank_correlation,
    ranked,
)
from reclf_study.pair_score import PairScore

GAINS = np.array([[1.0, 4, 2], [3, 0, -2]])  # what each region adds to the score; sums to 8
EDGES = (0, 9, 25, 41, 64)  # of a ResNet's regions, centered on pixels 0, 16, 32 and 48


@pytest.fixture
def cells():
    return small_pairs.Additive(GAINS)


@pytest.fixture
def real(tiny):
    study = small_pairs.study()
    return PairScore(small_pairs.build(tiny), study.image, study.report)


def test_only_the_kept_regions_are_shown_and_scores_are_remembered(cells):
    keep = np.array([[True] * 6, [False] * 6, [False, True, False, True, False, False]])
    assert cells(keep).tolist() == [108, 100, 107]
    assert cells(keep[[2, 2, 0]]).tolist() == [107, 107, 108]
    assert cells.scored == 3


def test_the_cells_of_a_pair_by_a_loop(real):
    keep = np.random.default_rng(0).random((3, 16)) < 0.5
    found = CellScore.of(real, "mean")(keep)
    fill = filled(real.image, "mean")
    for b in range(3):
        image = real.image.copy()
        for r in range(16):
            if not keep[b, r]:
                rows, columns = (slice(EDGES[k], EDGES[k + 1]) for k in divmod(r, 4))
                image[rows, columns] = fill[rows, columns]
        with torch.no_grad():
            expected = real.of_pixels(torch.tensor(image)[None, None]).item()
        assert found[b] == pytest.approx(expected, abs=1e-4)


def test_curves_of_an_additive_score(cells):
    found = curves(cells, GAINS, steps=7)
    np.testing.assert_allclose(found.fractions, np.arange(7) / 6)
    # strongest first: 4, 3, 2, 1, 0, -2
    assert found.insertion.tolist() == [100, 104, 107, 109, 110, 110, 108]
    assert found.deletion.tolist() == [108, 104, 101, 99, 98, 98, 100]
    by_hand = sum([100 / 2, 104, 107, 109, 110, 110, 108 / 2]) / 6
    assert found.insertion_auc == pytest.approx(by_hand)
    assert found.deletion_auc == pytest.approx(sum([108 / 2, 104, 101, 99, 98, 98, 100 / 2]) / 6)


def test_no_map_is_better_than_the_true_one_and_none_worse_than_its_opposite(cells):
    best, worst = curves(cells, GAINS), curves(cells, -GAINS)
    for seed in range(20):
        other = curves(cells, random_map((2, 3), seed))
        assert worst.insertion_auc <= other.insertion_auc <= best.insertion_auc
        assert best.deletion_auc <= other.deletion_auc <= worst.deletion_auc
        assert other.insertion[[0, -1]].tolist() == [100, 108]
        assert other.deletion[[0, -1]].tolist() == [108, 100]


def test_curves_by_a_loop_on_a_model(real):
    cells, heat = CellScore.of(real), np.random.default_rng(1).random((4, 4))
    found = curves(cells, heat, steps=5)
    order = sorted(range(16), key=lambda r: -heat.ravel()[r])
    for step, number in enumerate((0, 4, 8, 12, 16)):
        keep = np.zeros((1, 16), dtype=bool)
        for r in order[:number]:
            keep[0, r] = True
        assert found.fractions[step] == number / 16
        assert found.insertion[step] == cells(keep)[0]
        assert found.deletion[step] == cells(~keep)[0]


def test_level_regions_go_in_an_order_drawn_by_the_seed():
    level = np.zeros((4, 5))
    assert sorted(ranked(level)) == list(range(20))
    assert ranked(level).tolist() != list(range(20))
    assert ranked(level, 1).tolist() == ranked(level, 1).tolist() != ranked(level, 2).tolist()
    assert ranked(np.array([[1, 3], [2, 0]])).tolist() == [1, 2, 0, 3]
    with pytest.raises(ValueError, match="the map must be finite"):
        ranked(np.array([[1, np.nan]]))


def test_infidelity_of_maps_that_foretell_all_or_nothing(cells):
    assert infidelity(cells, GAINS) == pytest.approx(0, abs=1e-9)
    assert infidelity(cells, 0.001 * GAINS) == pytest.approx(0, abs=1e-9)  # a map has no unit
    assert infidelity(cells, np.zeros((2, 3))) == 1
    assert infidelity(cells, -GAINS) == 1  # the opposite is no knowledge
    assert 0 < infidelity(cells, np.ones((2, 3))) < 1
    assert np.isnan(infidelity(small_pairs.Additive(np.zeros((2, 3))), GAINS))


def test_infidelity_by_a_loop_and_by_captum(real):
    from captum.metrics import infidelity as captum_infidelity

    cells, heat = CellScore.of(real), np.random.default_rng(3).random((4, 4))
    found = infidelity(cells, heat, samples=20, seed=5)
    hidden = np.random.default_rng(5).random((20, 16)) < 0.5
    whole = cells(np.ones((1, 16), dtype=bool))[0]
    lost, foretold = [], []
    for chosen in hidden:
        lost.append(whole - cells(~chosen[None])[0])
        foretold.append(sum(heat.ravel()[r] for r in range(16) if chosen[r]))
    slope = np.dot(foretold, lost) / np.dot(foretold, foretold)
    sign = 1 if slope > 0 else 0
    residual = np.mean([(sign * slope * f - d) ** 2 for f, d in zip(foretold, lost, strict=True)])
    assert found == pytest.approx(residual / np.mean(np.square(lost)))

    # captum allows a factor below 0; the score or its opposite has one above.
    turned = 1 if slope > 0 else -1
    opposite = CellScore.of(real)
    opposite.score = lambda pixels: turned * real.of_pixels(pixels)
    by_captum = captum_infidelity(
        lambda shown: torch.tensor(opposite(shown.numpy() > 0.5)),
        lambda shown: (torch.tensor(hidden).double(), shown - torch.tensor(hidden).double()),
        torch.ones(1, 16).double(), torch.tensor(heat.reshape(1, 16)),
        n_perturb_samples=20, normalize=True,
    ).item()  # fmt: skip
    expected = by_captum / np.mean(np.square(lost))
    assert infidelity(opposite, heat, 20, 5) == pytest.approx(expected, rel=1e-4)


def test_rank_correlation():
    assert rank_correlation(np.array([1, 2, 30]), np.array([0.1, 0.2, 0.3])) == pytest.approx(1)
    assert rank_correlation(np.array([[1, 2], [3, 4]]), np.array([4, 3, 2, 1])) == pytest.approx(-1)
    # ranks 1 2 3 4 and 2 1 4 3: 1 - 6 * 4 / (4 * 15)
    assert rank_correlation(np.arange(4), np.array([2, 1, 4, 3])) == pytest.approx(0.6)
    assert np.isnan(rank_correlation(np.ones(3), np.arange(3)))
    assert np.isnan(rank_correlation(np.ones(1), np.ones(1)))


def test_measures_of_one_map(cells):
    mask = np.zeros((4, 6), dtype=bool)
    mask[0:2, 2:3] = True  # half of the strongest region
    values = measure(cells, GAINS, mask)
    assert values.keys() == MEASURES.keys()
    assert values["pointing"] == 0.5
    outside = np.kron(GAINS, np.ones((2, 2)))[~mask]
    assert values["cnr"] == pytest.approx((4 - outside.mean()) / outside.std())
    assert values["insertion"] == curves(cells, GAINS).insertion_auc
    assert values["deletion"] == curves(cells, GAINS).deletion_auc
    assert values["infidelity"] == infidelity(cells, GAINS)
    assert measure(cells, -GAINS, mask)["cnr"] == pytest.approx(-values["cnr"])


def test_a_map_is_measured_where_its_regions_look():
    """Centered at their corners, the two rows have 1 and 3 pixels, the columns 1, 2 and 3."""
    cells = small_pairs.Additive(GAINS)
    cells.center = 0.0
    mask = np.zeros((4, 6), dtype=bool)
    mask[0, 1:3] = True  # all of the strongest region
    values = measure(cells, GAINS, mask)
    assert values["pointing"] == 1
    outside = np.repeat(np.repeat(GAINS, (1, 3), 0), (1, 2, 3), 1)[~mask]
    assert values["cnr"] == pytest.approx((4 - outside.mean()) / outside.std())


@pytest.mark.parametrize("mask", [None, np.zeros((4, 6), dtype=bool)])
def test_without_a_place_there_is_no_pointing(cells, mask):
    values = measure(cells, GAINS, mask)
    assert np.isnan([values["pointing"], values["cnr"]]).all()
    assert np.isfinite([values["insertion"], values["deletion"], values["infidelity"]]).all()
