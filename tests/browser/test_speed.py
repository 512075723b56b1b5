"""How soon an exported page is drawn, and answers to the pointer, in headless Chromium."""

import statistics

from sample_explanations import large
from steering import point_at, wait_for

from reclf_widgets import MatchingExplorer


def test_it_is_quick_enough(open_page, tmp_path, record_property, capsys):
    """First draw until it is painted 150 ms, word 40, hover 20, at 512 px, 28 x 28 and 120 words.

    On a busy machine most of the time is waiting for a core, which the best of several has not.
    """
    path = MatchingExplorer({"A": [large()], "B": [large(model=1)]}).to_html(
        tmp_path / "large.html"
    )
    first, clicks, hovers = [], [], []
    while len(first) < 4 or (min(first) > 150 and len(first) < 30):
        page = open_page(path)
        root = page.locator(".reclf[data-painted-ms]")
        first.append(float(root.get_attribute("data-painted-ms")))
    for word in range(3, 60, 6):
        page.locator(f".reclf-word[data-word='{word}']").click()
        wait_for(page, word=word)
        clicks.append(float(root.get_attribute("data-draw-ms")))
    image = page.get_by_test_id("image")
    for region in range(300, 340, 2):
        image.hover(position=point_at(page, region, (28, 28)))
        hovers.append(float(image.get_attribute("data-hover-ms")))
    kinds = {"first draw": first, "word": clicks, "hover": hovers}
    best = {kind: min(times) for kind, times in kinds.items()}
    typical = {kind: statistics.median(times) for kind, times in kinds.items()}
    with capsys.disabled():
        print("\nbest and median ms: " + ", ".join(
            f"{kind} {best[kind]:.1f} and {typical[kind]:.1f}" for kind in kinds
        ))  # fmt: skip
    record_property("milliseconds", typical)
    assert best["first draw"] <= 150
    assert best["word"] <= 40
    assert best["hover"] <= 20
