"""Recurrent networks, from a file of sequences to a live stream: the same bits everywhere."""

import importlib
from typing import TYPE_CHECKING, Any

from unrolled.registry import TASKS, home

__version__ = "0.1.0"
__all__ = [
    "Captioner",
    "Classifier",
    "Detector",
    "Forecaster",
    "LanguageModel",
    "Regressor",
    "Tagger",
    "Transcriber",
    "Translator",
    "__version__",
    "accelerate",
    "load",
    "nn",
    "set_most_values",
]

if TYPE_CHECKING:
    from unrolled import nn
    from unrolled.files.limits import set_most_values
    from unrolled.nn.accelerate import accelerate
    from unrolled.tasks import load
    from unrolled.tasks.caption.estimator import Captioner
    from unrolled.tasks.classify import Classifier
    from unrolled.tasks.detect.estimator import Detector
    from unrolled.tasks.forecast.estimator import Forecaster
    from unrolled.tasks.language import LanguageModel
    from unrolled.tasks.regress import Regressor
    from unrolled.tasks.tag import Tagger
    from unrolled.tasks.transcribe.estimator import Transcriber
    from unrolled.tasks.translate.estimator import Translator

# Imported where they are first used: `import unrolled` loads neither torch nor numpy.
HOMES = {
    **{name: module for module, name in (home(task.estimator) for task in TASKS.values())},
    "accelerate": "unrolled.nn",
    "load": "unrolled.tasks",
    "nn": "unrolled.nn",
    "set_most_values": "unrolled.files.limits",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'unrolled' has no attribute {name!r}; it has {', '.join(__all__)}")
    module = importlib.import_module(HOMES[name])
    return module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
