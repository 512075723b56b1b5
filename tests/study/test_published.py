"""The field's published numbers: transcription, strict reading, protocols compared, places."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from reclf.datasets.registry import find_dataset
from reclf.tasks.results import read_result
from reclf.tasks.scoreboard import lines_of
from reclf.tasks.zero_shot import METRICS
from reclf_study.paper_table import published
from reclf_study.paper_table.choices import CHOICES, TASKS, choices_of
from reclf_study.paper_table.published import (
    PublishedNumber,
    differing,
    load_published,
    standing,
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


# -- protocols -------------------------------------------------------------------------------------

PROTOCOL = {
    "options": {"splits": "probe"},
    "split": "test",
    "trained_on": "mimic_cxr",
    "image_size": 224,
    "encoder": "frozen",
    "batch_norm": "eval: running statistics",
}


def test_what_differs_in_a_fixed_order(numbers):
    number = find(numbers, G2D_4, "linear_probe", "G2D", "chexpert", "auroc", 1.0)
    assert differing(number, "linear_probe", {"n": 4003, "protocol": PROTOCOL}) == [
        "pre-training data: 213,384 pairs there, MIMIC-CXR here",
        "test studies: 202 there, 4,003 here",
        "image size: not stated there",
        "classifier: linear layer there, logistic regression here",
        "BatchNorm: not stated there",
    ]
    other = PROTOCOL | {"options": {}, "encoder": "fine-tuned", "trained_on": None}
    found = differing(number, "linear_probe", {"n": 202, "protocol": other})
    assert found[:2] == [
        "pre-training data: 213,384 pairs there, not stated here",
        "test split: official valid there, test here",
    ]
    assert "encoder: frozen there, fine-tuned here" in found
    assert not any(line.startswith("test studies") for line in found)


def test_equal_protocols_do_not_differ(numbers):
    result = read_result(RESULTS / "linear_probe-phantom.json")
    number = find(numbers, G2D_4, "linear_probe", "G2D", "rsna", "auroc", 1.0)
    ours = choices_of("linear_probe", result)
    assert differing(replace(number, choices=ours), "linear_probe", result) == []
    for name, value in ours.items():
        one = replace(number, choices=ours | {name: "another"})
        (line,) = differing(one, "linear_probe", result)
        assert line.startswith(f"{CHOICES[name][0]}: another there, ")
        assert str(value)[:3] in line


@pytest.mark.parametrize("task", [task for task in TASKS if task != "fine_tune"])
def test_results_of_ours_state_all_that_counts_in_a_task(task):
    result = read_result(RESULTS / f"{task}-phantom.json")
    always = {name for name, (_, tasks) in CHOICES.items() if task in tasks}
    assert always <= choices_of(task, result).keys()


def ours(task, measure="", **changes):
    result = read_result(RESULTS / f"{task}-phantom.json")
    protocol = result["protocol"] | changes
    return choices_of(task, result | {"protocol": protocol}, measure)


def test_choices_of_a_probe_of_ours():
    probe = ours("linear_probe", batch_norm="eval: running statistics; of the baseline: others")
    assert (probe["classifier"], probe["batch_norm"]) == ("logistic regression", "eval")
    assert "release" not in probe
    assert ours("linear_probe", options={"version": "CXR-4"})["release"] == "CXR-4"
    assert ours("linear_probe", split="val")["test_split"] == "val"


def test_choices_of_a_segmentation_of_ours():
    protocol = {"steps": 20, "batch_size": 4, "learning_rate": 0.01, "empty_mask_rule": "one"}
    found = ours("segmentation", **protocol)
    assert found["training"] == "steps 20, batch size 4, learning rate 0.01"
    assert (found["empty_masks"], found["background"]) == ("one", "none")


def test_choices_of_zero_shot_of_ours():
    metrics = read_result(RESULTS / "zero_shot-phantom.json")["metrics"]
    for measure in METRICS:  # accuracy is of the studies with exactly one finding
        assert ours("zero_shot", measure)["test_studies"] == metrics[measure]["n"]
    assert metrics["accuracy"]["n"] < metrics["auroc"]["n"]
    found = ours("zero_shot", prompt_set="nih", pooling="mean: mean of all prompts")
    assert (found["prompts"], found["pooling"]) == ("all of our set 'nih'", "mean")
    sampled = {"prompt_set": "nih", "pooling": "max_z: ...", "sampled_prompts": 7}
    found = ours("zero_shot", **sampled, normalization="z over the test set")
    assert (found["prompts"], found["pooling"]) == ("7 a class of our set 'nih'", "max")
    assert found["normalization"] == "z over the test set"


def test_choices_of_retrieval_of_ours():
    tables = {
        "recall": {"trained, global": {"n": 30}, "random, global": {"n": 30}},
        "precision": {"trained, global": {"n": 20}},
    }
    relevance = "reports with the same words; precision: the same set of positive labels"
    result = {**tables, "protocol": {"split": "test", "relevance": relevance}}
    found = choices_of("retrieval", result, "recall_at_5")
    assert (found["relevance"], found["candidates"]) == ("reports with the same words", 30)
    found = choices_of("retrieval", result, "precision_at_5")
    assert (found["relevance"], found["candidates"]) == ("the same set of positive labels", 20)
    result["protocol"]["split"] = "5x200"
    assert choices_of("retrieval", result, "precision_at_5")["relevance"] == "the same class"
    unlabeled = result | {"precision": {}}
    assert "candidates" not in choices_of("retrieval", unlabeled, "precision_at_5")


def test_choices_of_grounding_of_ours():
    n = read_result(RESULTS / "grounding-phantom.json")["n"]
    assert (ours("grounding")["phrases"], ours("grounding", heat="x")["map"]) == (n, "x")


def test_a_fine_tuned_segmentation_is_a_segmentation():
    result = read_result(RESULTS / "segmentation-phantom.json")
    tuned = choices_of("segmentation_fine_tuned", result)
    assert tuned == choices_of("segmentation", result)
    assert "decoder" in tuned


# -- standing --------------------------------------------------------------------------------------


def made(method, value, source="G2D, Table 4", **changes):
    fields = {"dataset": "rsna", "split": "", "measure": "auroc", "fraction": 0.1, **changes}
    return PublishedNumber(
        method, "linear_probe", value=value, source=source, citation="", **fields
    )


THREE = [made("MRM", 0.927), made("ConVIRT", 0.801), made("GLoRIA", 0.88)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.85, "between ConVIRT (.801) and GLoRIA (.880), G2D, Table 4"),
        (0.9, "between GLoRIA (.880) and MRM (.927), G2D, Table 4"),
        (0.95, "above all 3"),
        (0.5, "below all 3"),
        (0.8803, "equal to GLoRIA (.880), G2D, Table 4"),
        (0.927, "equal to MRM (.927), G2D, Table 4"),
        (0.801, "equal to ConVIRT (.801), G2D, Table 4"),
        (0.8806, "between GLoRIA (.880) and MRM (.927), G2D, Table 4"),
        (float("nan"), ""),
    ],
)
def test_where_a_number_stands(value, expected):
    assert standing(value, THREE) == expected
    assert standing(value, THREE[::-1]) == expected


def test_where_it_stands_if_lower_is_better():
    found = standing(0.85, THREE, higher_is_better=False)
    assert found == "between GLoRIA (.880) and ConVIRT (.801), G2D, Table 4"
    assert standing(0.5, THREE, higher_is_better=False) == "above all 3"
    assert standing(0.95, THREE, higher_is_better=False) == "below all 3"


def test_published_numbers_that_tie_are_all_named():
    tied = [*THREE, made("MGCA", 0.88)]
    names = "GLoRIA (.880) and MGCA (.880)"
    assert standing(0.88, tied) == f"equal to {names}, G2D, Table 4"
    assert standing(0.9, tied) == f"between {names} and MRM (.927), G2D, Table 4"


def test_several_sources_are_named_and_one_number_is():
    two = [made("MGCA", 0.8522, "EGMA"), made("MGCA", 0.886)]
    found = standing(0.87, two)
    assert found == "between MGCA (.8522, EGMA) and MGCA (.886, G2D, Table 4)"
    assert standing(0.8, two[:1]) == "below MGCA (.8522), EGMA"
    assert standing(0.9, two[:1]) == "above MGCA (.8522), EGMA"
    assert standing(0.9, []) == ""
    assert standing(1.1, [made("A", 1.027), made("B", 1.21)]).startswith("between A (1.027)")


def test_numbers_of_several_columns_have_no_order():
    for changes in ({"fraction": 1.0}, {"measure": "accuracy"}, {"dataset": "siim"}):
        with pytest.raises(ValueError, match="among those of one column"):
            standing(0.9, [*THREE, made("A", 0.5, **changes)])
    ways = [made("A", 0.5, choices={"direction": way}) for way in ("to text", "to image")]
    with pytest.raises(ValueError, match="among those of one column"):
        standing(0.9, ways)
