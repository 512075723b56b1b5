"""Headless Chromium: where it is, how it is started, and what must not happen in a page of it."""

import os
import shutil

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
