"""Print figures at the widths of a column and a page: nothing overlaps, is cut, small or pale."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pytest
from print_layout import faults_of
from sample_explanations import REPORT, TYPES, sample

from reclf_widgets import plot_attributions, plot_importance, plot_matchings, plot_relations
from reclf_widgets.figure import STYLE, plot_message
from reclf_widgets.layout import TALLEST

WIDTHS = [3.3, 6.9]
LONG = (
    "The cardiomediastinal silhouette is mildly enlarged. There is a small left pleural effusion "
    "with adjacent atelectasis at the base. No focal consolidation or pneumothorax is seen on the "
    "right. Degenerative changes of the thoracic spine are noted again today."
)
NAME = "electroencephalographically-triggered"
REPORTS = {
    "few": REPORT,
    "40": LONG,
    "120": " ".join(f"word{i}" for i in range(120)),
    "long names": " ".join([f"{NAME}{i}" for i in range(6)]),
    "one": "Clear",
    "none": "",
}
MODEL = "a ResNet-50 that was pretrained with word_gate=true and irm_norm=softmax"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def typed(report, model=0, **changes):
    """An explanation whose words have all types, in turn, by a lexicon."""
    one = sample(report=report, model=model, provenance={"word_types": "lexicon chest"}, **changes)
    count = len(one.words)
    findings = ([0, 1, -1] * count)[:count]
    return dataclasses.replace(one, word_types=(TYPES * 20)[:count], word_findings=findings)


def models_of(report, count):
    names = ("RECLF", "GLoRIA", MODEL, "D")[:count]
    return {name: typed(report, i) for i, name in enumerate(names)}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_matchings(report, count, width):
    models = models_of(REPORTS[report], count)
    figure = plot_matchings(models, difference=count == 2, width=width)
    assert faults_of(figure) == []
    assert figure.get_figwidth() == width


@pytest.mark.parametrize(("scale", "width"), [("word", 3.3), ("case", 6.9), ("rank", 3.3)])
def test_matchings_of_forty_words(scale, width):
    figure = plot_matchings(typed(LONG), range(39), scale=scale, width=width)
    panels = [axis for axis in figure.axes if axis.get_label() == "panel"]
    assert len(panels) == 40
    assert faults_of(figure) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("size", [(96, 80), (200, 60), (60, 200)])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_word_is_never_taller_than_a_page(count, size, width):
    models = {str(i): sample(model=i, size=size) for i in range(count)}
    figure = plot_matchings(models, ["effusion"], difference=count == 2, width=width)
    assert figure.get_figheight() <= TALLEST
    assert faults_of(figure) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_values_that_are_tiny_and_names_of_masks_that_are_many(width):
    masks = {f"left_upper_lobe_opacity_{i}": sample().masks["cardiomegaly"] for i in range(20)}
    tiny = sample(attention=1e-5 * sample().attention, masks=masks)
    models = {"a": tiny, "b": sample(attention=2e-5 * sample().attention, masks=masks)}
    figure = plot_matchings(models, ["effusion"], difference=True, width=width)
    assert faults_of(figure) == []
    assert any("more" in text.get_text() for text in figure.axes[0].texts)


@pytest.mark.parametrize("width", [*WIDTHS, 5.0])
@pytest.mark.parametrize("edges", [20, 100])
@pytest.mark.parametrize("report", REPORTS)
def test_relations(report, edges, width):
    figure = plot_relations(typed(REPORTS[report]), edges=edges, width=width)
    assert faults_of(figure) == []
    assert figure.get_figheight() <= TALLEST


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_importance(report, count, width):
    figure = plot_importance(models_of(REPORTS[report], count), width=width)
    assert faults_of(figure) == []
    assert figure.get_figwidth() == width


@pytest.mark.parametrize("width", WIDTHS)
def test_attributions(width):
    random = np.random.default_rng(0)
    maps = {
        name: {
            "attention": random.random((6, 5)),
            "integrated_gradients": random.normal(0, 1e-5, (6, 5)),
            "feature_ablation": random.normal(0, 30, (6, 5)),
            "grad_cam": np.zeros((6, 5)),
            "the same method with randomized weights": None,
        }
        for name in ("“mild bilateral pulmonary edema of the lower lobes”", "pair")
    }
    one = sample()
    figure = plot_attributions(one.image, maps, mask=one.masks["cardiomegaly"], width=width)
    assert faults_of(figure) == []


def test_a_message_is_not_cut():
    assert faults_of(plot_message(f"{MODEL} has no importance weights")) == []


def test_the_checks_see_what_they_should():
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(2, 1))
        figure.text(0.1, 0.5, "left")
        figure.text(0.15, 0.5, "right")
        figure.text(0.95, 0.1, "outside")
        figure.text(0.1, 0.1, "small", fontsize=5)
        figure.text(0.1, 0.8, "pale", color="#E69F00")
    assert faults_of(figure) == [
        "'outside' is cut by the edge of the figure",
        "'small' has 5.0 points",
        "'pale' has a contrast of 2.3",
        "'left' overlaps 'right'",
    ]
