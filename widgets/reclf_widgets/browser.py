"""The JavaScript of the widgets: one ES module each, concatenated from short files.

    static/*.js, in the order given here -> text of one module

The files share one scope and are joined unchanged: no bundler, no dependency, no build step.
"""

from pathlib import Path

STATIC = Path(__file__).parent / "static"
EXPLORER = (
    "elements", "case", "spring", "image", "report", "relations", "ranking", "editor", "header",
    "explorer",
)  # fmt: skip
MONITOR = ("elements", "monitor")


def module(parts: tuple[str, ...]) -> str:
    """The text of an ES module whose last file has the default export."""
    return "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in parts)


def style(name: str) -> str:
    """The text of a style sheet."""
    return (STATIC / f"{name}.css").read_text(encoding="utf-8")
