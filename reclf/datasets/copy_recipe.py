"""What a prepared copy was made of, and where its shards are: prepared.json.

Without the datasets library, which takes a second to import.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reclf.config import check, check_choice, from_dict
from reclf.config.foreign_files import read_json
from reclf.config.settings import MOST_PIXELS
from reclf.stats.tables import json_text

from .file_checks import files_of
from .problems import DataProblems

FORMAT = 1  # of the files; another number is refused, not guessed at
RECIPE = "prepared.json"
LEFT_OUT = "left_out.txt"


@dataclass(frozen=True)
class Recipe:
    """What a prepared copy was made of, as prepared.json has it.

    Attributes:
        dataset: name of the loader, or "module:Class".
        options: of the loader.
        image_size: side of the images, in pixels.
        bits: "auto", "8" or "16", see `prepare`.
        studies_per_shard: in all shards but the last of a split.
        splits: split -> {"studies", "source"}; source is `source_digest` of the raw data set.
        labels: names of the labels.
        version: of the files.
    """

    dataset: str
    options: dict[str, Any]
    image_size: int
    bits: str
    studies_per_shard: int
    splits: dict[str, dict[str, Any]]
    labels: list[str]
    version: int = FORMAT

    def __post_init__(self) -> None:
        check_choice("bits", self.bits, ("auto", "8", "16"))
        check(0 < self.image_size <= MOST_PIXELS, "image_size", self.image_size,
              f"be 1 to {MOST_PIXELS}")  # fmt: skip
        check(
            self.studies_per_shard > 0, "studies_per_shard", self.studies_per_shard, "be positive"
        )
        for name, part in self.splits.items():
            count = part.get("studies") if isinstance(part, Mapping) else None
            check(type(count) is int and count >= 0, f"studies of split {name}", count,
                  "be a number")  # fmt: skip
            check(isinstance(part.get("source"), str), f"source of split {name}",
                  part.get("source"), "be text")  # fmt: skip

    def shard_count(self, split: str) -> int:
        return -(-self.splits[split]["studies"] // self.studies_per_shard)

    def shards(self, split: str) -> list[range]:
        """The indices of the studies in each shard."""
        total, most = self.splits[split]["studies"], self.studies_per_shard
        return [range(first, min(first + most, total)) for first in range(0, total, most)]

    def paths(self, root: Path, split: str) -> list[Path]:
        return [shard_path(root, split, number) for number in range(self.shard_count(split))]

    def differences(self, other: "Recipe") -> list[str]:
        """What differs, in words."""
        mine, theirs = asdict(self), asdict(other)
        found = [
            f"{name} {theirs[name]!r}, and not {mine[name]!r}"
            for name in mine
            if name != "splits" and _sorted(mine[name]) != _sorted(theirs[name])
        ]
        for split in sorted({*self.splits, *other.splits}):
            if split not in self.splits or split not in other.splits:
                found.append(f"split {split!r} in only one of the two")
            elif dict(self.splits[split]) != dict(other.splits[split]):
                counts = [recipe.splits[split]["studies"] for recipe in (other, self)]
                numbers = f" ({counts[0]}, and not {counts[1]})" if counts[0] != counts[1] else ""
                found.append(f"other studies in split {split!r}{numbers}")
        return found


class StaleCopy(ValueError):
    """A prepared copy that was not made of what is asked for."""


def read_recipe(root: str | Path) -> Recipe:
    """The recipe of a prepared copy; `StaleCopy` for one of another version of the files."""
    path = Path(root) / RECIPE
    try:
        found = read_json(path)
        if found.get("version") == FORMAT:
            return from_dict(Recipe, found)
    except (ValueError, TypeError) as error:
        advice = "Prepare it again into another folder."
        raise DataProblems(str(path), {"damaged file": [str(error)]}, advice) from error
    raise StaleCopy(
        f"{path} is of version {found.get('version')} and this program reads version {FORMAT}: "
        "prepare it again into another folder"
    )


def source_digest(data: Any) -> str:
    """What decides the content of a data set: its fingerprint, and the size of every file.

    Unlike the fingerprint alone it notices an image that was replaced by one of other content, by
    its length, and it asks the disk for each.
    """
    digest = hashlib.blake2b(data.fingerprint.encode(), digest_size=8)
    for row in getattr(data, "rows", ()):
        for _, path in files_of(row):
            digest.update(str(os.stat(path).st_size).encode() + b" ")
    return digest.hexdigest()


def shard_path(root: Path, split: str, number: int) -> Path:
    return root / split / f"shard-{number:05d}"


def has_studies(shard: Path) -> bool:
    """False for the folder of a shard whose studies were all left out."""
    return any(path.name != LEFT_OUT for path in shard.iterdir())


def _sorted(value: Any) -> str:
    return json_text(value, sort_keys=True)
