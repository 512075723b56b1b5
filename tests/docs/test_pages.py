"""What documents promise: links that lead somewhere, commands and parameters that exist."""

import importlib.util
import re
from pathlib import Path

import papermill
import pytest
from pages import ROOT, anchors, blocks, commands, links, read, tracked

PAGES = tracked()
HISTORY = {Path("docs/LOG.md"), Path("CHANGELOG.md")}  # name commands of their day
CURRENT = [page for page in PAGES if page not in HISTORY]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page):
    lost = []
    for link in links(read(page)):
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page.parent / name).resolve() if name else ROOT / page
        exists = target.exists()
        if exists and anchor:
            exists = anchor in anchors(target.read_text(encoding="utf-8"))
        if not exists:
            lost.append(link)
    assert not lost


def test_the_readme_is_short():
    assert len(read(Path("README.md")).splitlines()) <= 200


@pytest.mark.parametrize("page", CURRENT, ids=str)
def test_python_compiles(page):
    for block in blocks(read(page), "python"):
        compile(block, str(page), "exec")


@pytest.mark.parametrize("page", CURRENT, ids=str)
def test_modules_and_make_targets_exist(page):
    text = read(page)
    for module in re.findall(r"(?:python|[\d}]) -m (\w[\w.]*\w)", text):
        assert importlib.util.find_spec(module), module
    targets = set(re.findall(r"^(\w+):", read(Path("Makefile")), re.MULTILINE))
    named = re.findall(r"`make (\w+)", text)
    named += [line.split()[1] for line in commands(text) if line.startswith("make ")]
    assert set(named) <= targets


@pytest.mark.parametrize("page", CURRENT, ids=str)
def test_notebooks_exist_and_have_the_parameters_named(page):
    text = read(page)
    for name in re.findall(r"\bnotebooks/[\w/]+\.ipynb", text):
        assert (ROOT / name).is_file(), name
    for line in commands(text):
        if not line.startswith("papermill notebooks/"):
            continue
        known = papermill.inspect_notebook(ROOT / line.split()[1])
        given = re.findall(r" -p (\w+) ", line) + re.findall(r" -y '(\w+):", line)
        assert set(given) <= known.keys(), line


def test_files_named_in_contributing_exist():
    for name in re.findall(r"`([\w/]+/[\w/.]*)`", read(Path("CONTRIBUTING.md"))):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", CURRENT, ids=str)
def test_files_named_exist(page):
    """Paths of code in this repository; `encoders.py` alone is a short form in a table."""
    found = re.findall(r"`((?:reclf|study|benchmarks|widgets|tests)/[\w/]+\.\w+)`", read(page))
    assert [name for name in found if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("page", CURRENT, ids=str)
def test_documents_use_the_terms_of_the_field(page):
    text = " ".join(read(page).split()).lower()
    for phrase in ("told apart", "draws on", "put here by", "words at all", "of before"):
        assert phrase not in text
