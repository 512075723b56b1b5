"""Headless Chromium for the browser tests: found, started once, and watched for errors.

Without Chromium these tests skip, unless RECLF_REQUIRE_BROWSER=1: then they fail, so that CI cannot
lose them unnoticed.
"""

import os
from pathlib import Path

import pytest
from chromium import ARGUMENTS, CHROMIUM, MISSING, watch


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser():
    if not CHROMIUM:
        if os.environ.get("RECLF_REQUIRE_BROWSER") == "1":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def open_page(browser):
    """Open an exported page without network: `open_page(path, width=..., color_scheme="dark")`."""
    opened = []

    def open_(path, width=1280, height=900, **settings):
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": height}, **settings
        )
        page = watch(context.new_page())
        opened.append(context)
        page.goto(path.as_uri())
        page.locator("[data-draws]").wait_for()
        return page

    open_.opened = opened
    yield open_
    for context in opened:
        context.close()


@pytest.fixture(autouse=True)
def no_page_stays_open(request):
    """Close what a test has opened; pages of fixtures of a wider scope were opened before."""
    asked = "open_page" in request.fixturenames
    pages = request.getfixturevalue("open_page").opened if asked else []
    before = len(pages)
    yield
    while len(pages) > before:
        pages.pop().close()
