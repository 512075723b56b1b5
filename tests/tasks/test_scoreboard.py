"""The table of a run's results, and a text brought up to date from it."""

import json

import numpy as np
import pytest
from PIL import Image

from reclf.tasks import scoreboard
from reclf.tasks.scoreboard import lines_of, results_of, table
from reclf_study import results_page as readme

PART = {"value": 0.8125, "interval": [0.75, 0.9], "n": 1200, "chance": 0.5}
PROBE = {
    **PART,
    "untrained_baseline": {"value": 0.6, "interval": [0.5, 0.7]},
    "per_class": {},
    "protocol": {
        "metric": "macro AUROC, NaN labels left out",
        "label_fractions": {"0.01": {"n": 20}, "1.0": {"n": 2000}},
    },
    "fractions": {
        "0.01": {"trained": {**PART, "value": None}, "random": {"value": -0.25}},
        "1.0": {"trained": PART, "random": {"value": 1.0, "interval": [0.5, 1.25]}},
    },
}
TABLE = """\
| task | data | n | trained encoder | untrained baseline | chance |
| --- | --- | --- | --- | --- | --- |
| linear probe, macro AUROC, 1 % of the labels (20) | nih | 1,200 | n/a | -.250 | .500 |
| linear probe, macro AUROC, 100 % of the labels (2,000) | nih | 1,200 | .812 [.750, .900] \
| 1.000 [.500, 1.250] | .500 |"""


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    (folder / "results").mkdir(parents=True)
    (folder / "figures").mkdir()
    (folder / "results" / "linear_probe-nih.json").write_text(json.dumps(PROBE))
    (folder / "results" / "pretrain.json").write_text("{}")  # of no task
    (folder / "results" / "other-thing.json").write_text('{"value": 1}')
    return folder


def test_a_table_has_a_line_per_fraction_and_says_what_is_unknown(run, capsys):
    assert table(results_of(run)) == TABLE
    scoreboard.main([str(run)])
    assert capsys.readouterr().out == f"{TABLE}\n\n"


def test_a_task_of_ones_own_has_a_line(run):
    own = {**PROBE, "protocol": {"metric": "accuracy"}}
    (line,) = lines_of("my_task", own)
    assert line.what == "my_task, accuracy"
    assert line.random["value"] == 0.6
    (run / "results" / "my_task-nih.json").write_text(json.dumps(own))
    (run / "results" / "grounding-a.json").write_text(json.dumps(own))
    assert list(results_of(run)) == ["grounding-a", "linear_probe-nih", "my_task-nih"]


def test_without_results_it_says_how_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no task results in .*results: run a task.*make"):
        results_of(tmp_path)


def test_a_text_is_brought_up_to_date_and_what_no_run_has_stays(run, tmp_path, capsys):
    text = (
        "# Title\n<!-- results: linear_probe-nih -->\nold\n<!-- end of results -->\nbetween\n"
        "<!-- results: retrieval-nih -->\nkept\n<!-- end of results -->\n"
        "![a picture](images/linear_probe-nih.png) ![another](images/none.png)\n"
    )
    path = tmp_path / "README.md"
    path.write_text(text)
    noise = np.random.default_rng(0).integers(0, 255, (400, 800, 3), np.uint8)
    Image.fromarray(noise).save(run / "figures" / "linear_probe-nih.png")
    readme.main([str(path), str(run)])
    assert path.read_text() == text.replace("old", f"\n{TABLE}\n")
    said = capsys.readouterr().out
    assert said == "tables: linear_probe-nih\npictures: linear_probe-nih\nleft: retrieval-nih\n"
    small = tmp_path / "images" / "linear_probe-nih.png"
    assert small.stat().st_size < 150_000
    with Image.open(small) as picture:
        assert picture.width in readme.WIDTHS[1:]  # noise does not compress
        assert picture.width == 2 * picture.height
    assert not (tmp_path / "images" / "none.png").exists()
    readme.main([str(path), str(run)])
    assert path.read_text() == text.replace("old", f"\n{TABLE}\n")


def test_a_line_says_its_measure_and_the_fraction_of_labels():
    one = {"value": 0.8, "interval": [0.7, 0.9], "n": 40, "chance": 0.5}
    result = {
        "protocol": {"metric": "macro AUROC", "label_fractions": {"0.01": {"n": 20}}},
        "fractions": {"0.01": {"trained": one, "random": one, "start": one | {"value": 0.6}}},
        "chance": 0.5,
    }
    (line,) = lines_of("linear_probe", result)
    assert (line.measure, line.fraction, line.start["value"]) == ("auroc", 0.01, 0.6)
