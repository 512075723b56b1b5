"""What an explorer says where something is missing, cut off, or not to be done."""

import numpy as np
import pytest
from sample_explanations import sample
from steering import wait_for

from reclf_widgets import MatchingExplorer, RelationGraphView


def opened(open_page, tmp_path, widget, **settings):
    return open_page(widget.to_html(tmp_path / "page.html", "all"), **settings)


def test_a_comparison_of_one_model_is_not_offered(open_page, tmp_path):
    page = opened(open_page, tmp_path, MatchingExplorer([sample()]))
    option = page.locator("[data-trait=view] [value=compare]")
    assert option.is_disabled()
    assert "needs two models" in option.inner_text()
    page.locator(".reclf-word[data-word='2']").focus()
    page.keyboard.press("v")
    wait_for(page, view="multiples")
    page = opened(open_page, tmp_path, MatchingExplorer([sample()], view="compare"))
    assert "needs two models" in page.get_by_test_id("readout").inner_text()


def test_a_search_without_a_match_says_so_only_until_the_next_step(open_page, tmp_path):
    page = opened(open_page, tmp_path, MatchingExplorer([sample(), sample(1)]))
    message = page.get_by_test_id("message")
    for end in ("type", "next"):
        page.get_by_test_id("search").fill("nowhere")
        page.get_by_test_id("search").press("Enter")
        assert message.inner_text() == "no match in other cases"
        if end == "type":
            page.get_by_test_id("search").fill("now")
        else:
            page.locator("[data-act=next]").click()
            wait_for(page, case="study-1")
        assert message.inner_text() == ""


def test_one_edge_is_no_edges(open_page, tmp_path):
    page = opened(open_page, tmp_path, RelationGraphView([sample()], threshold=1.0))
    assert page.get_by_test_id("edge-count").inner_text().endswith(": 1 edge")


def test_a_report_that_is_cut_says_how_much_of_it_is_read(open_page, tmp_path):
    one = sample(report="Clear lungs")
    cut = sample(report="Clear lungs", words=one.words)
    object.__setattr__(cut, "report", "Clear lungs and more words follow here")
    page = opened(open_page, tmp_path, MatchingExplorer([cut]))
    said = page.get_by_test_id("rest").inner_text()
    assert said.startswith("The model reads the first 2 words.")
    assert "(5 words)" in said
    page = opened(open_page, tmp_path, MatchingExplorer([sample()]))  # a full stop is no rest
    assert not page.get_by_test_id("rest").is_visible()


def test_scores_have_names_that_can_be_read(open_page, tmp_path):
    page = opened(open_page, tmp_path, MatchingExplorer([sample()]))
    said = page.get_by_test_id("scores").inner_text()
    assert "cosine of image and report 0.25" in said
    assert "combined score 4.00" in said
    assert "logit" not in said


def test_touch_scrolls_over_the_image(open_page, tmp_path):
    page = opened(open_page, tmp_path, MatchingExplorer([sample()]))
    image = page.get_by_test_id("image")
    assert image.evaluate("(e) => getComputedStyle(e).touchAction") == "auto"


@pytest.mark.parametrize("media", [{"media": "print"}, {"forced_colors": "active"}])
def test_bars_stay_in_print_and_with_forced_colors(open_page, tmp_path, media):
    page = opened(open_page, tmp_path, MatchingExplorer([sample()]))
    page.emulate_media(**media)
    style = page.locator(".reclf-bar").first.evaluate(
        "(e) => { const s = getComputedStyle(e); "
        "return [s.printColorAdjust, s.forcedColorAdjust, s.backgroundColor]; }"
    )
    assert style[:2] == ["exact", "none"]
    assert style[2] not in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")


def test_bars_have_room(open_page, tmp_path):
    for width in (1280, 960, 420):
        page = opened(open_page, tmp_path, MatchingExplorer([sample()]), width=width)
        track = page.locator("[data-testid=ranking] .reclf-track").first
        assert track.bounding_box()["width"] >= 70
        page.close()


def test_a_page_without_scripts_says_what_to_do(browser, tmp_path):
    path = MatchingExplorer([sample()]).to_html(tmp_path / "page.html")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert "press “Trust HTML”" in page.inner_text("body")
    context.close()


def test_a_page_with_scripts_does_not_say_it(open_page, tmp_path):
    page = opened(open_page, tmp_path, MatchingExplorer([sample()]))
    assert "Trust HTML" not in page.inner_text("#explorer")


def test_names_of_masks_cover_no_outline(open_page, tmp_path):
    """The heart is round: above its left edge there is no outline, on its upper edge there is."""
    page = opened(open_page, tmp_path, MatchingExplorer([sample()]))
    boxes = page.evaluate("""async () => {
      const boxes = [], prototype = CanvasRenderingContext2D.prototype, fill = prototype.fillRect;
      prototype.fillRect = function (...box) {
        if (String(this.fillStyle) === "rgba(0, 0, 0, 0.7)") boxes.push(box);
        fill.apply(this, box);
      };
      const image = document.querySelector("[data-testid=image]");
      image.dispatchEvent(new PointerEvent("pointerleave"));
      prototype.fillRect = fill;
      return [boxes, image.dataset.tile.split(" ").map(Number)];
    }""")
    from reclf_widgets import reading

    (labels, (width, height)), one = boxes, sample()
    assert len(labels) == 2
    for mask in one.masks.values():
        for line in reading.outlines(mask):
            points = list(zip(line[0::2], line[1::2], strict=True))
            for x, y, wide, high in labels:
                for px, py in points:
                    inside = x < px * width < x + wide and y < py * height < y + high
                    assert not inside


def test_weights_that_hardly_differ_stay_pale(open_page, tmp_path):
    level = np.full(9, 1 / 9, dtype=np.float32)
    for weights, brightest in ((level, 0.5), (np.eye(9, dtype=np.float32)[2], 1.0)):
        one = sample(importance=weights)
        page = open_page(MatchingExplorer([one]).to_html(tmp_path / "page.html"))
        shares = page.locator("[data-testid=report] .reclf-word[data-word='2']").evaluate(
            "(word) => Number(word.style.getPropertyValue('--share'))"
        )
        assert shares == pytest.approx(brightest, abs=0.01)
        page.close()


def test_a_list_that_ends_early_says_so(open_page, tmp_path):
    one = sample(report=" ".join(f"word{i}" for i in range(20)))
    page = open_page(MatchingExplorer([one]).to_html(tmp_path / "page.html"))
    assert page.get_by_test_id("uniform").inner_text().endswith("; the first 12 of 20 words")
    assert page.get_by_test_id("ranking").locator("li").count() == 12
