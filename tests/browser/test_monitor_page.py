"""The training monitor's module in headless Chromium, with a stand-in for the kernel."""

import itertools

import pytest
from chromium import watch
from monitor_page import monitor_page

from reclf_widgets import browser as browser_side
from reclf_widgets.monitor import charts_of, progress_of


def traits(steps, theme="auto"):
    records = [
        {
            "step": step, "total_steps": 100, "global_loss": 3.4 * 0.99**step, "local_loss": 3.0,
            "loss": 3.0 + 3.4 * 0.99**step, "seconds": 0.5 * step, "studies_per_second": 64.0,
        }
        for step in steps
    ]  # fmt: skip
    records += [{"step": step, "val_recall_at_5": step / 100} for step in steps if step % 50 == 0]
    charts = charts_of(records, {"name": "chance", "y": 3.466})
    return {"charts": charts, "progress": progress_of(records), "theme": theme}


@pytest.fixture
def open_monitor(browser, tmp_path):
    contexts = []

    def open_(values, width=1000, **settings):
        path = tmp_path / "monitor.html"
        path.write_text(monitor_page(values))
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": 600}, **settings
        )
        contexts.append(context)
        page = watch(context.new_page())
        page.goto(path.as_uri())
        page.locator(".reclf-monitor[data-step]").wait_for()
        return page

    yield open_
    for context in contexts:
        assert context.pages[0].problems == []
        context.close()


def points(page, name):
    text = page.locator(f"[data-line='{name}']").get_attribute("points")
    return [tuple(map(float, point.split(","))) for point in text.split()]


def test_curves_grow_and_fall_with_the_numbers(open_monitor):
    page = open_monitor(traits(range(10, 60, 10)))
    line = points(page, "global")
    assert len(line) == 5
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(line))
    flat = points(page, "relation-enhanced")
    assert {y for _, y in flat} == {flat[0][1]}
    assert page.locator("circle").count() == 11  # few points are marked: 5 + 5, and one check
    parts = "loss 5.057 = global 2.057 + relation-enhanced 3.000"
    assert f"step 50 of 100 · {parts} · 64 studies/s · 0.4 min left" in page.inner_text("header")
    page.evaluate("values => window.put(values)", traits(range(10, 110, 10)))
    page.locator(".reclf-monitor[data-step='100']").wait_for()
    assert len(points(page, "global")) == 10
    assert page.locator("progress").evaluate("bar => bar.value") == 1


def test_the_pointer_reads_the_nearest_step(open_monitor):
    page = open_monitor(traits(range(10, 60, 10)))
    readout = page.get_by_test_id("chart-readout").first
    assert "global 2.057 step 50" in readout.inner_text()
    chart = page.get_by_test_id("chart").first
    box = chart.bounding_box()
    # 22 of 50 steps from the axis, which stands 46 of 460 from the left
    x = (46 + 22 / 50 * (460 - 46 - 20)) / 460 * box["width"]
    chart.hover(position={"x": x, "y": 50})
    assert "global 2.781 step 20" in readout.inner_text()
    page.mouse.move(1, 1)
    assert "step 50" in readout.inner_text()


def test_before_the_first_step_it_waits(open_monitor):
    page = open_monitor({"charts": charts_of([]), "progress": {}, "theme": "auto"})
    assert page.get_by_test_id("progress").inner_text() == "waiting for the first steps …"
    assert page.locator("progress").is_hidden()
    assert page.get_by_test_id("chart").first.get_attribute("aria-label").endswith("nothing yet")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_narrow_page_in_both_themes(open_monitor, theme):
    page = open_monitor(traits(range(10, 60, 10)), width=420, color_scheme=theme)
    assert page.locator(f".reclf-monitor[data-theme='{theme}']").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 420


@pytest.mark.parametrize(
    ("end", "last", "count"),
    [(3.466, 4, 5), (1, 1, 6), (50, 50, 6), (947, 1000, 6), (0.07, 0.08, 5)],
)
def test_ticks_are_round_and_reach_the_end(open_monitor, end, last, count):
    page = open_monitor(traits([10]))
    module = browser_side.module(browser_side.MONITOR)
    found = page.evaluate(
        """async ([text, end]) => (await import(
          URL.createObjectURL(new Blob([text], { type: "text/javascript" })))).ticks(end)""",
        [module, end],
    )
    assert (found[0], found[-1], len(found)) == (0, last, count)
