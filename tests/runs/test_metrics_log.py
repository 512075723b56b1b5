"""Records of a growing metrics.jsonl: what came since, whole lines only, replaced files anew."""

import json
import os

import pytest

from reclf.runs.metrics_log import MetricsLog


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def append(path, *steps, end="\n"):
    with path.open("a") as file:
        file.write("".join(json.dumps({"step": step}) + end for step in steps))


def steps(history):
    return [record["step"] for record in history.read()]


def test_it_reads_what_came_since(path):
    history = MetricsLog(path)
    assert steps(history) == []
    append(path, 10, 20)
    assert steps(history) == [10, 20]
    append(path, 30)
    assert steps(history) == [10, 20, 30]
    assert steps(history) == [10, 20, 30] == steps(MetricsLog(path))


def test_a_line_that_is_being_written_waits(path):
    history = MetricsLog(path)
    append(path, 10)
    append(path, 20, end="")
    assert steps(history) == [10]
    append(path, end="")
    with path.open("a") as file:
        file.write("\n")
    assert steps(history) == [10, 20]


def test_a_resumed_run_replaces_the_file(path, tmp_path):
    history = MetricsLog(path)
    append(path, 10, 20, 30, 40)
    assert steps(history) == [10, 20, 30, 40]
    # `Run.truncate_history` writes a new file; here it is as long as the old one again.
    fresh = tmp_path / "fresh"
    append(fresh, 10, 21, 31, 41)
    os.replace(fresh, path)
    assert steps(history) == [10, 21, 31, 41]
    path.unlink()
    assert steps(history) == []
