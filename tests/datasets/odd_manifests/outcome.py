"""What became of a case: right, or in which way wrong."""

import math
import re
import signal
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from reclf.data.collate import Pairs
from reclf.data.study import Study
from reclf.datasets.data_check import check_data
from reclf.datasets.selection import readable
from reclf.datasets.table import Table

from . import CASES
from .case import REPORTS, SIZE, SPLITS, Case, Folder, Right, pixels

KINDS = ("right", "silent wrong", "raw library error", "late stop", "unclear error", "hang")
LIMIT = 20  # seconds a case; none takes one


@dataclass
class Seen:
    """What one opening of all splits, and the reading of every study, gave."""

    error: Exception | None = None  # on opening
    studies: dict[str, tuple[str, Study]] = field(default_factory=dict)  # id -> split, study
    stops: list[Exception] = field(default_factory=list)  # on reading
    problems: str = ""


def look(root: Path, case: Case, on_problem: str) -> Seen:
    seen = Seen()
    splits = set(expected(case.right[0], "split", SPLITS).values())
    try:  # as a run opens them
        open_split = Table.opener(root, sorted(splits), SIZE, on_problem=on_problem, **case.options)
        opened = {split: open_split(split) for split in sorted(splits)}
    except Exception as error:
        seen.error = error
        return seen
    for split, data in opened.items():
        for batch in np.array_split(np.arange(len(data)), math.ceil(len(data) / 4)):
            try:  # as training reads
                Pairs(data).__getitems__(batch.tolist())
            except Exception as error:
                seen.stops.append(error)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            indices = readable(data, range(len(data)))
        seen.problems += "".join(str(warning.message) for warning in told)
        for index in indices:
            try:
                study = data[index]
            except Exception as error:
                seen.stops.append(error)
            else:
                seen.studies[study.study_id] = split, study
        seen.problems += repr(data.problems)
    return seen


def expected(right: Right, name: str, plain: dict[int, Any]) -> dict[int, Any]:
    values = plain | right.values.get(name, {})
    return {number: value for number, value in values.items() if number not in right.studies}


def differences(seen: Seen, right: Right, root: Path) -> list[str]:
    """What differs from the ten studies as they should be."""
    ids = expected(right, "study_id", {n: f"images/{n}.png" for n in range(10)})
    ids = {number: name.replace("{root}", str(root)) for number, name in ids.items()}
    found = [f"no study {name!r}" for name in ids.values() if name not in seen.studies]
    found += [f"a study {name!r}" for name in seen.studies if name not in ids.values()]
    values = {
        "split": expected(right, "split", SPLITS),
        "report": expected(right, "report", REPORTS),
        "patient_id": expected(right, "patient_id", {n: f"p{n}" for n in range(10)}),
        "pixels": expected(right, "pixels", {n: pixels(n) / 255 for n in range(10)}),
        **{name: right.values.get(name, {}) for name in ("labels", "masks", "boxes")},
    }
    for number, name in ids.items():
        if name not in seen.studies:
            continue
        split, study = seen.studies[name]
        got = {
            "split": split,
            "report": unicodedata.normalize("NFC", study.report),
            "patient_id": study.patient_id,
            "labels": dict(study.labels),
            "masks": {mask: int(area.sum()) for mask, area in study.masks.items()},
            "boxes": tuple((b.label, b.x, b.y, b.width, b.height) for b in study.boxes),
            "pixels": study.image,
        }
        for what, wanted in values.items():
            if number in wanted and wanted[number] is not None:
                try:
                    _compare(what, got[what], wanted[number])
                except AssertionError:
                    found.append(
                        f"{what} of {number}: {got[what]!r:.200}, not {wanted[number]!r:.200}"
                    )
    return found


def _compare(what: str, got: Any, wanted: Any) -> None:
    if what == "pixels":
        np.testing.assert_allclose(got, wanted, atol=0.02)
    else:
        np.testing.assert_equal(got, wanted)


def is_ours(error: Exception, root: Path) -> bool:
    """Raised by the project, with the name of a file of the folder."""
    ours = type(error) in (ValueError, FileNotFoundError) or type(error).__module__.startswith(
        "reclf."
    )
    return ours and str(root) in str(error)


def has_words(message: Any, right: Right, root: Path) -> bool:
    """All words; those of the folder's own name do not count."""
    text = str(message).replace(str(root), "")
    return all(re.search(word, text, re.IGNORECASE) for word in right.words)


def judge(case: Case, root: Path) -> tuple[str, str]:
    """One of KINDS, and what was seen."""
    folder = Folder(root)
    case.write(folder)
    folder.save()
    try:
        with time_limit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refuse, skip = (look(root, case, how) for how in ("refuse", "skip"))
            wrong = [_mismatch(right, refuse, skip, root, case) for right in case.right]
    except TimeoutError:
        return "hang", f"more than {LIMIT} s"
    if "" in wrong:
        return _check_agrees(case, root) if refuse.error or refuse.stops else ("right", "")
    errors = [error for error in (refuse.error, skip.error, *skip.stops) if error]
    for error in [*errors, *refuse.stops]:
        if not is_ours(error, root):
            return "raw library error", f"{type(error).__name__}: {error}"
    if skip.stops:
        return "late stop", f"{skip.stops[0]}"
    return "unclear error" if refuse.error else "silent wrong", "; ".join(wrong)


def _check_agrees(case: Case, root: Path) -> tuple[str, str]:
    """The data check must name a problem of what is refused."""
    try:
        with time_limit():
            found = check_data(root, "table", options=case.options, progress=False).problems
    except Exception as error:
        return "raw library error", f"the data check: {type(error).__name__}: {error}"
    return ("right", "") if found else ("silent wrong", "the data check finds nothing")


def _mismatch(right: Right, refuse: Seen, skip: Seen, root: Path, case: Case) -> str:
    """Why this is not what was seen; "" where it is."""
    if right.how == "refused":
        for error in (refuse.error, skip.error):
            if error is None or not is_ours(error, root) or not has_words(error, right, root):
                return f"not refused with {right.words}: {error}"
        return ""
    if right.how in ("read", "told"):
        for seen in (refuse, skip):
            if seen.error or seen.stops:
                return f"not read: {seen.error or seen.stops[0]}"
            if found := differences(seen, right, root):
                return ", ".join(found)
        if right.how == "told":
            check = check_data(root, "table", options=case.options, progress=False)
            said = repr((check.problems, check.report_notes, check.repeated))
            if not has_words(said, right, root):
                return f"the data check does not tell {right.words}: {said}"
        return ""
    refusals = [refuse.error] if refuse.error else refuse.stops
    for error in refusals:
        if not is_ours(error, root) or not has_words(error, right, root):
            return f"refused without {right.words}: {error}"
    if not refusals:
        return "not refused"
    if skip.error or skip.stops:
        return f"skip stops: {skip.error or skip.stops[0]}"
    if not has_words(skip.problems, right, root):
        return f"left out without {right.words}: {skip.problems}"
    return ", ".join(differences(skip, right, root))


@contextmanager
def time_limit() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main(cases: Sequence[Case]) -> None:
    """Print how many cases had which outcome, and what was wrong."""
    counts: Counter[str] = Counter()
    for one in cases:
        with TemporaryDirectory() as folder:
            kind, what = judge(one, Path(folder))
        counts[kind] += 1
        if kind != "right":
            print(f"{kind}: {one.name}: {' '.join(what.split())[:400]}")
    print(f"\n{len(cases)} manifests")
    for kind in KINDS:
        print(f"  {counts[kind]:4} {kind}")


if __name__ == "__main__":
    main(CASES)
