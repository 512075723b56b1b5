"""The tracked Markdown files, their code blocks, links and commands."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^([ ]*)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def tracked() -> list[Path]:
    """Every Markdown file of the repository, relative to its root."""
    listing = subprocess.run(
        ["git", "ls-files", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [Path(name) for name in listing.stdout.splitlines()]


def read(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language; "" for those without one."""
    return [block for _, name, block in _BLOCK.findall(text) if name == language]


def prose(text: str) -> str:
    """The text without code blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", _BLOCK.sub("", text))


def links(text: str) -> list[str]:
    """Targets of links and images."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(text))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    titles = re.findall(r"^#+ (.+)$", _BLOCK.sub("", text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.strip().lower()) for title in titles)
    return {title.replace(" ", "-") for title in plain}


def commands(text: str) -> list[str]:
    """Lines of the shell in blocks without a language, continued lines joined."""
    joined = "\n".join(blocks(text, "")).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines()]
