"""The lexicon: by hand, against the phantom's truth, and against human codes of Open-I."""

import csv
import json

import numpy as np
import pytest

from reclf.data.lexicon import DENIALS, load_lexicon
from reclf.data.reports import clean, split_words
from reclf.data.study import WORD_TYPES, Study
from reclf.datasets.phantom import Phantom


@pytest.fixture(scope="module")
def lexicon():
    return load_lexicon()


def stated(lexicon, report):
    return [word.text for word in lexicon.read(report) if word.important]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ("Small left effusion.", "small left effusion"),
        ("No pneumothorax, pleural effusion or focal airspace disease.", ""),
        ("Lungs are clear of consolidation.", ""),
        ("Pneumothorax is not seen.", ""),
        ("No pneumothorax but mild edema.", "mild edema"),
        ("No effusion. Right nodule.", "right nodule"),
        ("No significant interval change in left effusion.", "left effusion"),
        ("Pneumonia cannot be excluded.", "pneumonia"),
        ("Effusion has resolved.", ""),
        ("Right and left heart borders are normal.", ""),
        ("Pneumonia is not excluded.", "pneumonia"),
        ("Left effusion has not resolved.", "left effusion"),
        ("Pneumonia was ruled out.", ""),
        ("Pneumothorax: none.", ""),
        ("Pneumothorax: no.", ""),
        ("No degenerative change.", ""),
        ("No acute changes of pneumonia.", ""),
        ("No change to suggest pneumonia.", ""),
        ("Lungs are clear, small right pleural effusion.", "small right pleural effusion"),
        ("Free air under the diaphragm.", "free air"),
        ("No consolidation other than left atelectasis.", "left atelectasis"),
        ("Clear aside from a nodule.", "nodule"),
        ("Heart is not enlarged.", ""),
        ("No effusion, pneumothorax is absent.", ""),
        ("Bilateral opacities and masses.", "bilateral opacities masses"),
        ("Low lung volumes with bibasilar atelectasis.", "low lung volumes bibasilar atelectasis"),
        ("", ""),
    ],
)
def test_what_a_sentence_states(lexicon, report, expected):
    assert stated(lexicon, report) == expected.split()


def test_phrases_come_before_their_words(lexicon):
    types = lexicon.word_types(["mild", "pleural", "effusions", "pleural", "surface"])
    assert types == ["severity", "finding", "finding", "anatomy", "filler"]


def test_there_is_one_word_for_each_that_a_model_reads(lexicon):
    report = "1. XXXX opacity, 1.2 cm. 2. No effusion"
    words = lexicon.read(report)
    assert [word.text for word in words] == split_words(clean(report))
    assert [word.sentence for word in words] == [0, 0, 0, 1, 1]
    assert {word.finding for word in words} == {-1}


def test_what_a_data_set_knows_stays(lexicon):
    known = Phantom(None, "val", 32)[0]
    assert lexicon.with_words(known) is known
    unknown = Study("s", "p", np.zeros((4, 4), np.float32), "Left effusion", {}, {})
    assert [w.type for w in lexicon.with_words(unknown).words] == ["location", "finding"]


# C has words that are rarer in reports, among them many that the lexicon lacks.
@pytest.mark.parametrize(("hospital", "precision", "recall"), [("A", 0.95, 0.75), ("C", 0.9, 0.65)])
def test_it_agrees_with_the_truth_of_the_phantom(lexicon, hospital, precision, recall):
    phantom = Phantom(None, "test", 32, hospital=hospital)
    counts = np.zeros((2, 2), dtype=int)
    for index in range(150):
        study = phantom[index]
        for guess, truth in zip(lexicon.read(study.report), study.words, strict=True):
            counts[int(guess.important), int(truth.important)] += 1
    assert counts[1, 1] / counts[1].sum() > precision
    assert counts[1, 1] / counts[:, 1].sum() > recall


def test_it_agrees_with_the_indexers_of_open_i(lexicon, open_i):
    with (open_i / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "val"]
    found = {True: [], False: []}
    for row in rows:
        if row["mesh"] not in ("", "No Indexing"):
            found[row["mesh"] == "normal"].append(bool(stated(lexicon, row["report"])))
    assert len(found[True]) > 50
    assert len(found[False]) > 100
    assert np.mean(found[True]) < 0.1
    assert np.mean(found[False]) > 0.85


def write(tmp_path, **changes):
    content = {
        "types": {"finding": ["effusion"], "negation": ["no"]},
        "denies": {
            "what_follows": ["no"], "what_precedes": [], "until": [], "unless_near": [],
        },
    }  # fmt: skip
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content | changes))
    return str(path)


def test_a_list_of_ones_own(tmp_path):
    mine = load_lexicon(write(tmp_path))
    assert [word.type for word in mine.read("No effusion")] == ["negation", "finding"]
    assert mine.source == "mine.json"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"types": {"disease": ["effusion"]}}, f"known are {', '.join(WORD_TYPES)}"),
        ({"types": {"finding": ["Effusion"]}}, "'Effusion' is not lower-case words"),
        ({"types": {"finding": ["mass"], "anatomy": ["mass"]}}, "'mass' is finding and anatomy"),
        ({"denies": {"until": []}}, "unless_near, got until"),
        ({"types": {"finding": "effusion"}}, "finding must be a list of phrases, got 'effusion'"),
        ({"denies": {name: ["No"] for name in DENIALS}}, "'No' is not lower-case words"),
        ({"kinds": [{"nouns": ["mass"], "others": []}]}, "'mass' of kinds must be a finding"),
        (
            {"opposites": {"side": {"pairs": [["left"]], "unless": []}}},
            r"side has \['left'\], which are not two words",
        ),
    ],
)
def test_a_wrong_list_is_refused_by_name(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_lexicon(write(tmp_path, **changes))


def test_a_missing_list_names_the_shipped_ones():
    with pytest.raises(FileNotFoundError, match="no lexicon 'breast': shipped are chest"):
        load_lexicon("breast")
