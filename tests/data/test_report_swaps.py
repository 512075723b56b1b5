"""Swaps of a report's own words: by hand, on reports that are hard to parse, and on real ones."""

import csv
from collections import Counter
from dataclasses import replace

import pytest

from reclf.data.lexicon import load_lexicon
from reclf.data.report_swaps import FACTS, mirrored, refusals, swap, swaps
from reclf.data.reports import clean, split_words

NASTY = (
    "",
    "XXXX.",
    "No change.",
    "Stable.",
    "Heart size normal. Lungs are clear.",
    "\u0130 left effusion. No pneumothorax.",
    "1. COPD. 2. No effusion, pneumothorax or edema.",
    "Bilateral effusions, left greater than right.",
)


@pytest.fixture(scope="module")
def lexicon():
    return load_lexicon()


@pytest.mark.parametrize(
    ("fact", "report", "expected"),
    [
        ("denied", "Mild cardiomegaly. No effusion.", "Mild effusion. No cardiomegaly."),
        ("denied", "COPD without pleural effusion.", "Pleural effusion without COPD."),
        ("denied", "Mild edema. Effusion is not seen.", "Mild effusion. Edema is not seen."),
        (  # named twice each: both mentions change, in the form in which they stand
            "denied",
            "Nodules. No pleural effusion. 1. Nodule. 2. No effusions.",
            "Pleural effusion. No nodules. Effusions. No nodule.",
        ),
        ("side", "Left effusion. Right heart border sharp. No left nodule.",
         "Right effusion. Left heart border sharp. No right nodule."),
        ("side", "Left-sided effusion.", "Right-sided effusion."),
        ("zone", "Right upper lobe opacity. Lower spine normal.",
         "Right lower lobe opacity. Lower spine normal."),
        ("zone", "Atelectasis in the bases.", "Atelectasis in the apices."),
        ("severity", "Mild edema and a small effusion.", "Severe edema and a large effusion."),
        ("negation", "There is a small left effusion.", "There is no small left effusion."),
        ("negation", "Stable heart. Mild cardiomegaly.", "Stable heart. No mild cardiomegaly."),
        ("affirmation", "No pneumothorax.", "Pneumothorax."),
        ("affirmation", "Clear lungs without effusion.", "Clear lungs with effusion."),
    ],
)  # fmt: skip
def test_a_report_says_something_else(lexicon, fact, report, expected):
    found = swap(report, fact, lexicon)
    assert (found.text, found.refused) == (expected, "")


@pytest.mark.parametrize(
    ("fact", "report", "reason"),
    [
        ("denied", "No effusion, pneumothorax or edema.", "no finding is stated"),
        ("denied", "Cardiomegaly.", "no finding is denied"),
        ("denied", "Effusion. No effusion on the right.", "no finding is"),
        ("denied", "Opacity. No consolidation.", "of one kind"),
        ("denied", "Cardiomegaly. No effusion. Impression: cardiomegaly.", "number of times"),
        ("denied", "No change in left effusion.", "no finding is denied"),
        ("denied", "Heart is enlarged. No effusion.", "no finding is stated"),  # no noun
        ("side", "Left effusion. Right nodule.", "more than one side"),
        ("side", "Left effusion, bilateral opacities.", "more than one side"),
        ("side", "No left effusion.", "no side is stated"),
        ("side", "Left heart border sharp.", "no side is stated"),
        ("zone", "Opacity in the left upper and lower lobe.", "more than one zone"),
        ("severity", "Small to moderate effusion.", "more than one severity"),
        ("negation", "No effusion.", "no finding is stated"),
        ("affirmation", "Effusion.", "no finding is denied"),
        ("finding", "Lungs are clear.", "no finding is stated"),
    ],
)
def test_a_report_that_cannot_be_parsed_says_why(lexicon, fact, report, reason):
    found = swap(report, fact, lexicon)
    assert found.text is None
    assert reason in found.refused


def test_a_swap_says_what_it_is_about(lexicon):
    report = "Right lower lobe opacity, severe. No effusion."
    found = swaps(report, lexicon)
    opacity, effusion = (lexicon.kinds[(word,)][0] for word in ("opacity", "effusion"))
    assert found["denied"].findings == ("opacity", "effusion")
    assert found["denied"].kinds == (opacity, effusion)
    assert found["negation"].kinds == found["finding"].kinds[:1] == (opacity,)
    assert found["affirmation"].kinds == (effusion,)
    assert [found[fact].pole for fact in ("side", "zone", "severity")] == [1, 1, 1]
    assert swap("Mild left edema.", "side", lexicon).pole == 0
    assert swap("Mild left edema.", "severity", lexicon).pole == 0


def test_a_list_that_is_denied_gives_one_of_its_findings(lexicon):
    report = "Cardiomegaly. No effusion, pneumothorax or edema."
    texts = {swap(report, "denied", lexicon, seed).text for seed in range(20)}
    assert texts == {
        "Effusion. No cardiomegaly, pneumothorax or edema.",
        "Pneumothorax. No effusion, cardiomegaly or edema.",
        "Edema. No effusion, pneumothorax or cardiomegaly.",
    }


def test_another_finding_is_none_that_the_report_names(lexicon):
    report = "Heart is enlarged. Left effusion. No nodules. Emphysematous lungs."
    named = {lexicon.kinds[(w,)][0] for w in ("enlarged", "effusion", "nodule", "emphysematous")}
    found = {swap(report, "finding", lexicon, seed).findings for seed in range(60)}
    assert {old for old, _ in found} == {"effusion"}
    heads = {phrase[-1]: kind for phrase, (kind, _) in lexicon.kinds.items()}
    assert len(found) > 5
    assert not {heads[new] for _, new in found} & named


def test_the_mirror_of_a_mirrored_report_is_the_report(lexicon):
    report = "Bilateral effusions, left greater than right. Levoscoliosis."
    assert mirrored(report, lexicon) == (
        "Bilateral effusions, right greater than left. Dextroscoliosis."
    )
    assert mirrored(mirrored(report, lexicon), lexicon) == report


def test_reports_that_say_nothing_have_a_reason(lexicon):
    counts = refusals(NASTY, lexicon)
    assert {fact: sum(count.values()) for fact, count in counts.items()} == dict.fromkeys(
        FACTS, len(NASTY)
    )
    assert counts["denied"]["a letter of the text is two in lower case"] == 1
    for report in NASTY:
        for found in swaps(report, lexicon).values():
            assert (found.text is None) == bool(found.refused)


def test_an_unknown_fact_is_refused(lexicon):
    with pytest.raises(ValueError, match="fact must be one of denied, side"):
        swap("Effusion.", "size", lexicon)


def test_swaps_of_real_reports_keep_their_words(lexicon, open_i):
    with (open_i / "manifest.csv").open(newline="") as file:
        reports = [row["report"] for row in csv.DictReader(file) if row["split"] == "val"]
    swapped = 0
    for report in reports:
        text = swap(report, "denied", lexicon).text
        if text is not None:
            swapped += 1
            assert text != clean(report)
            assert Counter(split_words(text)) == Counter(split_words(clean(report)))
    assert swapped / len(reports) > 0.2


def test_a_lexicon_without_kinds_is_refused(lexicon):
    with pytest.raises(ValueError, match="lexicon chest has no kinds"):
        swap("Effusion.", "denied", replace(lexicon, kinds={}))
