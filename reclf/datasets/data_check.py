"""What lies in a folder of radiographs, and what is wrong with it, before anything trains on it.

    folder or manifest -> recognize -> loader of reclf.datasets -> every study read -> DataCheck

The data set is read by the loader that training uses, so that what is found here is what training
would meet.
"""

import hashlib
import os
import shlex
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reclf.config import TrainConfig
from reclf.data.collate import report_key
from reclf.data.radiographs import ImageError
from reclf.data.reports import clean, split_words
from reclf.runs.progress import track
from reclf.stats.tables import json_text

from .base import FileStudies, LoaderOptions, Row
from .copy_recipe import read_recipe
from .findings import DataCheck
from .problems import DataProblems, MissingSplit
from .recognition import check_line, image_files, options_for, recognize, unread_tables
from .registry import has_option, opener
from .selection import looks
from .splits import SPLITS

VIEW_COLUMNS = ("view", "ViewPosition", "View Position", "projection", "Frontal/Lateral")
_DIM = "dark image: its file uses a part of its range (option own_max)"
_LOOKS = {"dim": _DIM, "blank": "image that shows nothing"}
_SIZE = 128  # pixels at which studies are read
_DRAWN = 200  # studies of a data set without an end


def check_data(
    root: str | Path,
    dataset: str = "",
    *,
    options: Mapping[str, Any] | None = None,
    most: int = 0,
    samples: int = 6,
    progress: bool = True,
) -> DataCheck:
    """Look at every study of every split.

    Args:
        root: folder of the data set, or a manifest.
        dataset: loader or "module:Class"; empty recognizes the layout.
        options: of the loader.
        most: images per split that are read in full, evenly spaced; 0 reads all, some 100 a second
            and core.
        samples: studies per split that are kept for the contact sheet.
    """
    root = Path(root)
    found: dict[str, Any] = {}
    if not dataset:
        dataset, found = recognize(root)
    # A data set that is drawn takes no folder.
    check = DataCheck(dataset, "" if root == Path() else str(root), {**found, **(options or {})})
    places: dict[bytes, list[Place]] = {}
    texts: Counter[str] = Counter()
    folder = root.parent if root.is_file() else root
    opened = _open(check, folder)
    for split, data in opened.items():
        at_most = most or (_DRAWN if getattr(data, "endless", False) else len(data))
        step = max(1, len(data) // at_most)
        indices = range(0, len(data), step)
        read: list[str] = []
        kept = set(indices[:: max(1, len(indices) // samples)][:samples] if samples else ())
        with ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as pool:
            seen = pool.map(_look, [data] * len(indices), indices)
            shown = track(seen, split if progress else "", "studies", len(indices))
            for index, (study, place, size, problem) in zip(indices, shown, strict=True):
                if problem:
                    check.note(*problem)
                    continue
                read.append(study.report)
                places.setdefault(place.content, []).append(place)
                check.sizes[size] = check.sizes.get(size, 0) + 1
                if index in kept:
                    check.samples.append((split, study))
        check.splits[split]["read"] = len(indices)
        _count_labels(check, split, data)
        texts.update(_measure_reports(check, split, getattr(data, "reports", read)))
        for kind, examples in getattr(data, "report_notes", {}).items():
            known = check.report_notes.get(kind, [])
            check.report_notes[kind] = list(dict.fromkeys([*known, *examples]))
        for view, n in _views(data).items():
            check.views[view] = max(n, check.views.get(view, 0))
    _note_duplicates(check, places)
    check.repeated = {text: n for text, n in texts.most_common(5) if n > 1}
    if len(texts) == 1 and check.repeated:
        check.note("one report for all studies", next(iter(texts))[:80])
    check.advice += _advice(check, folder)
    return check


def _advice(check: DataCheck, root: Path) -> list[str]:
    """What to do next; the tables of a folder that nothing read are noted as well."""
    if check.layout == "images":
        tables = unread_tables(root)
        check.note("table that nothing read", *(f"{name}: {what}" for name, what in tables.items()))
        ways = [options for name in tables if (options := options_for(root, name))]
        if not ways:
            return [
                "Write a manifest.csv with the columns image, report, patient_id: docs/data.md."
            ]
        return [
            "Read the folder with its table; correct the columns where they are not these:",
            *(check_line(root, "table", options) for options in ways),
        ]
    if not check.reports:
        return []
    given = {"run_dir": "runs/mine", "preset": "table_small", "dataset": check.layout}
    given |= {"data_root": str(root)} if check.root else {}
    options, settings = dict(check.options), dict[str, Any]()
    begin = "Nothing is wrong with it. Train on it:"
    if _DIM in check.problems and has_option(check.layout, "own_max"):
        options["own_max"] = True
        begin = "Read each image by its own highest value, and train:"
    if check.problems.keys() - {_DIM}:
        begin = (
            "Correct these first, or train without the studies that cannot be used; what can be "
            "read stays in (the same image twice, say):"
        )
        if has_option(check.layout, "on_problem"):
            given["on_problem"] = "skip"
    if options:
        settings["data.options"] = options
    if check.layout == "prepared":
        settings["model.image_size"] = read_recipe(root).image_size
    if "test" in check.splits:  # the preset reports on val, which chooses the checkpoint
        settings["data.test_split"] = "test"
    batch = TrainConfig().batch_size
    studies = check.splits.get("train", {}).get("usable", batch)
    if studies < batch:
        settings["train.batch_size"] = max(2, studies)
    if settings:
        given["overrides"] = json_text(settings)
    words = ["papermill", "notebooks/pretrain.ipynb", "runs/mine/notebook.ipynb"]
    return [
        begin,
        "mkdir -p runs/mine",
        shlex.join([*words, *(word for item in given.items() for word in ("-p", *item))]),
    ]


@dataclass(frozen=True)
class Place:
    """Where an image is: its file, or its study where there is no file."""

    content: bytes
    name: str
    split: str
    patient: str


def _open(check: DataCheck, root: Path) -> dict[str, Any]:
    """Every split that can be read; what keeps one from it is noted."""
    waiting, opened = list(SPLITS), {}
    try:
        open_split = _opener(check, root)
    except (DataProblems, FileNotFoundError) as error:
        _note_error(check, error)
        return {}
    for split in waiting:  # which grows by the splits of a manifest's own
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # what is left out is listed instead
                data = open_split(split)
        except MissingSplit as missing:
            waiting += [name for name in missing.present if name and name not in waiting]
            if not missing.present:
                check.note("table without rows", str(root))
            continue
        except (DataProblems, FileNotFoundError) as error:
            _note_error(check, error)
            continue
        opened[split] = data
        counts = getattr(data, "split_counts", {split: len(data)})
        waiting += [name for name in counts if name and name not in waiting]
        for kind, examples in getattr(data, "problems", {}).items():
            check.note(kind, *examples)
        patients = {row.patient_id for row in getattr(data, "rows", ())}
        check.splits[split] = {"listed": counts[split], "usable": len(data)}
        if patients:
            check.splits[split]["patients"] = len(patients)
    return opened


def _note_error(check: DataCheck, error: DataProblems | FileNotFoundError) -> None:
    if not isinstance(error, DataProblems):
        check.note("missing file", str(error))
        return
    for kind, examples in error.problems.items():
        check.note(kind, *examples)
    line = f"{error.where}: {error.advice}"
    check.advice += [] if line in check.advice else [line]


def _opener(check: DataCheck, root: Path) -> Callable[[str], Any]:
    options: dict[str, Any] = dict(check.options)
    if check.layout != "images":
        size = read_recipe(root).image_size if check.layout == "prepared" else _SIZE
        if has_option(check.layout, "on_problem"):
            options["on_problem"] = "skip"
        return opener(check.layout, root if check.root else "", SPLITS, size, **options)
    rows = [
        Row(str(path.relative_to(root)), "", "train", path)  # nobody is known
        for path in sorted(image_files(root))
    ]
    skip = LoaderOptions(on_problem="skip")
    return lambda split: FileStudies(str(root), split, rows, _SIZE, skip, reports=False)


def _look(data: Any, index: int) -> tuple[Any, Any, Any, tuple[str, str] | None]:
    """Read one study as training does: study, place, size of the file, problem."""
    row = data.rows[index] if isinstance(data, FileStudies) else None
    try:
        study = data[index]
    except ImageError as error:
        return None, None, None, ("unreadable image", str(error).removeprefix("cannot read "))
    content = study.image.tobytes() if row is None else Path(row.image).read_bytes()
    name = study.study_id if row is None else str(row.image)
    place = Place(
        hashlib.blake2b(content, digest_size=16).digest(), name, data.split, study.patient_id
    )
    size = (study.frame.height, study.frame.width) if study.frame else study.image.shape
    problem = _LOOKS.get(looks(study))
    return study, place, size, (problem, name) if problem else None


def _count_labels(check: DataCheck, split: str, data: Any) -> None:
    if isinstance(data, FileStudies):
        rows = [row.labels for row in data.rows]
    else:
        rows = getattr(data, "all_labels", [])
    if data.labels and rows:
        table = pd.DataFrame(rows)[list(data.labels)]
        counts = {"1": (table == 1).sum(), "0": (table == 0).sum(), "none": table.isna().sum()}
        check.labels[split] = pd.DataFrame(counts).to_dict("index")


def _measure_reports(check: DataCheck, split: str, reports: Sequence[str]) -> Counter[str]:
    """Numbers about the texts of a split; how often each text occurs, as its words."""
    words = [split_words(clean(report)) for report in reports]
    lengths = np.array([len(found) for found in words])
    if not lengths.any():
        return Counter()
    counts = Counter(report_key(found) for found in words)
    check.reports[split] = {
        "reports": len(reports),
        "distinct": len(counts),
        "shortest, words": int(lengths.min()),
        "median": float(np.median(lengths)),
        "95 % have at most": float(np.quantile(lengths, 0.95)),
        "longest": int(lengths.max()),
        "with XXXX, ___ or [**, %": round(100 * float(np.mean([_hides(r) for r in reports])), 1),
    }
    return Counter(" ".join(found) for found in words)


def _hides(report: str) -> bool:
    return any(mark in report for mark in ("XXX", "___", "[**"))


def _views(data: Any) -> dict[str, int]:
    """View -> images, by the loader's count over the release, or by a column of a manifest."""
    if known := dict(getattr(data, "view_counts", {})):
        return {view or "not stated": int(n) for view, n in known.items()}
    rows = getattr(data, "rows", ())
    names = [name for name in VIEW_COLUMNS if rows and name in rows[0].meta]
    return dict(Counter(f"{data.split}: {row.meta[names[0]]}" for row in rows)) if names else {}


def _note_duplicates(check: DataCheck, places: Mapping[bytes, Sequence[Place]]) -> None:
    """Files of the same content: the worst that can be said of each group."""
    for group in places.values():
        # One file may be the image of several studies (MS-CXR has one per phrase).
        if len({place.name for place in group}) == 1:
            continue
        kind = "same image twice"
        if len({place.patient for place in group}) > 1:
            kind = "same image for two patients"
        if len({place.split for place in group}) > 1:
            kind = "same image in two splits"
        check.note(kind, " = ".join(f"{place.name} ({place.split})" for place in group[:4]))
