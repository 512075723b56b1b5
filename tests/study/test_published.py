"""The field's published numbers: transcription, and strict reading of files."""

from pathlib import Path

import pytest
import yaml

from reclf.datasets.registry import find_dataset
from reclf.tasks.results import read_result
from reclf.tasks.scoreboard import lines_of
from reclf.tasks.zero_shot import METRICS
from reclf_study.paper_table import published
from reclf_study.paper_table.choices import TASKS
from reclf_study.paper_table.published import (
    load_published,
)

RESULTS = Path(__file__).parents[2] / "notebooks" / "results"


@pytest.fixture(scope="module")
def numbers():
    return load_published()


# -- the file that is shipped ----------------------------------------------------------------------

G2D_4, G2D_1, G2D_2 = "G2D, Table 4", "G2D, Table 1", "G2D, Table 2"
# Source, task, method, data set, measure, fraction -> value, typed from the sources' tables.
SPOTS = [
    (G2D_4, "linear_probe", "Random", "chexpert", "auroc", 0.01, 0.561),
    (G2D_4, "linear_probe", "MGCA (ViT)", "covidx", "accuracy", 0.1, 0.848),
    (G2D_4, "linear_probe", "MRM", "rsna", "auroc", 1.0, 0.933),
    (G2D_4, "linear_probe", "G2D", "covidx", "accuracy", 1.0, 0.934),
    ("EGMA", "linear_probe", "BioViL", "chexpert", "auroc", 0.01, 0.8195),
    ("EGMA", "linear_probe", "MGCA", "rsna", "auroc", 0.1, 0.8754),
    ("EGMA", "linear_probe", "EGMA", "siim", "auroc", 1.0, 0.9329),
    (G2D_1, "segmentation", "Random", "rsna", "dice", 0.01, 0.069),
    (G2D_1, "segmentation", "MedKLIP (own setting, tuned)", "siim", "dice", 1.0, 0.794),
    (G2D_1, "segmentation", "G2D (encoder + decoder)", "rsna", "dice", 1.0, 0.769),
    ("BenchX", "segmentation", "MRM", "siim", "dice", 1.0, 0.7866),
    ("BenchX", "segmentation", "M-FLAG", "rsna", "dice", 1.0, 0.6786),
    ("EGMA", "zero_shot", "GLoRIA", "chexpert", "accuracy", None, 0.533),
    ("EGMA", "zero_shot", "EGMA", "rsna", "macro_f1", None, 0.4349),
    ("EGMA", "zero_shot", "MedCLIP", "siim", "macro_f1", None, 0.5785),
    ("GLoRIA", "zero_shot", "GLoRIA", "chexpert", "macro_f1", None, 0.67),
    ("MedCLIP", "zero_shot", "ConVIRT", "chexpert", "accuracy", None, 0.422),
    (G2D_2, "zero_shot", "CheXzero", "siim", "accuracy", None, 0.547),
    (G2D_2, "zero_shot", "KAD", "nih", "auroc", None, 0.789),
    (G2D_2, "zero_shot", "G2D", "chexpert", "auroc", None, 0.912),
    ("BenchX", "retrieval", "PTUnifier", "mimic_cxr", "precision_at_10", None, 0.234),
    ("BenchX", "retrieval", "MedCLIP-R50", "mimic_cxr", "precision_at_1", None, 0.161),
    ("GLoRIA note", "retrieval", "GLoRIA", "chexpert", "precision_at_100", None, 0.5378),
    ("CXR-BERT card", "grounding", "BioViL", "ms_cxr", "cnr", None, 1.027),
    ("BioViL-T card", "grounding", "BioViL", "ms_cxr", "cnr", None, 1.07),
    ("BioViL-T card", "grounding", "BioViL-L", "ms_cxr", "miou", None, 0.202),
    ("BenchX", "fine_tune", "MGCA-ViT", "vindr", "auroc", 0.1, 0.915),
    ("BenchX", "fine_tune", "M-FLAG", "nih", "auroc", 0.01, 0.665),
    ("G2D", "fine_tune", "KAD", "nih", "auroc", 1.0, 0.825),
]


def find(numbers, source, task, method, dataset, measure, fraction=None, **choices):
    (found,) = [
        n
        for n in numbers
        if (n.source, n.task, n.method, n.dataset) == (source, task, method, dataset)
        and (n.measure, n.fraction) == (measure, fraction)
        and choices.items() <= n.choices.items()
    ]
    return found


@pytest.mark.parametrize("spot", SPOTS, ids=lambda spot: ", ".join(map(str, spot[:5])))
def test_values_are_those_of_the_source(numbers, spot):
    assert find(numbers, *spot[:-1]).value == pytest.approx(spot[-1], abs=1e-9)


