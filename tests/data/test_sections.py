"""Sections of a report file: headings in several languages and forms, and no text that is lost."""

import json
import re

import pytest

from reclf.data.sections import ABOUT, Headings, left_out, pick_sections, sections

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
        ("WET READ: No.\nIMPRESSION: A.\nIMPRESSION: B.",
         {"wet_read": "No.", "impression": "A. B."}),
        ("RIGHT FOOT: Fine.\nIMPRESSION: Well.",
         {"preamble": "RIGHT FOOT: Fine.", "impression": "Well."}),
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
    ("text", "report"),
    [
        # a heading that names no section belongs to the section it stands in
        (
            "FINDINGS:\nLUNGS: Clear.\nHEART: Large.\nLINES/TUBES: None.\nIMPRESSION: Large heart.",
            "LUNGS: Clear. HEART: Large. LINES/TUBES: None. Large heart.",
        ),
        ("FINDINGS:\nCHEST: Clear.\nFRONTAL VIEW: Ok.\n", "CHEST: Clear. FRONTAL VIEW: Ok."),
        ("FINDINGS: A.\nFINDINGS OF NOTE: B.", "A. FINDINGS OF NOTE: B."),
        # one that follows what is about the study is not about the study
        ("INDICATION: Cough.\nLUNGS: Clear.\nHEART: Large.", "LUNGS: Clear. HEART: Large."),
        ("INDICATION: Cough.\nVERSLAG: Longen helder.", "VERSLAG: Longen helder."),
        ("VERSLAG: Longen helder.", "VERSLAG: Longen helder."),
        # joint, qualified, plural, misspelled, lone headings
        *((f"{heading}: Clear.", "Clear.") for heading in (
            "IMPRESSION AND FINDINGS", "FINDINGS & IMPRESSION", "Impression/Findings",
            "FINDINGS, IMPRESSION", "PRELIMINARY FINDINGS", "Final impression", "IMPRESSONS",
            "INTERPRETATION", "Summary", "CONCLUSIONS", "OPINION", "COMMENT", "COMMENTS",
            "Radiology Report", "RESULT", "CHEST FINDINGS", "IMPRESSION/RECOMMENDATION",
        )),
        ("INDICATION: Cough.\nCOMMENT: Clear.", "Clear."),
        ("FINDINGS:Clear.\nIMPRESSION:Normal.", "Clear. Normal."),
        ("FINDINGS: A.\nIMPRESSION: B.\nABDOMEN\nFINDINGS: C.\nIMPRESSION: D.",
         "A. C. B. ABDOMEN D."),
        # other languages, with and without their accents, composed or not
        ("HALLAZGOS: Derrame.\n\nIMPRESIÓN: Derrame pleural.", "Derrame. Derrame pleural."),
        ("HALLAZGOS E IMPRESIO\u0301N: Derrame.", "Derrame."),
        ("Hallazgos: Derrame.\nIMPRESION: No.", "Derrame. No."),
        ("ACHADOS: Derrame.\nIMPRESSÃO: Ok.\nTÉCNICA: AP.", "Derrame. Ok."),
        ("BEFUND:\nErguss links.\n\nBEURTEILUNG:\nErguss.", "Erguss links. Erguss."),
        ("INDICATION : Toux.\nRÉSULTAT : Épanchement.\nCONCLUSION : Non.", "Épanchement. Non."),
        ("INDICATION: Cough.", ""),  # there is no report
    ],
)  # fmt: skip
def test_the_report_of_a_text(text, report):
    assert pick_sections(sections(text)) == report


def test_headings_of_ones_own(tmp_path):
    text = "BEVINDINGEN: Helder.\nCONCLUSIE: Normaal."
    assert "findings" not in sections(text)
    own = {"findings": ["bevindingen"], "impression": ["conclusie"]}
    expected = {"findings": "Helder.", "impression": "Normaal."}
    assert sections(text, Headings.load(own)) == expected
    path = tmp_path / "headings.json"
    path.write_text(json.dumps(own))
    assert sections(text, Headings.load(path)) == expected
    assert sections("FINDINGS: A.", Headings.load(own)) == {"findings": "A."}
    with pytest.raises(ValueError, match="headings: 'findings' must be a list of headings"):
        Headings.load({"findings": "bevindingen"})
    with pytest.raises(ValueError, match=r"headings: cannot read .*none\.json"):
        Headings.load(tmp_path / "none.json")


PARTS = [
    "Loose text.", "INDICATION: Cough.", "FINDINGS: Clear.", "LUNGS: Fine.", "TECHNIQUE: AP.",
    "CHEST, TWO VIEWS: Normal.", "WET READ: None.", "IMPRESSION:\n\n1. Mass.\n2. Edema.",
    "Comment: later.", "FINAL ADDENDUM\n Called.", "SOMETHING ELSE: Here.",
]  # fmt: skip


def test_no_word_is_lost_whatever_the_order():
    """Every word of a text is in the report, about the study, or told as left out."""
    import itertools

    for order in itertools.permutations(PARTS, 3):
        text = "\n".join(order)
        found = sections(text)
        told = [pick_sections(found), *left_out(found).values()]
        told += [found[name] for name in ABOUT if name in found]
        words = " ".join(told)
        for part in order:
            body = re.sub(r"^.*?(?::|ADDENDUM)", "", part) if part != "Loose text." else part
            assert " ".join(body.split()) in words, (order, found)


def test_what_is_not_read_is_told():
    text = "WET READ: None.\nFINDINGS: Clear.\nADDENDUM: Called.\nINDICATION: Cough."
    assert left_out(sections(text)) == {"wet_read": "None.", "addendum": "Called."}
    assert left_out(sections("RIGHT FOOT: Fine.\nIMPRESSION: Well.")) == {
        "preamble": "RIGHT FOOT: Fine."
    }
    assert left_out(sections("Lungs clear.")) == {}
    assert left_out(sections("WET READ: None.")) == {}  # it is all there is, and taken
