"""The table of cases in Python: filters, what is chosen, thumbnails, and stars and notes that last.

marks_file -> marks (study id -> star, note) -> browser -> marks -> marks_file
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import traitlets

from reclf.config.foreign_files import DamagedFile, read_json
from reclf.runs.files import write_json

from .cases import CaseSet
from .still import StillWidget, data_trait, view_trait

AT_ONCE = 64  # thumbnails in one answer
SORTS = ("given", "study", "rank", "score", "misses", "disagreement")
UNKEPT = "Stars and notes last as long as this kernel; pass marks_file= to keep them."

Marks = dict[str, dict[str, Any]]  # study id -> {"star": bool, "note": str}


class CaseTable(StillWidget):
    """The part of an explorer that finds cases: its table, filters and marks."""

    cases: CaseSet
    index = data_trait(traitlets.List)  # see case_rows.row
    marks = data_trait(traitlets.Dict)
    marks_said = data_trait(traitlets.Unicode, "")
    # Thumbnails, uint8 (n, SIDE, SIDE): the browser asks for those of the rows that it shows.
    pictures_asked = data_trait(traitlets.Dict)
    pictures_of = data_trait(traitlets.List)
    pictures = data_trait(traitlets.Bytes)

    case_index = view_trait(traitlets.Int(0, help="study, from 0"))
    table = view_trait(traitlets.Bool(False, help="show the table of cases"))
    query = view_trait(traitlets.Unicode("", help="search text, in cases and words"))
    label = view_trait(traitlets.Unicode("", help="only cases with this label"))
    only = view_trait(traitlets.Enum(["all", "misses", "starred", "chosen"], "all"))
    sort = view_trait(traitlets.Enum(SORTS, "given"))
    reverse = view_trait(traitlets.Bool(False, help="the other way round"))
    chosen = view_trait(traitlets.List(traitlets.Int(min=0), help="cases chosen in the table"))

    def keep_marks(self, path: str | Path | None) -> None:
        """Read stars and notes of a JSON file, and write them there whenever they change.

        Studies of the file that are not shown here keep theirs. What cannot be written stays in
        `marks`, and the table says so.

        Args:
            path: study id -> {"star": true, "note": "..."}; it need not exist. None: not kept.

        Raises:
            ValueError: it is a folder, or (DamagedFile) the file is none of marks; names it.
        """
        self._marks_file = None if path is None else Path(path)
        if self._marks_file is not None and self._marks_file.is_dir():
            raise ValueError(f"marks_file {path} is a folder: name a JSON file in it")
        self._unwritten: set[str] = set()  # studies whose changed mark is not in the file
        self.marks = _read(self._marks_file)
        self.marks_said = UNKEPT if self._marks_file is None else ""
        self.observe(self._write_marks, names=["marks"])
        self.observe(self._send_pictures, names=["pictures_asked"])

    def numbers(self, cases: Sequence[int] | str) -> list[int]:
        """Numbers of cases: "shown", "all", "chosen" (in the table), or numbers.

        Raises:
            ValueError: none of these, or no case is chosen.
        """
        if cases == "shown":
            return [self.case_index]
        if cases == "all":
            return [*range(len(self.cases))]
        if cases == "chosen":
            if not self.chosen:
                raise ValueError(
                    "no case is chosen: choose some in the table of cases, or pass their numbers"
                )
            return [*self.chosen]
        if (
            isinstance(cases, str)
            or not len(cases)
            or any(not 0 <= n < len(self.cases) for n in cases)
        ):
            raise ValueError(
                f'cases must be "shown", "all", "chosen" or a list of numbers from 0 to '
                f"{len(self.cases) - 1}, got {cases!r}"
            )
        return [*cases]

    def _write_marks(self, change: Any) -> None:
        path, old, new = self._marks_file, change["old"], change["new"]
        if path is None:
            return
        self._unwritten |= {study for study in {*old, *new} if old.get(study) != new.get(study)}
        try:
            kept = _read(path)  # another notebook may have written since
            kept |= {study: new.get(study, {}) for study in self._unwritten}
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, {study: mark for study, mark in sorted(kept.items()) if mark})
            self.marks_said, self._unwritten = "", set()
        except (OSError, DamagedFile) as error:
            self.marks_said = f"Not kept, only shown here: {error}"

    def _send_pictures(self, change: Any) -> None:
        """Answer with the thumbnails of the cases asked for."""
        known = range(len(self.cases))
        asked = [index for index in change["new"]["cases"] if index in known][:AT_ONCE]
        with self.hold_sync():
            self.pictures = b"".join(map(self.cases.picture, asked))
            self.pictures_of = asked

    @traitlets.validate("marks")
    def _check_marks(self, proposal: Any) -> Marks:
        try:
            return _checked(proposal["value"])
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: Any) -> list[int]:
        size = len(self.cases)
        if wrong := [index for index in proposal["value"] if index >= size]:
            raise traitlets.TraitError(f"chosen must be 0 to {size - 1}, got {wrong[0]}")
        return proposal["value"]


def _read(path: Path | None) -> Marks:
    if path is None or not path.exists():
        return {}
    try:
        return _checked(read_json(path))
    except ValueError as error:
        wrong = error.wrong if isinstance(error, DamagedFile) else str(error)
        raise DamagedFile(path, wrong, "set it aside, or name another marks_file") from None


def _checked(marks: dict[str, Any]) -> Marks:
    """Marks without empty ones.

    Raises:
        ValueError: names the study and what its mark must be.
    """
    made = {}
    for study, mark in marks.items():
        if not isinstance(study, str):
            raise ValueError(f"marks are of study ids, which are text, got {study!r}")
        if not isinstance(mark, dict) or {*mark} - {"star", "note"}:
            raise ValueError(f"a mark has star and note, got {mark!r} of {study!r}")
        star, note = mark.get("star", False), mark.get("note", "")
        if not isinstance(star, bool) or not isinstance(note, str):
            raise ValueError(f"star is true or false and note is text, got {mark!r} of {study!r}")
        if star or note:
            made[study] = {"star": star, "note": note}
    return made
