"""What relating the pairs of a step keeps for the backward pass, by batch and number of processes.

    python -m reclf_benchmarks.pair_memory
    python -m reclf_benchmarks.pair_memory mimic_vit --words 60 --batches 16,32 --processes 1,2

Counted on torch's meta device (`reclf.training.pair_memory`): no GPU, and nothing is computed. Kept
are the activations of all pairs, or with `train.checkpoint_pairs` what they are computed from; a
backward pass takes about as much again for the tile that it is at. Towers, optimizer and the
features of all processes come on top.
"""

import argparse

from reclf.training.presets import PRESETS, find_preset


def table(
    preset: str, words: int, regions: int, batches: list[int], processes: list[int]
) -> list[dict[str, float]]:
    """For each batch of a process and number of processes, GiB kept: "all", and "again" where pairs
    are computed again."""
    from reclf.training.pair_memory import kept_bytes  # needs torch: a help text does not wait

    model = find_preset(preset).model
    rows: list[dict[str, float]] = []
    for batch in batches:
        for count in processes:
            row: dict[str, float] = {"batch": batch, "processes": count}
            for name, recompute in (("all", False), ("again", True)):
                sizes = batch * count, batch, words, regions
                row[name] = kept_bytes(model, *sizes, recompute=recompute) / 2**30
            rows.append(row)
    return rows


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("preset", nargs="?", default="mimic_resnet50", choices=PRESETS)
    parser.add_argument("--words", type=int, default=97, help="of each report")
    parser.add_argument("--regions", type=int, default=196, help="of each image")
    for name, default, what in (
        ("--batches", [16, 32, 64], "studies of a process"),
        ("--processes", [1, 4, 8, 32], "of a training"),
    ):
        parser.add_argument(name, type=numbers, default=default, help=f"{what}, such as 1,2")
    given = vars(parser.parse_args())
    print("| studies of a process | processes | pairs of a process | GiB | GiB, computed again |")
    print("|---|---|---|---|---|")
    for row in table(**given):
        pairs = int(row["batch"] ** 2 * row["processes"])
        print(
            f"| {row['batch']} | {row['processes']} | {pairs:,} | {row['all']:.2f} | "
            f"{row['again']:.3f} |"
        )


if __name__ == "__main__":
    main()
