"""The examples of docs/extending.md run, in the order of the page, in an empty folder."""

import os
import sys
from pathlib import Path

import pytest
from commands import run_command
from pages import ROOT, blocks, read


@pytest.mark.slow
def test_examples_of_extending_run_as_they_stand(tmp_path):
    examples = blocks(read(Path("docs/extending.md")), "python")
    assert len(examples) == 9
    (tmp_path / "examples.py").write_text("\n\n".join(examples), encoding="utf-8")
    packages = os.pathsep.join(str(ROOT / name) for name in (".", "widgets", "study", "benchmarks"))
    environment = os.environ | {"PYTHONPATH": packages, "MPLBACKEND": "Agg"}
    command = [sys.executable, "examples.py"]
    done = run_command(command, seconds=300, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    written = {path.name for path in tmp_path.iterdir()}
    assert {"runs", "clinic", "cosines.png", "page.md"} <= written
    assert (tmp_path / "runs" / "strongest" / "results" / "two_choices-phantom.json").is_file()
