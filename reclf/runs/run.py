"""A run is a folder: what went in, what came out, and whether it finished.

    runs/<name>/
      config.json  environment.json  metrics.jsonl  status.json  README.md
      checkpoints/best|last|start/  results/*.json  explanations/*.npz  figures/*

Everything is written under a temporary name, synced and renamed: a kill or a power cut leaves whole
files.
`status.json` is the only word on success: papermill's own metadata calls a killed run completed.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from reclf.config import RunConfig, load_json, to_dict
from reclf.config.foreign_files import DamagedFile, read_json
from reclf.stats.tables import json_text

from .card import card
from .checksums import TRAINER, check_files, write_checksums
from .environment import environment
from .files import (
    make_folder,
    named,
    refuse_links,
    replace_folder,
    sync,
    unless_read_only,
    whole_folder,
    write_atomically,
    write_json,
)
from .lock import RunLock
from .metrics_log import MetricsLog
from .sittings import (
    OtherResult,
    check_accept,
    differences,
    of_version_0_1,
    refused_changes,
    result_changes,
)
from .status import read_standing, true_status

START = "start"  # the checkpoint of what a run with an aligned start began with
IMPORTED = "imported"  # the state of an image encoder that was trained elsewhere
APPENDED = ("metrics.jsonl", "left_out.txt")  # grow line by line, and are never rewritten meanwhile


class Run:
    """A run folder, made if it is not there.

    Args:
        folder: e.g. "runs/first"; relative paths start at the current directory.
        config: settings of a new run, or of one that goes on; None opens it with its own.
        accept: changes of the result to go on with, see `sittings.ACCEPTABLE`.
        trust_code: what config.json names may be imported, as its author; else it is refused where
            it would be (`reclf.config.import_strings`).

    Attributes:
        config: settings.
        lock: held by who trains in the folder.
        recorded: those in config.json, which takes up others when training goes on.

    Raises:
        FileNotFoundError: no run to open.
        DamagedFile: config.json is not what was written.
        ValueError: the folder holds a run which has begun with settings that would give another
            result; names those that differ.
    """

    def __init__(
        self,
        folder: str | Path,
        config: RunConfig | None = None,
        accept: Sequence[str] = (),
        trust_code: bool = False,
    ):
        check_accept(accept)
        self.accept = tuple(accept)
        self.folder = Path(folder).expanduser().absolute()
        self.lock = RunLock(self.folder)
        refuse_links(self.folder)
        if self.folder.is_file():
            raise ValueError(f"{self.folder} is a file: the run directory must be a folder")
        path = self.folder / "config.json"
        if not path.exists():
            for name in ("status.json", "environment.json", "metrics.jsonl"):
                if (self.folder / name).exists():
                    raise DamagedFile(path, f"it is missing, and {name} of a run is there")
            if config is None:
                raise FileNotFoundError(
                    f"no run in {self.folder} (config.json is missing). "
                    "Make one with pretrain.ipynb (`make pretrain` in a checkout; "
                    "`python -m reclf.copy_notebooks FOLDER` copies the notebooks)."
                )
            write_json(path, to_dict(config))
            for name in ("checkpoints", "results", "explanations", "figures"):
                with named(self.folder / name):
                    make_folder(self.folder / name)
        self.recorded = load_json(RunConfig, path, trust_code)
        if config is None and (changed := self._changed_by_hand()):
            warnings.warn(changed, stacklevel=2)
        self.config = config = config or self.recorded
        if config == self.recorded:
            return
        if self.status["state"] == "new":  # an earlier try stopped at its data, say
            self.record_config()
        refused = refused_changes(self.recorded, config, accept) + self._less_than_done()
        if refused:
            raise ValueError(
                f"{self.folder} holds a run with other settings: {'; '.join(refused)}. "
                "Give another run_dir, or go on with the settings of the run."
            )

    def _less_than_done(self) -> list[str]:
        done, train = self.status, self.config.train
        found = []
        if 0 < train.max_steps < done.get("step", 0):
            found.append(f"train.max_steps is {train.max_steps} here and {done['step']} are done")
        if train.max_minutes != self.recorded.train.max_minutes and (
            train.max_minutes * 60 < done.get("seconds", 0)
        ):
            spent = done["seconds"] / 60
            found.append(f"train.max_minutes is {train.max_minutes} here and {spent:.1f} are spent")
        return found

    def _changed_by_hand(self) -> str:
        """Which settings in config.json are not those that the checkpoint was trained with, of the
        ones that a run cannot take up once it has begun; not those that a sitting has accepted."""
        paths = [self.checkpoint(name) / "run.json" for name in ("last", "best")]
        there = next((path for path in paths if path.is_file()), None)
        if there is None:
            return ""
        found: list[str] = []
        with suppress(ValueError, TypeError):  # a damaged file is named where it is read
            found = refused_changes(load_json(RunConfig, there), self.recorded, self.accept)
            taken_up = tuple(text for one in self.sittings for text in one.get("changed", ()))
            found = [text for text in found if not text.startswith(taken_up)]
        named = f"{self.folder / 'config.json'} differs from {there}, with which it was trained"
        return f"{named}: {'; '.join(found)}" if found else ""

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to train, within the steps and minutes that are set."""
        now, before = self.config.train, self.recorded.train
        budgets = [(train.max_steps, train.max_minutes) for train in (now, before)]
        return self.status["state"] in ("trained", "done") and budgets[0] == budgets[1]

    @property
    def status(self) -> dict[str, Any]:
        """State, and where the training stands, see `reclf.runs.status`; {"state": "new"} of a run
        that has not begun."""
        said: dict[str, Any] = {}
        progress: dict[str, Any] = {}
        for name in ("last", "best"):  # in the order of `resumable`
            with suppress(FileNotFoundError, DamagedFile):
                progress = progress or read_standing(self.checkpoint(name) / "progress.json")
        try:
            said = read_standing(self.folder / "status.json")
        except FileNotFoundError:
            pass
        except DamagedFile:
            if not progress:
                raise
        return true_status(said, progress, self.lock.is_held)

    def set_status(self, state: str, **details: Any) -> None:
        """State "running", "interrupted", "failed", "trained", "done" or IMPORTED, with details."""
        with unless_read_only(self.folder):
            write_json(self.folder / "status.json", {"state": state, "time": _now(), **details})

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to metrics.jsonl; `history` reads its NaN, a null there."""
        path = self.folder / "metrics.jsonl"
        with named(path), path.open("a", encoding="utf-8") as file:
            file.write(json_text(record) + "\n")

    def history(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return MetricsLog(self.folder / "metrics.jsonl").read()

    def truncate_history(self, step: int) -> None:
        """Forget what was logged after `step`: a resumed run does it again."""
        kept = [record for record in self.history() if record["step"] <= step]
        text = "".join(json_text(record) + "\n" for record in kept).encode()
        path = self.folder / "metrics.jsonl"
        if step > 0 and not path.exists():
            warnings.warn(f"{path} is missing: its lines to step {step} are gone", stacklevel=2)
        if not (path.exists() and path.read_bytes() == text):
            write_atomically(path, lambda temporary: temporary.write_bytes(text))

    def write_result(self, name: str, values: dict[str, Any]) -> Path:
        """Write results/<name>.json; NaN becomes null."""
        path = self.folder / "results" / f"{name}.json"
        with unless_read_only(self.folder):
            write_json(path, values)
        return path

    def result(self, name: str) -> dict[str, Any]:
        """Read results/<name>.json."""
        return read_json(self.folder / "results" / f"{name}.json")

    @property
    def sittings(self) -> list[dict[str, Any]]:
        """What each sitting of the training ran on, the last one last."""
        path = self.folder / "environment.json"
        if not path.exists():
            return []
        there = read_json(path)
        try:
            return [of_version_0_1(sitting) for sitting in there.pop("sittings", [there])]
        except (TypeError, AttributeError, ValueError, LookupError) as error:
            raise DamagedFile(path, f"no list of sittings: {error!r}") from error

    def check_sitting(self, **here: Any) -> dict[str, Any]:
        """Compare what is found here with the last sitting of a run that goes on.

        Args:
            here: "data", "processes" and "precision", see `sittings.result_changes`.

        Returns:
            What to record of the changes: "accepted" and "changed".

        Raises:
            OtherResult: the result would change, and that was not accepted; says what differs.
        """
        if by_hand := self._changed_by_hand():
            raise OtherResult(f"{by_hand}. Copy the second onto the first, or give another run_dir")
        changed = differences(to_dict(self.recorded), to_dict(self.config))
        found: dict[str, str] = {}
        goes_on = self.resumable() is not None
        if goes_on and not (self.folder / "environment.json").exists():
            warnings.warn(
                f"{self.folder / 'environment.json'} is missing: data, number of processes and "
                "precision are not compared with those of the run so far",
                stacklevel=2,
            )
        if self.sittings and goes_on:
            found = result_changes(self.sittings[-1], here, changed)
        refused = {name: text for name, text in found.items() if name not in self.accept}
        if refused:
            options = " ".join(f"--accept {name}" for name in refused)
            raise OtherResult(
                f"going on with {self.folder} would change its result. "
                f"{'. '.join(refused.values())}. Go on as before, or accept it by name, which is "
                f"recorded (-p accept '{json_text([*refused])}', or {options}), or give another "
                "run_dir."
            )
        return {"accepted": found, "changed": [*changed.values()]}

    def record_config(self) -> None:
        """Write the present settings into config.json, where they are others."""
        if self.recorded != self.config:
            write_json(self.folder / "config.json", to_dict(self.config))
            self.recorded = self.config

    def write_environment(self, **details: Any) -> None:
        """Record what the run runs on from now on: one more sitting, whose entries also stand at
        the top of environment.json."""
        self._write_sittings(*self.sittings, {"time": _now(), **environment(), **details})

    def add_to_sitting(self, **details: Any) -> None:
        """Record more of the last sitting, if one is recorded."""
        if there := self.sittings:
            self._write_sittings(*there[:-1], there[-1] | details)

    def _write_sittings(self, *sittings: dict[str, Any]) -> None:
        entries = {**sittings[-1], "sittings": list(sittings)}
        write_json(self.folder / "environment.json", entries)

    def write_card(self, verdict: str, results: dict[str, Any]) -> None:
        """README.md of the run: what it is, how it was made, how good it is, what it is not for.

        Args:
            verdict: one sentence, see `reclf.tasks.verdict`.
            results: name -> number, interval or text.
        """
        text = card(self.folder.name, self.config, verdict, results)
        with unless_read_only(self.folder):
            write_atomically(self.folder / "README.md", lambda path: path.write_text(text))

    def checkpoint(self, name: str) -> Path:
        """Folder of the checkpoint "best", "last" or START, the previous one if a kill came in
        between."""
        return whole_folder(self.folder / "checkpoints" / name)

    def start(self) -> Path:
        """The checkpoint START.

        Raises:
            FileNotFoundError: the run has none.
        """
        folder = self.checkpoint(START)
        if not folder.exists():
            raise FileNotFoundError(
                f"{folder} is missing: it is what a run with train.aligned_start began with, kept "
                "from version 0.5.1 on"
            )
        return folder

    def resumable(self) -> Path | None:
        """The checkpoint that training goes on from: "last", or "best" where there is no last or it
        is damaged, which a warning says; None where nothing was saved.

        Raises:
            DamagedFile: one is damaged, and the other cannot be gone on from either.
        """
        damaged: list[DamagedFile] = []
        for name in ("last", "best"):
            folder = self.checkpoint(name)
            try:
                check_files(folder)
            except DamagedFile as error:
                damaged.append(error)
                continue
            if (folder / TRAINER).exists():
                for damage in damaged:
                    said = f"{damage.path} is damaged ({damage.wrong}): the training goes on from"
                    warnings.warn(f"{said} {folder}", stacklevel=2)
                return folder
        if not damaged:
            return None
        first, *others = damaged
        if not others:
            raise first
        wrong = [first.wrong, *(f"{damage.path}: {damage.wrong}" for damage in others)]
        raise DamagedFile(
            first.path,
            "; and ".join(wrong),
            "restore one of them from a copy, or begin another run",
        )

    def write_checkpoint(self, name: str, write: Callable[[Path], None]) -> None:
        """Replace a checkpoint folder, see `replace_folder`, and add its checksums; what was logged
        before is on disk before it."""

        def write_all(fresh: Path) -> None:
            write(fresh)
            write_checksums(fresh)

        for path in (*(self.folder / appended for appended in APPENDED), self.folder):
            if path.exists():
                with named(path):
                    sync(path)
        replace_folder(self.folder / "checkpoints" / name, write_all)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
