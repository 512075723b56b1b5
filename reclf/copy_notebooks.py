"""Copies the notebooks into a folder of yours: `python -m reclf.copy_notebooks FOLDER`.

The wheel holds pretrain, explore, data_check, prepare and the task notebooks, with their README.
`paper_table.ipynb` and those of `notebooks/study/` need the package `reclf_study`, which only a
checkout has.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from reclf.runs.files import write_atomically

PACKAGED = Path(__file__).parent / "notebooks"  # in an installed wheel
NOT_PACKAGED = ("paper_table.ipynb",)
CHECKOUT = Path(__file__).parent.parent / "notebooks"

NEXT = """
Next:
    cd {folder}
    jupyter lab                   # open pretrain.ipynb first
or, without a browser, in the same folder:
    mkdir -p runs/first
    papermill pretrain.ipynb runs/first/notebook.ipynb -p run_dir runs/first"""


def copy_notebooks(folder: str | Path, force: bool = False) -> dict[str, list[str]]:
    """Copy the notebooks and their README; a file that differs is overwritten only with `force`.

    Args:
        folder: made if it is not there.
        force: overwrite files that differ, a notebook that you changed or one of another version.

    Returns:
        File names by what was done: "copied", "unchanged" or "kept" (differs, not overwritten).

    Raises:
        FileNotFoundError: this installation has no notebooks.
        NotADirectoryError: `folder` is a file.
    """
    folder = Path(folder).expanduser()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file: name a folder for the notebooks")
    done: dict[str, list[str]] = {"copied": [], "unchanged": [], "kept": []}
    for source in _sources():
        content, target = source.read_bytes(), folder / source.name
        if target.exists() and target.read_bytes() == content:
            done["unchanged"].append(source.name)
        elif target.exists() and not force:
            done["kept"].append(source.name)
        else:
            write_atomically(target, partial(Path.write_bytes, data=content))
            done["copied"].append(source.name)
    return done


def _sources() -> list[Path]:
    home = PACKAGED if PACKAGED.is_dir() else CHECKOUT
    found = sorted(path for path in home.glob("*.ipynb") if path.name not in NOT_PACKAGED)
    if not found:
        raise FileNotFoundError(f"no notebooks in {home}: install reclf from its wheel again")
    return [*found, *home.glob("README.md")]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m reclf.copy_notebooks", description="Copy RECLF's notebooks into a folder."
    )
    parser.add_argument("folder", help="folder to copy to; made if it is not there")
    parser.add_argument("--force", action="store_true", help="overwrite files that differ")
    given = parser.parse_args()
    try:
        done = copy_notebooks(given.folder, given.force)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    for what, names in done.items():
        if names:
            print(f"{what}: {', '.join(names)}")
    if done["kept"]:
        print("Kept files differ from those of this version; --force overwrites them.")
    print(NEXT.format(folder=given.folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
