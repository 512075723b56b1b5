"""Several words selected as one phrase: with Shift and a click, or an arrow key."""

import numpy as np
from sample_explanations import sample
from steering import point_at, shown, wait_for

from reclf_widgets import MatchingExplorer, reading


def opened(open_page, tmp_path, *args, **state):
    return open_page(MatchingExplorer(*args, **state).to_html(tmp_path / "page.html"))


def word(page, number):
    return page.locator(f"[data-testid=report] .reclf-word[data-word='{number}']")


def chosen(page):
    return page.locator("[data-testid=report] [aria-selected=true]").evaluate_all(
        "(words) => words.map((word) => Number(word.dataset.word))"
    )


def test_words_join_a_phrase_with_shift(open_page, tmp_path):
    one = sample()
    page = opened(open_page, tmp_path, [one])
    word(page, 2).click()
    wait_for(page, word=2)
    word(page, 1).click(modifiers=["Shift"])
    wait_for(page, word=2, phrase="1 2")
    assert chosen(page) == [1, 2]
    readout = page.get_by_test_id("readout")
    cells = reading.region_map(one, (1, 2))
    assert readout.inner_text().startswith("“left effusion”")
    assert f"importance weight {shown(float(one.importance[[1, 2]].sum()))}" in readout.inner_text()
    inside = reading.mass_inside(cells, one.masks["pleural_effusion"])
    assert f"{inside:.0%} of attention".replace("%", " %") in readout.inner_text()
    contrast = reading.contrast(cells, one.masks["pleural_effusion"])
    assert readout.inner_text().endswith(f", CNR {contrast:.2f}")
    image = page.get_by_test_id("image")
    assert "attention map of “left effusion”" in image.get_attribute("aria-label")
    region = int(np.argmax(cells))
    image.hover(position=point_at(page, region, one.attention.shape[1:]))
    assert f"attention {shown(float(cells.flat[region]))} · rank 1 of 30" in readout.inner_text()
    word(page, 2).click(modifiers=["Shift"])  # out again
    wait_for(page, word=1, phrase="1")
    assert page.evaluate("getSelection().toString()") == ""
    assert page.problems == []


def test_a_plain_click_ends_the_phrase(open_page, tmp_path):
    page = opened(open_page, tmp_path, [sample()], word=2, phrase=[0, 1])
    wait_for(page, phrase="0 1 2")
    word(page, 6).click()
    wait_for(page, word=6, phrase="6")
    word(page, 2).click()
    wait_for(page, word=2, phrase="2")


def test_arrows_with_shift_add_words(open_page, tmp_path):
    page = opened(open_page, tmp_path, [sample()], word=1)
    word(page, 1).focus()
    page.keyboard.press("Shift+ArrowRight")
    wait_for(page, phrase="1 2")
    page.keyboard.press("Shift+ArrowRight")
    wait_for(page, phrase="1 2 3")
    page.keyboard.press("Escape")
    wait_for(page, word=-1, phrase="-1")
    assert page.problems == []


def test_two_models_show_the_phrase_beside_each_other(open_page, tmp_path):
    a, b = sample(), sample(model=1)
    models = {"A": [a], "B": [b]}
    page = opened(open_page, tmp_path, models, view="compare", word=2, phrase=[1], region=7)
    said = page.get_by_test_id("readout").inner_text()
    for one in (a, b):
        assert shown(float(reading.region_map(one, (1, 2)).flat[7])) in said
    assert page.problems == []