def test_retrieval_has_a_number_per_direction(numbers):
    keys = ("EGMA", "retrieval", "GLoRIA", "chexpert", "precision_at_5")
    there = find(numbers, *keys, direction="image to report")
    back = find(numbers, *keys, direction="report to image")
    assert (there.value, back.value) == pytest.approx((0.3162, 0.49))
    assert there.split == back.split == there.choices["test_split"] == "8x200"
    assert there.column != back.column
    only_back = [n for n in numbers if (n.source, n.task, n.method) == (*keys[:2], "ConVIRT")]
    assert {n.choices["direction"] for n in only_back} == {"report to image"}  # null is no number


@pytest.mark.parametrize(
    ("source", "task", "count"),
    [
        (G2D_4, "linear_probe", 10 * 3 * 3),
        ("EGMA", "linear_probe", 5 * 3 * 3),
        (G2D_1, "segmentation", 11 * 2 * 3),
        ("BenchX", "segmentation", 11 * 2),
        ("EGMA", "zero_shot", 6 * 6),
        (G2D_2, "zero_shot", 7 * 6 - 5),
        ("EGMA", "retrieval", 5 * 3 + 6 * 3),
        ("BenchX", "retrieval", 8 * 3),
        ("CXR-BERT card", "grounding", 6),
        ("BioViL-T card", "grounding", 3 * 2),
        ("BenchX", "fine_tune", 10 * 2 * 3),
        ("G2D", "fine_tune", 6 * 3),
    ],
)
def test_every_row_is_there(numbers, source, task, count):
    assert sum((n.source, n.task) == (source, task) for n in numbers) == count


def test_two_sources_that_disagree_are_two_numbers(numbers):
    keys = ("linear_probe", "chexpert", "auroc", 0.01)
    found = {
        (n.method, n.source): n.value
        for n in numbers
        if (n.task, n.dataset, n.measure, n.fraction) == keys and n.method.startswith("MGCA")
    }
    assert found == pytest.approx(
        {("MGCA (R50)", G2D_4): 0.876, ("MGCA (ViT)", G2D_4): 0.888, ("MGCA", "EGMA"): 0.858}
    )


def test_no_number_is_of_reclf(numbers):
    assert not [n for n in numbers if "reclf" in n.method.lower()]


def test_every_source_is_cited_and_every_citation_is_of_a_number(numbers):
    sources = yaml.safe_load(published.SHIPPED.read_text(encoding="utf-8"))["sources"]
    assert {n.source.partition(",")[0] for n in numbers} == sources.keys()
    assert all(n.citation == sources[n.source.partition(",")[0]] for n in numbers)


def test_names_are_ours(numbers):
    """Of data sets, tasks and measures: a name that no line of ours has would stand alone."""
    for name in {n.dataset for n in numbers}:
        assert find_dataset(name, {})
    measures = {"linear_probe": {"auroc", "accuracy"}, "fine_tune": {"auroc", "accuracy"}}
    measures["zero_shot"] = set(METRICS)
    retrieval = read_result(RESULTS / "retrieval-phantom.json")
    measures["retrieval"] = set(next(iter(retrieval["precision"].values()))) - {"n"}
    measures["retrieval"].add("precision_at_100")  # not in every result: the gallery decides
    for task in ("segmentation", "grounding"):
        lines = lines_of(task, read_result(RESULTS / f"{task}-phantom.json"))
        measures[task] = {line.measure for line in lines}
    assert measures.keys() == set(TASKS)
    assert not {(n.task, n.measure) for n in numbers if n.measure not in measures[n.task]}


def test_choices_of_method_column_and_table(numbers):
    keys = ("linear_probe", "ImageNet", "chexpert", "auroc", 0.01)
    assert find(numbers, G2D_4, *keys).choices == {
        "encoder": "frozen",
        "classifier": "linear layer",
        "test_split": "official valid",
        "test_studies": 202,
        "pretraining": "ImageNet",
    }
    tuned = ("segmentation", "MedKLIP (own setting, tuned)", "rsna", "dice", 1.0)
    assert find(numbers, G2D_1, *tuned).choices["encoder"] == "fine-tuned"


# -- files of one's own ----------------------------------------------------------------------------

OWN = """
sources: {Mine: "a report, 2024"}
tables:
  - source: Mine
    table: Table 2
    task: linear_probe
    unit: percent
    fractions: [0.01, 1]
    choices: {encoder: frozen, image_size: 224}
    columns:
      - {dataset: rsna, measure: auroc, choices: {image_size: 512}}
      - {dataset: lungs, split: hard, measure: auroc}
    methods:
      A: [50, 60.5, 0, 100]
      B: [null, 70, null, null]
    method_choices:
      B: {encoder: fine-tuned}
"""


