"""Training speed of two versions of this project, in turns on one machine.

    git worktree add ../before COMMIT
    python -m reclf_benchmarks.two_versions ../before . --rounds 3

Each turn trains the default model (`phantom_small`) for some steps with one of the source trees,
as `make pretrain` does, and reads studies per second from its metrics, the first steps left out.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

SKIPPED = 20  # steps; buffers are allocated and workers start


def studies_per_second(tree: Path, steps: int, settings: Sequence[str] = ()) -> float:
    """Train in a temporary run folder with the package of a source tree.

    Args:
        settings: NAME=VALUE, by dotted path.

    Raises:
        RuntimeError: the training failed; with the end of what it wrote.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = {"max_steps": steps, "max_minutes": 60, "evaluate_every": steps * 9}
        command = [sys.executable, "-m", "reclf.pretrain", "--run-dir", folder]
        for name, value in (own | {"val_studies": 20}).items():
            command += ["--set", f"train.{name}={value}"]
        for setting in settings:
            command += ["--set", setting]
        # Of this tree, before those that are installed; older trees have no phantom/.
        packages = [str(tree.resolve()), str(tree.resolve() / "phantom")]
        done = subprocess.run(
            command,
            cwd=tree,
            env={**os.environ, **exported(tree), "PYTHONPATH": os.pathsep.join(packages)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"training with {tree} failed: {done.stderr[-1000:]}")
        lines = Path(folder, "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    logged = [r for r in records if "seconds" in r and r["step"] >= SKIPPED]
    studies = [r["studies_per_second"] * r["seconds"] for r in (logged[0], logged[-1])]
    return (studies[1] - studies[0]) / (logged[-1]["seconds"] - logged[0]["seconds"])


def exported(tree: Path) -> dict[str, str]:
    """What the Makefile of a source tree exports to its commands."""
    lines = re.findall(r"^export (\w+) \?= (.+)$", (tree / "Makefile").read_text(), re.MULTILINE)
    return dict(lines)


def main(arguments: Sequence[str] | None = None) -> float:
    """Print the speeds of every round and their median ratio, after / before."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="source tree of the older version")
    parser.add_argument("after", type=Path, help="source tree of the newer version")
    parser.add_argument("--steps", type=int, default=100, help="of each training")
    parser.add_argument("--rounds", type=int, default=3, help="turns of both")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the newer version, so that it trains what the older one trains by default",
    )
    given = parser.parse_args(arguments)
    if given.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {given.rounds}")
    for tree in (given.before, given.after):
        if not (tree / "Makefile").exists():
            parser.error(f"{tree} is not a source tree of this project: it has no Makefile")
    if given.steps <= 2 * SKIPPED:
        parser.error(f"--steps must be more than {2 * SKIPPED}, got {given.steps}")
    ratios = []
    for number in range(given.rounds):
        speeds = [
            studies_per_second(given.before, given.steps),
            studies_per_second(given.after, given.steps, given.set),
        ]
        ratios.append(speeds[1] / speeds[0])
        print(f"round {number + 1}: {speeds[0]:.1f} and {speeds[1]:.1f} studies/s", flush=True)
    print(f"after / before: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    return median(ratios)


if __name__ == "__main__":
    main()
