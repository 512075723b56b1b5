"""Runs of `tiny_training`, made once, of which tests damage copies.

A test module that takes them says `pytest_plugins = ["tiny_runs"]`.
"""

import os
import shutil
import signal
from unittest.mock import patch

import pytest
from tiny_training import train

import reclf.training.step


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a run that is done."""
    return train(tmp_path_factory.mktemp("finished") / "run").folder


@pytest.fixture(scope="session")
def stopped(tmp_path_factory):
    """The same, stopped after its fourth step."""
    real, calls = reclf.training.step.batch_losses, []

    def stop(*arguments):
        calls.append(1)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*arguments)

    folder = tmp_path_factory.mktemp("stopped") / "run"
    with patch("reclf.training.step.batch_losses", stop), pytest.raises(KeyboardInterrupt):
        train(folder)
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of the finished run."""
    return shutil.copytree(finished, tmp_path / "run")
