"""Recall by identity and precision by class against plain loops, and large galleries in blocks."""

import math
import sys

import numpy as np
import pytest
import torch
from commands import run_python

from reclf.models.recall import Ranks, recall_summary, recall_table, report_keys, same_report
from reclf.stats.bootstrap import bootstrap_interval
from reclf.stats.ranking import rank_of_partner
from reclf.tasks import retrieval as module
from reclf.tasks.retrieval import (
    class_keys,
    class_names,
    global_precision,
    global_ranks,
    precision_summary,
    retrieval,
    score_blocks,
    unit_vectors,
)


@pytest.fixture
def vectors():
    """Unit vectors of 11 images and reports that know of each other, of which two are the same."""
    generator = torch.Generator().manual_seed(5)
    images = torch.randn(11, 4, generator=generator)
    texts = images + torch.randn(11, 4, generator=generator)
    texts[7] = texts[2]
    return unit_vectors(images), unit_vectors(texts)


KEYS = np.array([0, 1, 2, 3, 4, 5, 6, 2, 8, 9, 10])  # report 7 has the words of report 2


def test_reports_with_the_same_words_are_the_same():
    reports = ["The heart is normal.", "the heart is  normal", "The heart is enlarged."]
    keys = report_keys(reports)
    assert keys[0] == keys[1] != keys[2]
    assert same_report(reports).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_studies_without_a_report_are_refused():
    with pytest.raises(ValueError, match=r"2 of 3 studies have no report.*on_problem='skip'"):
        report_keys(["The heart is normal.", "", " . "])


def test_a_class_is_a_set_of_findings_and_no_label_is_no_class():
    labels = np.array([[1, 0], [1, math.nan], [0, 0], [1, 1], [math.nan, math.nan], [0, math.nan]])
    keys = class_keys(labels)
    assert keys[0] == keys[1]
    assert keys[2] == keys[5]
    assert len({keys[0], keys[2], keys[3]}) == 3
    assert keys[4] == -1
    assert (keys[[0, 1, 2, 3, 5]] >= 0).all()


def plain_recall(scores, keys, k, direction):
    """Share of queries with a report of their own words among the first k, one by one."""
    n, hits = len(keys), 0
    for query in range(n):
        row = [scores[query][j] if direction == 0 else scores[j][query] for j in range(n)]
        order = sorted(range(n), key=lambda j: -row[j])
        hits += any(keys[j] == keys[query] for j in order[:k])
    return hits / n


def test_recall_is_the_plain_loop_in_both_directions(vectors):
    scores = vectors[0] @ vectors[1].T + 1e-3 * torch.rand(11, 11)  # no ties
    table = recall_table(scores, KEYS[:, None] == KEYS[None], ks=(1, 3))
    assert table["n"] == 11
    for k in (1, 3):
        entry = table[f"recall_at_{k}"]
        to_report, to_image = (plain_recall(scores.tolist(), KEYS, k, d) for d in (0, 1))
        assert entry["image_to_report"] == pytest.approx(to_report)
        assert entry["report_to_image"] == pytest.approx(to_image)
        assert entry["value"] == pytest.approx((to_report + to_image) / 2)
        low, high = entry["interval"]
        assert low <= entry["value"] <= high
    right = np.array([2 if key == 2 else 1 for key in KEYS])
    assert table["recall_at_1"]["chance"] == pytest.approx(float((right / 11).mean()))


def test_directions_are_not_swapped():
    scores = torch.tensor([[0.9, 0.8, 0.0], [0.7, 0.1, 0.0], [0.6, 0.5, 0.4]])
    ranks = recall_table(scores, np.eye(3, dtype=bool), ks=(1,))["recall_at_1"]
    assert ranks["image_to_report"] == pytest.approx(1 / 3)  # rows: only the first image
    assert ranks["report_to_image"] == pytest.approx(2 / 3)  # columns: reports 0 and 2


def test_intervals_are_of_both_directions_and_drawn_by_the_seed(vectors):
    scores = vectors[0] @ vectors[1].T
    same = KEYS[:, None] == KEYS[None]
    classes = KEYS % 3
    precision = global_precision(*vectors, classes, (5,))
    for seed in (0, 4):
        entry = recall_table(scores, same, (2,), seed)["recall_at_2"]
        hits = np.stack([rank_of_partner(m, same) <= 2 for m in (scores.numpy(), scores.numpy().T)])
        assert entry["interval"] == bootstrap_interval(hits.mean(0), seed=seed)
        entry = precision_summary(precision, classes, ["a"] * 11, seed)["precision_at_5"]
        assert entry["interval"] == bootstrap_interval(precision[5].mean(0), seed=seed)
    table = recall_table(scores, same)
    assert list(table) == ["n", "recall_at_1", "recall_at_5", "recall_at_10"]


