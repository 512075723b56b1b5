"""Tables of an ablation and a benchmark in a text: what the result files say, digit for digit."""

import json
from pathlib import Path

from reclf import readme
from reclf.ablation_table import as_markdown


def entry(key, value, low, high, **more):
    return {key: value, "interval": [low, high], "seeds": [value], "n": 30, **more}


RESULT = {
    "mean": {"recall_at_5": entry("mean", 0.5, 0.4, 0.6)},
    "srm": {
        "recall_at_5": entry("mean", 0.75, 0.7, 0.8),
        "relation_auroc": entry("mean", 0.81, 0.79, 0.83),
    },
    "comparisons": {
        "srm - mean": {
            "question": "control",
            "measures": {
                "recall_at_5": entry("difference", 0.25, 0.2, 0.3, verdict="real"),
                "binding_accuracy": entry("difference", -0.01, -0.1, 0.08, verdict="not shown"),
            },
        }
    },
    "baselines": {"recall_at_5": {"chance": 0.017}},
    "verdicts": {},
    "protocol": {},
}
TABLES = """| | recall@5 | relation AUROC |
| --- | --- | --- |
| mean | .500 [.400, .600] | |
| SRM | .750 [.700, .800] | .810 [.790, .830] |
| without a model | .017 | |

| | what it asks | recall@5 | binding | probe |
| --- | --- | --- | --- | --- |
| SRM over mean | control | +.250 [+.200, +.300] | (-.010 [-.100, +.080]) | |"""


PRETRAIN = {
    "recall_at_5": 0.8,
    "recall_at_5_interval": [0.75, 0.85],
    "recall_at_5_global": 0.7,
    "recall_at_5_chance": 5 / 300,
    "n_gallery": 300,
    "zero_shot_auroc": None,
    "linear_probe_auroc_1pct": 0.9,
    "linear_probe_auroc_1pct_random": 0.6,
    "train_seconds": 290.4,
    "studies_per_second": 104.5,
    "steps": 947,
}


def cells(text):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]


def test_an_ablation_as_two_tables():
    found, expected = cells(as_markdown(RESULT)), cells(TABLES)
    assert [len(line) for line in found] == [len(line) for line in expected]
    titles = {0, 6}  # are the measures' own
    assert found[0][1].startswith("recall@5")
    for number, line in enumerate(expected):
        if number not in titles:
            assert found[number] == line


def test_a_text_gets_the_tables_of_ablation_and_benchmark(tmp_path):
    results = tmp_path / "run" / "results"
    results.mkdir(parents=True)
    (results / "ablation.json").write_text(json.dumps(RESULT))
    (results / "benchmark.json").write_text(json.dumps({"step": 2.0}))
    (results / "pretrain.json").write_text(json.dumps(PRETRAIN))
    text = tmp_path / "text.md"
    marks = "<!-- results: {} -->\nold\n<!-- end of results -->\n"
    names = ["ablation", "benchmark", "pretrain"]
    text.write_text("".join(marks.format(name) for name in names))
    done = readme.update(text, [tmp_path / "run"])
    assert done == {"tables": names, "pictures": [], "left": []}
    written = text.read_text()
    assert "old" not in written
    assert as_markdown(RESULT) in written
    assert "| `step` | 2 | >= 2.3, **not met** |" in written
    assert "recall@5 of 300, mean of both directions | .800 [.750, .850] |  | .017 |" in written
    assert "| linear probe at 1 % labels, macro AUROC | .900 | .600 | .500 |" in written
    assert "| zero-shot, macro AUROC |  |  | .500 |" in written
    assert "947 steps in 290 s, 104 studies/s." in written


def test_the_tables_of_the_readme_are_those_of_the_results_beside_the_notebooks(tmp_path):
    root = Path(__file__).parents[1]
    text = tmp_path / "README.md"
    text.write_text((root / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    done = readme.update(text, [root / "notebooks"])
    assert {"ablation", "benchmark", "pretrain"} < {*done["tables"]}
    assert done["left"] == []
    assert text.read_text(encoding="utf-8") == (root / "README.md").read_text(encoding="utf-8")
