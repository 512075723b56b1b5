"""Pages of explanations and trainings with numbers that are not finite, in headless Chromium."""

import numpy as np
import pytest
from chromium import watch
from monitor_page import monitor_page
from sample_explanations import odd_cases, sample

from reclf_widgets import MatchingExplorer
from reclf_widgets.monitor import charts_of, progress_of


@pytest.mark.parametrize("case", odd_cases())
def test_the_page_works_and_says_what_is_missing(open_page, tmp_path, case):
    explorer = MatchingExplorer([odd_cases()[case], sample(1)])
    page = open_page(explorer.to_html(tmp_path / "page.html", "all"))
    said = page.inner_text("[data-testid=scores]")
    assert ("n/a" in said, "Not finite, drawn as 0" in said) == (
        ("nan" in case or "inf" in case),
    ) * 2
    assert "cosine of image and report 0.25" in said
    assert "NaN" not in page.inner_text("body")
    assert page.problems == []
    page.close()


def test_the_monitor_works_with_a_loss_that_is_no_number(browser, tmp_path):
    common = {"total_steps": 20, "seconds": 1.0, "studies_per_second": 4.0}
    records = [
        {"step": step, "loss": loss, "global_loss": loss, **common}
        for step, loss in ((10, 2.0), (20, np.nan))
    ]
    traits = {"charts": charts_of(records), "progress": progress_of(records), "theme": "light"}
    path = tmp_path / "monitor.html"
    path.write_text(monitor_page(traits))
    page = watch(browser.new_page())
    page.goto(path.as_uri())
    page.locator(".reclf-monitor[data-step]").wait_for()
    assert "loss n/a" in page.inner_text("[data-testid=progress]")
    assert "NaN" not in page.inner_html(".reclf-monitor")
    assert page.problems == []
    page.close()
