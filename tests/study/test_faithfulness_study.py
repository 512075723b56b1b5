"""Cases and their controls: each control is what its name says."""

import numpy as np
import pytest
import small_pairs

from reclf.data.region_grid import center_prior, random_map
from reclf.tasks.grounding import Item
from reclf_study.attribution import attention, feature_ablation
from reclf_study.faithfulness_measures import MEASURES, CellScore, curves, measure, rank_correlation
from reclf_study.faithfulness_report import differences
from reclf_study.faithfulness_study import (
    CONTROLS,
    WORD_CONTROLS,
    evaluate_case,
    evaluate_cases,
    mean_curves,
    measure_values,
    one_per_study,
    read_words,
    score_of,
    word_correlations,
)

FEW = {"steps": 5, "samples": 8, "gradient_steps": 2}
METHODS = {"attention", "grad_cam", "integrated_gradients", "feature_ablation", "occlusion"}


@pytest.fixture
def models(tiny):
    return small_pairs.build(tiny), small_pairs.build(tiny, seed=2)


@pytest.fixture
def case(models):
    return evaluate_case(*models, small_pairs.item(0), small_pairs.item(2), seed=4, **FEW)


def test_controls_are_what_their_names_say(models, case):
    model, untrained = models
    item, other = small_pairs.item(0), small_pairs.item(2)
    for target in ("phrase", "pair"):
        maps = case.maps[target]
        assert maps.keys() == METHODS | set(CONTROLS)
        np.testing.assert_array_equal(maps["random map"], random_map((4, 4), 4))
        np.testing.assert_array_equal(maps["center prior"], center_prior((4, 4), center=0.5 / 16))
        of = attention(score_of(model, item, target, other)).regions
        np.testing.assert_array_equal(maps["shuffled report"], of)
        of = attention(score_of(untrained, item, target)).regions
        np.testing.assert_array_equal(maps["randomized weights"], of)
        of = attention(score_of(model, item, target)).regions
        np.testing.assert_array_equal(maps["attention"], of)
        assert not np.allclose(maps["attention"], maps["shuffled report"])
        assert not np.allclose(maps["attention"], maps["randomized weights"])


def test_every_map_is_measured_on_the_same_score(models, case):
    item = small_pairs.item(0)
    for target in ("phrase", "pair"):
        cells = CellScore.of(score_of(models[0], item, target))
        for name, heat in case.maps[target].items():
            expected = measure(cells, heat, item.mask, 5, 8, 4)
            assert case.measures[target][name] == pytest.approx(expected)


def test_word_weights_beside_what_the_score_loses(models, case):
    drops = feature_ablation(score_of(models[0], small_pairs.item(0), "pair")).words
    np.testing.assert_array_equal(case.words["drop without the word"], drops)
    assert case.words["word length"].tolist() == [5, 4, 8]  # small left effusion
    assert case.word_measures.keys() == {"importance", "integrated_gradients", *WORD_CONTROLS}
    assert case.word_measures["importance"] == rank_correlation(case.words["importance"], drops)


def test_the_sanity_check_finds_a_method_that_does_not_care(models):
    model, untrained = models
    item, other = small_pairs.item(0), small_pairs.item(2)
    same = evaluate_case(model, model, item, other, **FEW).same_as_random
    assert [same[name] for name in ("attention", "occlusion")] == pytest.approx([1, 1])
    assert evaluate_case(model, untrained, item, other, **FEW).same_as_random["attention"] < 0.99


def test_integrated_gradients_report_how_far_they_miss(case):
    assert len(case.deltas) == 2
    assert all(0 <= share < 10 for share in case.deltas)


def test_a_model_without_a_local_logit_is_judged_by_the_global_one(tiny):
    models = [small_pairs.build(tiny, aggregator="global", seed=seed) for seed in (1, 2)]
    case = evaluate_case(*models, small_pairs.item(0), small_pairs.item(1, (0, 1)), **FEW)
    assert "grad_cam" in case.maps["phrase"]
    assert "grad_cam" not in case.maps["pair"]
    assert "importance" not in case.words


def test_an_evaluation_is_the_same_twice_and_each_case_has_its_own_seed(models):
    items = [small_pairs.item(i, (0,)) for i in range(3)]
    first, second = (evaluate_cases(*models, items, seed=7, **FEW) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert a.measures == b.measures
    maps = [one.maps["pair"]["random map"] for one in first]
    assert (maps[0] != maps[1]).all()
    (alone,) = evaluate_cases(*models, items[:1], **FEW)  # nothing else to say
    assert alone.maps["pair"].keys() == METHODS | set(CONTROLS) - {"shuffled report"}
    assert alone.measures["phrase"].keys() == alone.maps["phrase"].keys()
    compared = differences(measure_values([alone], "pair"), "attention")
    assert all(found.keys() == set(CONTROLS) - {"shuffled report"} for found in compared.values())

    values = measure_values(first, "pair")
    assert values["attention"].keys() == MEASURES.keys()
    for kind in MEASURES:
        by_hand = [one.measures["pair"]["attention"][kind] for one in first]
        assert values["attention"][kind].tolist() == by_hand
    words = word_correlations(first)
    assert list(words)[-3:] == sorted(WORD_CONTROLS)
    assert len(words["importance"]) == 3

    known = [len(one.scores["pair"]._known) for one in first]
    drawn = mean_curves(first, "pair", steps=5, seed=7)
    assert known == [len(one.scores["pair"]._known) for one in first]
    by_hand = [
        curves(one.scores["pair"], one.maps["pair"]["attention"], 5, 7 + i).insertion
        for i, one in enumerate(first)
    ]
    np.testing.assert_allclose(drawn["attention"]["insertion"], np.mean(by_hand, axis=0))


def test_one_item_of_each_study():
    items = [small_pairs.item(i % 4) for i in range(12)]
    chosen = one_per_study(items, 10)
    assert sorted(item.study.study_id for item in chosen) == ["s0", "s1", "s2", "s3"]
    assert len(one_per_study(items, 3)) == 3
    names = [[item.study.study_id for item in one_per_study(items, 4, seed)] for seed in range(5)]
    assert len({tuple(name) for name in names}) > 1


def test_a_phrase_behind_the_cut_is_not_read(models):
    study = small_pairs.study()
    text = "left left left left left effusion"  # the model reads five words
    items = [Item(study, text, w, "effusion", "effusion", study.masks["effusion"])
             for w in ((4, 5), (5,), None)]  # fmt: skip
    assert [read_words(models[0], item) for item in items] == [[4], [], [0, 1, 2, 3, 4]]
    assert score_of(models[0], items[0], "phrase").chosen == [4]
    with pytest.raises(ValueError, match="reads no word of the phrase 'effusion' of s0"):
        score_of(models[0], items[1], "phrase")
    with pytest.raises(ValueError, match="one of phrase, pair, got 'word'"):
        score_of(models[0], items[0], "word")
