"""The rules of drawing that screen and print share: `static/rules.json`.

    rules.json -> RULES (Python), and `const RULES` in the browser's module (`browser.py`)

Word types have a color and a letter. `edges` are the colors of an edge's weight, and of what it is
above and below its prior, at the end of their scale: values in between fade into the page, and
print is light. `bars` are the labels of a color bar by scale; where the last is missing, it is the
number at the end of the scale. `multiples` is the number of words that are shown together. Outlines
are two strokes, one over the other; widths and dashes are in pixels of the screen.
"""

from pathlib import Path
from typing import Any

from reclf.config.foreign_files import read_json

RULES: dict[str, Any] = read_json(Path(__file__).parent / "static" / "rules.json")
