"""The tasks: what each reads, its head, loss, decoding, metrics and baselines. One file or folder a task.

A task is a configuration, light to import, and an estimator with fit, predict, evaluate, save and load.
"""

import importlib
from pathlib import Path
from typing import Any, NamedTuple

from unrolled.errors import ConfigError
from unrolled.tasks.config import unknown


class Task(NamedTuple):
    """Where the two classes of a task stand, as "module:name"; torch is imported with the estimator only.
    `about` and `example` are what the command line says of it."""

    config: str
    estimator: str
    about: str
    example: str


TASKS: dict[str, Task] = {
    "forecast": Task(
        "unrolled.tasks.forecast.config:ForecastConfig",
        "unrolled.tasks.forecast.estimator:Forecaster",
        "Forecast one or several series: the next steps after their end, with intervals if wanted.",
        "unrolled train forecast sales.csv --target sales --horizon 24 --output gaussian",
    ),
    "classify": Task(
        "unrolled.tasks.classify:ClassifyConfig",
        "unrolled.tasks.classify:Classifier",
        "Name the class of each sequence: of series, texts, images by rows, or recordings.",
        "unrolled train classify gestures.csv --id recording --target gesture",
    ),
    "regress": Task(
        "unrolled.tasks.regress:RegressConfig",
        "unrolled.tasks.regress:Regressor",
        "Estimate one number for each sequence: of series, texts, images by rows, or recordings.",
        "unrolled train regress rides.csv --id ride --target minutes",
    ),
    "tag": Task(
        "unrolled.tasks.tag:TagConfig",
        "unrolled.tasks.tag:Tagger",
        "Tag every word of sentences, or every step of series: parts of speech, entities, phases.",
        "unrolled train tag train.conllu --column upos --validation-files dev.conllu --minutes 10",
    ),
    "transcribe": Task(
        "unrolled.tasks.transcribe.config:TranscribeConfig",
        "unrolled.tasks.transcribe.estimator:Transcriber",
        "Transcribe each sequence: labels in their order, learned without knowing where each stands.",
        "unrolled train transcribe recordings.csv --tokens words --minutes 20",
    ),
    "language": Task(
        "unrolled.tasks.language:LanguageConfig",
        "unrolled.tasks.language:LanguageModel",
        "Model a text: which character, word or piece of a word comes next, and how likely each text is.",
        "unrolled train language book.txt --minutes 10",
    ),
    "translate": Task(
        "unrolled.tasks.translate.config:TranslateConfig",
        "unrolled.tasks.translate.estimator:Translator",
        "Turn each text into another: sentences, words into their sounds, documents into a line, questions.",
        "unrolled train translate words.tsv --source-tokens characters --target-tokens symbols",
    ),
    "caption": Task(
        "unrolled.tasks.caption.config:CaptionConfig",
        "unrolled.tasks.caption.estimator:Captioner",
        "Tell about a picture, numbers or a class: a caption, or a sequence of numbers.",
        "unrolled train caption pictures.csv --minutes 10",
    ),
}


def config_class(task: str) -> Any:
    """The configuration of a task. ConfigError for an unknown name."""
    return _imported(_task(task).config)


def estimator_class(task: str) -> Any:
    """The estimator of a task. ConfigError for an unknown name."""
    return _imported(_task(task).estimator)


def load(folder: str | Path) -> Any:
    """The estimator of the run in `folder`, whatever its task. RunError where there is no finished run."""
    from unrolled.runs import Run

    return estimator_class(Run.open(folder).task).load(folder)


def _task(name: str) -> Task:
    if name not in TASKS:
        raise ConfigError(unknown("task", name, TASKS))
    return TASKS[name]


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
