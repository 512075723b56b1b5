"""The checkpoints that training goes on from: weights, optimizer, scaler, where the run stands.

    checkpoints/last|best/  as `RECLF.save_pretrained`, trainer.pt, progress.json,
                            run.json (settings of the run), checksums.json

`progress.json` says where it stands without torch.
"""

import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.optim import Optimizer

from reclf.config import TrainConfig, from_dict, to_dict
from reclf.config.foreign_files import DamagedFile
from reclf.models.foreign_model import read_pickle
from reclf.models.reclf import RECLF
from reclf.models.stored_model import write_model
from reclf.runs.checksums import TRAINER, check_files
from reclf.runs.files import write_json
from reclf.runs.run import Run

from .runtime import parameter_groups
from .schedule import Progress, plan_steps


def save_state(
    run: Run,
    name: str,
    model: RECLF,
    optimizer: Optimizer,
    accelerator: Accelerator,
    progress: Progress,
) -> None:
    """Replace the checkpoint "last" or "best".

    Raises:
        WriteFailed: the disk is full, say; the previous one stays.
    """
    scaler, config = accelerator.scaler, run.config.train
    state = {
        "progress": progress.state(),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict() if scaler is not None else None,
        "budget": [config.max_steps, config.max_minutes],
    }

    def write(folder: Path) -> None:
        write_model(model, folder)
        try:
            with (folder / TRAINER).open("wb") as file:
                torch.save(state, file)
        except RuntimeError as error:  # of torch, which hides that the disk is full
            raise error.__context__ or error from None
        write_json(folder / "progress.json", progress.state())
        write_json(folder / "run.json", to_dict(run.config))  # where the run's own is lost

    run.write_checkpoint(name, write)


def load_state(
    run: Run, model: RECLF, optimizer: Optimizer, accelerator: Accelerator
) -> Progress | None:
    """Bring model and optimizer to where the run stands; None where nothing was trained.

    Where `best` is damaged or gone, the next validation writes a new one, which a warning says.

    Raises:
        DamagedFile: no checkpoint can be gone on from.
    """
    folder = run.resumable()
    if folder is None:
        return None
    model.load_state_dict(RECLF.from_pretrained(folder, **model.code).state_dict())
    try:
        # Two moments of each weight, of 32 bits where the weight may have 16.
        most = 2**24 + 4 * (folder / "model.safetensors").stat().st_size
        state = read_pickle(folder / TRAINER, most)
        saved = in_groups_of(optimizer, state["optimizer"], model)
        _check_moments(saved["state"], optimizer)
        optimizer.load_state_dict(saved)
        if state["scaler"] is not None and accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(state["scaler"])
        config, progress = run.config.train, from_dict(Progress, state["progress"])
    except Exception as error:  # of torch and its unpickler, of any kind
        raise DamagedFile(folder / TRAINER, f"{type(error).__name__}: {error}") from error
    budget = [config.max_steps, config.max_minutes]
    # Version 0.2.0 kept no budget: its steps are known, and its minutes are taken to be the same.
    before = state.get("budget", [config.max_steps and progress.total_steps, config.max_minutes])
    if progress.step and before != budget:
        change_budget(progress, config)
    if progress.best_step and not progress.finished:
        _check_best(run.checkpoint("best"), progress)
    return progress


def in_groups_of(optimizer: Optimizer, saved: dict[str, Any], model: RECLF) -> dict[str, Any]:
    """A state of the optimizer as its groups are now.

    Versions to 0.4 had one group of what had one rate and one decay, so that a run went on with
    other rates only where as many differed.
    """
    lengths = [len(group["params"]) for group in saved["param_groups"]]
    if lengths == [len(group["params"]) for group in optimizer.param_groups]:
        return saved
    for key in (lambda tower, decays: decays, lambda tower, decays: tower, lambda *kind: None):
        before = list(parameter_groups(model, key).values())
        if lengths == [len(group) for group in before]:
            break
    else:
        raise ValueError(f"groups of {lengths} parameters are not this model's")
    numbers = {parameter: n for n, parameter in enumerate(p for group in before for p in group)}
    now = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments = saved["state"]
    return {
        "state": {n: moments[numbers[p]] for n, p in enumerate(now) if numbers[p] in moments},
        "param_groups": optimizer.state_dict()["param_groups"],
    }


def _check_moments(state: Any, optimizer: Optimizer) -> None:
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for number, moments in state.items():
        for name, value in moments.items():
            is_whole = value.numel() * value.itemsize <= value.untyped_storage().nbytes()
            if value.shape not in ((), weights[number].shape) or not is_whole:
                raise ValueError(f"{name} of weight {number} is of shape {tuple(value.shape)}")


def _check_best(best: Path, progress: Progress) -> None:
    try:
        check_files(best)
        if not best.exists():
            raise DamagedFile(best, "it is missing")
    except DamagedFile as error:
        progress.best_recall = -1.0
        warnings.warn(f"{error}. The next validation writes a new {best.name}", stacklevel=2)


def change_budget(progress: Progress, config: TrainConfig) -> None:
    """Plan a run that goes on with other steps or minutes than it began with.

    Its place in the schedule becomes that of its step in the new number of steps, so that the
    learning rate of a run that had ended goes up again.
    """
    before, end = progress.position, progress.total_steps
    pace = progress.seconds / progress.step
    progress.total_steps = config.max_steps or plan_steps(config, progress, pace)
    progress.out_of_time = progress.seconds >= config.max_minutes * 60
    progress.position = min(1.0, progress.step / progress.total_steps)
    warnings.warn(
        f"the run goes on at step {progress.step} of {progress.total_steps} (it was planned for "
        f"{end}): its place in the cosine of the learning rate moves from {before:.2f} to "
        f"{progress.position:.2f}",
        stacklevel=2,
    )


def standing(run: Run) -> dict[str, Any]:
    """Where a training stands by what is on disk, as in its Progress; {} where nothing is."""
    there = run.status
    return {field.name: there[field.name] for field in fields(Progress) if field.name in there}


def way_on(run: Run) -> str:
    """What is kept after numbers that are not finite, and how to go on."""
    folders = [run.checkpoint(name) for name in ("last", "best")]
    kept = [f"{f} of step {standing(run)['step']} is kept, whole" for f in folders if f.exists()]
    train = run.config.train
    rates = {"learning_rate": train.learning_rate, "tower_learning_rate": train.tower_learning_rate}
    lower = " ".join(f"--set train.{n}={rate / 10:g}" for n, rate in rates.items() if rate)
    return (
        f"{[*kept, 'No checkpoint was written yet'][0]}. Look at these studies, or go on "
        f"{'from there' if kept else 'from the start'} with lower rates: python -m reclf.pretrain "
        f"--run-dir {run.folder} --accept learning_rate {lower} (in the notebook -p accept "
        "'[\"learning_rate\"]', and the rates as overrides)"
    )
