"""Report text: sections, cleaning, and words.

    text of a file -> sections -> pick_sections -> report        (raw MIMIC-CXR style files)
    report -> clean -> split_words -> words                       what a person reads

A *word* is what attention, graphs and widgets speak of; `pieces.py` makes of it what a text
encoder reads. Nothing here needs torch, so that a widget can have the words alone.

The section names follow MIT-LCP/mimic-cxr, `txt/create_section_files.py`, so that its table
`mimic_cxr_sectioned.csv` and a raw report give the same names. Unlike that program, a misspelt
heading is matched to the nearest known one, and a heading is also found inside a line.
"""

import difflib
import re
from collections.abc import Mapping, Sequence

# A decimal number is one word; letters and digits joined by an apostrophe or a hyphen are one word.
_WORD = re.compile(r"\d+(?:\.\d+)+|[^\W_]+(?:['’-][^\W_]+)*")


def split_words(text: str) -> list[str]:
    """Lower-case words of a text; punctuation separates words and is not one."""
    return _WORD.findall(text.lower())


_END_OF_SENTENCE = re.compile(r"[.!?;]|\n\s*\n")


def sentence_numbers(text: str) -> list[int]:
    """The sentence of each word that `split_words` finds, counted from 0.

    A full stop, question or exclamation mark, semicolon or empty line between two words ends one.
    """
    numbers: list[int] = []
    number, end = 0, 0
    for word in _WORD.finditer(text.lower()):
        number += bool(numbers and _END_OF_SENTENCE.search(text, end, word.start()))
        numbers.append(number)
        end = word.end()
    return numbers


# In the place of names, dates, ages: XXXX in Open-I, ___ in MIMIC-CXR, [** **] in MIMIC-III.
_DEIDENTIFIED = re.compile(r"\[\*\*.*?\*\*\]|\bX{3,}(?:['’]s)?|_{2,}", re.DOTALL)
# "1. " or "2) " opening the text or following the end of a sentence. "Seen at T 8. Stable" has no
# sentence end before its 8, and "of 0.5. Stable" no space before its 5: both stay.
_ENUMERATION = re.compile(r"(^|[.:;!?]\s|\n)\s*\(?\d{1,2}[.)](?:\s+(?=[^\W_])|(?=[^\W\d_]))")
_SPACE_BEFORE_STOP = re.compile(r"\s+([.,;:])(?!\d)")


def clean(text: str) -> str:
    """Take out de-identification marks and enumeration, and make white space single.

    Letter case, decimals ("1.2 cm") and the order of words stay. In a text without marks and
    enumeration the words stay as they are: `split_words(clean(text)) == split_words(text)`.
    """
    text = _DEIDENTIFIED.sub(" ", text)
    text = _ENUMERATION.sub(r"\1 ", text)
    return _SPACE_BEFORE_STOP.sub(r"\1", " ".join(text.split()))


_HEADINGS = {
    "impression": "impression",
    "impressions": "impression",
    "conclusion": "impression",
    "conclusions": "impression",
    "opinion": "impression",
    "findings": "findings",
    "finding": "findings",
    "findings and impression": "findings",
    "findings/impression": "findings",
    "comparison": "comparison",
    "comparisons": "comparison",
    "comparison study": "comparison",
    "indication": "indication",
    "indications": "indication",
    "clinical indication": "indication",
    "reason for exam": "indication",
    "reason for examination": "indication",
    "history": "history",
    "clinical history": "history",
    "clinical information": "history",
    "technique": "technique",
    "examination": "examination",
    "exam": "examination",
    "recommendation": "recommendation",
    "recommendations": "recommendation",
    "notification": "notification",
    "addendum": "addendum",
    "wet read": "wet_read",
}
_KNOWN = "|".join(sorted((re.escape(name) for name in _HEADINGS), key=len, reverse=True))
_HEADING = re.compile(
    r"^[ \t]*FINAL[ ](?P<title>REPORT|ADDENDUM)[ \t]*:?[ \t]*$"  # no colon, a line of its own
    r"|^[ \t]*(?P<line>[A-Z][A-Z0-9 ()/,&'_-]{2,60}?)[ \t]*:(?=\s)"  # any capitals opening a line
    rf"|^[ \t]*(?P<mixed>(?i:{_KNOWN}))[ \t]*:"
    rf"|(?<=\s)(?P<inside>{_KNOWN.upper()})[ \t]*:",
    re.MULTILINE,
)
# "PORTABLE AP CHEST RADIOGRAPH:" stands for "FINDINGS:" in many older reports.
_VIEWS = re.compile(r"\b(CHEST|VIEWS?|RADIOGRAPHS?|FRONTAL|PORTABLE|PA|AP|LATERAL|SUPINE)\b")


