"""Headless Chromium for the browser tests: found, started once, and watched for errors.

Without Chromium these tests skip, unless RECLF_REQUIRE_BROWSER=1: then they fail, so that CI cannot
lose them unnoticed.
"""

import os
import shutil
from pathlib import Path

import pytest

CHROMIUM = os.environ.get("BROWSER_PATH") or shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MISSING = "no Chromium: apt-get install chromium fonts-dejavu-core, or set BROWSER_PATH"


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

    yield open_
    for context in opened:
        context.close()


def watch(page):
    """Collect what must not happen: errors in `page.problems`, other hosts in `page.outside`."""
    page.problems, page.outside = [], []

    def note(error):
        # An error whose every frame lies in JupyterLab's own bundles is not of our module, which
        # a page holds as a blob. Lab 4.6 throws one now and then while it replaces an output.
        stack = error.stack or ""
        if "/static/lab/" not in stack or "blob:" in stack:
            page.problems.append(stack or str(error))

    page.set_default_timeout(30_000)
    page.on("pageerror", note)
    page.on(
        "console",
        lambda message: page.problems.append(message.text) if message.type == "error" else None,
    )
    page.on(
        "request",
        lambda request: (
            page.outside.append(request.url)
            if request.url.startswith(("http", "ws")) and "//127.0.0.1" not in request.url
            else None
        ),
    )
    return page
