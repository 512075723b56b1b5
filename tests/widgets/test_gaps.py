"""Numbers that are not finite are drawn as gaps and said; the rest works."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sample_explanations import odd_cases, sample

from reclf_widgets import (
    ImportanceView,
    MatchingExplorer,
    MatchingView,
    RelationGraphView,
    plot_importance,
)
from reclf_widgets.monitor import charts_of, progress_of, sentence


@pytest.mark.parametrize("case", odd_cases())
@pytest.mark.filterwarnings("error")
def test_every_view_is_drawn_and_sent(case, tmp_path):
    explorer = MatchingExplorer([odd_cases()[case], sample(1)])
    json.dumps([explorer.case, explorer.index], allow_nan=False)
    assert np.isfinite(np.frombuffer(explorer.attention, "<f4")).all()
    said = explorer.case["gaps"][0]
    assert said == (
        "Not finite, drawn as 0: attention 1 of 270, graph 1 of 200, importance 1 of 9 values."
        if case in ("nan", "inf", "minus inf")
        else ""
    )
    for view in (
        explorer,
        *(v(explorer) for v in (MatchingView, RelationGraphView, ImportanceView)),
    ):
        plt.close(view._still())
        assert "nan" not in view.alt_text()
    assert said in explorer.alt_text()
    plt.close(plot_importance(explorer.explanation))
    explorer.to_html(tmp_path / "page.html", "all")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_no_number_is_a_gap(bad):
    common = {"total_steps": 20, "seconds": 1.0, "studies_per_second": 4.0}
    records = [
        {"step": step, "loss": loss, "global_loss": loss, **common}
        for step, loss in ((10, 2.0), (20, bad))
    ]
    charts, progress = charts_of(records), progress_of(records)
    json.dumps([charts, progress], allow_nan=False)
    assert charts[0]["lines"][0]["x"] == [10]
    assert sentence(progress) == "step 20 of 20, loss n/a = global n/a, 4 studies/s"
