"""The explorer in JupyterLab while its kernel does not answer, and after it has gone."""

import os
import re
import signal

import nbformat
import pytest
from chromium import watch
from lab import ask, open_notebook, serve
from sample_explanations import sample
from steering import drawn_with

CODE = """
from pathlib import Path
from reclf.explain import Explanation
from reclf_widgets import MatchingExplorer

explorer = MatchingExplorer([Explanation.load(p) for p in sorted(Path(".").glob("small-*.npz"))])
explorer
"""
# A cell that only runs long would do in some set-ups: Lab can have widgets answered beside it.
STOPPED = """
import os, signal
Path("stopped").touch()
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernel")
    for study in range(3):
        sample(study).save(folder / f"small-{study}.npz")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in (CODE, "")],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, folder / "test.ipynb")
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    opened = watch(context.new_page())
    opened.folder = folder
    with serve(folder, tmp_path_factory.mktemp("private")) as address:
        open_notebook(opened, address, "test.ipynb")
        opened.locator(drawn_with(word=-1)).wait_for()
        yield opened
        context.close()


def start(page, source):
    """Run code in the last cell, without waiting for its end."""
    page.evaluate("""(source) => {
      const { content } = window.jupyterapp.shell.currentWidget;
      content.activeCellIndex = content.widgets.length - 1;
      content.widgets[content.activeCellIndex].model.sharedModel.setSource(source);
      window.done = window.jupyterapp.commands.execute("notebook:run-cell").then(() => null);
    }""", source)  # fmt: skip


def waiting(page, text):
    return page.get_by_test_id("waiting").filter(has_text=re.compile(text))


def test_an_answer_ends_the_waiting(page):
    page.locator(".reclf-word[data-word='2']").click()
    page.locator(drawn_with(word=2, kernel="")).wait_for()
    assert ask(page, "(explorer.word, explorer.asked == explorer.answered)") == "(2, True)"
    assert not page.get_by_test_id("waiting").is_visible()


def test_a_kernel_that_does_not_answer_is_told_and_the_study_shown_keeps_its_number(page):
    kernel = int(ask(page, "__import__('os').getpid()"))
    start(page, STOPPED)
    try:
        while not (page.folder / "stopped").exists():
            page.wait_for_timeout(20)
        page.locator("[data-act=next]").click()
        waiting(page, "study-1 has not arrived, study-0 is still shown").wait_for()
        assert page.locator(".reclf").get_attribute("data-kernel") == "pending"
        assert page.get_by_test_id("case").inner_text().split() == ["study-0", "1/3"]
        page.locator(".reclf-word[data-word='4']").click()  # of the study that is left
        page.locator(".reclf[data-kernel=silent]").wait_for()
        waiting(page, "(The kernel is busy|restart it and run)").wait_for()
    finally:
        os.kill(kernel, signal.SIGCONT)
    page.locator(drawn_with(case="study-1", word=-1, kernel="")).wait_for()
    page.evaluate("window.done")
    assert ask(page, "(explorer.case_index, explorer.word)") == "(1, -1)"
    assert not page.get_by_test_id("waiting").is_visible()


def test_the_end_of_the_kernel_is_told_with_what_to_do(page):
    start(page, "import os; os.kill(os.getpid(), 9)")
    page.locator(".reclf[data-kernel=lost]").wait_for()
    waiting(page, "has stopped or was restarted.*run the notebook's cells again").wait_for()
    before = page.get_by_test_id("case").inner_text()
    page.evaluate("document.querySelector('[data-act=next]').click()")  # Lab may have a dialog up
    page.evaluate("document.querySelector('.reclf-word[data-word=\"3\"]').click()")
    page.locator(drawn_with(word=3, kernel="lost")).wait_for()  # what is here can still be read
    assert page.get_by_test_id("case").inner_text() == before
