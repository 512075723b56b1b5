"""What would the model say of another text or image: edits of a case, their history, suggestions.

browser -> edit (text, image, or a version) -> on_edit -> a version of the case -> browser
report --lexicon--> the same report with one fact changed
"""

import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from reclf.data.lexicon import Lexicon, load_lexicon
from reclf.data.report_swaps import swaps
from reclf.data.reports import has_words
from reclf.explain import Explanation

from . import reading
from .case_table import CaseTable
from .still import data_trait

Edit = Callable[[int, str | np.ndarray], Explanation | Mapping[str, Explanation]]
NO_MODEL = "Only saved explanations are open. Pass on_edit to explain your own text with a model."
# A fact of `report_swaps`, and what is done to it.
SUGGESTED = {
    "side": "other side",
    "zone": "other zone",
    "severity": "other severity",
    "negation": "a finding denied",
    "affirmation": "a denied finding stated",
    "denied": "stated and denied exchanged",
    "finding": "another finding",
}


class CaseEdits(CaseTable):
    """The part of an explorer that asks a model about edited cases."""

    can_edit = data_trait(traitlets.Bool, False)
    status = data_trait(traitlets.Unicode, "")
    edit = data_trait(traitlets.Dict)  # a request of the browser, answered by Python
    # A message contains a memoryview, which the trait does not accept.
    edit_image = data_trait(traitlets.Bytes).tag(from_json=lambda value, widget: bytes(value))
    edits = traitlets.Int(0)  # counts what has changed a case

    def explain_edits(self, on_edit: Edit | None) -> None:
        """Answer requests with `on_edit`; without it the editor is disabled."""
        self._on_edit = on_edit
        self.can_edit = on_edit is not None
        self.status = NO_MODEL if on_edit is None else ""
        self.observe(self._explain_edit, names=["edit"])

    def suggestions(self) -> list[dict[str, Any]]:
        """The shown report with one fact changed each: title, text (None where there is none), and
        why not. Empty where nothing can be edited."""
        if self._on_edit is None:
            return []
        report = next(iter(self.cases.shown(self.case_index).values())).report
        made = swaps(report, _lexicon(), tuple(SUGGESTED))
        return [
            {"title": title, "text": made[fact].text, "refused": made[fact].refused}
            for fact, title in SUGGESTED.items()
        ]

    def _explain_edit(self, change: Any) -> None:
        """Explain the edited text or image; errors are shown in the browser."""
        request = change["new"]
        if self._on_edit is None or not request:
            return
        self.status = ""  # so that a repeated error is shown again
        try:
            self._answer_edit(self._on_edit, request)
        except Exception as error:
            self.status = f"{type(error).__name__}: {error}"
            return
        with self.hold_sync():
            self.word, self.region, self.status = reading.PAIR, -1, ""
            self.edits += 1

    def _answer_edit(self, on_edit: Edit, request: Mapping[str, Any]) -> None:
        index = self.case_index
        if "version" in request:
            self.cases.show(index, request["version"])
            return
        content: Any = request.get("text")
        if content is not None and not has_words(content):
            raise ValueError(f"a report needs words, got {content!r}")
        title = request.get("title", "own text")
        if "image" in request:
            content, title = _decode(self.edit_image, request["image"]), request["image"]
        self.cases.edit(index, on_edit(index, content), title)


@cache
def _lexicon() -> Lexicon:
    return load_lexicon()


def _decode(content: bytes, name: str) -> np.ndarray:
    """An image file from the browser, float32 (H, W) in [0, 1]."""
    from reclf.data.radiographs import read_image  # imports torch, which on_edit needs anyway

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"image{Path(name).suffix}"
        path.write_bytes(content)
        try:
            return read_image(path)
        except (OSError, ValueError) as error:
            raise ValueError(str(error).replace(str(path), name)) from error
