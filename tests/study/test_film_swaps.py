"""Swap measures by planted scores: text alone, an oracle, plain loops; and questions by hand."""

from dataclasses import replace

import numpy as np
import pytest

from reclf.data.lexicon import load_lexicon
from reclf.data.study import Study
from reclf.models.inference import encode_images
from reclf_study.films.questions import ASKED, CONTRADICTED, AskedSplit, Question
from reclf_study.films.retrieval_measures import retrieval_ratios
from reclf_study.films.swap_measures import SwapScores, mirror_ratios, score_swaps, swap_ratios

REPORTS = (
    "Mild left effusion in the upper lobe. No nodule.",
    "Severe right edema in the lower lobe. No pneumothorax.",
    "Small left nodule in the upper lobe. No effusion.",
    "Cardiomegaly. No fracture.",
    "Lungs are clear.",
    "Lungs are clear.",
)


@pytest.fixture(scope="module")
def lexicon():
    return load_lexicon()


@pytest.fixture(scope="module")
def films():
    noise = np.random.default_rng(0)
    return [
        Study(f"s{i}", f"p{i}", noise.random((64, 64), dtype=np.float32), report, {})
        for i, report in enumerate(REPORTS)
    ]


@pytest.fixture(scope="module")
def asked(films, lexicon):
    return AskedSplit.of(films, [], lexicon)


def planted(asked, score):
    """SwapScores of score(image, report number, fact or None)."""
    n = len(asked.reports)
    columns = {fact: np.full(n, -1) for fact in ASKED}
    texts = [(i, None) for i in range(n)]
    for fact in ASKED:
        for row, question in enumerate(asked.questions):
            if question.swaps[fact].text:
                columns[fact][row] = len(texts)
                texts.append((row, fact))
    matrix = np.array([[score(image, *text) for text in texts] for image in range(n)], float)
    return SwapScores({"combined": matrix}, columns)


def encode(model, films, asked):
    return encode_images(model, films), asked


def test_a_score_that_reads_only_the_text_has_one_half(asked):
    # Large and odd numbers: the sum of an image's and a text's part rounds.
    scores = planted(asked, lambda image, row, fact: image / 3e3 + 11.1 + row / 7 - bool(fact))
    scores.scores["combined"] = scores.scores["combined"].astype(np.float32).astype(float)
    found = swap_ratios(scores, asked)
    for fact in ASKED:
        assert set(found[f"{fact}_swap"].total[found[f"{fact}_swap"].count > 0]) <= {0, 1}
        for kind in ("conditional", "conditional_other_finding"):
            ratio = found[f"{fact}_swap_{kind}"]
            assert ratio.n
            assert ratio.value == 0.5


def test_a_score_that_knows_the_image_of_each_report_has_one(asked):
    found = swap_ratios(
        planted(asked, lambda image, row, fact: (image == row) * (fact is None)), asked
    )
    for fact in ASKED:
        assert found[f"{fact}_swap"].value == 1
        assert found[f"{fact}_swap_conditional"].value == 1


def test_conditional_shares_are_those_of_a_plain_loop(asked):
    noise = np.random.default_rng(1).integers(0, 3, (len(REPORTS), 200)).astype(float)
    scores = planted(asked, lambda *_: 0.0)
    scores.scores["combined"] = noise[:, : scores.scores["combined"].shape[1]]
    found = swap_ratios(scores, asked)
    for fact in ASKED:
        for row, question in enumerate(asked.questions):
            column = scores.columns[fact][row]
            if column < 0:
                continue
            gains = [noise[image, row] - noise[image, column] for image in range(len(REPORTS))]
            wins = {"": [], "_other_finding": []}
            about = set(question.swaps[fact].kinds[:1]) or question.stated
            for image, gain in enumerate(gains):
                if REPORTS[image] == REPORTS[row]:
                    continue
                win = 1.0 if gains[row] > gain else 0.5 if gains[row] == gain else 0.0
                wins[""].append(win)
                stated = asked.questions[image].stated
                if stated and not stated & about:
                    wins["_other_finding"].append(win)
            for name, values in wins.items():
                ratio = found[f"{fact}_swap_conditional{name}"]
                assert ratio.count[row] == bool(values)
                assert ratio.total[row] == pytest.approx(np.mean(values) if values else 0)
            assert found[f"{fact}_swap"].total[row] == (np.sign(gains[row]) + 1) / 2


