"""Whether training moved the relation modules, against plain loops; and what verdicts say then."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reclf.data.lexicon import load_lexicon
from reclf.explain import explain
from reclf.models.baselines import new_model
from reclf.stats.estimate import Estimate
from reclf_study.ablation import ABLATION_MEASURES, AblationSummary, sentence, verdict
from reclf_study.ablation_table import differences
from reclf_study.treatment import MOVED, TREATMENTS, not_moved, treatment_ratios, variation


@pytest.fixture
def reclf(build):
    """A model with both modules, and its start."""
    options = {"composition": "parallel", "steps": 2, "read_out": "token"}
    model = build(aggregator="reclf", aggregator_options=options)
    return model, begun(model)


@pytest.fixture
def shown(studies):
    lexicon = load_lexicon()
    return [lexicon.with_words(study) for study in studies[:5]]


def begun(model):
    return new_model(model.config, model.tokenizer, 1, model).eval()


def move(model, of):
    """Change the parameters of a module as a training might."""
    torch.manual_seed(0)
    for name, parameter in model.aggregator.named_parameters():
        if of in name:
            parameter.data += torch.randn_like(parameter)


def test_a_module_at_its_start_has_not_moved_whatever_the_encoders_did(reclf, shown):
    model, start = reclf
    for parameter in model.image_encoder.parameters():
        parameter.data *= 1.5
    found = treatment_ratios(model, start, shown)
    assert found.keys() == TREATMENTS.keys()
    assert found["irm_moved"].value == found["srm_moved"].value == 0
    assert found["irm_by_image"].value > 0
    assert found["srm_by_image"].value > 0


def test_numbers_are_those_of_a_plain_loop_over_explanations(reclf, shown):
    model, start = reclf
    move(model, "")
    found = treatment_ratios(model, start, shown)
    trained, values = model.aggregator, {name: [] for name in TREATMENTS}
    for number, study in enumerate(shown):
        own = explain(model, study)
        other = explain(model, replace(shown[number - 1], report=study.report, words=study.words))
        model.aggregator = start.aggregator
        first = explain(model, study)
        model.aggregator = trained
        for against, name in ((first, "moved"), (other, "by_image")):
            gaps = [abs(a - b) for a, b in zip(own.importance, against.importance, strict=True)]
            values[f"irm_{name}"].append(sum(gaps) / 2)
            rows = [(0, row) for row in range(len(own.words) + 1)] + [(1, 0)]  # node 0 is read last
            gaps = [np.abs(own.graph[k, r] - against.graph[k, r]).sum() / 2 for k, r in rows]
            values[f"srm_{name}"].append(np.mean(gaps))
        values["irm_max_min"].append(max(own.importance) / min(own.importance))
        squares = sum(weight**2 for weight in own.importance)
        values["irm_effective_share"].append(1 / squares / len(own.words))
    for name, each in values.items():
        assert found[name].value == pytest.approx(np.mean(each), rel=1e-4), name
    assert 0 < found["irm_effective_share"].value < 1 < found["irm_max_min"].value


@pytest.mark.parametrize(("part", "still"), [("importance", "srm"), ("semantic", "irm")])
def test_one_module_moves_without_the_other(reclf, shown, part, still):
    model, start = reclf
    move(model, part)
    found = treatment_ratios(model, start, shown)
    assert found[f"{still}_moved"].value == 0
    (moved,) = {"srm", "irm"} - {still}
    assert found[f"{moved}_moved"].value > 0


@pytest.mark.parametrize("aggregator", ["mean", "global", "gloria"])
def test_poolings_have_no_treatment(build, shown, aggregator):
    model = build(aggregator=aggregator)
    assert treatment_ratios(model, begun(model), shown) == {}


def test_a_report_without_words_says_nothing(reclf, shown):
    model, start = reclf
    found = treatment_ratios(model, start, [replace(shown[0], report="", words=()), *shown[1:]])
    assert {found[name].n for name in ("irm_moved", "irm_max_min", "irm_effective_share")} == {4}


def test_variation_by_hand():
    one, other = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    assert variation(one, other) == pytest.approx((0.5 + 1.0) / 2)


@pytest.mark.parametrize(
    ("name", "control", "moved", "said"),
    [
        ("srm", "mean", {"srm_moved": MOVED - 0.01}, ["SRM's edges"]),
        ("srm", "mean", {"srm_moved": MOVED}, []),
        ("srm", "srm_uniform", {"srm_moved": 0.0}, ["SRM's edges"]),  # whose edges are fixed
        ("srm_uniform", "mean", {"srm_moved": 0.0}, []),
        ("reclf", "srm", {"srm_moved": 0.0, "irm_moved": 0.5}, []),  # asks about IRM alone
        ("reclf", "mean", {"srm_moved": 0.0, "irm_moved": 0.01}, ["IRM's weights", "SRM's edges"]),
        ("irm", "mean", {}, []),  # of an older version, where it is not known
        ("mean_global", "mean", {}, []),
    ],
)
def test_a_comparison_asks_for_the_modules_that_its_control_has_not(name, control, moved, said):
    assert not_moved(name, control, moved) == said


def test_what_was_not_trained_is_never_not_shown():
    open_, real = Estimate(0.01, (-0.02, 0.04), 300), Estimate(0.05, (0.02, 0.08), 300)
    assert verdict(open_) == "not shown"
    assert verdict(open_, ["IRM's weights"]) == "not trained"
    assert verdict(real, ["IRM's weights"]) == "real"  # by what else the variant has
    said = sentence("irm - mean", "recall_at_5", open_, 0.5, ["IRM's weights"])
    assert said.endswith("not trained (IRM's weights stayed at their start)")
    means = {
        name: {"recall_at_5": open_, "irm_moved": Estimate(0.02, (0.01, 0.03), 300)}
        for name in ("irm", "mean")
    }
    summary = AblationSummary(
        means, {"irm - mean": {"recall_at_5": open_}}, {"irm - mean": "control"}, {}
    )
    result = summary.result()
    compared = result["comparisons"]["irm - mean"]
    assert compared["not_moved"] == ["IRM's weights"]
    assert compared["verdict"] == compared["measures"]["recall_at_5"]["verdict"] == "not trained"
    assert "(not trained: +.010 [-.020, +.040])" in differences(result)
    assert set(TREATMENTS) <= set(ABLATION_MEASURES)
