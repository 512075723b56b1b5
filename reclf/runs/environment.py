"""What a run runs on: Python, packages, machine, and the state of the source tree."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "numpy", "papermill", "captum")


def environment() -> dict[str, Any]:
    """Python, packages, machine, and the state of the source tree, where the code that runs is
    tracked by it: a package installed inside another project's tree is not."""
    import torch  # seconds, which the help text of a command does not wait

    def git(*arguments: str) -> str | None:
        source = Path(__file__).parent
        try:
            return subprocess.run(
                ["git", *arguments], cwd=source, capture_output=True, text=True, check=True
            ).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return None

    is_tracked = git("ls-files", "--error-unmatch", Path(__file__).name) is not None
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    changes = git("status", "--porcelain", "--untracked-files=no") if is_tracked else None
    return {
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cpu_threads": torch.get_num_threads(),
        "cuda": cuda,
        "git_commit": git("rev-parse", "HEAD") if is_tracked else None,
        "git_dirty": None if changes is None else bool(changes),
    }
