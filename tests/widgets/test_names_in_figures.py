"""Names and words are text in every figure: no formula, no markup, nothing hidden."""

import importlib
import inspect
import pkgutil

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from sample_explanations import sample

import reclf_widgets
from reclf_widgets import MatchingExplorer
from reclf_widgets.figure import plot_attributions, plot_matchings, plot_message
from reclf_widgets.monitor import plot_training
from reclf_widgets.take_away import panel_figure
from reclf_widgets.word_figures import plot_importance, plot_relations

NAMES = ("$x^$", "_a", "<b>bold</b>", "50 % of %s", "$\\frac{$", "a_b$c^{2$")


def case(study=0):
    plain = sample(study)
    masks = dict(zip(("$x^$", "_a"), plain.masks.values(), strict=True))
    words = (NAMES * 2)[: len(plain.words)]
    guessed = {"word_types": "lexicon $x^$"}
    return sample(study, study_id="$x^$", words=list(words), masks=masks, provenance=guessed)


LINES = [{"name": name, "color": "red", "x": [1, 2], "y": [3, 4]} for name in ("$x^$", "global")]
CHART = {"lines": LINES, "guide": {"name": "$\\frac{$", "y": 1}, "title": "$x^$", "top": 5}
FIGURES = {
    "plot_matchings": lambda: plot_matchings(
        {"_a": case(0), "$x^$": case(1)}, range(len(NAMES)), difference=True
    ),
    "plot_attributions": lambda: plot_attributions(
        case().image, {NAMES[0]: dict.fromkeys(NAMES, case().attention[0])}
    ),
    "plot_relations": lambda: plot_relations(case()),
    "plot_importance": lambda: plot_importance({"_a": case(0), "$x^$": case(1)}),
    "plot_message": lambda: plot_message("$x^$ _a"),
    "panel_figure": lambda: panel_figure(MatchingExplorer([case()]), "relations"),
    "plot_training": lambda: plot_training([CHART, CHART]),
}


def test_every_function_that_draws_is_here():
    modules = [
        importlib.import_module(f"reclf_widgets.{found.name}")
        for found in pkgutil.iter_modules(reclf_widgets.__path__)
    ]
    drawing = {
        name
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if inspect.signature(function).return_annotation in (Figure, "Figure")
    }
    assert drawing == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_names_stay_as_they_are(name):
    figure = FIGURES[name]()
    try:
        figure.draw_without_rendering()  # under the settings of whoever shows it
        texts = [text for text in figure.findobj(Text) if text.get_text()]
        assert not any(text.get_parse_math() for text in texts if "$" in text.get_text())
        shown = "\n".join(text.get_text() for text in texts)
        expected = ["$x^$"] if name in ("plot_message", "plot_training") else NAMES
        assert [one for one in expected if one not in shown] == []
    finally:
        plt.close(figure)