def plain_precision(scores, classes, k):
    shares = []
    for query, row in enumerate(scores):
        order = sorted(range(len(row)), key=lambda j: -row[j])
        shares.append(np.mean([classes[j] == classes[query] for j in order[:k]]))
    return float(np.mean(shares))


def test_precision_is_the_plain_loop_in_both_directions(vectors, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 4)
    images, texts = vectors[0], unit_vectors(vectors[1] + 0.01 * torch.rand(11, 4))
    classes = np.array([0, 1, 0, 1, 2, 1, 0, 1, 2, 2, 0])
    names = [["mass", "nodule", "none of the labels"][c] for c in classes]
    found = global_precision(images, texts, classes, ks=(1, 5, 50))
    assert list(found) == [1, 5]  # of eleven candidates
    table = precision_summary(found, classes, names)
    assert table["n"] == 11
    assert table["n_per_class"] == {"mass": 4, "nodule": 4, "none of the labels": 3}
    scores = (images @ texts.T).tolist()
    turned = np.array(scores).T.tolist()
    for k in (1, 5):
        entry = table[f"precision_at_{k}"]
        assert entry["image_to_report"] == pytest.approx(plain_precision(scores, classes, k))
        assert entry["report_to_image"] == pytest.approx(plain_precision(turned, classes, k))
        both = (entry["image_to_report"] + entry["report_to_image"]) / 2
        assert entry["value"] == pytest.approx(both)
        weighted = [entry["per_class"][name] * n for name, n in table["n_per_class"].items()]
        assert sum(weighted) / 11 == pytest.approx(both)
        assert entry["chance"] == pytest.approx((4 * 4 + 4 * 4 + 3 * 3) / 121)
        low, high = entry["interval"]
        assert low < both < high
    alone = np.mean([found[5][:, i].mean() for i in range(11) if classes[i] == 2])
    assert table["precision_at_5"]["per_class"]["none of the labels"] == pytest.approx(alone)


def test_a_class_is_named_by_its_labels():
    labels = np.array([[1, 0, 1], [0, math.nan, 0], [0, 1, math.nan]])
    names = ["Mass", "Nodule", "Effusion"]
    assert class_names(labels, names) == ["Mass and Effusion", "none of the labels", "Nodule"]


@pytest.mark.parametrize("block", [1, 4, 11, 50])
def test_blocks_do_not_change_ranks(vectors, monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK", block)
    same = KEYS[:, None] == KEYS[None]
    matrix = (vectors[0] @ vectors[1].T).numpy()
    found = global_ranks(*vectors, KEYS)
    np.testing.assert_array_equal(found.to_report, rank_of_partner(matrix, same))
    np.testing.assert_array_equal(found.to_image, rank_of_partner(matrix.T, same))
    blocks = list(score_blocks(*vectors))
    assert np.concatenate([rows for rows, _ in blocks]).tolist() == list(range(11))
    np.testing.assert_allclose(np.concatenate([scores for _, scores in blocks]), matrix, atol=1e-6)


def test_ranks_of_ties_count_half_and_hits_are_by_direction():
    ranks = Ranks(np.array([1, 1.5, 4.0]), np.array([2, 1, 7.0]))
    assert ranks.hits(1).tolist() == [[1, 0, 0], [0, 1, 0]]
    summary = recall_summary(ranks, np.ones(3, int), ks=(2,))["recall_at_2"]
    assert (summary["image_to_report"], summary["report_to_image"]) == (2 / 3, 2 / 3)


def test_the_whole_way_gives_a_table_per_score(model, build, studies):
    tables = retrieval(model, studies[:6])
    assert set(tables) == {"combined", "global", "local"}
    assert set(tables["global"]) == {"n", "recall_at_1", "recall_at_5", "recall_at_10"}
    assert set(retrieval(build(aggregator="global"), studies[:6])) == {"combined", "global"}


MEMORY = """
import sys, torch
from reclf.tasks.retrieval import global_ranks, unit_vectors
import numpy as np

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024

n = 10_000
images = torch.randn(n, 8, generator=torch.Generator().manual_seed(0))
texts = unit_vectors(images + 0.1 * torch.randn(n, 8, generator=torch.Generator().manual_seed(1)))
images = unit_vectors(images)
global_ranks(images[:600], texts[:600], np.arange(600))  # libraries take their own once
before = peak()
ranks = global_ranks(images, texts, np.arange(n))
print(peak() - before, len(ranks.to_report), np.median(ranks.to_report))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_ten_thousand_squared_scores_fit_into_a_small_machine():
    megabytes, n, median = map(float, run_python(MEMORY).split())
    assert n == 10_000
    assert median < 1000  # reports are near their images, and the ranks say so
    # 57 to 214 in eight processes, as the allocator finds room; in one block it takes 858.
    assert megabytes < 400
