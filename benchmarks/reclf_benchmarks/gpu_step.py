"""The training step of `mimic_resnet50` on a GPU: time, waits, memory, kernels, `torch.compile`.

    B, R -> synthetic films and reports -> steps as training takes them -> a row of numbers

    python -m reclf_benchmarks.gpu_step
    python -m reclf_benchmarks.gpu_step --batches 64 --regions 49,196 --out runs/gpu_step.json
    python -m reclf_benchmarks.gpu_step --small --device cpu          tries it; numbers mean nothing

Films are noise and reports are as long as they may be, so that a step costs what it costs at most.
Towers have fresh weights: what they compute does not depend on them.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reclf.config import DEVICES
from reclf.runs.files import write_json
from reclf.stats.tables import markdown

BATCHES, REGIONS = (64, 256), (49, 196)
SMALL_BATCHES, SMALL_REGIONS = (4,), (4, 16)
GOALS = {"peak_share": 0.40, "relation_share": 0.15}  # at least, at most
COLUMNS = {
    "batch": ("B", ",.0f"),
    "regions": ("R", ",.0f"),
    "step_ms": ("step, ms", ".3g"),
    "studies_per_second": ("studies a second", ",.0f"),
    "peak_share": ("share of the matrix peak", ".2f"),
    "relation_share": ("share of the relation part", ".2f"),
    "waits": ("waits for the GPU", ".0f"),
    "memory_mb": ("peak, MB", ",.0f"),
    "pairs_mb": ("of it pairs", ",.0f"),
    "pairs_counted_mb": ("counted before", ",.0f"),
    "again_memory_mb": ("peak, pairs computed again", ",.0f"),
    "again_time": ("its time", ".2f"),
    "compiled_towers": ("gain, towers compiled", ".2f"),
    "compiled_relations": ("gain, relations compiled", ".2f"),
}


def measure_steps(
    batches: Sequence[int] = BATCHES,
    regions: Sequence[int] = REGIONS,
    device: str = "cuda",
    rounds: int = 5,
    small: bool = False,
) -> list[dict[str, Any]]:
    """A row for each batch and number of regions; see `product_step.measure_step`.

    Args:
        small: a tiny model, for tests.
    """
    from .product_step import measure_step  # needs torch: a help text does not wait

    return [measure_step(b, r, device, rounds, small) for b in batches for r in regions]


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Tables of the rows and of their kernels, and what of the goals is met."""
    shown = [
        tuple(
            format(row[name], how) if row[name] is not None else ""
            for name, (_, how) in COLUMNS.items()
        )
        for row in rows
    ]
    parts = [markdown(tuple(title for title, _ in COLUMNS.values()), shown)]
    for row in rows:
        size = f"B {row['batch']}, R {row['regions']}"
        peak, relations = (row[name] for name in GOALS)
        verdict = f"{size}: {peak:.0%} of the peak (goal: at least {GOALS['peak_share']:.0%})"
        verdict += f", relations {relations:.0%} (goal: at most {GOALS['relation_share']:.0%})"
        parts += [verdict, *(f"{size}, {said}" for said in row["notes"])]
        kernels = [(name, f"{share:.3f}") for name, share in row["kernels"].items()]
        parts.append(markdown((f"kernel, {size}", "share of the time"), kernels))
    return "\n\n".join(parts)


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default, what in (
        ("--batches", BATCHES, "studies of a step"),
        ("--regions", REGIONS, "of an image of 224 pixels: 49, 196 or 784"),
    ):
        parser.add_argument(name, type=numbers, help=f"{what}, such as {default[0]},{default[1]}")
    parser.add_argument("--rounds", type=int, default=5, help="turns of every measurement")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--small", action="store_true", help="a tiny model, to try the code")
    parser.add_argument("--out", type=Path, help="JSON file of the rows")
    given = parser.parse_args()
    from reclf.runs.device import choose_device

    device = choose_device(given.device, "--device")
    if device == "cpu" and not given.small:
        parser.error("torch sees no GPU; --small --device cpu tries the code on a tiny model")
    batches = given.batches or (SMALL_BATCHES if given.small else BATCHES)
    regions = given.regions or (SMALL_REGIONS if given.small else REGIONS)
    rows = measure_steps(batches, regions, device, given.rounds, given.small)
    if given.out:
        write_json(given.out, {"rows": rows})
    print(as_markdown(rows))


if __name__ == "__main__":
    main()
