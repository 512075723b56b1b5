"""A stranger's checkpoint, run, prepared copy, explanation or suite runs no code, does not hang and
takes no memory: each of `hostile_cases` ends in one clear error, or without what is damaged."""

import json
import os
import sys
from pathlib import Path

import pytest
from commands import run_command
from hostile_cases import CASES
from hostile_files import SHOWN

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Name -> how the case ended, all in one process of their own."""
    path = os.pathsep.join([str(HERE.parent), *sys.path])
    command = [sys.executable, HERE / "open_folders.py", tmp_path_factory.mktemp("hostile")]
    done = run_command(command, env=os.environ | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


def test_every_case_was_tried(outcomes):
    assert [*outcomes] == [*CASES]
    assert len(CASES) >= 170


@pytest.mark.parametrize("name", CASES)
def test_it_ends_in_one_clear_error(name, outcomes):
    found = outcomes[name]
    if name in SHOWN:
        assert found["outcome"] == "opened", found
        return
    assert found["outcome"] == "clear", found
    assert "case" in found["text"] or "results/" in found["text"]  # the folder, or a file in it
    if any(word in name for word in ("aggregator", "data set", "function tower")):
        assert (
            "names code to run" in found["text"] or "code beside it is never run" in found["text"]
        )
