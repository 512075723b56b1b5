"""What a step of `make pretrain` takes, by how the words of its batch are matched.

    python -m reclf_benchmarks.preset_step [--rounds 9]

Batches of the preset go through the step of the training loop, in turns: with every word matched
where it stands, with words that repeat matched once, as the loop has it, and the same where words
do not know their place (`model.word_source` "token"). CPU time of all threads, which other work on
the machine disturbs less than wall time.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reclf.data.batch import Batch

BATCHES = 4
KINDS = {
    "each word where it stands": ("embedding", False),
    "words that repeat once": ("embedding", True),
    "the same, without their place": ("token", True),
}


def steps(folder: Path, settings: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """For each kind a job: the next step of a training with `settings` that is its own."""
    # They need torch, for which a help text does not wait.
    from reclf.data.collate import Pairs
    from reclf.datasets.selection import open_splits
    from reclf.models.inference import collate_for
    from reclf.pretrain import make_model, make_tokenizer, what_is_learned
    from reclf.training.presets import make_config
    from reclf.training.runtime import make_accelerator, make_optimizer
    from reclf.training.sampler import StepSampler
    from reclf.training.step import train_step

    config = make_config("phantom_small", **settings)
    train = config.train
    train_set = open_splits(config, report=False)[config.data.train_split]
    learned, _ = what_is_learned(config, train_set)
    tokenizer = make_tokenizer(config, train_set)
    names = "together", "endless", "counts_passes"
    given = (getattr(learned, name) for name in names)
    sampler = StepSampler(len(learned), train.batch_size, 1, train.seed, 0, 0, 1, *given)
    studies = [Pairs(learned).__getitems__(sampler.indices(k)) for k in range(BATCHES)]
    accelerator = make_accelerator(train, folder)

    def step(prepared: tuple[Any, Any], coming: Iterator["Batch"]) -> Any:
        return train_step(*prepared, accelerator, [next(coming)], train, None)

    jobs: dict[str, Callable[[], Any]] = {}
    for kind, (source, merged) in KINDS.items():
        model = make_model(replace(config.model, word_source=source), tokenizer, train.seed)
        batches = [collate_for(model)(some) for some in studies]
        if not merged:
            batches = [replace(batch, distinct=None) for batch in batches]
        prepared = accelerator.prepare(model, make_optimizer(model, train))
        jobs[kind] = partial(step, prepared, cycle(batches))
    return jobs


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Print CPU milliseconds of a step of each kind, and how many times less than of the first."""
    parser = argparse.ArgumentParser(prog="python -m reclf_benchmarks.preset_step")
    parser.add_argument("--rounds", type=int, default=4 * BATCHES + 1, help="steps of each kind")
    given = parser.parse_args(arguments)
    from reclf.training.runtime import cpu_threads

    from .timing import in_turns, ratio

    with tempfile.TemporaryDirectory() as folder, cpu_threads(workers=1):
        seconds = in_turns(steps(Path(folder), {"train.device": "cpu"}), given.rounds)
    first, found = next(iter(KINDS)), {}
    for kind, taken in seconds.items():
        low, _, high = quantiles([1000 * one for one in taken], n=4)
        found[kind], spread = ratio(seconds, first, kind)
        print(
            f"{kind}: {1000 * median(taken):.0f} ms ({low:.0f} to {high:.0f}), "
            f"{found[kind]:.2f} times less (quartiles {spread:.2f} apart)"
        )
    return found


if __name__ == "__main__":
    main()
