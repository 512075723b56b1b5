"""Retrieval of a run against plain loops over two matrices of scores."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from evaluated_run import evaluate

from reclf.datasets.tiny import draw_chest, write_image, write_table
from reclf.models import recall as recall_module
from reclf.models.recall import Ranks, recall_summary, score_studies
from reclf.stats.ranking import precision_at_k
from reclf.stats.tables import plain
from reclf.tasks import retrieval as precision_module
from reclf.tasks.evaluations import retrieval
from reclf.tasks.results import short_hash
from reclf.tasks.retrieval import class_keys, class_names, precision_summary
from reclf.tasks.scoreboard import table

LENGTH = 4  # of the shortlist


def nearest(row):
    """Candidates of one query, best first."""
    return sorted(range(len(row)), key=lambda j: -row[j])[:LENGTH]


def plain_ranks(combined, by_global, keys):
    """Rank of the first right report: in the shortlist by the combined score, else behind it."""
    ranks, whole = [], []
    for i, row in enumerate(by_global):
        order = sorted(range(len(row)), key=lambda j: -row[j])
        whole.append(1 + next(k for k, j in enumerate(order) if keys[j] == keys[i]))
        short = sorted(nearest(row), key=lambda j: -combined[i][j])
        inside = [k for k, j in enumerate(short) if keys[j] == keys[i]]
        ranks.append(1 + inside[0] if inside else max(whole[-1], LENGTH + 0.5))
    return np.array(ranks, float), np.array(whole, float)


def plain_precision(combined, by_global, classes, k):
    """Share of the query's class among the first k, per query."""
    found = []
    for i, row in enumerate(by_global):
        order = sorted(range(len(row)), key=lambda j: -row[j])
        if k < LENGTH:
            order = sorted(nearest(row), key=lambda j: -combined[i][j])
        found.append(np.mean([classes[j] == classes[i] for j in order[:k]]))
    return np.array(found)


@pytest.mark.parametrize(("metric", "k", "labeled"), [("recall", 2, 12), ("precision", 3, 10)])
def test_retrieval_of_a_run_is_that_of_plain_loops(choose, monkeypatch, metric, k, labeled):
    for module in (recall_module, precision_module):
        quick = partial(module.bootstrap_interval, resamples=20)
        monkeypatch.setattr(module, "bootstrap_interval", quick)
    p = choose(
        "retrieval", studies=12, shortlist=LENGTH, metric=metric, k=k, seed=3, score_all_up_to=12
    )
    task_run = retrieval.open_task(p)
    studies = task_run.gallery(12)
    same = {"report": studies[1].report, "labels": studies[1].labels}
    studies[5] = replace(studies[5], **same)  # a tie for others, and the same class
    for i in range(labeled, 12):
        studies[i] = replace(studies[i], labels={})
    task_run.gallery = lambda n: studies if n == 12 else None
    evaluation = retrieval.evaluate(task_run, p)
    result, shown = plain(evaluation.result), evaluation.shown

    keys = np.array([1 if i == 5 else i for i in range(12)])
    right = np.array([2 if i in (1, 5) else 1 for i in range(12)])
    names = list(studies[0].labels)
    labels = np.array([[s.labels.get(name, math.nan) for name in names] for s in studies])
    known = np.arange(labeled)
    classes = class_keys(labels[known])
    ks = sorted({1, 5, 10, k})
    assert shown.ks == ks
    recall, precision, lost = {}, {}, {}
    for who in ("random", "trained"):
        scores = score_studies(task_run.models[who], studies)
        combined, by_global = scores.logits.tolist(), scores.logits_global.tolist()
        both = [(combined, by_global), (np.array(combined).T, np.array(by_global).T)]
        ranks = [plain_ranks(*pair, keys) for pair in both]
        mine = Ranks(*(short for short, _ in ranks))
        recall[f"{who}, shortlist"] = recall_summary(mine, right, ks, 3)
        recall[f"{who}, global"] = recall_summary(Ranks(*(w for _, w in ranks)), right, ks, 3)
        at = [n for n in ks if n <= labeled]
        few = [[np.array(part)[np.ix_(known, known)] for part in pair] for pair in both]
        whole = [(g, g) for _, g in few]
        parts = {
            name: {n: np.stack([plain_precision(*pair, classes, n) for pair in pairs]) for n in at}
            for name, pairs in (("shortlist", few), ("global", whole))
        }
        for name, found in parts.items():
            table = precision_summary(found, classes, class_names(labels[known], names), 3)
            precision[f"{who}, {name}"] = table
    # of the trained model every pair is scored, too
    full = [plain_ranks(one, one, keys)[1] for one, _ in both]
    recall["trained, all pairs"] = recall_summary(Ranks(*full), right, ks, 3)
    lost = {
        f"recall_at_{n}": recall["trained, all pairs"][f"recall_at_{n}"]["value"]
        - recall["trained, shortlist"][f"recall_at_{n}"]["value"]
        for n in ks
    }
    same = classes[:, None] == classes[None]
    every = {n: np.stack([precision_at_k(one, same, n) for one, _ in few]) for n in at}
    precision["trained, all pairs"] = precision_summary(
        every, classes, class_names(labels[known], names), 3
    )
    assert result["recall"] == plain(recall)
    assert result["precision"].keys() == precision.keys()
    for name, table in precision.items():
        assert result["precision"][name] == plain(table), name
    assert result["lost_by_shortlist"] == pytest.approx(lost)
    key, tables = f"{metric}_at_{k}", recall if metric == "recall" else precision
    for name in ("value", "interval", "chance"):
        assert result[name] == pytest.approx(plain(tables["trained, shortlist"][key][name]))
        untrained = result["untrained_baseline"][name]
        assert untrained == pytest.approx(plain(tables["random, shortlist"][key][name]))
    assert result["n"] == (12 if metric == "recall" else labeled)
    if metric == "recall":
        hits = mine.hits(k).mean(0)
        expected = {
            name: hits[labels[:, c] == 1].mean()
            for c, name in enumerate(names)
            if (labels[:, c] == 1).any()
        }
        assert result["per_class"] == pytest.approx(expected)
    assert evaluation.protocol["split_hash"] == short_hash(*(s.study_id for s in studies))
    assert [list(row) for row in shown.first] == [nearest(row)[:3] for row in by_global]


