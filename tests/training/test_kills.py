"""A few of the kills that `kills.py` tries by the hundred."""

import sys
from pathlib import Path

import pytest
from commands import run_command

HERE = Path(__file__).parent


@pytest.mark.slow
def test_killed_trainings_go_on_to_the_same_weights_and_their_status_is_true():
    done = run_command([sys.executable, HERE / "kills.py", "3", "--seed", "2"], 600)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "3 of 3 went on to the same weights" in done.stdout
