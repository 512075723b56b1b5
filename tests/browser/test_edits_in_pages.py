"""An edited case in a page: the study as given beside it, its film, and what a page cannot do."""

from dataclasses import replace

import numpy as np
from sample_explanations import sample
from steering import select, wait_for

from reclf_widgets import MatchingExplorer

PIXELS = """(canvas) => {
  const scale = canvas.width / parseFloat(canvas.style.width), context = canvas.getContext("2d");
  const [width, height] = canvas.dataset.tile.split(" ").map(Number);
  return JSON.parse(canvas.dataset.tiles).map(({ x, y }) => {
    const { data } = context.getImageData(x * scale, (y + 40) * scale, width * scale, 1);
    return Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]);
  });
}"""


def edited(content, **state):
    def on_edit(index, edit):
        if isinstance(edit, str):
            return replace(sample(index, 5, report=edit), image=sample(index).image)
        return replace(sample(index), image=edit)

    explorer = MatchingExplorer([sample(0), sample(1)], on_edit=on_edit)
    explorer.cases.edit(0, on_edit(0, content), "edited")
    explorer.edits += 1
    for name, value in state.items():
        setattr(explorer, name, value)
    return explorer


def test_the_text_as_given_stands_beside_the_edited_one(open_page, tmp_path):
    page = open_page(edited("No large effusion.", word=0).to_html(tmp_path / "page.html", "all"))
    page.locator(".reclf-editor summary").click()
    page.get_by_test_id("edit-compare").click()
    wait_for(page, view="compare")
    tiles = page.get_by_test_id("image").get_attribute("data-tiles")
    assert '"model":1' in tiles.split("}")[0]  # A is the study as given
    assert "highest attention" in page.get_by_test_id("readout").inner_text()
    page.locator(".reclf-word[data-word='2']").click()
    wait_for(page, word=2)
    options = page.locator("[data-trait=model] option").all_inner_texts()
    assert {"model", "as given"} <= {*options}
    page.locator("[data-act=next]").click()  # a case without an edit has one model
    wait_for(page, case="study-1")
    assert page.locator("[data-trait=view] [value=compare]").is_disabled()
    assert page.get_by_test_id("edit-compare").is_hidden()
    assert page.problems == []


def test_each_model_lies_on_the_film_that_it_saw(open_page, tmp_path):
    image = np.ascontiguousarray(np.flip(sample().image, 1))
    explorer = edited(image, view="compare", model=1, other=0, word=1, opacity=0, masks=False)
    page = open_page(explorer.to_html(tmp_path / "page.html", "all"))
    given, mirrored, difference = np.array(page.get_by_test_id("image").evaluate(PIXELS), float)
    inside = slice(3, -3)
    assert np.abs(given - mirrored)[inside].mean() > 10
    assert np.abs(given - mirrored[::-1])[inside].mean() < 2
    assert np.abs(given - difference)[inside].mean() < 2


def test_a_page_offers_neither_print_nor_exports(open_page, tmp_path):
    explorer = MatchingExplorer([sample(0), sample(1)], table=True)
    page = open_page(explorer.to_html(tmp_path / "page.html", "all"))
    assert page.locator("[data-act=png]").first.is_visible()
    for hidden in ("[data-act=svg]", "[data-act=pdf]", "[data-testid=export]"):
        assert page.locator(hidden).first.is_hidden()


def test_masks_cannot_be_ticked_where_there_are_none(open_page, tmp_path):
    page = open_page(
        MatchingExplorer([sample(masks={}), sample(1)]).to_html(tmp_path / "page.html", "all")
    )
    assert page.locator("[data-trait=masks]").is_disabled()
    page.locator("[data-act=next]").click()
    wait_for(page, case="study-1")
    assert page.locator("[data-trait=masks]").is_enabled()
    select(page, "view", "multiples")
    wait_for(page, view="multiples")
