"""Sections of a report file: where the report of a study stands among its headings.

    text of a file -> sections (name -> text) -> pick_sections -> report
                                                       -> left_out: what no picked section holds

The section names follow MIT-LCP/mimic-cxr, `txt/create_section_files.py`, so that its table
`mimic_cxr_sectioned.csv` and a raw report give the same names. Ours are the rest: headings in five
languages (`headings/sections.json`), joint, qualified and misspelled headings, headings inside a
line, and the rule that no text is lost. A heading that names no section is text of the section it
stands in ("LUNGS: Clear." within the findings); one that follows the indication or another
section that is no part of the report opens a section named by its own words.
"""

import difflib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from reclf.config.foreign_files import read_json
from reclf.stats.tables import json_text

from .reports import split_words

SHIPPED = Path(__file__).parent / "headings" / "sections.json"
REPORT_SECTIONS = ("findings", "impression")
# About the study and not in it: where no report is found, these are not taken for one.
ABOUT = (
    "comparison", "indication", "history", "technique", "examination", "recommendation",
    "notification",
)  # fmt: skip
_JOINERS = re.compile(r"\s*(?:[/&,+]|\b(?:and|y|e|und|et)\b)\s*")
# Before the noun of a heading: in capitals any words but these, else only those.
_NO_QUALIFIERS = {"of", "for", "in", "to", "no", "without", "de", "do", "da", "der", "du", "ohne"}
_QUALIFIERS = {
    "preliminary", "final", "initial", "overall", "relevant", "chest", "thoracic", "pulmonary",
    "radiological", "radiologic", "radiographic", "imaging", "x-ray", "additional", "other",
}  # fmt: skip
_MOST_QUALIFIERS = 3
_TITLE = re.compile(r"^[ \t]*FINAL[ ](REPORT|ADDENDUM)[ \t]*:?[ \t]*$", re.MULTILINE)
# What opens a line up to a colon; `Headings.find` asks whether it is a heading.
_LINE = re.compile(r"^[ \t]*([^\W\d_][^\n:]{1,70}?)[ \t]*:", re.MULTILINE)
# "PORTABLE AP CHEST RADIOGRAPH:" stands for "FINDINGS:" in many older reports.
_VIEWS = re.compile(r"\b(chest|views?|radiographs?|frontal|portable|pa|ap|lateral|supine|thorax)\b")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n")


class Heading(NamedTuple):
    """A heading found in a text; `name` is None where it names no section."""

    start: int
    end: int
    name: str | None
    words: str  # as they stand, in lower case


class Headings:
    """Which headings open which section.

    Args:
        known: section name -> headings, in any letter case. "findings" and "impression" are the
            report; those of ABOUT are never taken for it.
    """

    def __init__(self, known: Mapping[str, Sequence[str]]):
        self.section_of = {
            _plain(heading): name for name, headings in known.items() for heading in headings
        }
        names = sorted((re.escape(h.upper()) for h in self.section_of), key=len, reverse=True)
        self._inside = re.compile(rf"(?<=[\s.])({'|'.join(names)})[ \t]*:")

    @classmethod
    def load(cls, extra: Mapping[str, Sequence[str]] | str | Path | None = None) -> "Headings":
        """The shipped headings, with more of one's own.

        Args:
            extra: section name -> headings, or a JSON file of it; a heading that is shipped too
                changes its section.

        Raises:
            ValueError: names what is no list of headings.
        """
        if isinstance(extra, str | Path):
            path = Path(extra)
            try:
                extra = read_json(path)
            except (OSError, ValueError) as error:
                raise ValueError(f"headings: cannot read {path}: {error}") from error
        return _load(json_text(extra, sort_keys=True) if extra else "")

    def find(self, text: str) -> list[Heading]:
        """The headings of a text in their order, without overlaps."""
        found = [Heading(m.start(), m.end(), m[1].lower(), "") for m in _TITLE.finditer(text)]
        for mark in (*_LINE.finditer(text), *self._inside.finditer(text)):
            words, capitals = _plain(mark[1]), mark[1] == mark[1].upper()
            name = _name(words, capitals, self)
            spaced = mark.end() == len(text) or text[mark.end()].isspace()
            if name is not None or (capitals and spaced):
                found.append(Heading(mark.start(1), mark.end(), name, words))
        kept: list[Heading] = []
        for heading in sorted(found, key=lambda h: (h.start, h.name is None, -h.end)):
            if not kept or heading.start >= kept[-1].end:
                kept.append(heading)
        return kept


