"""The keyboard on an exported page: focus stays in the widget, and everything can be reached."""

import pytest
from sample_explanations import sample
from steering import select, wait_for

from reclf_widgets import MatchingExplorer, RelationGraphView

INSIDE = "document.querySelector('.reclf').contains(document.activeElement)"
PLAIN = [
    "[data-testid=scores]",
    "[data-testid=readout]",
    "[data-testid=edge-count]",
    "[data-testid=arcs-note]",
    "[data-testid=ranking] [data-word='2']",
    "[data-testid=relation-list] li",
    "[data-testid=edit-explain]",  # disabled: takes no focus
    ".reclf-legend",
]


@pytest.fixture(scope="module")
def module_page(open_page, tmp_path_factory):
    explorer = MatchingExplorer([sample(i) for i in range(3)])
    return open_page(explorer.to_html(tmp_path_factory.mktemp("keys") / "page.html", "all"))


@pytest.fixture
def page(module_page):
    yield module_page
    assert module_page.problems == []
    module_page.reload()
    module_page.locator("[data-draws]").wait_for()


@pytest.mark.parametrize("selector", PLAIN)
def test_any_click_in_the_widget_keeps_its_keys(page, selector):
    page.locator(".reclf-editor summary").click()
    page.evaluate("document.activeElement.blur()")
    page.locator(selector).first.click(force=True, position={"x": 3, "y": 5})
    page.keyboard.press("]")
    wait_for(page, case="study-1")
    assert page.evaluate(INSIDE)


def test_a_redraw_keeps_the_focus(page):
    page.locator("[data-testid=ranking] [data-word='2']").click()
    wait_for(page, word=2)
    page.wait_for_timeout(50)
    assert page.evaluate("document.activeElement.dataset.word") == "2"
    page.keyboard.press("]")  # the words of the report are replaced, too
    wait_for(page, case="study-1")
    assert page.evaluate(INSIDE)


def test_whatever_has_the_focus_is_marked_for_notebook_7(page):
    """Its shortcuts listen before the widget does, and ask the element with the focus alone."""
    marked = "document.activeElement.getAttribute('data-lm-suppress-shortcuts')"
    for selector in (".reclf-word[data-word='3']", "[data-testid=search]", "[data-testid=image]"):
        page.locator(selector).click()
        assert page.evaluate(marked) == "true"
    page.keyboard.press("Tab")
    assert page.evaluate(marked) == "true"


def test_space_does_not_scroll(page):
    page.set_viewport_size({"width": 700, "height": 300})
    for selector in (".reclf-word[data-word='3']", "[data-testid=scores]", "[data-testid=readout]"):
        page.locator(selector).click()
        before = page.evaluate("scrollY")
        page.keyboard.press(" ")
        page.wait_for_timeout(150)
        assert page.evaluate("scrollY") == before
    page.set_viewport_size({"width": 1280, "height": 900})


def test_enter_and_space_select_the_word_with_the_focus(page):
    for key, word in (("Enter", 4), (" ", 6)):
        page.locator(f".reclf-word[data-word='{word}']").focus()
        page.keyboard.press(key)
        wait_for(page, word=word)


def test_nodes_of_the_graph_are_reached_and_selected(open_page, tmp_path):
    view = RelationGraphView([sample()], relations="graph", threshold=0.0, edges=30)
    page = open_page(view.to_html(tmp_path / "graph.html"))
    nodes = page.locator("[data-testid=graph] [data-node]")
    numbers = [int(n) for n in nodes.evaluate_all("all => all.map((e) => e.dataset.node)")]
    assert page.locator("[data-testid=graph] [tabindex='0']").count() == 1
    page.locator("[data-testid=graph] [tabindex='0']").focus()
    page.keyboard.press("End")
    wait_for(page, word=numbers[-1] - 1)
    page.keyboard.press("ArrowLeft")
    wait_for(page, word=numbers[-2] - 1)
    page.wait_for_timeout(50)
    assert page.evaluate("document.activeElement.dataset.node") == str(numbers[-2])
    assert page.locator("[data-testid=graph] [aria-selected=true]").count() == 1
    select(page, "relations", "matrix")
    page.keyboard.press("]")
    assert page.problems == []


def test_a_question_mark_shows_every_key(page):
    page.locator("[data-testid=scores]").click()
    page.keyboard.press("?")
    keys = page.get_by_test_id("keys")
    keys.get_by_role("region", name="Keys").wait_for()
    assert {"?", "s", "[ ]", "f"} <= {*keys.locator("kbd").all_inner_texts()}
    page.keyboard.press("Escape")
    keys.get_by_role("region", name="Keys").wait_for(state="hidden")
    page.keyboard.press("?")
    page.locator("[data-testid=scores]").click()  # elsewhere
    keys.get_by_role("region", name="Keys").wait_for(state="hidden")
    page.get_by_test_id("search").fill("?")
    assert not keys.get_by_role("region", name="Keys").is_visible()
