"""A run is a folder: what went in, what came out, and whether it finished.

    runs/<name>/
      config.json  environment.json  metrics.jsonl  status.json  README.md
      checkpoints/best|last/  results/*.json  explanations/*.npz  figures/*

Everything is written under a temporary name and renamed, so a killed run leaves whole files.
`status.json` is the only word on success: papermill's own metadata calls a killed run completed.
"""

import importlib.metadata
import json
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from reclf.config import RunConfig, load_json, to_dict
from reclf.stats.tables import markdown, short

from .files import write_atomically, write_json
from .metrics_log import MetricsLog

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "numpy", "papermill", "captum")


class Run:
    """A run folder, made if it is not there.

    Args:
        folder: e.g. "runs/first"; relative paths start at the current directory.
        config: settings of a new run, or None to open one.

    Raises:
        FileNotFoundError: no run to open.
        ValueError: the folder holds a trained run with other settings; names those that differ.
    """

    def __init__(self, folder: str | Path, config: RunConfig | None = None):
        self.folder = Path(folder).expanduser().absolute()
        path = self.folder / "config.json"
        if not path.exists():
            if config is None:
                raise FileNotFoundError(
                    f"no run in {self.folder} (config.json is missing). "
                    "Make one with pretrain.ipynb (`make pretrain` in a checkout; "
                    "`python -m reclf.copy_notebooks FOLDER` copies the notebooks)."
                )
            for name in ("checkpoints", "results", "explanations", "figures"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            write_json(path, to_dict(config))
        self.config = load_json(RunConfig, path)
        if config is not None and config != self.config and self.status["state"] == "new":
            # Nothing was trained: an earlier try stopped at its data, say.
            write_json(path, to_dict(config))
            self.config = config
        if config is not None and config != self.config:
            changed = _differences(to_dict(self.config), to_dict(config))
            raise ValueError(
                f"{self.folder} holds a run with other settings: {'; '.join(changed)}. "
                "Give another run_dir, or delete the folder."
            )

    @property
    def status(self) -> dict[str, Any]:
        """What `set_status` wrote last; {"state": "new"} before that."""
        path = self.folder / "status.json"
        return json.loads(path.read_text()) if path.exists() else {"state": "new"}

    def set_status(self, state: str, **details: Any) -> None:
        """State "running", "interrupted", "failed", "trained" or "done", with details."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        write_json(self.folder / "status.json", {"state": state, "time": now, **details})

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def history(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return MetricsLog(self.folder / "metrics.jsonl").read()

    def truncate_history(self, step: int) -> None:
        """Forget what was logged after `step`: a resumed run does it again."""
        kept = [record for record in self.history() if record["step"] <= step]
        text = "".join(json.dumps(record) + "\n" for record in kept)
        write_atomically(self.folder / "metrics.jsonl", lambda path: path.write_text(text))

    def write_result(self, name: str, values: dict[str, Any]) -> Path:
        """Write results/<name>.json. NaN is refused: a missing number is None."""
        path = self.folder / "results" / f"{name}.json"
        write_json(path, values)
        return path

    def result(self, name: str) -> dict[str, Any]:
        """Read results/<name>.json."""
        return json.loads((self.folder / "results" / f"{name}.json").read_text())

    def write_environment(self, **details: Any) -> None:
        """Record what the run ran on."""
        write_json(self.folder / "environment.json", {**environment(), **details})

    def write_card(self, verdict: str, results: dict[str, Any]) -> None:
        """README.md of the run: what it is, how it was made, how good it is, what it is not for.

        Args:
            verdict: one sentence, see `reclf.tasks.verdict`.
            results: name -> number, interval or text.
        """
        config = self.config
        lines = [
            f"# {self.folder.name}",
            "",
            verdict,
            "",
            "A RECLF model of radiographs and reports, by the open reconstruction in the package "
            "`reclf`. Research only, not for diagnosis.",
            "",
            f"- data: `{config.data.dataset}`, trained on split `{config.data.train_split}`",
            f"- image tower: {config.model.image_tower.name or 'from scratch'}, "
            f"{config.model.image_size} px; text tower: "
            f"{config.model.text_tower.name or 'from scratch'}",
            f"- aggregator: `{config.model.aggregator}` {config.model.aggregator_options}",
            f"- seed {config.train.seed}; all settings in config.json, machine and versions in "
            "environment.json",
            "",
            "```python",
            "from reclf import RECLF",
            "",
            'model = RECLF.from_pretrained("checkpoints/best")',
            "```",
            "",
            markdown(("result", "value"), ((n, _rounded(value)) for n, value in results.items())),
            "",
        ]
        text = "\n".join(lines)
        write_atomically(self.folder / "README.md", lambda path: path.write_text(text))

    def checkpoint(self, name: str) -> Path:
        """Folder of the checkpoint "best" or "last", the previous one if a kill came in between."""
        path = self.folder / "checkpoints" / name
        previous = path.with_name(f"{name}.previous")
        return previous if previous.exists() and not path.exists() else path

    def write_checkpoint(self, name: str, write: Callable[[Path], None]) -> None:
        """Replace a checkpoint folder; at every moment one whole copy is there."""
        path = self.folder / "checkpoints" / name
        fresh, previous = path.with_name(f"{name}.writing"), path.with_name(f"{name}.previous")
        shutil.rmtree(fresh, ignore_errors=True)
        write(fresh)
        if path.exists():
            shutil.rmtree(previous, ignore_errors=True)
            path.rename(previous)
        fresh.rename(path)
        shutil.rmtree(previous, ignore_errors=True)


def environment() -> dict[str, Any]:
    """Python, packages, machine, and the state of the source tree."""

    def git(*arguments: str) -> str | None:
        source = Path(__file__).parent
        try:
            return subprocess.run(
                ["git", *arguments], cwd=source, capture_output=True, text=True, check=True
            ).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return None

    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    changes = git("status", "--porcelain", "--untracked-files=no")
    return {
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cpu_threads": torch.get_num_threads(),
        "cuda": cuda,
        "git_commit": git("rev-parse", "HEAD"),
        "git_dirty": None if changes is None else bool(changes),
    }


def _rounded(value: Any) -> str:
    if isinstance(value, float):
        return short(value)
    if isinstance(value, list):
        return " to ".join(_rounded(item) for item in value)
    return str(value)


def _differences(there: Any, given: Any, path: str = "") -> list[str]:
    if isinstance(there, dict) and isinstance(given, dict):
        names = sorted(there.keys() | given.keys())
        return [
            line
            for name in names
            for line in _differences(
                there.get(name), given.get(name), f"{path}.{name}" if path else name
            )
        ]
    return [] if there == given else [f"{path} is {there!r} there and {given!r} here"]