def sections(text: str, headings: Headings | None = None) -> dict[str, str]:
    """Divide the text of a report file at its headings; all of its words are in some section.

    Args:
        text: the file as it is, headings such as "FINDINGS:" or "Conclusion:" included.
        headings: None takes the shipped ones of all languages.

    Returns:
        Section name -> text with single spaces; empty sections are left out. Names are lower-case:
        findings, impression, comparison, indication, history, technique, examination, comment,
        addendum, ...; where a heading repeats, its texts are joined in order. Text before any
        heading is "preamble". Where neither findings nor impression is found, "last_paragraph"
        holds what may be the report: see `_without_report`.
    """
    headings = headings or Headings.load()
    text = unicodedata.normalize("NFC", text)
    parts: list[tuple[str, str]] = []
    name, start = "preamble", 0
    marks = headings.find(text)
    has_findings = any(mark.name == "findings" for mark in marks)
    for mark in marks:
        opened = mark.name
        if opened == "views":
            # Within the report it is a sub-heading; with findings elsewhere it is about the study.
            opened = None if name in REPORT_SECTIONS else "views"
        elif opened is None and name in (*ABOUT, "views"):
            opened = re.sub(r"\W+", "_", mark.words).strip("_")
        if opened is None:
            continue
        parts.append((name, text[start : mark.start]))
        name = "findings" if opened == "views" and not has_findings else opened
        start = mark.end if mark.name is not None else mark.start
    parts.append((name, text[start:]))
    words: dict[str, list[str]] = {}
    for name, body in parts:
        if body.strip():
            words.setdefault(name, []).extend(body.split())
    found = {name: " ".join(several) for name, several in words.items()}
    if not any(name in found for name in REPORT_SECTIONS):
        _without_report(found, [part for part in parts if part[1].strip()])
    return found


def _without_report(found: dict[str, str], parts: list[tuple[str, str]]) -> None:
    """Find the report of a text that has no section of it, and file it as "last_paragraph".

    That is, in this order: the comment; all text that is neither about the study (ABOUT) nor
    before its headings; what follows the first paragraph of the last section, as MIMIC-CXR's own
    program has it; the text before the headings.
    """
    others = [n for n in found if n not in (*ABOUT, "preamble", "comment", "report", "addendum")]
    if "comment" in found:
        report = found.pop("comment")
    elif others:
        report = " ".join(found.pop(name) for name in others)
    elif parts:
        name, body = parts[-1]
        paragraphs = [" ".join(p.split()) for p in _PARAGRAPH.split(body.strip())]
        if len(paragraphs) > 1:
            report, found[name] = " ".join(paragraphs[1:]), paragraphs[0]
        elif name in ABOUT:
            report = " ".join(found.pop(n) for n in ("preamble", "report") if n in found)
        else:
            report = found.pop(name)
    else:
        return
    if report:
        found["last_paragraph"] = report


def pick_sections(
    sections: Mapping[str, str],
    prefer: Sequence[str] = REPORT_SECTIONS,
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


def left_out(
    sections: Mapping[str, str], prefer: Sequence[str] = REPORT_SECTIONS
) -> dict[str, str]:
    """What `pick_sections` does not take, section -> text: all but what is about the study (ABOUT).

    "preamble" is what stands before the first heading, "report" what follows the title.
    """
    taken = {*ABOUT, *prefer, "last_paragraph"}
    return {name: text for name, text in sections.items() if name not in taken and text.strip()}


def _plain(heading: str) -> str:
    return " ".join(unicodedata.normalize("NFC", heading).lower().split())


@lru_cache(maxsize=8)
def _load(extra: str) -> Headings:
    known: dict[str, list[str]] = {}
    for shipped in json.loads(SHIPPED.read_text(encoding="utf-8")).values():
        for name, headings in shipped.items():
            known.setdefault(name, []).extend(headings)
    more = json.loads(extra) if extra else {}
    for name, headings in more.items() if isinstance(more, dict) else [("headings", more)]:
        if not (isinstance(headings, list) and all(isinstance(h, str) and h for h in headings)):
            raise ValueError(
                f"headings: {name!r} must be a list of headings, as in "
                f'{{"findings": ["my heading"]}}, got {headings!r}'
            )
        known.setdefault(name, []).extend(headings)
    return Headings(known)


@lru_cache(maxsize=10_000)
def _name(heading: str, capitals: bool, headings: Headings) -> str | None:
    """The section that a heading opens, "views" for a view, None for no section.

    Joint headings ("impression and findings") open the part of the report that comes first in
    REPORT_SECTIONS; qualifiers before a heading do not matter ("preliminary findings").
    """
    known = headings.section_of
    if heading in known:
        return known[heading]
    parts = [part for part in _JOINERS.split(heading) if part]
    if len(parts) > 1:
        names = [_name(part, capitals, headings) for part in parts]
        if all(names):
            order = {name: n for n, name in enumerate(REPORT_SECTIONS)}
            return min((n for n in names if n), key=lambda name: order.get(name, len(order)))
    words = heading.split()
    for skipped in range(1, min(_MOST_QUALIFIERS, len(words) - 1) + 1):
        before, rest = words[:skipped], " ".join(words[skipped:])
        allowed = not _NO_QUALIFIERS & {*before} if capitals else {*before} <= _QUALIFIERS
        if rest in known and allowed:
            return known[rest]
    # Comparing is slow, and most headings are spelled as they should be.
    alike = [
        k for k in known
        if abs(len(k) - len(heading)) <= 2 and (k[:2] == heading[:2] or k[-3:] == heading[-3:])
    ]  # fmt: skip
    if near := difflib.get_close_matches(heading, alike, 1, 0.85):
        return known[near[0]]
    return "views" if capitals and _VIEWS.search(heading) else None
