"""The training loop, in plain sight, on Accelerate.

    data set -> sampler -> loader -> forward -> losses -> backward -> step -> log, validate, save

One process on a CPU and many on GPUs run the same lines: `accelerate launch`, torchrun and
`notebook_launcher` only differ in how many processes there are. With several, the negatives are
those of all processes (`reclf.training.processes`).
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event
from typing import Any

import numpy as np
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn
from tqdm.auto import tqdm

from reclf.data.batch import Batch
from reclf.data.study import ImageError, Study
from reclf.datasets.problems import WAY_ON
from reclf.models.inference import collate_for
from reclf.models.reclf import RECLF
from reclf.runs.files import WriteFailed, remove_halves
from reclf.runs.lock import RunInUse
from reclf.runs.run import Run

from .checkpoints import load_state, save_state, standing, way_on
from .choices import aside, choose
from .processes import JointModel, Said, agree, broadcast, host_group
from .reader import Reader, left_out
from .runtime import (
    cpu_threads,
    fast_math,
    forget,
    keep_freed_memory,
    make_accelerator,
    make_optimizer,
    peak_memory_mb,
    remember,
    start_trackers,
)
from .sampler import StepSampler, seed_step
from .schedule import Pace, Progress, learning_rate_factor
from .signals import interrupts
from .step import train_step
from .validation import validate_once
from .window import Window

LOG_EVERY = 10


def train(
    model: RECLF,
    run: Run,
    train_set: Any,
    val_studies: Sequence[Study],
    progress_bar: bool = True,
    on_log: Callable[[dict[str, Any]], None] | None = None,
) -> RECLF:
    """Train a model in a run folder, resuming if the folder holds an unfinished training.

    Args:
        model: with tokenizer; its weights are replaced by the checkpoint's when resuming.
        run: its config says how; it receives metrics.jsonl, checkpoints and status.json.
        train_set: map-style data set of studies.
        val_studies: gallery on which the best checkpoint is chosen.
        on_log: called with every record of metrics.jsonl.

    Returns:
        The model of the best checkpoint, in eval mode, on the training device.

    Raises:
        FloatingPointError: a loss, gradient, weight, buffer, optimizer moment or validation score
            is not finite; names them, the step and its studies, what is kept and the way on.
        KeyboardInterrupt: on Ctrl-C or a signal to stop, after saving; the same call resumes.
        RunInUse: another process took the folder over meanwhile.
    """
    config = run.config.train
    accelerator = make_accelerator(config, run.folder)
    if accelerator.device.type == "cpu":
        keep_freed_memory()
    loop = _Loop(model, run, accelerator, train_set, val_studies, progress_bar, on_log)
    threads = cpu_threads(run.config.data.workers if accelerator.device.type == "cpu" else 0)
    try:
        with threads, fast_math(config.fast_math, accelerator.device):
            loop.run_steps()
    except FloatingPointError as error:
        said = f"{error}. {way_on(run)}"
        loop.say("failed", error=said)
        raise FloatingPointError(said) from None
    except KeyboardInterrupt:
        loop.say("interrupted")
        raise
    except Exception as error:
        loop.say("failed", error=str(error))
        raise
    finally:
        loop.release()
    accelerator.wait_for_everyone()
    return RECLF.from_pretrained(run.checkpoint("best"), accelerator.device, **model.code)


class _Loop:
    def __init__(
        self,
        model: RECLF,
        run: Run,
        accelerator: Accelerator,
        train_set: Any,
        val_studies: Sequence[Study],
        progress_bar: bool,
        on_log: Callable[[dict[str, Any]], None] | None,
    ):
        self.run, self.accelerator, self.on_log = run, accelerator, on_log
        self.train_set, self.val_studies = train_set, list(val_studies)
        self.hosts = host_group(accelerator)
        model.to(accelerator.device)  # before the memory that is free is looked at
        self.config, chosen = choose(model, run.config.train, accelerator, self.hosts)
        if chosen and accelerator.is_main_process:
            run.add_to_sitting(**chosen)
        self.is_main = accelerator.is_main_process
        self.show = progress_bar and self.is_main
        self.model = model
        if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        optimizer = make_optimizer(model, self.config)
        trained = JointModel(model) if accelerator.num_processes > 1 else model
        with aside(model, chosen.get("set_aside", ())):
            self.wrapped, self.optimizer = accelerator.prepare(trained, optimizer)
        self.window = Window(
            model, self.optimizer, accelerator, lambda step: self.reader.studies_of(step)
        )
        peaks = [group["peak"] for group in self.optimizer.param_groups]
        resumed = load_state(run, model, self.optimizer, accelerator)
        for group, peak in zip(self.optimizer.param_groups, peaks, strict=True):
            group["peak"] = peak  # of these settings, not of those before
        self.progress = resumed or Progress(total_steps=self.config.max_steps)
        if self.is_main:
            remove_halves(run.folder / "checkpoints")
            run.truncate_history(resumed.step if resumed else -1)
        remember(model, run.config)
        model.text_encoder.chunks = self.config.text_chunks
        start_trackers(accelerator, run)

    # -- one run -------------------------------------------------------------------------------

    def run_steps(self) -> None:
        if self.progress.finished:
            if self.is_main and "left_out" not in self.run.status:  # killed before it said so
                self._end()
            return
        self.window.look(self.progress.step)
        if self.is_main:
            self.run.set_status("running", **self.progress.state())
        self.pace = Pace(self.config, self.progress)
        self.reader = self._reader()
        bar = tqdm(
            total=self.progress.total_steps or None,
            initial=self.progress.step,
            disable=not self.show,
            unit="step",
            dynamic_ncols=True,
        )
        with interrupts() as interrupted, bar:
            batches, said = self._next(interrupted)
            while not self.progress.finished:
                if said.damaged:
                    self._end_at_damage(bar)
                if said.over:
                    self._stop(bar)
                self.window.add(self._step(batches))
                bar.update()
                if plan := self.pace.plan():
                    self.progress.total_steps = bar.total = broadcast(self.hosts, plan)
                batches, said = self._next(interrupted)
                stop, self.progress.out_of_time = said.stop, said.late
                step, total = self.progress.step, self.progress.total_steps
                if step % LOG_EVERY == 0 or step == total or stop or said.overdue:
                    self._log(bar)
                if self.progress.validates(self.config.evaluate_every) or self.progress.finished:
                    with self.pace.validating():
                        self._validate()
                    (stop,) = agree(self.hosts, interrupted.is_set())  # meanwhile, too
                if stop:
                    self._stop(bar)
                if said.overdue:
                    self._save()
        self._save()
        if self.is_main:
            self._end()

    def _next(self, interrupted: Event) -> tuple[list[Batch], Said]:
        """The batches of the next step, and what all processes say before it, in one exchange.

        Read ahead of it, since a process that has none must say so before the others begin.
        """
        batches: list[Batch] = []
        if not self.progress.finished:
            try:
                batches = self.reader.read(self.config.accumulate)
            except RuntimeError:  # Jupyter, at its end, ends the processes that read, too
                if not interrupted.is_set():
                    raise
        over = not (batches or self.progress.finished)
        late, overdue = self.pace.is_late, self.pace.is_overdue
        flags = bool(self.reader.damage), over, interrupted.is_set(), late, overdue
        return batches, Said(*agree(self.hosts, *flags))

    def _end(self) -> None:
        gone = len(left_out(self.run.folder))
        self.run.set_status("trained", left_out=gone, **self.progress.state())

    def _stop(self, bar: tqdm) -> None:
        if self.window:
            self._log(bar)
        self._save()
        # A launcher ends all when the first has left: not before all is saved.
        self.accelerator.wait_for_everyone()
        raise KeyboardInterrupt(
            f"saved at step {self.progress.step} of {self.progress.total_steps or 'not yet known'} "
            f"in {self.run.folder}; the same command goes on"
        )

    def _end_at_damage(self, bar: tqdm) -> None:
        """Save what was trained, and say which file ends it and how to go on."""
        if self.window:
            self._log(bar)
        self._save()
        reasons = sorted({found for found in gather_object([self.reader.damage]) if found})
        raise ImageError(
            f"{'; '.join(reasons)}. The run is saved at step "
            f"{self.progress.step}. {WAY_ON}, and start it again with the same run folder: it goes "
            "on from there"
        )

    def _step(self, batches: Sequence[Batch]) -> dict[str, Tensor]:
        progress, config = self.progress, self.config
        generator = seed_step(config.seed, progress.step, self.accelerator.process_index)
        factor = learning_rate_factor(
            progress.step, progress.position, config.warmup_steps, progress.total_steps
        )
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        augmented = generator if self.run.config.data.augment else None
        total = train_step(
            self.wrapped, self.optimizer, self.accelerator, batches, config, augmented
        )
        progress.advance(config.batch_size * config.accumulate * self.accelerator.num_processes)
        self.pace.tick()
        return total

    def release(self) -> None:
        """Let go of what refers to the group of processes, before it is left; readers end, too."""
        vars(self).pop("reader", None)  # there is none where no step was left
        forget(self.model)
        self.model.text_encoder.chunks = 1
        for tracker in self.accelerator.trackers:  # `end_training` would leave the group too
            tracker.finish()
        self.wrapped, self.optimizer = self.accelerator.free_memory(self.wrapped, self.optimizer)
        self.hosts = None

    # -- what is written -----------------------------------------------------------------------

    def say(self, state: str, **details: Any) -> None:
        """How the training ended, unless the folder is another's by now, gone, or full."""
        with suppress(RunInUse, WriteFailed):
            self.run.lock.check()
            self.run.set_status(state, **details, **standing(self.run))

    def _log(self, bar: tqdm) -> None:
        self.window.look(self.progress.step)
        progress, model = self.progress, self.model
        record: dict[str, Any] = {"step": progress.step, "total_steps": progress.total_steps}
        record |= self.window.means()
        record["loss"] = sum(value for name, value in record.items() if name.endswith("_loss"))
        record |= {
            "logit_scale": float(model.logit_scale.detach()),
            "attention_scale": float(model.matchings.log_attention_scale.detach().exp()),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "studies_per_second": progress.studies / progress.seconds,
            "seconds": progress.seconds,
            "memory_mb": peak_memory_mb(self.accelerator.device),
        }
        speed = record["studies_per_second"]
        bar.set_postfix_str(f"loss {record['loss']:.3f}, {speed:.0f} studies/s")
        self._write(record)

    def _write(self, record: dict[str, Any]) -> None:
        if not self.is_main:
            return
        self.run.lock.check()
        self.run.log(record)
        if self.config.trackers:
            numbers = {k: v for k, v in record.items() if isinstance(v, float)}
            self.accelerator.log(numbers, step=record["step"])
        if self.on_log is not None:
            self.on_log(record)

    def _validate(self) -> None:
        """Recall on the validation gallery; the best checkpoint is the one with the highest."""
        step = self.progress.step
        self.window.look(step)
        found = validate_once(self.model, self.val_studies, self.is_main, f"after step {step}")
        if self.is_main:
            record = {"step": step} | found
            # The mean over k is steadier than any one of them on a small gallery.
            recall = float(np.mean([v for k, v in record.items() if k.startswith("val_recall")]))
            if recall >= self.progress.best_recall:
                self.progress.best_recall, self.progress.best_step = recall, step
                self._write(record)  # first: a run that goes on from best keeps it
                self._save_as("best")
            else:
                self._write(record)
        self.accelerator.wait_for_everyone()

    def _save(self) -> None:
        self.window.look(self.progress.step)
        if self.is_main:
            self._save_as("last")
        self.pace.saved()

    def _save_as(self, name: str) -> None:
        self.run.lock.check()
        save_state(self.run, name, self.model, self.optimizer, self.accelerator, self.progress)

    # -- processes -----------------------------------------------------------------------------

    def _reader(self) -> Reader:
        sampler = StepSampler(
            len(self.train_set),
            self.config.batch_size,
            self.config.accumulate,
            self.config.seed,
            self.progress.step,
            self.accelerator.process_index,
            self.accelerator.num_processes,
            getattr(self.train_set, "together", 1),
            getattr(self.train_set, "endless", False),
            getattr(self.train_set, "counts_passes", False),
        )
        return Reader(
            self.train_set,
            sampler,
            collate_for(self.model),
            self.run.config.data.workers,
            self.accelerator.device.type == "cuda",
            self.run.folder,
        )
