"""The main job: data set and settings in, trained model and run folder out.

Called by notebooks/pretrain.ipynb, and from a shell for several processes:

    accelerate launch --multi_gpu -m reclf.pretrain --run-dir runs/lab --preset mimic_resnet50 \\
        --set data.root=/data/mimic --set train.batch_size=128
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from reclf.training.arguments import read_arguments

if __name__ == "__main__":
    read_arguments()  # a help text and a wrong option do not wait for torch

import torch
from accelerate import Accelerator, PartialState
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from reclf.config import ModelConfig, Overrides, RunConfig, TowerConfig
from reclf.config.foreign_files import DamagedFile
from reclf.data.study import ImageError
from reclf.data.tokenization import train_tokenizer
from reclf.datasets.counterfactuals import WithCounterfactuals
from reclf.datasets.film_counterfactuals import FilmCounterfactuals
from reclf.datasets.patient_hashes import patient_hashes
from reclf.datasets.problems import DataProblems, MissingSplit
from reclf.datasets.registry import find_dataset
from reclf.datasets.selection import first_reports, gallery, open_splits
from reclf.datasets.soft_targets import WithTerms
from reclf.datasets.splits import check_split
from reclf.models.baselines import new_model
from reclf.models.foreign_tokenizer import check_tokenizer
from reclf.models.function_tower import find_function
from reclf.models.reclf import RECLF
from reclf.models.relations import find_aggregator, make_aggregator
from reclf.models.stored_model import write_model
from reclf.models.tower_source import find_tower, require_towers, without_code
from reclf.runs.device import choose_device, choose_precision
from reclf.runs.files import WriteFailed
from reclf.runs.lock import RunInUse
from reclf.runs.progress import track
from reclf.runs.run import IMPORTED, START, Run
from reclf.runs.sittings import OtherResult, describe_data
from reclf.runs.training_patients import record_patients
from reclf.training.aligned_start import align_projections
from reclf.training.loop import train
from reclf.training.presets import derive, find_preset
from reclf.training.processes import alone, leave_processes
from reclf.training.runtime import SeparateProcesses, check_trackers, make_accelerator, remember
from reclf.training.sampler import WrongBatch, check_batch

TOKENIZER_REPORTS = 2000  # of a data set that makes one at a time
TOKENIZER_SAMPLE = 50_000  # of a data set that has them all
# What ends a training from a shell in one line instead of a traceback.
EXPECTED = (
    DataProblems, MissingSplit, ImageError, OtherResult, SeparateProcesses, DamagedFile,
    WriteFailed, RunInUse, WrongBatch, FloatingPointError,
)  # fmt: skip
DEFAULT_PRESET = "phantom_small"


def open_run(
    folder: str | Path,
    settings: Overrides = (),
    preset: str = "",
    from_text: bool = False,
    accept: Sequence[str] = (),
    trust_code: bool = False,
) -> Run:
    """A new run of a preset, or the run in the folder; with the settings that are given.

    Every choice is checked before anything is read.

    Args:
        settings: by dotted path, changed in those of the preset, or else of the run.
        preset: "" means the run's own settings where one has begun, else DEFAULT_PRESET.
        from_text: see `reclf.config.override`.
        accept, trust_code: see `Run`. What `settings` name is the caller's own, and is imported.

    Raises:
        ValueError: unknown names or choices, or settings that a run which has begun does not have;
            or code that the run's config.json names, and neither the caller names nor trusts.
        OSError: a tower of the hub is needed and cannot be had.
    """
    base, has_towers = None, False
    if (Path(folder).expanduser() / "config.json").exists():
        there = Run(folder, trust_code=trust_code)
        if there.status["state"] == IMPORTED:
            raise ValueError(
                f"{there.folder} is an imported image encoder, which has no training to go on "
                "with. To start from it, `export_image_tower` of its checkpoints/best writes a "
                "folder for model.image_tower.name; give another run_dir"
            )
        has_towers = there.resumable() is not None
        # What was never trained may have stopped at a wrong setting.
        if not preset and (there.status["state"] != "new" or not settings):
            base = there.config
    config = derive(base or find_preset(preset or DEFAULT_PRESET), settings, from_text)
    check_choices(config)
    if not has_towers:
        require_towers(config.model)
    return Run(folder, config, accept, trust_code)


def check_choices(config: RunConfig) -> None:
    """Refuse what the fields of the settings cannot know: devices, data sets and aggregators."""
    train, model, data = config.train, config.model, config.data
    choose_precision(train.precision, choose_device(train.device, "train.device") == "cpu")
    check_trackers(train.trackers)
    find_dataset(data.dataset, data.options)
    for name in ("train_split", "val_split", "test_split"):
        check_split(getattr(data, name), data.dataset, f"data.{name}")
    with torch.random.fork_rng(devices=[]):
        make_aggregator(model.aggregator, model.matching_dim, model.aggregator_options)


def make_tokenizer(config: RunConfig, train_set: Any) -> PreTrainedTokenizerBase:
    """The text tower's own tokenizer, or one trained on reports of the training set.

    Args:
        train_set: map-style data set of studies. If it has `reports`, a list of all texts, those
            are used, or of more than TOKENIZER_SAMPLE as many, evenly spaced; else the first
            TOKENIZER_REPORTS.
    """
    tower = config.model.text_tower
    if tower.name:
        name, source = find_tower(tower, "text", with_tokenizer=True)
        if Path(name).is_dir():
            check_tokenizer(Path(name))
        return without_code(AutoTokenizer.from_pretrained, name, "a tokenizer", **source)
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
    return new_model(config, tokenizer, seed)


def what_is_learned(config: RunConfig, train_set: Any) -> tuple[Any, dict[str, str]]:
    """The training studies with soft targets and counterfactuals, as the settings say; and of the
    facts that reports may allow or not, how many do."""
    data, learned, source = config.data, train_set, train_set
    if config.train.soft_targets:
        learned = WithTerms(train_set, config.train.soft_targets)
    if not data.counterfactuals:
        return learned, {}
    if not hasattr(train_set, "counterfactuals"):
        source = FilmCounterfactuals(train_set)
    how = source, data.counterfactuals_from, data.swapped_reports
    learned = WithCounterfactuals(learned, data.counterfactuals, *how)
    return learned, getattr(source, "allowed", {})


def pretrain(
    run: Run,
    progress_bar: bool = True,
    on_log: Any = None,
    data: Mapping[str, Any] | None = None,
) -> RECLF:
    """Train what the run says, or go on where it stopped; returns the best model.

    What would change the result of a run that goes on is refused before its first step, unless the
    run accepts it (`Run.check_sitting`).

    Args:
        on_log: see `training.loop.train`.
        data: data sets by split, where they are open already, as `open_splits` returns them.

    Raises:
        RunInUse: another process trains in the run folder.
    """
    accelerator = make_accelerator(run.config.train, run.folder)
    with alone(run, accelerator):
        return _pretrain(run, accelerator, progress_bar, on_log, data)


def _pretrain(
    run: Run, accelerator: Accelerator, progress_bar: bool, on_log: Any,
    data: Mapping[str, Any] | None,
) -> RECLF:  # fmt: skip
    config = run.config
    data = data or open_splits(config, report=False)
    train_set, val_set = data[config.data.train_split], data[config.data.val_split]
    goes_on = not run.is_finished
    learned, allowed = what_is_learned(config, train_set) if goes_on else (train_set, {})
    if goes_on:  # before the folder is a run's, which would not take another size
        together = getattr(learned, "together", 1)
        processes = accelerator.num_processes
        check_batch(len(learned), config.train.batch_size, processes, together)
    found: dict[str, Any] = {"data": describe_data(train=train_set, val=val_set)}
    if goes_on:
        found |= {"processes": accelerator.num_processes, "precision": accelerator.mixed_precision}
    found |= run.check_sitting(**found)
    begun = run.resumable()
    if begun is not None:
        # Of the settings, which the caller gave or trusts, and not of the checkpoint's own files.
        function = config.model.image_tower.config.get("function")
        model = RECLF.from_pretrained(
            begun,
            aggregator=find_aggregator(config.model.aggregator),
            image_tower=find_function(function) if function else None,
        )
    else:
        model = make_model(config.model, make_tokenizer(config, train_set), config.train.seed)
        if config.train.aligned_start:
            model.to(accelerator.device)
            remember(model, config)
            title = "aligned start" * accelerator.is_main_process
            ahead = title, config.data.workers
            align_projections(model, train_set, config.train.aligned_start, *ahead)
            if accelerator.is_main_process:
                run.write_checkpoint(START, partial(write_model, model))
    if accelerator.is_main_process:
        run.record_config()
        if goes_on:
            run.write_environment(
                seed=config.train.seed,
                device=accelerator.device.type,
                parameters=sum(p.numel() for p in model.parameters()),
                **({"counterfactuals": allowed} if allowed else {}),
                **found,
            )
            for fact, said in allowed.items():
                print(f"data.counterfactuals.{fact}: {said}", flush=True)
            if (patients := patient_hashes(config.data.dataset, train_set)) is not None:
                record_patients(run.folder, patients.values())
    val_studies = gallery(val_set, config.train.val_studies, config.data.workers)
    return train(model, run, learned, val_studies, progress_bar, on_log)


def at_the_end(run: Run) -> str:
    """What became of a training, and what is next, for who started it from a shell."""
    found = run.status
    best, recall = found.get("best_step", "?"), found.get("best_recall", float("nan"))
    return (
        f"{run.folder} is trained: {found.get('step', '?')} steps, best checkpoint of step {best} "
        f"(validation recall {recall:.3f}, mean over k). "
        f"Report: papermill notebooks/pretrain.ipynb {run.folder}/notebook.ipynb "
        f"-p run_dir {run.folder}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Command line for `accelerate launch` and torchrun; the notebook is the usual door."""
    given, parser = read_arguments(arguments)
    try:
        run = open_run(given.run_dir, given.set, given.preset, True, given.accept, given.trust_code)
    except (ValueError, TypeError, OSError) as error:
        parser.error(str(error))
    try:
        try:
            data = open_splits(run.config, report=False)
        except (OSError, ValueError) as error:  # of the data, or of options that only they refuse
            parser.exit(2, f"{parser.prog}: error: {error}\n")
        pretrain(run, progress_bar=not given.quiet, data=data)
        if PartialState().is_main_process:
            print(at_the_end(run))
    except EXPECTED as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt as stop:
        print(f"{parser.prog}: interrupted: {stop or 'nothing was trained yet'}", file=sys.stderr)
        # Python still ends by SIGINT, so that a shell's loop ends too; but all is said.
        sys.excepthook = lambda *error: None
        raise
    finally:
        leave_processes()


if __name__ == "__main__":
    main()
