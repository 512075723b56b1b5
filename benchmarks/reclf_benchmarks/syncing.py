"""What it costs that checkpoints are on disk, with checksums, before a training goes on.

    python -m reclf_benchmarks.syncing FOLDER [--gigabytes 1.5]

The model of `make pretrain` is saved in turns with syncs, without, and with syncs that take 10 ms
longer each; wall seconds per checkpoint, and their share of a training of five minutes. Then the
time of the checksums of a file of many gigabytes.
"""

import argparse
import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from reclf.runs.checksums import write_checksums
from reclf.training.presets import phantom_small
from reclf.training.schedule import VALIDATIONS, Progress

ROUNDS = 15
SLOW = 0.01  # seconds that a sync of the slow disk takes longer


def seconds_per_checkpoint(folder: Path, rounds: int = ROUNDS) -> tuple[dict[str, float], int]:
    """Wall seconds by the kind of disk, medians of rounds; and the syncs of a checkpoint."""
    # They need torch, for which a help text does not wait.
    import torch

    from reclf.data.tokenization import train_tokenizer
    from reclf.pretrain import make_model
    from reclf.runs.run import Run
    from reclf.training.checkpoints import save_state
    from reclf.training.runtime import make_optimizer

    config, real = phantom_small(), os.fsync
    run = Run(folder / "run", config)
    words = ["small left effusion no pneumothorax normal heart"] * 8
    model = make_model(config.model, train_tokenizer(words, config.data.vocab_size), 0)
    optimizer = make_optimizer(model, config.train)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    calls: list[int] = []

    def slow(file: int) -> None:
        calls.append(file)
        time.sleep(SLOW)
        real(file)

    disks: dict[str, Any] = {"synced": real, "not synced": lambda file: None, "slow disk": slow}
    seconds: dict[str, list[float]] = {name: [] for name in disks}
    accelerator: Any = SimpleNamespace(scaler=None)
    for _ in range(rounds):
        for name, sync in disks.items():
            with patch("os.fsync", sync):
                start = time.perf_counter()
                save_state(run, "last", model, optimizer, accelerator, Progress())
                seconds[name].append(time.perf_counter() - start)
    return {name: median(some) for name, some in seconds.items()}, len(calls) // rounds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m reclf_benchmarks.syncing")
    parser.add_argument("folder", type=Path, help="on the disk to measure")
    parser.add_argument("--gigabytes", type=float, default=1.5)
    given = parser.parse_args()
    with TemporaryDirectory(dir=given.folder) as made:
        seconds, syncs = seconds_per_checkpoint(Path(made))
        minutes = phantom_small().train.max_minutes
        saves = minutes / phantom_small().train.checkpoint_minutes + VALIDATIONS + 1
        for name, each in seconds.items():
            share = (each - seconds["not synced"]) * saves / (60 * minutes)
            print(
                f"{name}: {each:.3f} s per checkpoint of {syncs} syncs; syncs of {saves:.0f} "
                f"checkpoints are {share:.2%} of {minutes:g} minutes"
            )
        large = Path(made, "large")
        large.mkdir()
        (large / "trainer.pt").write_bytes(os.urandom(2**20) * round(given.gigabytes * 1000))
        start = time.perf_counter()
        write_checksums(large)
        print(f"checksums of {given.gigabytes} GB: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
