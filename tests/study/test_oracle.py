"""The oracle: scenes that hold the truth and nothing else, true edges, learning that can fail."""

import numpy as np
import pytest
import torch

from reclf.datasets.phantom import Phantom, counterfactual_pairs
from reclf_phantom.case import KINDS
from reclf_study.oracle import GRID, Oracle, Scene, draw_scenes, examine, train_oracle

SRM = {"steps": 2, "read_out": "token"}


@pytest.fixture(scope="module")
def scenes():
    return draw_scenes(12, "train")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


def test_a_twin_has_the_same_words_on_other_places(scenes):
    for study, twin in zip(scenes[::2], scenes[1::2], strict=True):
        assert sorted(w.text for w in study.words) == sorted(w.text for w in twin.words)
        assert not np.array_equal(study.maps, twin.maps)
        assert study.facts != twin.facts


def test_maps_are_where_the_masks_are():
    ((study, _),) = counterfactual_pairs(Phantom(None, "test", 96), 1, "binding")
    scene = Scene.of(study)
    cell = 96 // GRID
    for kind, mask in study.masks.items():
        share = mask.reshape(GRID, cell, GRID, cell).mean((1, 3))
        found = scene.maps[KINDS.index(kind)]
        np.testing.assert_allclose(found, np.minimum(1, 4 * share), atol=1e-5)
    absent = [i for i, kind in enumerate(KINDS) if kind not in study.masks]
    assert not scene.maps[absent].any()
    assert all(word.important for word in scene.words)


@pytest.mark.parametrize("options", [SRM, {**SRM, "nearness": 0.5}, {**SRM, "overlap": 2.0}])
@pytest.mark.parametrize("edges", ["learnt", "true"])
def test_scores_of_own_reports_are_on_the_diagonal(scenes, options, edges):
    oracle = Oracle(scenes, "srm", options, edges=edges).eval()
    with torch.no_grad():
        torch.testing.assert_close(oracle.score(scenes).diag(), oracle.relate(scenes).logits)


def test_true_edges_join_the_words_of_one_finding(scenes):
    oracle = Oracle(scenes, "srm", SRM, edges="true").eval()
    assert examine(oracle, scenes)["relation_auroc"].value == 1
    graph = oracle.relate(scenes).graph
    for scene, edges in zip(scenes, graph, strict=True):
        for i, word in enumerate(scene.words):
            for j, other in enumerate(scene.words):
                if word.finding != other.finding:
                    assert edges[0, i + 1, j + 1] < 1e-3
    assert 0.2 < examine(Oracle(scenes, "srm", SRM), scenes)["relation_auroc"].value < 0.8


def test_bare_words_pooled_cannot_bind_and_whole_findings_can(scenes):
    few = scenes[:16]
    words, findings = Oracle(few, "mean"), Oracle(few, "mean", reads="findings")
    for oracle in (words, findings):
        losses = train_oracle(oracle, few, steps=150, pairs=8)
        assert np.mean(losses[-10:]) < np.mean(losses[:10])
    # The reports of a pair are one bag of words, and the mean of a bag is one score.
    assert examine(words, few)["binding_accuracy"].value == pytest.approx(0.5, abs=0.05)
    assert examine(findings, few)["binding_accuracy"].value > 0.9


def test_a_misspelt_choice_is_refused(scenes):
    with pytest.raises(ValueError, match="edges must be one of learnt, true, got 'truth'"):
        Oracle(scenes, edges="truth")
    with pytest.raises(ValueError, match="reads must be one of words, findings"):
        Oracle(scenes, reads="text")


def test_too_few_steps_are_refused_by_name():
    scenes = draw_scenes(2, "train")
    with pytest.raises(ValueError, match="steps must be at least 20, got 10"):
        train_oracle(Oracle(scenes), scenes, steps=10, pairs=2)
    assert len(train_oracle(Oracle(scenes), scenes, steps=20, pairs=2)) == 20
