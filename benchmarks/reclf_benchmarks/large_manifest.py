"""How long a large manifest takes to open, and how much memory: the first time and again.

    python -m reclf_benchmarks.large_manifest FOLDER --rows 400000

Writes a manifest of reports of 60 words with JPEG files (hard links of eight) in three splits, and
opens all of them in a fresh process each time: without headers, with headers, and with what was
remembered of them. Of a folder that holds one already, that is used.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from reclf.stats.tables import markdown

SPLITS = ("train", "val", "test")
FINDINGS = ("pleural effusion", "pneumothorax", "cardiomegaly", "consolidation", "atelectasis")
# Prints seconds and peak MB of opening all splits.
_OPEN = """
import resource, sys, time
from reclf.datasets.registry import opener
before = time.monotonic()
open_split = opener("table", sys.argv[1], {splits}, 224, headers=sys.argv[2] == "headers")
opened = [open_split(split) for split in {splits}]
seconds = time.monotonic() - before
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print("result", seconds, peak, sum(map(len, opened)))
"""


def write_manifest(folder: Path, rows: int) -> None:
    """A manifest with `rows` images of 512 x 512 pixels, 4,000 to a folder."""
    random = np.random.default_rng(0)
    films = []
    for number in range(8):
        films.append(folder / f"film{number}.jpg")
        folder.mkdir(parents=True, exist_ok=True)
        noise = Image.fromarray((random.random((64, 64)) * 255).astype(np.uint8))
        noise.resize((512, 512)).save(films[-1], quality=90)
    with open(folder / "manifest.csv", "w", encoding="utf-8") as file:
        file.write("image,report,patient_id,split,labels\n")
        for row in range(rows):
            name = f"files/p{row // 4000:03d}/{row:07d}.jpg"
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            # A file system allows some 65,000 links of one file.
            os.link(films[row * 8 // rows], path)
            one, other = FINDINGS[row % 5], FINDINGS[row // 5 % 5]
            text = " ".join(
                f"There is a small {(one, other)[k % 2]} in the left lower lobe, {row % (97 + k)}."
                for k in range(6)
            )
            split = SPLITS[0] if row % 20 else SPLITS[1 + row // 20 % 2]
            file.write(f'{name},"{text}",p{row // 3}-{split},{split},{one};{other}\n')


def open_all(folder: Path, headers: bool, cache: Path) -> tuple[float, float, int]:
    """Seconds, peak MB and studies of opening all splits in a fresh process."""
    command = [sys.executable, "-c", _OPEN.format(splits=SPLITS), str(folder)]
    command.append("headers" if headers else "files")
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=1800
    )
    _, seconds, peak, studies = done.stdout.splitlines()[-1].split()
    return float(seconds), float(peak), int(studies)


def measure(folder: Path, rows: int) -> str:
    """A Markdown table of the three openings."""
    if not (folder / "manifest.csv").exists():
        write_manifest(folder, rows)
    cache = folder / "cache"
    for kept in cache.rglob("*.json"):
        kept.unlink()
    lines = []
    for title, headers in [("files", False), ("headers", True), ("headers, again", True)]:
        seconds, peak, studies = open_all(folder, headers, cache)
        lines.append((title, f"{studies:,}", f"{seconds:.1f}", f"{peak:.0f}"))
    return markdown(("looked at", "studies", "seconds", "peak, MB"), lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=measure.__doc__)
    parser.add_argument("folder", type=Path, help="where the manifest is, or is written")
    parser.add_argument("--rows", type=int, default=400_000)
    given = parser.parse_args(arguments)
    print(measure(given.folder, given.rows))


if __name__ == "__main__":
    main()
