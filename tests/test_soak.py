"""Nothing grows while one process trains, explains and explores; and growth would be seen."""

import sys
import threading
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import soak
from commands import run_command


@pytest.mark.soak
def test_nothing_grows_over_a_few_rounds():
    rounds = soak.soak(0, print)
    assert soak.growing(rounds) == []


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_nothing_grows_in_ten_minutes():
    done = run_command([sys.executable, soak.__file__, "10"], 1100)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.parametrize("rounds", [8, 60, 1001])
@pytest.mark.parametrize("leaking", [None, *soak.NAMES])
def test_one_leak_a_round_is_found_among_noise(rounds, leaking):
    random = np.random.default_rng(0)
    held = []
    for number in range(rounds):
        values = dict.fromkeys(soak.NAMES, 6.0)
        values["memory"] = 900 + 20 * min(number / 3, 1) + random.normal(0, 0.3)
        if leaking is not None:
            values[leaking] += number  # a file, say, or a MB
        held.append(values)
    assert [text.split()[0] for text in soak.growing(held)] == ([leaking] if leaking else [])


@pytest.mark.parametrize(("rate", "found"), [(0.017, 0), (0.05, 1)])
def test_small_growth_is_found_in_as_many_rounds_as_ten_minutes_have(rate, found):
    random = np.random.default_rng(0)
    held = [
        dict.fromkeys(soak.NAMES, 6.0) | {"memory": 900 + rate * n + random.normal(0, 0.1)}
        for n in range(100)
    ]
    assert len(soak.growing(held)) == found


def test_what_is_left_open_is_counted(tmp_path):
    with soak.watched():
        before = soak.held(tmp_path)
        file = (tmp_path / "left").open("w")
        leave = threading.Event()
        thread = threading.Thread(target=leave.wait)
        thread.start()
        figure = plt.figure()
        monitor = soak.TrainingMonitor(tmp_path)
        after = soak.held(tmp_path)
        monitor.close()
        plt.close(figure)
        leave.set()
        thread.join(timeout=10)
        file.close()
        Path(file.name).unlink()
        last = soak.held(tmp_path)
    names = ("files", "threads", "temporary", "figures", "widgets")
    assert [after[name] - before[name] for name in names] == [1, 1, 1, 1, 2]
    assert [last[name] - before[name] for name in names] == [0, 0, 0, 0, 0]
