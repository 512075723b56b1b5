"""Fixtures that tests of tasks and of studies share."""

from task_fixtures import build, data, model, studies, tokenizer

__all__ = ["build", "data", "model", "studies", "tokenizer"]