def test_a_larger_gallery_is_not_scored_as_a_whole(choose):
    p = choose("retrieval", studies=6, shortlist=9, k=1, score_all_up_to=5)
    evaluation, written = evaluate(retrieval, p)
    assert written["lost_by_shortlist"] is None
    assert written["recall"].keys() == written["precision"].keys()
    assert "trained, all pairs" not in written["recall"]
    assert [*evaluation.shown.ranks] == [
        (who, score) for who in ("random", "trained") for score in ("global", "shortlist")
    ]


def test_retrieval_by_class_is_what_is_reported_if_it_is_asked_for(choose):
    p = choose("retrieval", studies=20, shortlist=7, metric="precision", k=3)
    _, written = evaluate(retrieval, p)
    assert written["protocol"]["metric"] == "precision@3 by class, mean of both directions"
    tables = written["precision"]
    scores = [
        f"{who}, {score}" for who in ("trained", "random") for score in ("global", "shortlist")
    ]
    assert tables.keys() == {*scores, "trained, all pairs"}
    assert tables["trained, shortlist"]["n_per_class"]["none of the labels"] > 0
    entry = tables["trained, shortlist"]["precision_at_3"]
    assert {name: written[name] for name in entry} == entry
    assert written["n"] == tables["trained, shortlist"]["n"] == 20
    untrained = tables["random, shortlist"]["precision_at_3"]
    assert written["untrained_baseline"] == untrained | {"n": 20}
    assert entry["per_class"].keys() == tables["trained, shortlist"]["n_per_class"].keys()
    lines = table({"retrieval-phantom": written}).splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == [
        *(f"retrieval, precision@{k} by class, shortlist re-ranked by relations"
          for k in (1, 3, 5, 10)),
        "retrieval, precision@3 by class, global score alone",
    ]  # fmt: skip
    for line in lines:
        assert f"{entry['chance']:.3f}"[1:] in line


def test_precision_by_class_needs_labels(choose, tmp_path):
    (tmp_path / "images").mkdir()
    rows = []
    for i in range(4):
        write_image(tmp_path / f"images/{i}.png", draw_chest(i))
        rows.append((f"images/{i}.png", f"Report {i} of a chest."))
    write_table(tmp_path / "manifest.csv", "image,report", rows)
    p = choose(
        "retrieval", dataset="table", data_root=str(tmp_path), split="train", k=1,
        metric="precision", options={"split_column": None, "patient_column": None},
    )  # fmt: skip
    with pytest.raises(
        ValueError,
        match=r"precision@1 by class needs 1 studies .* and 0 of the 4",
    ):
        retrieval.evaluate(retrieval.open_task(p), p)
