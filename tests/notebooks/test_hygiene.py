"""Every notebook, whoever wrote it: no outputs, one documented parameters cell, strict reading."""

import re
from pathlib import Path

import nbformat
import papermill
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").rglob("*.ipynb"))


FOLDER = Path(__file__).parents[2] / "notebooks"


def test_the_readme_names_every_notebook_and_no_other():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| \[\w+\]\(([\w/]+\.ipynb)\)", text, re.MULTILINE)
    assert sorted(named) == sorted(str(path.relative_to(FOLDER)) for path in NOTEBOOKS)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert "pretrain" in [path.stem for path in NOTEBOOKS]


def test_it_is_valid_and_holds_no_outputs(notebook):
    nbformat.validate(notebook)
    for cell in code_cells(notebook):
        assert not cell.outputs
        assert cell.execution_count is None
        assert not {"papermill", "execution"} & cell.metadata.keys()
    assert notebook.metadata.kernelspec.name == "python3"
    assert not {"widgets", "papermill"} & notebook.metadata.keys()


def test_it_opens_with_a_title_and_a_question(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "?" in first.source


def test_its_parameters_have_types_and_help(path, notebook):
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert tagged[0] is code_cells(notebook)[0]
    for name, entry in papermill.inspect_notebook(path).items():
        assert entry["inferred_type_name"] not in (None, "None"), name
        assert entry["help"], name


def test_its_second_cell_checks_the_parameters(notebook):
    assert "read_parameters(In, globals())" in code_cells(notebook)[1].source


def test_names_are_text_in_its_figures(notebook):
    """A report with two dollar signs would be drawn as a formula, or end the notebook."""
    for cell in code_cells(notebook):
        if "matplotlib.pyplot" in cell.source:
            assert 'plt.rcParams["text.parse_math"] = False' in cell.source
