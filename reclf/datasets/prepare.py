"""Prepare a data set once: every image decoded and resized, in memory-mapped Arrow files.

    any data set -> studies -> shards of Arrow (processes, in any order) -> datasets.prepared

MIMIC-CXR has 377,110 images; decoding them again in every epoch of every run costs more than the
model. A prepared copy keeps all of a `Study` and reads at the speed of the disk.

    root/prepared.json                     what it was made of; written first, see `copy_recipe`
    root/<split>/shard-00000/              an Arrow set of the datasets library, and left_out.txt,
                                           where there are studies that could not be read
    root/<split>/.shard-00001.*.writing/   one that is not finished; once its process is gone, it
                                           is made again
    root/left_out.txt                      of all shards; written last

A shard gets its name when it is complete, so that a run that is killed goes on where it stopped.
"""

import multiprocessing
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import datasets as arrow
from PIL import Image
from tqdm.auto import tqdm

from reclf.data.dicom_files import open_dicom
from reclf.data.image_files import FORMATS
from reclf.data.radiographs import ImageError
from reclf.runs.files import (
    named,
    remove_left_overs,
    sync,
    sync_folder,
    temporary_name,
    write_atomically,
    write_json,
)

from .arrow_schema import FEATURES, pack
from .copy_recipe import (
    LEFT_OUT,
    RECIPE,
    Recipe,
    StaleCopy,
    has_studies,
    read_recipe,
    shard_path,
    source_digest,
)
from .problems import MissingSplit
from .registry import opener
from .splits import SPLITS


def prepare(
    root: str | Path,
    dataset: str,
    source: str | Path = "",
    *,
    image_size: int = 224,
    splits: Sequence[str] = SPLITS,
    options: Mapping[str, Any] | None = None,
    bits: str = "auto",
    unreadable: str = "",
    length: int = 0,
    studies_per_shard: int = 1024,
    processes: int = 0,
    progress: bool = True,
) -> Recipe:
    """Write a prepared copy, or go on with one that was not finished.

    Args:
        root: folder to write.
        dataset: loader or "module:Class".
        source: folder of the raw data set.
        image_size: side of the images, in pixels.
        splits: those that the data set does not have are left out, with a warning.
        options: of the loader.
        bits: "8" or "16" per pixel; "auto" takes 16 where a file is deeper than 8, or is none.
        unreadable: "refuse" stops at a file that is damaged inside its pixels, and goes on when
            called again; "skip" leaves such studies out, names them in a warning and in
            left_out.txt. Empty: as the option on_problem.
        length: at most so many studies per split, for the endless phantom; 0 takes all.
        studies_per_shard: what a killed run loses at most, per process.
        processes: that decode at the same time; 0 takes one per core. Set 1 for a class of a
            notebook, which other processes cannot import.

    Raises:
        StaleCopy: if root holds a copy of something else; names every difference.
        WriteFailed: the disk is full, say. Called again, it goes on to the same bytes.
    """
    if bits not in ("auto", "8", "16"):
        raise ValueError(f"bits must be 'auto', '8' or '16', got {bits!r}")
    unreadable = unreadable or (options or {}).get("on_problem", "refuse")
    if unreadable not in ("refuse", "skip"):
        raise ValueError(f"unreadable must be 'refuse' or 'skip', got {unreadable!r}")
    if min(image_size, studies_per_shard) < 1:
        raise ValueError(
            f"image_size and studies_per_shard must be 1 or more, got {image_size} and "
            f"{studies_per_shard}"
        )
    root, opened = Path(root), {}
    open_split = opener(dataset, source, splits, image_size, **(options or {}))
    for split in splits:
        try:
            opened[split] = open_split(split)
        except MissingSplit as error:
            warnings.warn(f"left out: {error}", stacklevel=2)
    if not opened:
        raise ValueError(f"none of the splits {', '.join(splits)} is in {dataset} in {source}")
    counts = {s: min(len(data), length or len(data)) for s, data in opened.items()}
    recipe = Recipe(
        dataset=dataset,
        options=dict(options or {}),
        image_size=image_size,
        bits=bits,
        studies_per_shard=studies_per_shard,
        splits={
            split: {"studies": counts[split], "source": source_digest(data)}
            for split, data in opened.items()
        },
        labels=list(next(iter(opened.values())).labels),
    )
    _begin(root, recipe)
    jobs = [
        (split, number, indices)
        for split in opened
        for number, indices in enumerate(recipe.shards(split))
        if not shard_path(root, split, number).exists()
    ]
    done = sum(len(recipe.shards(split)) for split in opened) - len(jobs)
    processes = min(processes or os.cpu_count() or 1, max(1, len(jobs)))
    bar = tqdm(desc="shards", initial=done, total=done + len(jobs), disable=not progress)
    with bar:
        for left_out in _run(jobs, (root, opened, recipe, unreadable == "skip"), processes):
            bar.update()
            if left_out:
                warnings.warn("left out: " + "; ".join(left_out), stacklevel=2)
    _gather_left_out(root, (path for split in opened for path in recipe.paths(root, split)))
    for split in opened:
        if not any(has_studies(path) for path in recipe.paths(root, split)):
            raise ImageError(f"no study of split {split!r} can be read: see {root / LEFT_OUT}")
    return recipe


