"""Fixtures that tests of tasks and of studies share."""

from evaluated_run import choose, run
from task_fixtures import build, data, model, studies, tokenizer

__all__ = ["build", "choose", "data", "model", "run", "studies", "tokenizer"]
