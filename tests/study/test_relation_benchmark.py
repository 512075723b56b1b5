"""The relation benchmark: every quantity is the one that its own function gives."""

import json

import numpy as np
import pytest
import torch

from reclf.datasets.phantom import FACTS, Phantom
from reclf.models.inference import collate_for
from reclf.stats.tables import plain
from reclf.tasks.grounding import find_items, grounding_result, heat_maps
from reclf.tasks.retrieval import retrieval
from reclf_study.counterfactual_pairs import comparisons_won, score_pairs
from reclf_study.relation_benchmark import (
    MEASURES,
    BenchmarkData,
    benchmark,
    relation_result,
    used_steps,
    word_frequency,
)
from reclf_study.word_readings import read
from reclf_study.word_relations import relation_triples, share_in_order


@pytest.fixture(scope="module")
def shown():
    frequency = word_frequency(Phantom(None, "train", 64), 60)
    return BenchmarkData.draw(Phantom(None, "test", 64), 12, 4, frequency)


@pytest.fixture(scope="module")
def two_steps(build):
    return build(aggregator="reclf", aggregator_options={"steps": 2, "read_out": "token"})


@pytest.fixture(scope="module")
def ratios(two_steps, shown):
    return benchmark(two_steps, shown)


def test_material_has_pairs_of_every_fact_and_a_gallery_without_devices(shown):
    assert {fact: len(pairs) for fact, pairs in shown.pairs.items()} == dict.fromkeys(FACTS, 4)
    assert len({study.meta["spec"] for study in shown.gallery}) == 12
    assert any(study.meta["case"]["devices"] for study in shown.gallery)
    assert not any(study.meta["case"]["devices"] for study in shown.device_free)
    assert len(shown.ids) == 12 + 12 + 7 * 4 * 2


def test_frequencies_are_of_the_reports_that_training_reads():
    data = Phantom(None, "train", 64)
    frequency = word_frequency(data, 8)
    reports = [data[i].report for i in range(8)]
    assert frequency.reports == 8
    assert frequency.counts["the"] == sum("the " in report.lower() for report in reports)


def test_it_measures_everything(ratios):
    assert MEASURES.keys() <= ratios.keys()
    needed = {b for m in MEASURES.values() for b in m.baselines if isinstance(b, str)}
    assert needed <= ratios.keys()


def test_recall_is_that_of_the_retrieval_task(two_steps, shown, ratios):
    for prefix, gallery in (
        ("", shown.gallery),
        ("device_free_", shown.device_free),
    ):
        tables = retrieval(two_steps, gallery)
        for k in (1, 5, 10):
            for score, suffix in (("combined", ""), ("global", "_global"), ("local", "_local")):
                entry, name = tables[score][f"recall_at_{k}"], f"{prefix}recall_at_{k}"
                assert ratios[name + suffix].value == pytest.approx(entry["value"])
                assert ratios[name + suffix].interval() == pytest.approx(entry["interval"])
                for direction, key in (("report", "image_to_report"), ("image", "report_to_image")):
                    found = ratios[f"{name}{suffix}_to_{direction}"].value
                    assert found == pytest.approx(entry[key])
            assert ratios[f"{name}_chance"].value == pytest.approx(entry["chance"])


def test_minimal_pairs_are_by_score_and_direction(two_steps, shown, ratios):
    scores = score_pairs(two_steps, shown.pairs["kind"])
    local = comparisons_won(scores["local"])
    assert ratios["kind_accuracy_local_to_image"].value == local["to_image"].value
    assert ratios["kind_accuracy_local"].value == local["both"].value
    assert ratios["kind_accuracy"].value == comparisons_won(scores["combined"])["both"].value


def test_pointing_is_that_of_the_grounding_task(two_steps, shown, ratios):
    items = find_items(shown.gallery, "words")
    result = grounding_result(items, heat_maps(two_steps, items))
    for name, measure in (("pointing_hit", "pointing"), ("cnr_signed", "cnr_signed")):
        entry = result["measures"][measure]
        assert ratios[name].value == pytest.approx(entry["value"])
        assert ratios[name].interval() == pytest.approx(entry["interval"])
    area = np.mean([item.mask.mean() for item in items])
    assert ratios["pointing_chance"].value == pytest.approx(area)


def test_relations_are_of_the_last_step_that_reaches_the_score(two_steps, shown, ratios):
    assert used_steps(two_steps) == [True, False]
    by_report = [
        share_in_order(reading.graph[0, 1:, 1:], relation_triples(reading.words))
        for reading in read(two_steps, shown.gallery)
    ]
    assert ratios["relation_auroc"].value == pytest.approx(np.nanmean(by_report))
    assert ratios["relation_auroc_step1"].value == ratios["relation_auroc"].value
    assert ratios["relation_auroc_step2"].value != ratios["relation_auroc"].value
    assert ratios["relation_auroc_hard_text_distance"].value == 0


@pytest.mark.parametrize(
    ("aggregator", "options", "expected", "whole"),
    [
        ("reclf", {"steps": 1}, [False], [True]),
        ("srm", {"steps": 3}, [True, True, False], [True, True, True]),
        ("reclf", {"steps": 2, "composition": "sequential"}, [True, True], [True, False]),
        ("reclf", {"steps": 1, "composition": "sequential"}, [True], [False]),
        (
            "reclf",
            {"steps": 2, "composition": "sequential", "include_global": True},
            [True, True],
            [True, True],
        ),
        ("mean", {}, [], []),
    ],
)
def test_which_edges_reach_the_score(build, studies, aggregator, options, expected, whole):
    """Held to the model itself: what words (the whole pair) draw in a step is changed, and the
    score looked at."""
    model = build(aggregator=aggregator, aggregator_options=options)
    assert used_steps(model) == expected
    last = model.aggregator.last_read()
    assert (last is None) == (whole == [])
    if last is not None:
        reaching = [step for step, reaches in enumerate(whole) if reaches]
        assert (last.total, last.whole) == (len(whole), max(reaching, default=None))
    batch = collate_for(model)(studies[:2])
    features = model.encode_images(batch.pixels), model.encode_reports(batch)
    before = model.relate(*features)[0].logits

    def change_words(module, inputs, output):
        nodes, graph = output
        assert nodes.shape[1] > 1
        return torch.cat([nodes[:, :1], nodes[:, 1:] * 2 + 1], dim=1), graph

    def change_whole(module, inputs, output):
        nodes, graph = output
        return torch.cat([nodes[:, :1] * 2 + 1, nodes[:, 1:]], dim=1), graph

    for change, reaching in ((change_words, expected), (change_whole, whole)):
        for step, reaches in enumerate(reaching):
            handle = model.aggregator.semantic.steps[step].register_forward_hook(change)
            after = model.relate(*features)[0].logits
            handle.remove()
            assert bool((after - before).abs().max() > 1e-6) == reaches


def test_the_result_has_every_measure_even_where_the_model_has_none(build, shown):
    model = build(aggregator="mean")
    ratios = benchmark(model, shown)
    assert "relation_auroc" not in ratios
    result = relation_result(ratios, ratios, used_steps(model))
    assert result["relation_auroc"]["value"] is None
    assert result["importance_auroc"]["n"] == 0
    assert result["value"] == result["binding_accuracy"]["value"]
    assert result["per_class"].keys() == set(FACTS)
    assert result["word_edges_reach_the_score"] == []
    assert json.dumps(plain(result), allow_nan=False)
