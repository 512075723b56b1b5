"""Models of the Hugging Face hub: fetched into its cache, and pushed with their card.

    "org/name", revision --> folder in the cache --> RECLF
    RECLF, the README.md of its run --> repository "org/name"

Settings, safetensors, tokenizer and card travel; nothing that is run when it is read, whatever the
repository has, and what it names is not imported (`reclf.config.import_strings`).
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from .tower_source import ask_hub, is_path

ALLOWED = ["*.json", "*.safetensors", "*.txt", "README.md"]
RUN_LINE = 'RECLF.from_pretrained("checkpoints/best")'  # in the card of a run
CARD = """# {name}

A RECLF model of radiographs and reports, by the open reconstruction in the package `reclf`.
Research only, not for diagnosis.

```python
from reclf import RECLF

model = RECLF.from_pretrained("checkpoints/best")
```
"""


def local_folder(source: str | Path, revision: str = "") -> Path:
    """A folder as it is; of "org/name" that is no folder, what the hub or its cache holds.

    Raises:
        FileNotFoundError: no such folder, nor repository; or the hub does not answer and its cache
            has nothing; names the cache.
    """
    folder = Path(source).expanduser()
    if folder.exists() or isinstance(source, Path) or is_path(source) or "/" not in source:
        return folder
    try:
        cause = ask_hub(source, revision)
        fetched = snapshot_download(
            source, revision=revision or None, allow_patterns=ALLOWED, local_files_only=bool(cause)
        )
        return Path(fetched)
    except (LocalEntryNotFoundError, HFValidationError) as error:  # not there; no name of a hub
        cause = cause or str(error)
    at = f" --revision {revision}" if revision else ""
    raise FileNotFoundError(
        f"{source} is no folder, the hub gave nothing ({cause}), and its cache, "
        f"{constants.HF_HUB_CACHE}, does not hold it. On a machine with network run "
        f"`hf download {source}{at} --local-dir FOLDER` and name that folder"
    )


def push(
    write: Callable[[Path], None], name: str, read_from: Path | None, private: bool | None
) -> str:
    """Create the repository if it is not there, and commit the model with its card.

    Args:
        write: writes the model into a folder.
        read_from: the folder that the model was read from; the card is that of its run.
        private: of a new repository; None takes the account's default.

    Returns:
        The address of the commit.

    Raises:
        OSError: the hub refuses or does not answer; says why and what to do.
    """
    with TemporaryDirectory() as folder:
        write(Path(folder))
        text = _card(read_from) or CARD.format(name=name.rpartition("/")[2])
        text = text.replace(RUN_LINE, f'RECLF.from_pretrained("{name}")')
        (Path(folder) / "README.md").write_text(text, encoding="utf-8")
        try:
            HfApi().create_repo(name, private=private, exist_ok=True)
            commit = HfApi().upload_folder(
                repo_id=name, folder_path=folder, allow_patterns=ALLOWED,
                commit_message="RECLF model",
            )  # fmt: skip
        except Exception as error:  # of any library in between; all mean that nothing was pushed
            why = " ".join(str(error).split()) or type(error).__name__
            raise OSError(
                f"{name} was not pushed: {why}. It needs network and a token that may write "
                "(`hf auth login`); `save_pretrained` writes the same folder for "
                f"`hf upload {name} FOLDER`"
            ) from error
    return str(commit.commit_url)


def _card(read_from: Path | None) -> str:
    """Of the folder itself, or of the run whose checkpoint it is; empty if there is none."""
    if read_from is None:
        return ""
    run = read_from.absolute().parent.parent
    for path in (read_from / "README.md", run / "README.md"):
        if path.is_file() and (path.parent == read_from or (run / "status.json").is_file()):
            return path.read_text(encoding="utf-8")
    return ""