def _gather_left_out(root: Path, shards: Iterable[Path]) -> None:
    """Lines that are in no shard come first: version 0.3 had them in the root alone."""
    files = [folder / LEFT_OUT for folder in (root, *shards)]
    texts = [file.read_text(encoding="utf-8") for file in files if file.is_file()]
    if lines := dict.fromkeys("".join(texts).splitlines(keepends=True)):
        text = "".join(lines)
        write_atomically(root / LEFT_OUT, lambda path: path.write_text(text, encoding="utf-8"))


def _begin(root: Path, recipe: Recipe) -> None:
    path = root / RECIPE
    if path.exists():
        there = read_recipe(root)
        if found := recipe.differences(there):
            raise StaleCopy(
                f"{root} is a prepared copy with {'; '.join(found)}. Name another folder"
            )
    for split in recipe.splits:
        remove_left_overs(root / split)
    for half in root.glob("*/shard-*.part"):  # of version 0.3
        shutil.rmtree(half, ignore_errors=True)
    write_json(path, asdict(recipe))


_Job = tuple[str, int, range]


_Work = tuple[Path, Mapping[str, Any], Recipe, bool]  # root, data sets by split, recipe, skip


def _run(jobs: Sequence[_Job], work: _Work, processes: int) -> Iterator[list[str]]:
    if processes == 1:
        for job in jobs:
            yield _write_shard(job, *work)
        return
    # Not fork: a copy of threads that hold a lock waits for ever.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, _keep, work)
    try:
        for done in as_completed([pool.submit(_write_kept, job) for job in jobs]):
            yield done.result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            f"one of {processes} processes that prepare {work[0]} was killed or could not start "
            "(its memory may have been too little): with fewer processes, or 1 to see its error, "
            "the same command goes on"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_kept: _Work  # of a worker process


def _keep(*work: Any) -> None:
    global _kept
    _kept = work  # type: ignore[assignment]


def _write_kept(job: _Job) -> list[str]:
    return _write_shard(job, *_kept)


def _write_shard(
    job: _Job, root: Path, opened: Mapping[str, Any], recipe: Recipe, skip: bool
) -> list[str]:
    """Write one shard; returns what was left out of it."""
    split, number, indices = job
    data, path = opened[split], shard_path(root, split, number)
    # Workers whose run was killed end their shard: nobody else may write to the same folder.
    part = temporary_name(path)
    left_out = []
    columns: dict[str, list[Any]] = {name: [] for name in FEATURES}
    for index in indices:
        try:
            study = data[index]
        except ImageError as error:
            if not skip:
                raise
            left_out.append(str(error))
            continue
        deep = recipe.bits == "16" or (recipe.bits == "auto" and _is_deep(data, index))
        for name, value in pack(study, 16 if deep else 8).items():
            columns[name].append(value)
    try:
        with named(path, part):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            if columns["image"]:
                with _without_bars():
                    arrow.Dataset.from_dict(columns, features=FEATURES).save_to_disk(part)
            if left_out:
                text = "".join(f"{' '.join(line.splitlines())}\n" for line in left_out)
                (part / LEFT_OUT).write_text(text, encoding="utf-8")
            sync_folder(part)
            try:
                os.replace(part, path)
            except OSError:
                if not path.is_dir():  # else such a worker was faster, with the same studies
                    raise
            sync(path.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return left_out


@contextmanager
def _without_bars() -> Iterator[None]:
    """The datasets library would show a bar per shard."""
    shown = not arrow.are_progress_bars_disabled()
    arrow.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            arrow.enable_progress_bars()


def _is_deep(data: Any, index: int) -> bool:
    """Whether the file has more than 8 bits per pixel; drawn images have as many as a float."""
    if not hasattr(data, "rows"):
        return True
    path = Path(data.rows[index].image)
    if path.suffix.lower() in (".dcm", ".dicom"):
        with open(path, "rb") as file:
            return int(open_dicom(file, stop_before_pixels=True).BitsStored) > 8
    with Image.open(path, formats=FORMATS) as image:
        return image.mode.startswith("I")
