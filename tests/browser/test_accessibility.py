"""WCAG 2.2 A and AA by axe-core: no violation in any view, wide and narrow, light and dark."""

from importlib.resources import files

import pytest
from sample_explanations import filmed, sample, with_prior
from steering import wait_for

from reclf_widgets import ImportanceView, MatchingExplorer, RelationGraphView

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
MODELS = {"RECLF": [with_prior(), sample(1)], "GLoRIA": [with_prior(model=1), sample(1, 1)]}


def violations(page):
    """What axe-core finds wrong: the rule, and the elements."""
    page.evaluate(AXE)
    found = page.evaluate(
        """async (levels) => {
          const all = await axe.run(document, {runOnly: {type: "tag", values: levels}});
          return all.violations.map(({id, nodes}) => [id, nodes.map((node) => node.html)]);
        }""",
        LEVELS,
    )
    return dict(found)


STATES = {
    "one model": {},
    "table": {"table": True, "chosen": [1], "sort": "score"},
    "a word": {"word": 2, "region": 7},
    "a phrase": {"word": 2, "phrase": [1]},
    "two models": {"view": "compare", "word": 2, "table": True},
    "tiles": {"view": "multiples"},
    "graph": {"relations": "graph", "word": 2, "beyond_prior": True},
}


@pytest.mark.parametrize("state", STATES)
def test_no_violation(open_page, tmp_path, state):
    path = MatchingExplorer(MODELS, **STATES[state]).to_html(tmp_path / "page.html", "all")
    for scheme, width in (("light", 1280), ("dark", 420)):
        page = open_page(path, width=width, color_scheme=scheme)
        wait_for(page)
        page.locator(".reclf-keys summary").click()
        page.wait_for_timeout(50)
        assert violations(page) == {}


@pytest.mark.parametrize("kind", [RelationGraphView, ImportanceView])
def test_views(open_page, tmp_path, kind):
    page = open_page(kind(MODELS).to_html(tmp_path / "page.html"))
    assert violations(page) == {}


def test_a_film(open_page, tmp_path):
    page = open_page(MatchingExplorer([filmed(tmp_path)]).to_html(tmp_path / "page.html"))
    assert violations(page) == {}


def test_a_violation_is_found(open_page, tmp_path):
    page = open_page(MatchingExplorer([sample()]).to_html(tmp_path / "page.html"))
    page.evaluate("""() => {
      document.querySelector("[data-testid=search]").removeAttribute("aria-label");
      document.querySelector("[data-testid=search]").removeAttribute("placeholder");
      document.querySelector(".reclf-scores").style.color = "#ccc";
    }""")
    assert {"label", "color-contrast"} <= {*violations(page)}