def read(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return load_published(str(path))


def test_a_file_of_ones_own(tmp_path):
    found = read(tmp_path, OWN)
    assert [(n.method, n.dataset, n.split, n.fraction, n.value) for n in found] == [
        ("A", "rsna", "", 0.01, 0.5),
        ("A", "rsna", "", 1, 0.605),
        ("A", "lungs", "hard", 0.01, 0.0),
        ("A", "lungs", "hard", 1, 1.0),
        ("B", "rsna", "", 1, 0.7),
    ]
    assert {n.source for n in found} == {"Mine, Table 2"}
    assert {n.citation for n in found} == {"a report, 2024"}
    assert found[0].choices == {"encoder": "frozen", "image_size": 512}
    assert found[2].choices == {"encoder": "frozen", "image_size": 224, "test_split": "hard"}
    assert found[4].choices == {"encoder": "fine-tuned", "image_size": 512}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[50, 60.5, 0, 100]", "[50, 60.5, 0]", r"row 'A': 3 values, must have 4: 2 columns x 2"),
        ("[50, 60.5, 0, 100]", "[50, 60.5, 0, 1, 2]", r"row 'A': 5 values, must have 4"),
        ("[50, 60.5, 0, 100]", "[50, 60.5, 0, 101]", "row 'A': auroc must be 0 to 100, got 101"),
        ("[50, 60.5, 0, 100]", "[50, 60.5, 0, -1]", "row 'A': auroc must be 0 to 100, got -1"),
        ("[50, 60.5, 0, 100]", "[50, 60.5, 0, .nan]", "row 'A': auroc must be .*, got nan"),
        ("[50, 60.5, 0, 100]", "[50, 60.5, 0, yes]", "row 'A': auroc must be .*, got True"),
        ("[50, 60.5, 0, 100]", "[50, 60.5, 0, '1']", "row 'A': auroc must be .*, got '1'"),
        ("[50, 60.5, 0, 100]", "50", "row 'A': must be a list, got 50"),
        ("unit: percent", "unit: plain", "row 'A': auroc must be 0 to 1, got 50"),
        ("unit: percent", "unit: share", "unit must be one of percent, plain, got 'share'"),
        ("unit: percent", "units: percent", "unknown key 'units'; known: source, task, unit"),
        ("    unit: percent\n", "", "'unit' is missing"),
        ("task: linear_probe", "task: probe", "task must be one of linear_probe, .*, got 'probe'"),
        ("source: Mine", "source: Yours", "source must be one of Mine, got 'Yours'"),
        ("[0.01, 1]", "[1, 100]", "a label fraction must be above 0 and at most 1, got 100"),
        ("{encoder: frozen,", "{coder: frozen,", "choices: unknown key 'coder'; known: pretrain"),
        ("{encoder: frozen,", "{encoder: [a],", r"choice 'encoder' must be .*, got \['a'\]"),
        ("measure: auroc, ch", "measure: auroc, unit: 1, ch", "column 1: unknown key 'unit'"),
        ("{dataset: lungs, split", "{split", "column 2: 'dataset' is missing"),
        ("dataset: lungs", "dataset: 8", "column 2, dataset: must be a text in .*, got 8"),
        ("      B: {encoder", "      C: {encoder", "method_choices: unknown key 'C'; known: A, B"),
        ("      B: [", "      A: [", "'A' is there twice"),
        ("      A: [", "      1: [", "row 1, name: must be a text in quotation marks, got 1"),
        ("dataset: lungs, split: hard", "dataset: rsna", None),
        ("methods:", "methods: [", "no valid YAML"),
    ],
)
def test_a_wrong_file_is_refused_by_table_and_row(tmp_path, old, new, message):
    assert OWN.count(old) == 1
    if message is None:  # the same column twice, and no choice that differs
        old, new = OWN, OWN.replace(", choices: {image_size: 512}", "").replace(old, new)
        message = "two values for one number: A, rsna, auroc, Mine, Table 2"
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, OWN.replace(old, new))
    assert str(tmp_path / "own.yaml") in str(caught.value)
    if "row" in message:
        assert "table 1 (Mine, Table 2)" in str(caught.value)


RATIOS = """
sources: {Mine: "a report, 2024"}
tables:
  - source: Mine
    task: grounding
    unit: plain
    columns: [{dataset: ms_cxr, measure: cnr}, {dataset: ms_cxr, measure: miou}]
    methods: {A: [1.5, 0.25]}
"""


def test_a_ratio_may_exceed_one_and_a_share_may_not(tmp_path):
    assert [n.value for n in read(tmp_path, RATIOS)] == [1.5, 0.25]
    assert [n.fraction for n in read(tmp_path, RATIOS)] == [None, None]
    with pytest.raises(ValueError, match=r"row 'A': miou must be 0 to 1, got 1\.25"):
        read(tmp_path, RATIOS.replace("0.25", "1.25"))
    with pytest.raises(ValueError, match=r"row 'A': cnr must be 0 to inf, got -1\.5"):
        read(tmp_path, RATIOS.replace("[1.5", "[-1.5"))


@pytest.mark.parametrize("text", ["", "[]", "sources: {}", "sources: {A: 1}\ntables: []", "a: b"])
def test_what_is_no_such_file_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match=r"own\.yaml.*(must be|missing|unknown)"):
        read(tmp_path, text)
