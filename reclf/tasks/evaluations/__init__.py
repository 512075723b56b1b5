"""What each task notebook computes, as functions: a module a task.

    parameters -> open_task(p) -> TaskRun -> evaluate(task_run, p) -> Evaluation

A notebook calls them and shows what lies between; a suite of many runs calls them alone.
"""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from reclf.tasks.task_run import TaskRun


@dataclass(frozen=True)
class Evaluation:
    """A finished task.

    Attributes:
        task: as in the name of the result file.
        result: value, interval, n, chance, per_class, the same of the untrained baseline, and more.
        protocol: every choice that can move a number, see `TaskRun.protocol`.
        shown: what a notebook draws and a result file does not hold: arrays, tables, studies.
    """

    task: str
    result: dict[str, Any]
    protocol: dict[str, Any]
    shown: SimpleNamespace

    def write(self, task_run: TaskRun) -> Path:
        """Write results/<task>-<data set>.json of the run."""
        return task_run.write(self.task, self.result, self.protocol)
