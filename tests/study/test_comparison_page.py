"""Interactive figures of a comparison: values, intervals, and what is left to the table."""

import html

import pytest

from reclf.runs.run import Run
from reclf.training.presets import make_config
from reclf_study.compare_runs import Comparison
from reclf_study.comparison_page import interval_figure, write_page


@pytest.fixture
def compared(tmp_path):
    runs = []
    for k, name in enumerate(("first", "second")):
        run = Run(tmp_path / name, make_config("phantom_small", **{"train.seed": k}))
        value = {"value": 0.5 + k / 10, "interval": [0.4, 0.7], "n": 30}
        run.write_result("relations-A", {"binding_accuracy": value, "protocol": {}})
        run.write_result("pretrain", {"recall_at_5": 0.8, "steps": 900})
        runs.append(run)
    return Comparison.of(runs)


def test_a_figure_has_every_run_with_its_values_and_intervals(compared):
    first, second = interval_figure(compared, "relations-A").data
    assert (first.name, second.name) == ("first", "second")
    assert list(second.y) == ["binding accuracy"]
    assert list(second.x) == [0.6]
    assert list(second.error_x.array) == [pytest.approx(0.1)]
    assert list(second.error_x.arrayminus) == [pytest.approx(0.2)]
    assert second.text[0] == ".600 [.400, .700]"


def test_counts_are_no_shares(compared):
    for trace in interval_figure(compared, "pretrain").data:
        assert list(trace.y) == ["recall at 5"]
        assert list(trace.error_x.array) == [0]


def test_the_page_works_offline(compared, tmp_path):
    text = write_page(compared, tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("plotly-graph-div") == 2
    assert 'src="http' not in text
    assert len(text) > 1_000_000  # plotly's code, once
    assert len(text) < 8_000_000


def test_names_are_text_and_no_markup(tmp_path):
    run = Run(tmp_path / "_$x^$ <b>a & b", make_config("phantom_small"))
    run.write_result("pretrain", {"recall <i>$y$": 0.8})
    figure = interval_figure(Comparison.of([run]), "pretrain")
    (trace,) = figure.data
    for shown, name in [(trace.name, "_$x^$ <b>a & b"), (trace.y[0], "recall <i>$y$")]:
        assert not set(shown) & set("<>$")
        assert html.unescape(shown) == name
