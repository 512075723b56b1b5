"""Export an explorer as one HTML file: its module, its arrays, and a replacement of the kernel.

    explorer -> state and cases as JSON, arrays deflated -> page

Compression is lossless: the page shows the numbers that Python prints. Before deflate, the bytes
of floats are grouped by significance and the image is replaced by differences along its rows,
which compresses better. Of a film the page has the preview, a JPEG.
"""

import base64
import html
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reclf.runs.files import write_atomically
from reclf.stats.tables import json_text

from . import browser, reading

NOTHING: dict[str, Any] = {"word": reading.PAIR, "phrase": [], "region": -1}  # selected


def write_page(explorer: Any, path: Path, cases: list[int] | str) -> Path:
    """Write the page of a `MatchingExplorer`; see its `to_html`."""
    chosen = explorer.numbers(cases)
    described = [explorer.cases.describe(index, live=False) for index in chosen]
    traits = state_among(explorer, chosen) | {
        "index": [
            readable.get("row", explorer.index[index])
            for index, (readable, _) in zip(chosen, described, strict=True)
        ],
        "marks": marks_among(explorer, chosen),
        "marks_said": "Stars and notes on this page are gone when it is closed.",
        "pictures_asked": {},
        "pictures_of": [],
        "models": explorer.models,
        "panels": explorer.panels,
        "palette": explorer.palette,
        "asked": 0,
        "answered": 0,
        "failed": "",
        "can_edit": False,
        "can_take": False,
        "taken_info": {},
        "hides": "",
        "left": 0,
        "status": "This page has no model. Open the notebook to explain your own text.",
    }
    values = {
        "traits": traits,
        "lookup_tables": base64.b64encode(explorer.lookup_tables).decode(),
        "cases": [
            {
                "case": readable | {"index": place},
                "arrays": {name: _pack(name, a) for name, a in arrays.items()},
            }
            for place, (readable, arrays) in enumerate(described)
        ],
        "pictures": _pack("image", b"".join(map(explorer.cases.picture, chosen))),
        "module": browser.module(browser.EXPLORER),
    }
    parts = {
        "title": html.escape(_title(explorer, chosen)),
        "css": browser.style("explorer"),
        "values": _json(values),
    }
    page = (browser.STATIC / "page.html").read_text(encoding="utf-8")
    # In one pass: "{{css}}" inside a report is text, not a placeholder.
    page = re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], page)
    write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    return path


def state_among(explorer: Any, cases: Sequence[int]) -> dict[str, Any]:
    """The state with numbers among these cases; the first of them where another one is selected."""
    state = explorer.state()
    state["chosen"] = [place for place, index in enumerate(cases) if index in explorer.chosen]
    if explorer.case_index in cases:
        return state | {"case_index": [*cases].index(explorer.case_index)}
    return state | NOTHING | {"case_index": 0}


def fitting(state: dict[str, Any], models: int) -> dict[str, Any]:
    """The state with models among so many: the first where others were of an edited version."""
    if max(state["model"], state["other"]) < models:
        return state
    shown = {"view": "single"} if models == 1 and state.get("view") == "compare" else {}
    return state | {"model": 0, "other": 1} | shown


def _title(explorer: Any, cases: Sequence[int]) -> str:
    """The description of the case that the page opens with."""
    if explorer.case_index in cases:
        return explorer.alt_text()
    return explorer.unseen(case_index=cases[0], **NOTHING).alt_text()


def marks_among(explorer: Any, cases: Sequence[int]) -> dict[str, Any]:
    """The marks of these cases: a note on another study goes to nobody."""
    studies = {explorer.index[index]["study_id"] for index in cases}
    return {study: mark for study, mark in explorer.marks.items() if study in studies}


def _json(values: Any) -> str:
    """JSON for a script element: "<" is escaped, so that no text can close the element."""
    return json_text(values, ensure_ascii=False).replace("<", "\\u003c")


def _pack(name: str, content: bytes) -> str:
    if name == "preview":  # a JPEG
        return base64.b64encode(content).decode()
    values = np.frombuffer(content, dtype=np.uint8)
    values = np.diff(values, prepend=np.uint8(0)) if name == "image" else values.reshape(-1, 4).T
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode()
