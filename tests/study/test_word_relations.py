"""Word relations and importance against plain loops and by hand; readings against `explain`."""

from dataclasses import replace

import numpy as np
import pytest

from reclf.data.study import Word
from reclf.explain import explain
from reclf_study.word_importance import DocumentFrequency, importance_auroc
from reclf_study.word_readings import read
from reclf_study.word_relations import (
    is_hard,
    relation_triples,
    share_in_order,
    text_distance,
    vector_cosines,
)


def word(text, kind="filler", finding=-1):
    return Word(text, kind, 0, finding, important=finding >= 0 and kind != "filler")


# "mild effusion and nodule, left and right respectively": the nodule's own side is farther than
# the effusion's.
WORDS = (
    word("mild", "severity", 0), word("effusion", "finding", 0), word("and"),
    word("nodule", "finding", 1), word("left", "location", 0), word("and"),
    word("right", "location", 1), word("respectively"), word("no"), word("edema", "finding"),
)  # fmt: skip


def test_triples_by_hand():
    found = {tuple(row) for row in relation_triples(WORDS).tolist()}
    names = {(1, 0, 6), (1, 4, 6), (3, 6, 0), (3, 6, 4)}
    places = {(0, 1, 3), (4, 1, 3), (6, 3, 1)}
    assert found == names | places


def test_hard_are_those_where_distance_misleads():
    triples = relation_triples(WORDS)
    hard = {tuple(row) for row in triples[is_hard(triples)].tolist()}
    assert hard == {(3, 6, 4), (4, 1, 3)}
    distance = text_distance(len(WORDS))
    assert share_in_order(distance, triples[is_hard(triples)]) == 0
    ties = 1  # the nodule stands in the middle of "mild" and "right"
    assert share_in_order(distance, triples) == pytest.approx((7 - 2 - ties + ties / 2) / 7)


def test_share_in_order_is_the_plain_loop(studies):
    generator = np.random.default_rng(0)
    for study in studies[:8]:
        triples = relation_triples(study.words)
        edges = generator.integers(0, 4, (len(study.words),) * 2).astype(float)  # with ties
        points = [
            1.0 if edges[i, j] > edges[i, k] else 0.5 if edges[i, j] == edges[i, k] else 0.0
            for i, j, k in triples
        ]
        found = share_in_order(edges, triples)
        assert np.isnan(found) if not points else found == pytest.approx(np.mean(points))


def test_true_edges_score_one_and_reversed_ones_nothing(studies):
    study = next(s for s in studies if len(relation_triples(s.words)))
    finding = np.array([w.finding for w in study.words])
    truth = (finding[:, None] == finding).astype(float)
    triples = relation_triples(study.words)
    assert share_in_order(truth, triples) == 1
    assert share_in_order(-truth, triples) == 0
    assert share_in_order(np.ones_like(truth), triples) == 0.5


def test_one_finding_has_nothing_to_confuse():
    triples = relation_triples(WORDS[:3])
    assert triples.shape == (0, 3)
    assert np.isnan(share_in_order(np.zeros((3, 3)), triples))


def test_nan_edges_are_refused():
    with pytest.raises(ValueError, match="must not be NaN"):
        share_in_order(np.full((10, 10), np.nan), relation_triples(WORDS))


def test_cosines_of_zeros_are_zero():
    vectors = np.array([[3.0, 4.0], [0.0, 0.0], [-4.0, 3.0], [6.0, 8.0]])
    expected = [[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]
    np.testing.assert_allclose(vector_cosines(vectors), expected, atol=1e-12)


def test_importance_is_an_auroc_within_the_report():
    weights = np.array([0.9, 0.8, 0.0, 0.7, 0.6, 0.1, 0.5, 0.0, 0.65, 0.2])
    wrong = 2  # "no" is above "left" and "right"
    assert importance_auroc(weights, WORDS) == pytest.approx(1 - wrong / (5 * 5))
    assert np.isnan(importance_auroc(weights[-3:], WORDS[-3:]))


def test_idf_counts_reports_and_ranks_an_unseen_word_highest():
    frequency = DocumentFrequency.of(["Left and left.", "No edema and heart.", "And nodule"])
    idf = frequency.idf(WORDS)
    assert idf[2] == pytest.approx(np.log(4 / 4))  # "and" is in all three
    assert idf[4] == pytest.approx(np.log(4 / 2))  # "left" is in one, twice
    assert idf[1] == pytest.approx(np.log(4 / 1)) == idf.max()  # "effusion" in none


@pytest.mark.parametrize("aggregator", ["reclf", "srm", "irm", "mean"])
def test_readings_are_what_explain_says(build, studies, aggregator):
    model = build(aggregator=aggregator, max_words=30)  # some reports are cut
    readings = read(model, studies[:7], batch_size=3)
    assert max(len(study.words) for study in studies[:7]) > 30
    for study, reading in zip(studies[:7], readings, strict=True):
        explained = explain(model, study)
        assert [w.text for w in reading.words] == explained.words
        assert len(reading.vectors) == len(explained.words)
        for found, expected in (
            (reading.graph, explained.graph), (reading.weights, explained.importance),
        ):  # fmt: skip
            assert (found is None) == (expected is None)
            if found is not None:
                np.testing.assert_allclose(found, expected, atol=1e-5)


def test_studies_whose_words_are_not_known_are_refused(model, studies):
    with pytest.raises(ValueError, match=r"words of 1 of 2 studies are not known.*the phantom"):
        read(model, [studies[0], replace(studies[1], words=None)])
