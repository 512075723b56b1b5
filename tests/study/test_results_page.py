"""Tables of an ablation and a benchmark in a text: what the result files say, digit for digit."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reclf.stats.tables import short
from reclf_study import relation_table
from reclf_study import results_page as readme
from reclf_study.ablation_table import as_markdown

ROOT = Path(__file__).parents[2]


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
| baselines | .017 | |

| | what it asks | recall@5 | binding |
| --- | --- | --- | --- |
| SRM over mean | control | +.250 [+.200, +.300] | (-.010 [-.100, +.080]) |"""


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


def relations(value):
    """What relations.ipynb writes for one hospital, of a model without importance weights."""
    measured = {name: {"value": None, "interval": None} for name in relation_table.SHOWN}
    for number, name in enumerate(("binding_accuracy", "relation_auroc")):
        here = value + number / 100
        measured[name] = {"value": here, "interval": [here - 0.1, here + 0.1]}
    near = {"value": 0.84, "interval": [0.8, 0.9]}
    cosine = {"value": 0.5, "interval": [0.4, 0.6]}
    return measured | {
        "relation_auroc_text_distance": near,
        "relation_auroc_word_cosine": cosine,
    }


RELATIONS = """| | A | B | baselines, A |
| --- | --- | --- | --- |
| binding | .700 [.600, .800] | .500 [.400, .600] | .500 |
| edges | .710 [.610, .810] | .510 [.410, .610] | text distance .840, word cosine .500 |"""


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


def test_what_stays_after_holms_correction_has_a_star_and_variants_their_cost():
    compared = {"recall_at_5": {"p_holm": 0.04}, "binding_accuracy": {"p_holm": 0.04}}
    (pair,) = RESULT["comparisons"].values()
    measures = {name: entry | compared[name] for name, entry in pair["measures"].items()}
    result = RESULT | {
        "comparisons": {"srm - mean": pair | {"measures": measures}},
        "training": {"srm": {"steps": 1200, "seconds": 301.4}},
    }
    found = cells(as_markdown(result))
    assert found[0][-1] == "steps in seconds"
    assert [line[-1] for line in found[2:5]] == ["", "1,200 in 301 s", ""]
    assert found[8][2:] == ["+.250 [+.200, +.300] *", "(-.010 [-.100, +.080])"]
    assert as_markdown(result).endswith(
        "(*) also after Holm's correction for 2 comparisons, at 5 %."
    )
    measures["recall_at_5"]["p_holm"] = 0.051
    assert cells(as_markdown(result))[8][2] == "+.250 [+.200, +.300]"
    measures["recall_at_5"]["p_holm"] = 0.0
    assert cells(as_markdown(result))[8][2].endswith("*")


def test_relations_of_all_hospitals_are_one_table(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    for hospital, value in (("B", 0.5), ("A", 0.7)):
        path = results / f"relations-{hospital}.json"
        path.write_text(json.dumps(relations(value)))
    text = tmp_path / "text.md"
    text.write_text("<!-- results: relations -->\nold\n<!-- end of results -->\n")
    assert readme.update(text, [tmp_path])["tables"] == ["relations"]
    found = cells("\n".join(text.read_text().splitlines()[2:-2]))
    expected = cells(RELATIONS)
    assert found[0] == expected[0]
    assert [line[1:] for line in found] == [line[1:] for line in expected]
    assert [line[0] for line in found[2:]] == ["minimal pairs: binding", "relations: SRM's edges"]


def test_a_text_gets_the_tables_of_ablation_and_benchmark(tmp_path):
    results = tmp_path / "run" / "results"
    results.mkdir(parents=True)
    (results / "ablation.json").write_text(json.dumps(RESULT))
    (results / "ablation-other.json").write_text(json.dumps(RESULT))
    (results / "benchmark.json").write_text(json.dumps({"step": 2.0}))
    (results / "pretrain.json").write_text(json.dumps(PRETRAIN))
    text = tmp_path / "text.md"
    marks = "<!-- results: {} -->\nold\n<!-- end of results -->\n"
    names = ["ablation", "ablation-other", "benchmark", "pretrain"]
    text.write_text("".join(marks.format(name) for name in names))
    done = readme.update(text, [tmp_path / "run"])
    assert done == {"tables": names, "pictures": [], "left": []}
    written = text.read_text()
    assert "old" not in written
    assert written.count(as_markdown(RESULT)) == 2
    assert "| `step` | 2 | >= 2.3, **not met** |" in written
    assert "recall@5 of 300, mean of both directions | .800 [.750, .850] |  | .017 |" in written
    assert (
        "| quick linear probe (at most 100 labeled studies), macro AUROC | .900 | .600 | .500 |"
        in written
    )
    assert "| zero-shot, macro AUROC |  |  | .500 |" in written
    assert "947 steps in 290 s, 104 studies/s." in written


@pytest.mark.parametrize(
    ("page", "tables"),
    [
        ("README.md", {"headline"}),
        ("docs/results.md", {"ablation", "benchmark", "pretrain", "relations"}),
    ],
)
def test_the_tables_of_a_page_are_those_of_the_results_beside_the_notebooks(tmp_path, page, tables):
    written = (ROOT / page).read_text(encoding="utf-8")
    text = tmp_path / "page.md"
    text.write_text(written, encoding="utf-8")
    done = readme.update(text, [ROOT / "notebooks"])
    assert tables <= {*done["tables"]}
    assert done["left"] == []
    assert text.read_text(encoding="utf-8") == written


def test_the_headline_is_one_row_of_each_task():
    rows = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    begin, end = (
        rows.index(f"<!-- {mark} -->") for mark in ("results: headline", "end of results")
    )
    table = [row for row in rows[begin:end] if row.startswith("|")][2:]
    tasks = [row.removeprefix("| ").partition(",")[0] for row in table]
    assert tasks == ["zero-shot", "linear probe", "segmentation", "retrieval", "grounding"]


def estimates(found) -> Iterator[str]:
    """Every estimate with an interval in a result, as tables and sentences write it."""
    if isinstance(found, dict):
        interval = found.get("interval")
        for value in (found.get(key) for key in ("value", "mean", "difference")):
            if isinstance(interval, list) and value is not None:
                for sign in ("", "+"):
                    low, high = (short(end, sign) for end in interval)
                    yield f"{short(value, sign)} [{low}, {high}]"
        for part in found.values():
            yield from estimates(part)


def test_sentences_quote_the_results_beside_the_notebooks():
    known: set[str] = set()
    for path in (ROOT / "notebooks" / "results").glob("*.json"):
        known |= {*estimates(json.loads(path.read_text(encoding="utf-8")))}
    pages = (ROOT / name for name in ("README.md", "docs/results.md"))
    lines = "\n".join(page.read_text(encoding="utf-8") for page in pages).splitlines()
    text = " ".join(" ".join(line for line in lines if not line.startswith("|")).split())
    quoted = re.findall(r"[+-]?\d?\.\d+ \[[+-]?\d?\.\d+, [+-]?\d?\.\d+\]", text)
    assert quoted
    assert [quote for quote in quoted if quote not in known] == []
