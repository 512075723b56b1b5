"""Other processes of a test: each has a time limit, and a failure names what hung."""

import os
import shlex
import signal
import subprocess
import sys

import pytest

LIMIT = 120  # seconds; no command here takes a third of it on two busy cores


def run_command(arguments, seconds=LIMIT, **options):
    """`subprocess.run` with its outputs captured as text, and a limit.

    Past it the command is ended with all that it started, and the test fails with what was said.
    """
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    arguments = [str(argument) for argument in arguments]
    with subprocess.Popen(arguments, start_new_session=True, **streams | options) as process:
        try:
            said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            _, errors = process.communicate(timeout=10)
            pytest.fail(f"{_short(arguments)} did not end in {seconds} s: {(errors or '')[-3000:]}")
    return subprocess.CompletedProcess(arguments, process.returncode, *said)


def run_python(code, *arguments, seconds=LIMIT, **options):
    """What a program of its own prints; its error where it fails."""
    done = run_command([sys.executable, "-c", code, *arguments], seconds, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _short(arguments):
    return shlex.join(argument if len(argument) < 200 else "..." for argument in arguments)
