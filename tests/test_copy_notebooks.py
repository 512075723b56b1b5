"""Notebooks copied to another folder: changed files are kept, and the next step is named."""

import sys
from pathlib import Path

import pytest
from commands import run_command

from reclf.copy_notebooks import copy_notebooks

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
COPIED = {path.name for path in (*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("README.md"))}
COPIED -= {"paper_table.ipynb"}  # needs a checkout


def command(*arguments):
    return run_command([sys.executable, "-m", "reclf.copy_notebooks", *arguments])


def test_the_notebooks_are_copied_without_those_of_the_study(tmp_path):
    done = copy_notebooks(tmp_path / "new" / "mine")
    assert set(done["copied"]) == COPIED
    assert {"pretrain.ipynb", "explore.ipynb", "grounding.ipynb"} <= COPIED
    assert {path.name for path in (tmp_path / "new" / "mine").iterdir()} == COPIED
    for name in COPIED:
        assert (tmp_path / "new" / "mine" / name).read_bytes() == (NOTEBOOKS / name).read_bytes()


def test_a_changed_file_is_kept_without_force(tmp_path):
    copy_notebooks(tmp_path)
    (tmp_path / "pretrain.ipynb").write_text("mine")
    (tmp_path / "prepare.ipynb").unlink()
    done = copy_notebooks(tmp_path)
    assert done["copied"] == ["prepare.ipynb"]
    assert done["kept"] == ["pretrain.ipynb"]
    assert set(done["unchanged"]) == COPIED - {"prepare.ipynb", "pretrain.ipynb"}
    assert (tmp_path / "pretrain.ipynb").read_text() == "mine"
    assert copy_notebooks(tmp_path, force=True)["copied"] == ["pretrain.ipynb"]
    assert (tmp_path / "pretrain.ipynb").read_bytes() == (NOTEBOOKS / "pretrain.ipynb").read_bytes()


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is a file: name a folder"):
        copy_notebooks(tmp_path / "file")
    done = command(tmp_path / "file")
    assert done.returncode == 1
    assert "name a folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_says_what_it_did_and_what_to_do_next(tmp_path):
    (tmp_path / "zero_shot.ipynb").write_text("mine")
    done = command(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "kept: zero_shot.ipynb" in done.stdout
    assert "--force overwrites" in done.stdout
    assert f"cd {tmp_path}" in done.stdout
    assert "papermill pretrain.ipynb" in done.stdout
    assert "copied: zero_shot.ipynb\n" in command(tmp_path, "--force").stdout
