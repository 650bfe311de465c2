"""The tasks: what each reads, its head, loss, decoding, metrics and baselines. One file or folder a task.

A task is a configuration, light to import, and an estimator with fit, predict, evaluate, save and load. It
trains and judges; what its network computes stands in blocks/, and what a trained model of it does without
torch in models/. registry.py has the table of them.
"""

from pathlib import Path
from typing import Any

from unrolled.errors import ConfigError
from unrolled.registry import TASKS, Task, imported
from unrolled.tasks.config import unknown


def config_class(task: str) -> Any:
    """The configuration of a task. ConfigError for an unknown name."""
    return imported(_task(task).config)


def estimator_class(task: str) -> Any:
    """The estimator of a task. ConfigError for an unknown name."""
    return imported(_task(task).estimator)


def load(folder: str | Path) -> Any:
    """The estimator of the run in `folder`, whatever its task. RunError where there is no finished run."""
    from unrolled.runs import Run

    return estimator_class(Run.open(folder).task).load(folder)


def _task(name: str) -> Task:
    if name not in TASKS:
        raise ConfigError(unknown("task", name, TASKS))
    return TASKS[name]


__all__ = ["TASKS", "config_class", "estimator_class", "load"]
