"""The training loop, in plain sight, on Accelerate.

    data set -> sampler -> loader -> forward -> losses -> backward -> step -> log, validate, save

One process on a CPU and many on GPUs run the same lines: `accelerate launch`, torchrun and
`notebook_launcher` only differ in how many processes there are. With several, the negatives are
those of all processes (`reclf.training.processes`).
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event
from typing import Any

import numpy as np
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
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
from .reader import Reader, left_out, study_ids
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
from .schedule import Progress, learning_rate_factor, plan_steps, plans_now
from .signals import interrupts
from .step import train_step
from .validation import validate
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
        # With a number of steps, time only ends a run; it does not shape it.
        self.plans_by_time = self.config.max_steps == 0
        self.model = model
        if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        optimizer = make_optimizer(model, self.config)
        trained = JointModel(model) if accelerator.num_processes > 1 else model
        with aside(model, chosen.get("set_aside", ())):
            self.wrapped, self.optimizer = accelerator.prepare(trained, optimizer)
        self.window = Window(model, self.optimizer, accelerator, self._studies_of)
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
        self.clock, self.before = time.monotonic(), self.progress.seconds
        self.saved = self.clock
        self.planned_at = (self.progress.step, self.progress.seconds)
        self.validated = 0.0  # seconds in validations since the plan
        self.validation: float | None = None  # seconds of the last one
        reader = self._reader()
        bar = tqdm(
            total=self.progress.total_steps or None,
            initial=self.progress.step,
            disable=not self.show,
            unit="step",
            dynamic_ncols=True,
        )
        with interrupts() as interrupted, bar:
            batches, said = self._next(reader, interrupted)
            while not self.progress.finished:
                if said.damaged:
                    self._end_at_damage(reader.damage, bar)
                if said.over:
                    self._stop(bar)
                self.window.add(self._step(batches))
                bar.update()
                self._plan(bar)
                batches, said = self._next(reader, interrupted)
                stop, self.progress.out_of_time = said.stop, said.late
                step, total = self.progress.step, self.progress.total_steps
                if step % LOG_EVERY == 0 or step == total or stop or said.overdue:
                    self._log(bar)
                if self.progress.validates(self.config.evaluate_every) or self.progress.finished:
                    self._validate()
                    (stop,) = agree(self.hosts, interrupted.is_set())  # meanwhile, too
                if stop:
                    self._stop(bar)
                if said.overdue:
                    self._save()
        self._save()
        if self.is_main:
            self._end()

    def _next(self, reader: Reader, interrupted: Event) -> tuple[list[Batch], Said]:
        """The batches of the next step, and what all processes say before it, in one exchange.

        Read ahead of it, since a process that has none must say so before the others begin.
        """
        batches: list[Batch] = []
        if not self.progress.finished:
            try:
                batches = reader.read(self.config.accumulate)
            except RuntimeError:  # Jupyter, at its end, ends the processes that read, too
                if not interrupted.is_set():
                    raise
        over = not (batches or self.progress.finished)
        late = self.progress.seconds >= self.config.max_minutes * 60
        overdue = time.monotonic() - self.saved > self.config.checkpoint_minutes * 60
        flags = bool(reader.damage), over, interrupted.is_set(), late, overdue
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

    def _end_at_damage(self, reason: str, bar: tqdm) -> None:
        """Save what was trained, and say which file ends it and how to go on."""
        if self.window:
            self._log(bar)
        self._save()
        reasons = sorted({found for found in gather_object([reason]) if found})
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
        progress.seconds = self.before + time.monotonic() - self.clock
        return total

    def _plan(self, bar: tqdm) -> None:
        """Turn the time that is left into steps, at the speed since the last plan."""
        progress = self.progress
        if not self.plans_by_time or not plans_now(progress.step):
            return
        since_step, since_seconds = self.planned_at
        if progress.step > since_step:
            spent = progress.seconds - since_seconds - self.validated
            pace = spent / (progress.step - since_step)
            plan = plan_steps(self.config, progress, pace, self.validation)
            progress.total_steps = broadcast(self.hosts, plan)
            bar.total = progress.total_steps
        self.planned_at, self.validated = (progress.step, progress.seconds), 0.0

    def release(self) -> None:
        """Let go of the wrapped model and the optimizer, before the group of processes is left."""
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

    def _studies_of(self, step: int) -> str:
        """The studies of a step, counted from 1, of all processes."""
        micros = range(self.config.accumulate)
        own = [i for micro in micros for i in self.sampler.indices(step - 1, micro)]
        indices = gather_object(own)
        ids = gather_object(study_ids(self.train_set, own))
        return f"studies {', '.join(ids)}; data set indices {indices}"

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
        bar.set_postfix_str(
            f"loss {record['loss']:.3f}, {record['studies_per_second']:.0f} studies/s"
        )
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
        start = time.monotonic()
        self.window.look(self.progress.step)
        refused = [""]
        if self.is_main:
            try:
                record: dict[str, Any] = {"step": self.progress.step}
                record |= validate(self.model, self.val_studies)
            except FloatingPointError as error:
                refused = [str(error)]
        if refused := broadcast_object_list(refused)[0]:
            step = self.progress.step
            raise FloatingPointError(f"after step {step}, {refused}")
        if self.is_main:
            # The mean over k is steadier than any one of them on a small gallery.
            recall = float(np.mean([v for k, v in record.items() if k.startswith("val_recall")]))
            if recall >= self.progress.best_recall:
                self.progress.best_recall, self.progress.best_step = recall, self.progress.step
                self._write(record)  # first: a run that goes on from best keeps it
                self._save_as("best")
            else:
                self._write(record)
        self.accelerator.wait_for_everyone()
        self.validation = took = time.monotonic() - start
        self.validated += took
        self.progress.seconds = self.before + time.monotonic() - self.clock

    def _save(self) -> None:
        self.window.look(self.progress.step)
        if self.is_main:
            self._save_as("last")
        self.saved = time.monotonic()

    def _save_as(self, name: str) -> None:
        self.run.lock.check()
        save_state(self.run, name, self.model, self.optimizer, self.accelerator, self.progress)

    # -- processes -----------------------------------------------------------------------------

    def _reader(self) -> Reader:
        self.sampler = StepSampler(
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
            self.sampler,
            collate_for(self.model),
            self.run.config.data.workers,
            self.accelerator.device.type == "cuda",
            self.run.folder,
        )
