"""A prepared copy of any data set: decoded, resized images in memory-mapped Arrow files.

    root/prepared.json, root/<split>/shard-00000/, ...

Made by `reclf.datasets.prepare` or notebooks/prepare.ipynb. The studies are those of the raw data
set, with images rounded to 8 or 16 bits; nothing is decoded, and worker processes share the pages
of memory.
"""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import datasets as arrow
import numpy as np
import pyarrow

from reclf.config.foreign_files import check_size, read_json
from reclf.data.study import Pair, Study

from . import copy_recipe, prepare
from .arrow_schema import FEATURES, unpack
from .problems import DataProblems, refuse_missing_split, tiny_command
from .registry import load_dataset
from .splits import split_name

MOST_LISTED = 10_000  # shards that are missing, by name
FILES: dict[tuple[str, ...], dict] = {(copy_recipe.RECIPE,): {}}


class Prepared:
    """Studies of a prepared copy.

    Args:
        root: folder of the copy.
        split: one of those that were prepared.
        image_size: must be that of the copy.
        source: folder of the raw data set: given, the copy is compared with it and refused if it
            was made of anything else. This opens the raw data set, as slow as that is.
        on_problem, cache: as for other data sets, so that presets fit; there is nothing to skip,
            for `prepare` has left it out already, and nothing to cache, for nothing is decoded.

    Attributes:
        labels: names of the labels.
        fingerprint: 16 hexadecimal digits, of the raw data set and of how it was prepared.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        image_size: int = 224,
        *,
        source: str | Path | None = None,
        on_problem: str = "refuse",
        cache: str | None = None,
    ):
        root = Path(root)
        if on_problem not in ("refuse", "skip"):
            raise ValueError(f"on_problem must be 'refuse' or 'skip', got {on_problem!r}")
        if not (root / copy_recipe.RECIPE).is_file():
            raise DataProblems(
                str(root),
                {f"missing {copy_recipe.RECIPE}": [f"not in {root.absolute()}"]},
                f"Make a copy by notebooks/prepare.ipynb, or one to try: {tiny_command(__name__)}",
            )
        recipe = copy_recipe.read_recipe(root)
        split = split_name(split)
        counts = {name: part["studies"] for name, part in recipe.splits.items()}
        refuse_missing_split(f"the prepared {recipe.dataset} in {root}", split,
                             {name: n for name, n in counts.items() if n})  # fmt: skip
        if image_size != recipe.image_size:
            raise ValueError(
                f"{root} was prepared with image_size={recipe.image_size}, asked for {image_size}: "
                f"use {recipe.image_size}, or prepare it again"
            )
        again = "Run notebooks/prepare.ipynb again with the same parameters: it goes on."
        shards, there = recipe.shard_count(split), len([*(root / split).glob("shard-*")])
        # A file can say any number, and its list would have that many names.
        if shards > there + MOST_LISTED:
            lacking = {f"shards of {split} that are not there": [f"{there} of {shards:,} are"]}
            raise DataProblems(str(root), lacking, again)
        paths = recipe.paths(root, split)
        if missing := [path.name for path in paths if not path.is_dir()]:
            unfinished = {f"shard of {split} that is not finished": missing}
            raise DataProblems(str(root), unfinished, again)
        if source is not None:
            _compare(root, recipe, split, source)
        parts = [_load(path) for path in paths if copy_recipe.has_studies(path)]
        self._rows = arrow.concatenate_datasets(parts)
        self.name, self.split = f"prepared {recipe.dataset} in {root}", split
        self.labels, self.image_size = tuple(recipe.labels), recipe.image_size
        self.recipe, self.split_counts = recipe, {**counts, split: len(self._rows)}
        how = (recipe.splits[split]["source"], split, self.image_size, recipe.bits, len(self._rows))
        self.fingerprint = hashlib.blake2b(repr(how).encode(), digest_size=8).hexdigest()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Study:
        if not -len(self) <= index < len(self):
            raise IndexError(index)  # ends an iteration
        with self._refuses_damage(f"number {index}"):
            return unpack(self._rows[index % len(self)], self.image_size)

    @contextmanager
    def _refuses_damage(self, where: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            damaged = {"damaged study": [f"{where}: {error!r}"]}
            advice = "Prepare it again into another folder."
            raise DataProblems(self.name, damaged, advice) from error

    def pairs(self, indices: Sequence[int]) -> list[Pair]:
        """Images as they are stored, uint8 or uint16, and reports: views into the files."""
        pairs, shape = [], (self.image_size, self.image_size)
        for index in indices:
            place = range(len(self))[index]
            with self._refuses_damage(f"number {index}"):
                image = self._cells["image"][place]
                if len(image) > shape[0] * shape[1]:
                    image = image.view(np.uint16)
                report = str(self._cells["report"][place].data, "utf-8")
                pairs.append(Pair(image.reshape(shape), report))
        return pairs

    @cached_property
    def _cells(self) -> dict[str, "_Cells"]:
        return {name: _Cells(self._rows.data.column(name)) for name in ("image", "report")}

    def __getstate__(self) -> dict[str, Any]:
        # A view would go to another process as a copy of its file.
        return {name: value for name, value in vars(self).items() if name != "_cells"}

    @property
    def reports(self) -> list[str]:
        """All reports, without reading an image."""
        return list(self._rows["report"])

    @property
    def patient_of(self) -> dict[str, str]:
        """Study -> patient, without reading an image."""
        return dict(zip(self._rows["study_id"], self._rows["patient_id"], strict=True))

    @property
    def all_labels(self) -> list[dict[str, float]]:
        """The labels of every study, without reading an image."""
        with self._refuses_damage("in its labels"):
            return [json.loads(rest)["labels"] for rest in self._rows["rest"]]


class _Cells:
    """The bytes of each cell of a binary or text column.

    The datasets library takes 80 microseconds to format a row, whatever is in it; a view takes two.
    """

    def __init__(self, column: pyarrow.ChunkedArray):
        chunks = [chunk for chunk in column.chunks if len(chunk)]
        self._starts = list(accumulate((len(chunk) for chunk in chunks), initial=0))
        self._chunks = []
        for chunk in chunks:
            _, ends, content = chunk.buffers()  # Arrow's layout of both types: 32-bit ends, bytes
            places = np.frombuffer(ends, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            self._chunks.append((places, np.frombuffer(content, np.uint8)))

    def __getitem__(self, index: int) -> np.ndarray:
        number = bisect_right(self._starts, index) - 1
        places, content = self._chunks[number]
        first, end = places[index - self._starts[number] :][:2].tolist()
        return content[first:end]


def _refuse_packed(path: Path) -> None:
    """Refuse a file of Arrow that is compressed, and could unpack to any size; none made here is.

    Message and RecordBatch are tables of flatbuffers, in which compression is the fourth field
    (Message.fbs of Apache Arrow).
    """
    with pyarrow.memory_map(str(path)) as source:
        for message in pyarrow.ipc.MessageReader.open_stream(source):
            content = message.metadata.to_pybytes()

            def read(place: int, size: int = 4, content: bytes = content) -> int:
                return int.from_bytes(content[place : place + size], "little", signed=size == 4)

            def field(table: int, number: int, read: Any = read) -> int:
                fields = table - read(table)
                is_there = 4 + 2 * number < read(fields, 2)
                return table + read(fields + 4 + 2 * number, 2) if is_there else table

            header = field(read(0), 2)
            header += read(header)
            if message.type != "schema" and field(header, 3) != header:
                raise ValueError("it is compressed, which no prepared copy is")


def _load(shard: Path) -> arrow.Dataset:
    try:
        for named in read_json(shard / "state.json")["_data_files"]:
            path = shard / named["filename"]
            if path.parent != shard:
                raise ValueError(f"{named['filename']} is outside of the shard")
            check_size(path, 2**40)
            _refuse_packed(path)
        found = arrow.load_from_disk(shard, keep_in_memory=False)
        # Of other types a cell may name a file or an address, which is opened when it is read.
        if not isinstance(found, arrow.Dataset) or found.features != FEATURES:
            raise ValueError(f"its columns are not {', '.join(FEATURES)}, of their types")
        found.data.table.validate()
        return found
    except Exception as error:  # of JSON, of Arrow and of the datasets library
        advice = "Move this shard away and run notebooks/prepare.ipynb again: it makes what lacks."
        raise DataProblems(str(shard), {"damaged shard": [str(error)]}, advice) from error


def _compare(root: Path, recipe: copy_recipe.Recipe, split: str, source: str | Path) -> None:
    options: Any = dict(recipe.options)
    raw = load_dataset(recipe.dataset, source, split, recipe.image_size, **options)
    found = copy_recipe.source_digest(raw)
    if found != recipe.splits[split]["source"]:
        raise copy_recipe.StaleCopy(
            f"the prepared copy {root} is stale: split {split!r} of {recipe.dataset} in {source} "
            f"has the digest {found}, and the copy was made of "
            f"{recipe.splits[split]['source']}. Prepare it again into another folder"
        )


def write_tiny(root: str | Path) -> Path:
    """Prepare the tiny copy of NIH ChestX-ray14 at 32 pixels, in shards of 8."""
    from . import nih

    root = Path(root)
    raw = nih.write_tiny(root / "raw")
    prepare.prepare(root, "nih", raw, image_size=32, studies_per_shard=8, processes=1,
                    progress=False)  # fmt: skip
    return root