def sections(text: str) -> dict[str, str]:
    """Divide the text of a report file at its headings.

    Args:
        text: the file as it is, headings such as "FINDINGS:" or "Conclusion:" included.

    Returns:
        Section name -> text with single spaces; empty sections are left out. Names are lower-case:
        impression, findings, comparison, indication, history, technique, examination, ...; a
        heading not known here keeps its own words ("right foot" -> "right_foot"). When a heading
        repeats, the last one counts. Text before any heading is "preamble". Where neither findings
        nor impression is found, "last_paragraph" holds what follows the first paragraph of the
        last section (all of it when it has one paragraph and no heading).
    """
    marks = list(_HEADING.finditer(text))
    starts = [mark.start() for mark in marks] + [len(text)]
    parts = [("preamble", text[: starts[0]])]
    parts += [
        (_section_name(mark), text[mark.end() : end])
        for mark, end in zip(marks, starts[1:], strict=True)
    ]
    found: dict[str, str] = {}
    for name, body in parts:
        if body.strip():
            found[name] = " ".join(body.split())
    if views := found.pop("views", ""):
        found.setdefault("findings", views)
    if "findings" not in found and "impression" not in found:
        name, body = next((part for part in reversed(parts) if part[1].strip()), parts[0])
        paragraphs = [" ".join(p.split()) for p in re.split(r"\n[ \t]*\n", body.strip())]
        if len(paragraphs) > 1:
            found["last_paragraph"] = " ".join(paragraphs[1:])
            found[name] = paragraphs[0]
        elif name in ("preamble", "report") and paragraphs[0]:
            found["last_paragraph"] = paragraphs[0]
    return found


def _section_name(mark: re.Match[str]) -> str:
    if mark["title"]:
        return mark["title"].lower()
    heading = " ".join((mark["line"] or mark["mixed"] or mark["inside"]).split()).lower()
    # Comparing with every known heading is slow; most are spelt as they should be.
    near = (
        [heading]
        if heading in _HEADINGS
        else difflib.get_close_matches(heading, _HEADINGS, 1, 0.85)
    )
    if near:
        return _HEADINGS[near[0]]
    if _VIEWS.search(heading.upper()):
        return "views"
    return re.sub(r"\W+", "_", heading).strip("_")


def pick_sections(
    sections: Mapping[str, str],
    prefer: Sequence[str] = ("findings", "impression"),
    how: str = "join",
) -> str:
    """Make one report of the sections of a file.

    Args:
        sections: as `sections()` returns it, or a row of `mimic_cxr_sectioned.csv`.
        prefer: section names, in the order wanted.
        how: "join" all that are there, the "first" that is there, or the "longest" by words.

    Returns:
        The text; "last_paragraph" where no preferred section has text; "" where that is missing.
    """
    if how not in ("join", "first", "longest"):
        raise ValueError(f"how must be 'join', 'first' or 'longest', got {how!r}")
    texts = [text for name in prefer if (text := sections.get(name, "").strip())]
    if not texts:
        return sections.get("last_paragraph", "").strip()
    if how == "join":
        return " ".join(texts)
    return texts[0] if how == "first" else max(texts, key=lambda text: len(split_words(text)))
