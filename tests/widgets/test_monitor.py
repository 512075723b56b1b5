"""The training monitor in Python: numbers of the charts, what is printed, and what is stored."""

import json
import math

import pytest
from commands import run_python

from reclf_widgets import TrainingMonitor
from reclf_widgets.monitor import POINTS, charts_of, progress_of, sentence


def record(step, total=100, **more):
    return {
        "step": step, "total_steps": total, "global_loss": 3 - step / 100, "local_loss": 3.0,
        "loss": 6 - step / 100, "seconds": step / 2, "studies_per_second": 64.0, **more,
    }  # fmt: skip


def check(step, recall=0.5):
    return {"step": step, "val_recall_at_5": recall, "val_global_recall_at_5": recall / 2}


TRAIN = {"batch_size": 32, "shortlist": 0, "local_weight": 1.0}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"train": TRAIN}))
    return tmp_path


def write(folder, *records):
    with (folder / "metrics.jsonl").open("a") as file:
        file.write("".join(json.dumps(one) + "\n" for one in records))


def test_charts_hold_the_numbers_of_the_file(folder):
    write(folder, record(10), record(20), check(20), record(30))
    losses, recall = TrainingMonitor(folder).charts
    names = [line["name"] for line in losses["lines"]]
    assert names == ["global", "relation-enhanced"]
    assert losses["lines"][0]["x"] == [10, 20, 30]
    assert losses["lines"][0]["y"] == pytest.approx([2.9, 2.8, 2.7])
    assert losses["guide"] == {"name": "chance", "y": math.log(32)}
    assert recall["lines"][0] == {**recall["lines"][0], "name": "combined", "x": [20], "y": [0.5]}
    assert recall["top"] == 1
    assert recall["guide"] is None


def test_chance_is_of_the_joint_batch_of_all_processes(folder):
    for environment, batch in [({"seed": 0}, 32), ({"processes": 1}, 32), ({"processes": 4}, 128)]:
        (folder / "environment.json").write_text(json.dumps(environment))
        guide = TrainingMonitor(folder).charts[0]["guide"]
        assert guide == {"name": "chance", "y": math.log(batch)}


@pytest.mark.parametrize("change", [{"shortlist": 4}, {"local_weight": 0.5}])
def test_where_the_local_loss_has_another_chance_only_the_global_one_is_drawn(folder, change):
    (folder / "config.json").write_text(json.dumps({"train": TRAIN | change}))
    guide = TrainingMonitor(folder).charts[0]["guide"]
    assert guide == {"name": "chance, global loss", "y": math.log(32)}


def test_it_reads_along(folder):
    monitor = TrainingMonitor(folder)
    assert monitor.progress == {}
    assert [chart["lines"] for chart in monitor.charts] == [[], []]
    write(folder, record(10))
    monitor.update()
    assert monitor.progress["step"] == 10
    assert monitor.charts[0]["lines"][0]["x"] == [10]


def test_a_baseline_without_a_local_loss_has_one_line():
    one = record(10)
    del one["local_loss"]
    (line,) = charts_of([one])[0]["lines"]
    assert line["name"] == "global"


def test_long_curves_are_thinned_and_keep_their_ends():
    records = [record(step, 10**6) for step in range(1, 5001)]
    line = charts_of(records)[0]["lines"][0]
    assert len(line["x"]) == len(line["y"]) == POINTS
    assert (line["x"][0], line["x"][-1]) == (1, 5000)
    assert line["y"][7] == records[line["x"][7] - 1]["global_loss"]


def test_the_auxiliary_loss_has_a_curve_so_that_the_parts_add_up_to_the_loss():
    one = record(10, auxiliary_loss=0.5, loss=6.4)
    losses = charts_of([one], {"name": "chance", "y": 3.0})[0]
    assert [line["name"] for line in losses["lines"]] == [
        "global",
        "relation-enhanced",
        "auxiliary",
    ]
    assert sum(line["y"][0] for line in losses["lines"]) == pytest.approx(one["loss"])
    assert losses["guide"]["name"] == "chance (not of auxiliary)"
    assert sum(progress_of([one])["parts"].values()) == pytest.approx(one["loss"])


def test_a_record_over_few_steps_draws_no_spike():
    # Saved at step 17 and at the end, 41: windows of 10, 7, 3, 10, 10 and 1 steps.
    losses = {10: 3.0, 17: 2.0, 20: 4.0, 30: 2.0, 40: 2.0, 41: 9.0}
    records = [record(step, global_loss=value) for step, value in losses.items()]
    records.insert(2, check(17))
    line = charts_of(records)[0]["lines"][0]
    assert line["x"] == [10, 17, 20, 30, 40, 41]
    at_17, at_20 = (10 * 3 + 7 * 2) / 17, (7 * 2 + 3 * 4) / 10
    assert line["y"] == pytest.approx([3.0, at_17, at_20, 2.0, 2.0, (10 * 2 + 9) / 11])


def test_the_time_left_is_at_the_pace_so_far():
    # 25 steps took 12.5 s, so 75 more take 37.5 s
    assert progress_of([record(25), check(25)])["left"] == pytest.approx(37.5)
    assert sentence(progress_of([record(25)])) == (
        "step 25 of 100, loss 5.750 = global 2.750 + relation-enhanced 3.000, 64 studies/s, "
        "0.6 min left"
    )
    assert sentence(progress_of([record(100)])) == (
        "step 100 of 100, loss 5.000 = global 2.000 + relation-enhanced 3.000, 64 studies/s"
    )
    # planned by time: how many steps there will be is not known at first
    assert sentence(progress_of([record(10, total=0)])).startswith("step 10, loss 5.900 =")
    assert sentence(progress_of([check(5)])) == "no step yet"


def test_where_nobody_watches_it_prints_a_line_now_and_then(folder, capsys, monkeypatch):
    monkeypatch.setenv("RECLF_STATIC", "1")
    with TrainingMonitor(folder) as monitor:
        for step in range(10, 110, 10):
            write(folder, record(step))
            monitor.log(record(step))
        monitor.log(check(100))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["step 50 of 100", "step 100 of 100"]
    assert monitor.comm is None
    assert monitor.progress["step"] == 100  # read once more at the end


def test_a_training_that_fails_is_shown_to_its_end_and_fails(folder, monkeypatch):
    monkeypatch.setenv("RECLF_STATIC", "1")
    monitor = TrainingMonitor(folder)

    def train():
        with monitor:
            write(folder, record(10))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert monitor.progress["step"] == 10


def test_a_notebook_stores_a_picture_and_its_description(folder):
    write(folder, record(10), check(10))
    data, _ = TrainingMonitor(folder).still()
    assert set(data) == {"text/plain", "text/html", "image/png"}
    assert "step 10 of 100" in data["text/plain"]
    assert "recall@5, validation, combined: 0.500" in data["text/plain"]
    assert len(json.dumps(data)) < 400_000


def test_an_empty_run_has_a_picture_too(tmp_path):
    monitor = TrainingMonitor(tmp_path)
    assert len(monitor.still()[0]["image/png"]) > 1000
    assert monitor.charts[0]["guide"] is None  # no config.json, no batch size
    assert "no step yet" in monitor.alt_text()


def test_it_imports_no_torch(folder):
    write(folder, record(10))
    code = (
        "import sys; from reclf_widgets import TrainingMonitor; "
        f"m = TrainingMonitor({str(folder)!r}); m.figure(); "
        "print('torch' in sys.modules, m.progress['step'])"
    )
    assert run_python(code).split() == ["False", "10"]