def test_ratios_have_every_study_so_that_runs_can_be_paired(asked):
    found = swap_ratios(planted(asked, lambda image, row, fact: 0.0), asked)
    assert {len(ratio.total) for ratio in found.values()} == {len(REPORTS)}
    assert found["side_swap"].count.tolist() == [1, 1, 1, 0, 0, 0]


def test_a_model_scores_what_it_reads(build, films, asked):
    model = build(aggregator="mean")
    whole = score_swaps(model, *encode(model, films, asked))
    assert (whole.columns["denied"] >= 0).tolist() == [True] * 4 + [False] * 2
    assert whole.scores["combined"].shape == (
        6,
        6 + sum((c >= 0).sum() for c in whole.columns.values()),
    )
    # Five words of "Mild left effusion in the upper lobe. No nodule.": the zone is behind them, and
    # of the two findings one is read, so that the bags of words differ.
    model.config = replace(model.config, max_words=5)
    cut = score_swaps(model, *encode(model, films, asked))
    assert cut.columns["zone"][0] == cut.columns["denied"][0] == -1
    assert cut.columns["side"][0] >= 0


def test_words_without_context_cannot_tell_who_is_denied(build, films, asked):
    """A mean over words that know neither their context nor their place sums the same words in
    another order. BERT's embeddings know the place."""
    model = build(aggregator="mean", word_source="embedding")
    places = model.text_encoder.tower.embeddings.position_embeddings.weight
    places.data.zero_()
    found = swap_ratios(score_swaps(model, *encode(model, films, asked)), asked)
    assert found["denied_swap_local"].n == 4
    assert found["denied_swap_local"].value == 0.5
    assert found["denied_swap_conditional_local"].value == 0.5


def test_a_film_that_is_its_own_mirror_image_decides_no_side(build, films, asked):
    model = build(aggregator="mean")
    same = [replace(s, image=np.maximum(s.image, s.image[:, ::-1])) for s in films]
    found = mirror_ratios(model, same, asked)
    assert found["side_mirrored_to_image"].value == 0.5
    assert found["side_mirrored"].count.tolist() == [4, 4, 4, 0, 0, 0]


@pytest.mark.parametrize(
    ("fact", "codes", "kept"),
    [
        ("side", "Pleural Effusion/left", True),
        ("side", "Pleural Effusion/right", False),
        ("side", "Pleural Effusion/bilateral", True),  # says nothing of one side
        ("side", "No Indexing", True),
        ("zone", "Opacity/lung/base", False),
        ("severity", "Pleural Effusion/left/large", False),
        ("denied", "Nodule/lung/left", False),  # so that the swap would be true
        ("denied", "Pleural Effusion/left;Cardiomegaly/mild", True),
        ("negation", "Pleural Effusion/left", True),
    ],
)
def test_codes_refuse_what_they_contradict(lexicon, fact, codes, kept):
    found = Question.of(REPORTS[0], lexicon, codes).swaps[fact]
    assert (found.text is not None) == kept
    assert found.refused == ("" if kept else CONTRADICTED)


def test_refusals_are_counted(asked):
    counts = asked.refused
    assert {fact: sum(count.values()) for fact, count in counts.items()} == dict.fromkeys(ASKED, 6)
    assert counts["side"] == {"": 3, "no side is stated of a finding": 3}


def test_hubs_and_precision_by_hand():
    n = 12
    scores = np.zeros((n, n))
    scores[:, 0] = 2  # every image finds report 0
    scores[np.arange(n), np.arange(n)] += 1
    for image in range(n):
        scores[image, 1:5] += 0.5 - np.arange(4) / 10
    same, classes = np.eye(n, dtype=bool), np.array([0] * 6 + [1] * 6)
    classes[11] = -1
    found = retrieval_ratios({"combined": scores, "global": scores}, same, classes, classes == 1)
    assert found["hubs_largest"].value == 1
    assert found["hubs_never_found"].value == 0
    assert found["recall_at_5"].n == n
    assert found["p_at_5_abnormal"].n == 5
    assert found["p_at_5_abnormal_difference"].value == 0
    assert found["p_at_5_abnormal_chance"].value == pytest.approx(5 / 11)
    listed = np.argsort(-scores[6, :11], kind="stable")[:5]
    to_report = np.isin(listed, np.arange(6, 11)).mean()
    assert 0 < to_report < 1
    without_own = found["p_at_5_others"]
    assert (without_own.total <= found["p_at_5"].total).all()
