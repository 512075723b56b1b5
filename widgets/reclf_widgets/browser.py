"""The JavaScript of the widgets: one ES module each, concatenated from short files.

    static/*.js, in the order given here -> text of one module

The files share one scope and are joined unchanged: no bundler, no dependency, no build step.
"rules" is `rules.json` as a constant.
"""

from pathlib import Path

from reclf.stats.tables import json_text

from .rules import RULES

STATIC = Path(__file__).parent / "static"
EXPLORER = (
    "rules", "elements", "case", "film", "scales", "spring", "picture", "zoom", "labels",
    "contours", "readout", "image", "report",
    "relations", "ranking", "editor", "order", "table", "keys", "header", "kernel", "still",
    "explorer",
)  # fmt: skip
MONITOR = ("elements", "still", "monitor")
HIDER = ("elements", "still", "hider")


def module(parts: tuple[str, ...]) -> str:
    """The text of an ES module whose last file has the default export."""
    return "\n".join(map(_source, parts))


def _source(name: str) -> str:
    if name == "rules":  # print reads the same file, see `rules.py`
        return f"const RULES = {json_text(RULES)};"
    return (STATIC / f"{name}.js").read_text(encoding="utf-8")


def style(name: str) -> str:
    """The text of a style sheet."""
    return (STATIC / f"{name}.css").read_text(encoding="utf-8")
