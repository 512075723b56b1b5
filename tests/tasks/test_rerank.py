"""The shortlist and its second ranking, against scoring every pair."""

import numpy as np
import pytest
import torch

from reclf.models.inference import encode_images, encode_texts, score_all
from reclf.models.recall import Ranks, report_keys
from reclf.stats.ranking import rank_of_partner
from reclf.tasks import rerank as module
from reclf.tasks.rerank import (
    lost_recall,
    nearest,
    pair_scores,
    rerank,
    shortlist_precision,
    shortlists,
)
from reclf.tasks.retrieval import global_precision, global_ranks, unit_vectors


@pytest.fixture(scope="module")
def encoded(model, studies):
    reports = [study.report for study in studies[:9]]
    reports[6] = reports[1]
    return encode_images(model, studies[:9]), encode_texts(model, reports), report_keys(reports)


def ranked(encoded):
    images, texts, keys = encoded
    return global_ranks(
        unit_vectors(images.global_embedding), unit_vectors(texts.global_embedding), keys
    )


def test_nearest_are_the_highest_products_best_first():
    queries, candidates = torch.randn(700, 5), torch.randn(13, 5)  # more queries than a block
    found = nearest(queries, candidates, 4)
    scores = (queries @ candidates.T).numpy()
    for row, places in zip(scores, found, strict=True):
        assert places.tolist() == sorted(range(13), key=lambda j: -row[j])[:4]
    assert nearest(queries, candidates, 50).shape == (700, 13)


@pytest.mark.parametrize("aggregator", ["reclf", "mean", "global"])
def test_scores_of_pairs_are_those_of_all_pairs(build, studies, monkeypatch, aggregator):
    monkeypatch.setattr(module, "BLOCK", 4)  # 7 pairs: an uneven last chunk
    model = build(aggregator=aggregator)
    images = encode_images(model, studies[:5])
    texts = encode_texts(model, [study.report for study in studies[:5]])
    everything = score_all(model, images, texts)
    rows, columns = np.array([0, 0, 4, 3, 2, 1, 4]), np.array([1, 4, 0, 3, 2, 0, 4])
    found = pair_scores(model, images, texts, rows, columns)
    expected = {"combined": everything.logits, "global": everything.logits_global}
    if aggregator != "global":
        expected["local"] = everything.logits_local
    assert found.keys() == expected.keys()
    for name, matrix in expected.items():
        np.testing.assert_allclose(found[name], matrix[rows, columns], rtol=1e-4, atol=1e-4)


def test_a_shortlist_of_everything_loses_nothing(model, encoded):
    images, texts, keys = encoded
    same = keys[:, None] == keys[None]
    matrix = score_all(model, images, texts).logits.double().numpy()
    full = Ranks(rank_of_partner(matrix, same), rank_of_partner(matrix.T, same))
    found = rerank(shortlists(model, images, texts, 9), keys, ranked(encoded))
    np.testing.assert_array_equal(np.ceil(found.to_report), np.ceil(full.to_report))
    np.testing.assert_array_equal(np.ceil(found.to_image), np.ceil(full.to_image))
    assert lost_recall(full, found, (1, 5)) == {"recall_at_1": 0.0, "recall_at_5": 0.0}


@pytest.mark.parametrize("shortlist", [1, 3])
def test_a_shortlist_is_the_plain_loop(model, encoded, shortlist):
    images, texts, keys = encoded
    by_whole = (
        unit_vectors(images.global_embedding) @ unit_vectors(texts.global_embedding).T
    ).numpy()
    combined = score_all(model, images, texts).logits.numpy()
    before = ranked(encoded)
    found = rerank(shortlists(model, images, texts, shortlist), keys, before)
    for direction, (ranks, old) in enumerate(
        ((found.to_report, before.to_report), (found.to_image, before.to_image))
    ):
        first, second = (by_whole, combined) if direction == 0 else (by_whole.T, combined.T)
        for query in range(9):
            short = sorted(range(9), key=lambda j: -first[query][j])[:shortlist]
            order = sorted(short, key=lambda j: -second[query][j])
            right = [place for place, j in enumerate(order, 1) if keys[j] == keys[query]]
            if right:
                assert ranks[query] == right[0]
            else:
                assert ranks[query] == max(old[query], shortlist + 0.5)


@pytest.mark.parametrize("shortlist", [1, 4, 50])
def test_precision_in_a_shortlist_is_the_plain_loop_over_studies_with_a_class(
    model, encoded, shortlist
):
    images, texts, _ = encoded
    classes = np.array([0, 1, -1, 0, 1, 1, 0, -1, 1])
    among, ks = np.flatnonzero(classes >= 0), [1, 3, 5]
    vectors = [unit_vectors(part.global_embedding)[among] for part in (images, texts)]
    whole = global_precision(*vectors, classes[among], ks)
    short = shortlists(model, images, texts, shortlist, among)
    found = shortlist_precision(short, classes, whole)
    assert list(found) == ks
    by_whole = np.full((9, 9), np.nan)
    by_whole[np.ix_(among, among)] = vectors[0] @ vectors[1].T
    combined = score_all(model, images, texts).logits.numpy()
    for k in ks:
        for direction in (0, 1):
            first, second = (m if direction == 0 else m.T for m in (by_whole, combined))
            for place, query in enumerate(among):
                near = sorted(among, key=lambda j: -first[query][j])
                order = sorted(near[:shortlist], key=lambda j: -second[query][j])
                order += near[shortlist:]
                right = [classes[j] == classes[query] for j in order[:k]]
                assert found[k][direction, place] == pytest.approx(np.mean(right)), (k, query)


def test_what_a_shortlist_loses_is_counted_by_hits():
    full = Ranks(np.array([1, 2, 1.0]), np.array([1, 1, 9.0]))
    short = Ranks(np.array([1, 4.5, 1]), np.array([1, 5, 9.0]))
    assert lost_recall(full, short, (1, 2, 9)) == {
        "recall_at_1": pytest.approx(1 / 6),
        "recall_at_2": pytest.approx(2 / 6),
        "recall_at_9": 0.0,
    }


def test_a_right_answer_that_a_tie_kept_out_is_behind_the_shortlist():
    # Four candidates level at the first place: rank 2.5, and not among the two that were taken.
    scores, wrong = np.array([[0.3, 0.2]]), np.zeros((1, 2), bool)
    assert module._ranks_in(scores, wrong, np.array([2.5])) == 2.5
    assert module._ranks_in(scores, wrong, np.array([1.5])) == 2.5
    assert module._ranks_in(scores, wrong, np.array([7.0])) == 7.0


def test_wrong_shortlists_and_nan_are_refused(model, encoded):
    with pytest.raises(ValueError, match="shortlist must be at least 1, got 0"):
        shortlists(model, *encoded[:2], 0)
    with pytest.raises(ValueError, match="scores must not be NaN"):
        module._ranks_in(np.full((1, 2), np.nan), np.ones((1, 2), bool), np.ones(1))
