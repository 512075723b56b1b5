"""Ceilings by features that hold the answer, or do not; quarters of a grid by hand."""

import numpy as np
import pytest

from reclf.data.lexicon import load_lexicon
from reclf.data.study import Study
from reclf.tasks.features import held_out
from reclf.tasks.linear_probe import first_part, linear_probe, stratified_order
from reclf_study.evaluation_suite import load_results, save_results
from reclf_study.films.ceilings import FilmFeatures, ceiling_ratios, few_label_probe, quarter_means
from reclf_study.films.film_benchmark import estimate
from reclf_study.films.questions import AskedSplit
from reclf_study.films.word_ceiling import word_ceiling

SIDES, FINDINGS = ("left", "right"), ("effusion", "nodule", "edema")


@pytest.fixture(scope="module")
def lexicon():
    return load_lexicon()


def split(lexicon, n, seed):
    """Reports of one finding on one side, another one denied; and where each lies."""
    choose = np.random.default_rng(seed)
    places, finds = choose.integers(0, 2, n), choose.integers(0, 3, n)
    studies = [
        Study(
            f"{seed}-{i}", f"{seed}-{i}", np.zeros((4, 4), np.float32),
            f"Mild {SIDES[s]} {FINDINGS[f]}. No {FINDINGS[(f + 1) % 3]}.",
            {name: float(name == FINDINGS[f]) for name in FINDINGS},
        )
        for i, (s, f) in enumerate(zip(places, finds, strict=True))
    ]  # fmt: skip
    return AskedSplit.of(studies, FINDINGS, lexicon), places, finds


def features(places, finds, knows_side):
    """Two numbers a finding; those of the quarters of its side are 1, or of all."""
    quarters = np.random.default_rng(2).normal(0, 0.1, (len(places), 2, 2, 3))
    for row, (side, finding) in enumerate(zip(places, finds, strict=True)):
        quarters[row, :, side if knows_side else slice(None), finding] += 1
    return FilmFeatures(quarters.mean((1, 2)), quarters)


@pytest.mark.parametrize("knows_side", [True, False])
def test_a_ceiling_is_what_the_regions_know(lexicon, knows_side):
    parts = split(lexicon, 120, 0), split(lexicon, 60, 1)
    learned, asked = ((features(*part[1:], knows_side), part[0]) for part in parts)
    found = ceiling_ratios(learned, asked, lexicon)
    for name in ("side_ceiling", "side_ceiling_folds"):
        shown = estimate(found[name])
        assert shown.n == (60 if name == "side_ceiling" else 120)
        low, high = shown.interval
        assert low > 0.95 if knows_side else low < 0.5 < high
    # A third of the other images shows the same finding, which ties on average.
    assert found["denied_swap_ceiling"].value > 0.75
    assert found["denied_swap_ceiling_other_finding"].value > 0.95
    side = found["side_swap_ceiling"]
    assert side.value > 0.7 if knows_side else abs(side.value - 0.5) < 0.15
    assert "zone_ceiling" not in found  # which no report states
    assert "severity_ceiling_folds" not in found  # all are mild
    assert few_label_probe(learned, asked).value > 0.95


def test_patients_that_are_reported_on_teach_nothing(lexicon):
    train = split(lexicon, 120, 0)
    pair = features(*train[1:], True), train[0]
    assert ceiling_ratios(pair, pair, lexicon) == {}


def test_a_data_set_without_labels_has_no_probe(lexicon):
    asked, places, finds = split(lexicon, 30, 0)
    unknown = AskedSplit(asked.reports, asked.patients, asked.labels * np.nan, asked.questions)
    pair = features(places, finds, True), unknown
    assert few_label_probe(pair, pair) is None


def test_quarters_by_hand():
    regions = np.arange(2 * 6, dtype=np.float32).reshape(1, 6, 2)  # a grid of 2 x 3
    found = quarter_means(regions, (2, 3))
    assert found.shape == (1, 2, 2, 2)
    assert found[0, :, :, 0].tolist() == [[1, 3], [7, 9]]  # the middle column counts in both


def test_words_without_context_do_not_know_who_is_denied(lexicon, build):
    train, shown = split(lexicon, 60, 0)[0], split(lexicon, 30, 1)[0]
    model = build(word_source="embedding")
    model.text_encoder.tower.embeddings.position_embeddings.weight.data.zero_()
    found = word_ceiling(model, train, shown)["denied_swap_ceiling_words"]
    assert found.n == 30
    assert found.value == 0.5
    known = word_ceiling(build(), train, shown)["denied_swap_ceiling_words"]
    assert known.value > 0.8  # "no" stands beside the denied one, also to an untrained encoder


def test_the_probe_is_that_of_the_linear_probe_notebook(lexicon):
    (train, *where), (shown, *there) = split(lexicon, 200, 0), split(lexicon, 60, 1)
    learned, asked = features(*where, True), features(*there, True)
    held = held_out(train.patients)
    rows = np.flatnonzero(~held)
    few = rows[first_part(stratified_order(train.labels[rows]), 0.1)]
    expected = linear_probe(
        (learned.pooled[few], train.labels[few]), (learned.pooled[held], train.labels[held]),
        (asked.pooled, shown.labels), FINDINGS,
    )  # fmt: skip
    found = few_label_probe((learned, train), (asked, shown))
    assert found.value == pytest.approx(expected["value"])


def test_results_can_be_kept_and_read_again(lexicon, tmp_path):
    parts = split(lexicon, 120, 0), split(lexicon, 60, 1)
    found = ceiling_ratios(*((features(*p[1:], True), p[0]) for p in parts), lexicon)
    save_results(found, tmp_path / "found.npz", "key")
    again = load_results(tmp_path / "found.npz", "key")
    assert {n: estimate(r) for n, r in again.items()} == {n: estimate(r) for n, r in found.items()}
