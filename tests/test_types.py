"""The type checker finds nothing: a test, so that it takes one of the two cores and not both."""

import sys
from pathlib import Path

import pytest
from commands import run_command

pytestmark = pytest.mark.slow


def test_the_types_fit():
    command = [sys.executable, "-m", "mypy", "--no-incremental"]
    done = run_command(command, 600, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stdout[-3000:]
