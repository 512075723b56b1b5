"""Reports: sections of a file, cleaning, and words."""

import pytest
from commands import run_python

from reclf.data.reports import clean, pick_sections, sections, sentence_numbers, split_words

REPORTS = [
    "Small left pleural effusion. No pneumothorax.",
    "The heart is enlarged. A 1.2 cm nodule in the right upper lobe is stable.",
    "No focal consolidation, pleural effusion or pneumothorax.",
]

MIMIC = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___F with fever  // eval for infection

 COMPARISON:  None.

 FINDINGS:

 There is no focal consolidation.  The
 heart is normal.

 IMPRESSION:

 No acute process.
"""


def test_words_of_a_report():
    assert split_words("1.2 cm Left-sided, patient’s_x!") == [
        "1.2",
        "cm",
        "left-sided",
        "patient’s",
        "x",
    ]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        ("... !", []),
        ("No effusion. Small nodule", [0, 0, 1, 1]),
        ("Nodule of 1.2 cm, left; clear?! Stable...", [0, 0, 0, 0, 0, 1, 2]),
        (". Effusion", [0]),  # nothing before the stop
        ("right\nlower lobe\n\nheart normal", [0, 0, 0, 1, 1]),
    ],
)
def test_sentences_end_at_stops_and_empty_lines(text, numbers):
    assert sentence_numbers(text) == numbers
    assert len(numbers) == len(split_words(text))


def test_sections_of_a_mimic_report():
    assert sections(MIMIC) == {
        "examination": "CHEST (PA AND LAT)",
        "indication": "___F with fever // eval for infection",
        "comparison": "None.",
        "findings": "There is no focal consolidation. The heart is normal.",
        "impression": "No acute process.",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Findings: Clear.\nConclusion: Normal.", {"findings": "Clear.", "impression": "Normal."}),
        ("FINDINGS: Clear. IMPRESSION: Normal.", {"findings": "Clear.", "impression": "Normal."}),
        ("IMPRESSON: Normal.", {"impression": "Normal."}),
        ("FINDINGS AND IMPRESSION: Clear.", {"findings": "Clear."}),
        ("PORTABLE AP CHEST RADIOGRAPH:  Clear.", {"findings": "Clear."}),
        ("WET READ: No.\nIMPRESSION: A.\nIMPRESSION: B.", {"wet_read": "No.", "impression": "B."}),
        ("RIGHT FOOT: Fine.\nIMPRESSION: Well.", {"right_foot": "Fine.", "impression": "Well."}),
        ("IMPRESSION: Ratio 2:1, note: stable.", {"impression": "Ratio 2:1, note: stable."}),
        ("FINDINGS:\n\nIMPRESSION: Normal.", {"impression": "Normal."}),
        ("", {}),
    ],
)  # fmt: skip
def test_headings(text, expected):
    assert sections(text) == expected


def test_missing_headings_leave_the_last_paragraph():
    text = "FINAL REPORT\n HISTORY: Cough.\n \n The lungs are\n clear.\n\n Normal heart."
    found = sections(text)
    assert found == {"history": "Cough.", "last_paragraph": "The lungs are clear. Normal heart."}
    assert sections("The lungs are clear.")["last_paragraph"] == "The lungs are clear."
    assert sections("FINAL REPORT\n The lungs\n are clear.")["last_paragraph"].endswith("clear.")
    assert pick_sections(found) == "The lungs are clear. Normal heart."


def test_pick_sections():
    both = {"impression": "Normal.", "findings": "Clear lungs.", "history": "Cough for many weeks."}
    assert pick_sections(both) == "Clear lungs. Normal."
    assert pick_sections(both, how="longest") == "Clear lungs."
    assert pick_sections(both, prefer=("impression", "findings"), how="first") == "Normal."
    assert pick_sections({"findings": "", "impression": "Normal."}, how="first") == "Normal."
    assert pick_sections({"history": "Cough."}) == ""
    with pytest.raises(ValueError, match="'join', 'first' or 'longest', got 'all'"):
        pick_sections(both, how="all")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pulmonary XXXX normal.", "Pulmonary normal."),
        ("XXXX-year-old with ___ , [**Known\nlastname 12**] cough", "-year-old with, cough"),
        ("Dr. XXXX's opinion; T-XXX", "Dr. opinion; T-"),
        ("No change. 1. Left mass. 2) Normal heart.", "No change. Left mass. Normal heart."),
        ("1. 1.2 cm nodule.\n2.Stable.", "1.2 cm nodule. Stable."),
        ("Nodule of 0.5. Stable at T 8. Seen.", "Nodule of 0.5. Stable at T 8. Seen."),
        ("  Clear  lungs .\n", "Clear lungs."),
        ("size 3 .5 cm", "size 3 .5 cm"),
        ("XXXX", ""),
    ],
)
def test_clean(text, expected):
    assert clean(text) == expected


@pytest.mark.parametrize("text", [*REPORTS, "Lungs are XL , x-ray 3 . 12 ribs;x", "A\n\nb\tc - d"])
def test_clean_keeps_the_words_of_a_text_without_marks(text):
    assert split_words(clean(text)) == split_words(text)


def test_import_is_light():
    program = "import sys, reclf.data.reports; print({'torch', 'transformers'} & set(sys.modules))"
    assert run_python(program).strip() == "set()"
