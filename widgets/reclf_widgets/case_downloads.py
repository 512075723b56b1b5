"""What the page asks to take away: a panel as a figure, or cases as a folder.

browser -> take_asked -> a figure's file, or a folder beside the notebook -> taken -> browser
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import traitlets

from . import figure
from .case_edits import CaseEdits
from .still import data_trait
from .take_away import export_cases, panel_figure


class CaseDownloads(CaseEdits):
    """The part of an explorer that writes figures and exports."""

    # A request has a serial number, and either panel and ending, or folder and ending; the answer
    # has the same number, and says what was done. A page without a kernel does not ask.
    can_take = data_trait(traitlets.Bool, True)
    take_asked = data_trait(traitlets.Dict)
    taken = data_trait(traitlets.Bytes)
    taken_info = data_trait(traitlets.Dict)

    def export(
        self,
        folder: str | Path,
        cases: Sequence[int] | str = "chosen",
        *,
        formats: Sequence[str] = ("pdf",),
        kinds: Sequence[str] = ("matchings",),
        **options: Any,
    ) -> Path:
        """Write cases into a folder: figures, `figures.tex` with captions and alt texts, one page
        for all, and the session, which `open_session` opens again without a model.

        The selected case is drawn as it is shown. Others show the same words where their report has
        them, else those that say most.

        Args:
            folder: new, empty, or an export, which is written anew: what it wrote of other cases
                goes, what somebody has put into it stays.
            cases: see `numbers`.
            formats: of figures, of "pdf", "svg" and "png".
            kinds: of "matchings", "relations" and "importance", where a model has them.
            options: of `plot_matchings`, such as width.

        Raises:
            ValueError: there is something else in the folder, or an argument is none of these.
        """
        return export_cases(self, folder, self.numbers(cases), formats, kinds, **options)

    def answer_downloads(self) -> None:
        """Answer what the page asks for from now on."""
        self.observe(self._take, names=["take_asked"])

    def _take(self, change: Any) -> None:
        """Errors are shown in the browser."""
        request, content = change["new"], b""
        try:
            said, content = self._taken(request)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        with self.hold_sync():
            self.taken = content
            self.taken_info = {"serial": request.get("serial"), "said": said}

    def _taken(self, request: Mapping[str, Any]) -> tuple[str, bytes]:
        """What was done, in words, and the file."""
        if "folder" in request:
            if not request["folder"].strip():
                raise ValueError("name a folder for the export")
            formats = [request["ending"]]
            made = self.export(request["folder"].strip(), "chosen", formats=formats)
            count = len(self.chosen)
            return f"{count} {'case' if count == 1 else 'cases'} in {made.resolve()}", b""
        drawn = panel_figure(self, request["panel"])
        try:
            return "saved", figure.figure_bytes(drawn, f"figure.{request['ending']}")
        finally:
            plt.close(drawn)
