"""What a run is, from what lies on disk: a process that was killed could not write it.

status.json, checkpoints/last/progress.json, whether the lock is held --true_status--> status
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reclf.config.foreign_files import check_kinds, read_json

ENDS = ("trained", "done", "imported")  # written when all else was
KINDS = {"state": str, "step": int, "total_steps": int, "seconds": int | float}


def read_standing(path: Path) -> dict[str, Any]:
    """Of status.json or progress.json; errors as of `read_json`."""
    found = read_json(path)
    check_kinds(found, KINDS, path)
    return found


def is_complete(progress: Mapping[str, Any]) -> bool:
    """Whether the steps or the time of a training are used up, by its Progress."""
    total, step = progress.get("total_steps", 0), progress.get("step", 0)
    return bool(progress.get("out_of_time") or 0 < total <= step)


def true_status(
    said: Mapping[str, Any], progress: Mapping[str, Any], is_held: bool
) -> dict[str, Any]:
    """The status that holds.

    Args:
        said: status.json; empty where there is none.
        progress: of the checkpoint "last"; empty where there is none.
        is_held: whether a process trains.

    Returns:
        `said` with the state that is true: "running" while a process trains; "trained" where the
        last step is saved; "interrupted" where a process is gone that said "running". Where a
        training stands is taken from the checkpoint.
    """
    state = said.get("state", "new")
    if state in ENDS:
        return dict(said)
    # A sitting that has saved nothing yet may have planned more steps than the one before.
    where = {**said, **progress}
    if said.get("step", -1) >= progress.get("step", 0):
        where |= said
    if state == "running" and is_held:
        pass
    elif progress and is_complete(where):
        state = "trained"
        where.pop("error", None)
    elif state == "running" or (state == "new" and progress):
        state = "interrupted"
    return {**where, "state": state}
