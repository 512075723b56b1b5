"""How soon an exported page is drawn, and answers to the pointer, in headless Chromium."""

import itertools
import statistics

from sample_explanations import large
from steering import point_at, until_quick, wait_for

from reclf_widgets import MatchingExplorer

# Laying out 2,000 words and a million square roots: a piece of work that no change of ours touches.
YARDSTICK = """() => {
  const start = performance.now(), box = document.createElement("div");
  document.body.append(box);
  for (let k = 0; k < 2000; k++) {
    box.append(document.createElement("span"), " ");
    box.lastElementChild.textContent = `word ${k}`;
  }
  let sum = box.offsetHeight;
  const values = new Float32Array(1e6);
  for (let k = 0; k < values.length; k++) sum += values[k] = Math.sqrt(k);
  box.remove();
  return performance.now() - start + 0 * sum;
}"""
YARDSTICK_MS = 25  # on the machine that the bars are for; a slower one gets more in proportion


def test_it_is_quick_enough(open_page, tmp_path, record_property):
    """Milliseconds at 512 pixels, 28 x 28 regions and 120 words; the first draw until painted, a
    click and the pointer with the table of cases open.

    Bars are for a machine whose browser does the yardstick in YARDSTICK_MS.
    """
    models = {"A": [large(), large(1)], "B": [large(model=1), large(1, 1)]}
    path = MatchingExplorer(models).to_html(tmp_path / "large.html")
    words, regions = itertools.cycle(range(3, 117, 6)), itertools.cycle(range(300, 340, 2))
    page = None

    def first_draw():
        nonlocal page
        if page:
            page.context.close()
        page = open_page(path)
        root = page.locator(".reclf[data-painted-ms]")
        return float(root.get_attribute("data-painted-ms"))

    def click():
        word = next(words)
        page.locator(f".reclf-word[data-word='{word}']").click()
        wait_for(page, word=word)
        return float(page.locator(".reclf[data-painted-ms]").get_attribute("data-draw-ms"))

    def hover():
        image = page.get_by_test_id("image")
        image.hover(position=point_at(page, next(regions), (28, 28)))
        return float(image.get_attribute("data-hover-ms"))

    def slower():
        return max(1, min(page.evaluate(YARDSTICK) for _ in range(10)) / YARDSTICK_MS)

    page = open_page(path)
    factor = slower()
    bars = {"first draw": (first_draw, 150), "word": (click, 40), "hover": (hover, 20)}
    for name, (measure, bar) in bars.items():
        if measure is click:
            page.locator("[data-act=table]").click()
            page.get_by_test_id("cases").wait_for()
        times = until_quick(measure, bar * factor)
        record_property(f"{name}, best and median ms", (min(times), statistics.median(times)))
        factor = max(factor, slower())  # the machine may have become busy
        assert min(times) <= bar * factor, (name, factor)
