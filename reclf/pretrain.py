"""The main job: data set and settings in, trained model and run folder out.

Called by notebooks/pretrain.ipynb, and from a shell for several processes:

    accelerate launch --multi_gpu -m reclf.pretrain --run-dir runs/lab --preset mimic_resnet50 \\
        --set data.root=/data/mimic --set train.batch_size=128
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from reclf.config import ModelConfig, RunConfig, TowerConfig
from reclf.data.tokenization import train_tokenizer
from reclf.datasets.counterfactuals import WithCounterfactuals
from reclf.datasets.selection import first_reports, gallery, open_splits
from reclf.models.reclf import RECLF
from reclf.runs.progress import track
from reclf.runs.run import Run
from reclf.training.loop import train
from reclf.training.presets import PRESETS, make_config
from reclf.training.processes import leave_processes
from reclf.training.runtime import make_accelerator

TOKENIZER_REPORTS = 2000  # of a data set that makes one at a time
TOKENIZER_SAMPLE = 50_000  # of a data set that has them all


def make_tokenizer(config: RunConfig, train_set: Any) -> PreTrainedTokenizerBase:
    """The text tower's own tokenizer, or one trained on reports of the training set.

    Args:
        train_set: map-style data set of studies. If it has `reports`, a list of all texts, those
            are used, or of more than TOKENIZER_SAMPLE as many, evenly spaced; else the first
            TOKENIZER_REPORTS.
    """
    tower = config.model.text_tower
    if tower.name:
        source = {"revision": tower.revision} if tower.revision else {}
        return AutoTokenizer.from_pretrained(tower.name, **source)
    if hasattr(train_set, "reports"):
        reports = train_set.reports
        reports = reports[:: -(-len(reports) // TOKENIZER_SAMPLE)]
    else:
        reports = first_reports(train_set, TOKENIZER_REPORTS)
    title = "tokenizer, reports" if len(reports) > TOKENIZER_REPORTS else ""
    return train_tokenizer(track(reports, title), config.data.vocab_size)


def make_model(config: ModelConfig, tokenizer: PreTrainedTokenizerBase, seed: int) -> RECLF:
    """A model whose new weights follow from the seed; a new text tower fits the tokenizer."""
    tower = config.text_tower
    if not tower.name:
        sizes = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
        tower = TowerConfig(config=tower.config | sizes, freeze=tower.freeze)
        config = replace(config, text_tower=tower)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RECLF(config, tokenizer)


def pretrain(
    run: Run,
    progress_bar: bool = True,
    on_log: Any = None,
    data: Mapping[str, Any] | None = None,
) -> RECLF:
    """Train what the run says, or go on where it stopped; returns the best model.

    Args:
        on_log: see `training.loop.train`.
        data: data sets by split, where they are open already, as `open_splits` returns them.
    """
    config = run.config
    accelerator = make_accelerator(config.train, run.folder)
    data = data or open_splits(config)
    train_set, val_set = data[config.data.train_split], data[config.data.val_split]
    last = run.checkpoint("last")
    if (last / "trainer.pt").exists():
        model = RECLF.from_pretrained(last)
    else:
        model = make_model(config.model, make_tokenizer(config, train_set), config.train.seed)
        if accelerator.is_main_process:
            run.write_environment(
                seed=config.train.seed,
                processes=accelerator.num_processes,
                data=[getattr(d, "fingerprint", None) for d in (train_set, val_set)],
                parameters=sum(p.numel() for p in model.parameters()),
            )
    if config.data.counterfactuals:
        train_set = WithCounterfactuals(train_set, config.data.counterfactuals)
    val_studies = gallery(val_set, config.train.val_studies)
    return train(model, run, train_set, val_studies, progress_bar, on_log)


def main(arguments: list[str] | None = None) -> None:
    """Command line for `accelerate launch` and torchrun; the notebook is the usual door."""
    parser = argparse.ArgumentParser(prog="python -m reclf.pretrain", description=main.__doc__)
    parser.add_argument("--run-dir", required=True, help="folder of the run, made or resumed")
    parser.add_argument("--preset", default="phantom_small", choices=PRESETS)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting by dotted path, e.g. train.max_steps=100 or 'data.options={\"seed\": 1}' "
        "(dicts and lists are JSON); may be repeated",
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="no progress bar: the processes that notebook_launcher forks cannot draw one",
    )
    given = parser.parse_args(arguments)
    wrong = [item for item in given.set if "=" not in item]
    if wrong:
        parser.error(f"--set takes NAME=VALUE, got {wrong[0]!r}")
    overrides = dict(item.split("=", 1) for item in given.set)
    try:
        run = Run(given.run_dir, make_config(given.preset, from_text=True, **overrides))
    except (ValueError, TypeError) as error:
        parser.error(str(error))
    try:
        pretrain(run, progress_bar=not given.quiet)
    finally:
        leave_processes()


if __name__ == "__main__":
    main()
