"""The tasks, each in one row: from it follow its command, `unrolled.NAME`, and the model that reads its runs.

Classes stand as "module:name" and are imported where they are first used: torch with the estimator only.
"""

import importlib
from typing import Any, NamedTuple


class Task(NamedTuple):
    """`about` and `example` are what the command line says of it. `network` is the block of its network; the
    model may be left out where answers are the network's outputs (models/forward.py)."""

    config: str
    estimator: str
    about: str
    example: str
    network: str = ""
    model: str = "unrolled.models.forward:Forward"


TASKS: dict[str, Task] = {
    "forecast": Task(
        "unrolled.tasks.forecast.config:ForecastConfig",
        "unrolled.tasks.forecast.estimator:Forecaster",
        "Forecast one or several series: the next steps after their end, with intervals if wanted.",
        "unrolled train forecast sales.csv --target sales --horizon 24 --output gaussian",
        model="unrolled.models.forecast:Runtime",
    ),
    "detect": Task(
        "unrolled.tasks.detect.config:DetectConfig",
        "unrolled.tasks.detect.estimator:Detector",
        "Find what is unusual in one or several series: a score for every step, alarms, and their episodes.",
        "unrolled train detect load.csv --target load --false-alarms 0.01 --windows known.csv",
        model="unrolled.models.detect:Runtime",
    ),
    "classify": Task(
        "unrolled.tasks.classify_config:ClassifyConfig",
        "unrolled.tasks.classify:Classifier",
        "Name the class of each sequence: of series, texts, images by rows, or recordings.",
        "unrolled train classify gestures.csv --id recording --target gesture",
        model="unrolled.models.pooled:Classify",
    ),
    "regress": Task(
        "unrolled.tasks.regress:RegressConfig",
        "unrolled.tasks.regress:Regressor",
        "Estimate one number for each sequence: of series, texts, images by rows, or recordings.",
        "unrolled train regress rides.csv --id ride --target minutes",
        model="unrolled.models.pooled:Regress",
    ),
    "tag": Task(
        "unrolled.tasks.tag_config:TagConfig",
        "unrolled.tasks.tag:Tagger",
        "Tag every word of sentences, or every step of series: parts of speech, entities, phases.",
        "unrolled train tag train.conllu --column upos --validation-files dev.conllu --minutes 10",
        model="unrolled.models.tag:Tags",
    ),
    "transcribe": Task(
        "unrolled.tasks.transcribe.config:TranscribeConfig",
        "unrolled.tasks.transcribe.estimator:Transcriber",
        "Transcribe each sequence: labels in their order, learned without knowing where each stands.",
        "unrolled train transcribe recordings.csv --tokens words --minutes 20",
        model="unrolled.models.transcribe:Runtime",
    ),
    "language": Task(
        "unrolled.tasks.language_config:LanguageConfig",
        "unrolled.tasks.language:LanguageModel",
        "Model a text: which character, word or piece of a word comes next, and how likely each text is.",
        "unrolled train language book.txt --minutes 10",
        model="unrolled.models.language:Runtime",
    ),
    "translate": Task(
        "unrolled.tasks.translate.config:TranslateConfig",
        "unrolled.tasks.translate.estimator:Translator",
        "Turn each text into another: sentences, words into their sounds, documents into a line, questions.",
        "unrolled train translate words.tsv --source-tokens characters --target-tokens symbols",
        model="unrolled.models.translate:Runtime",
    ),
    "caption": Task(
        "unrolled.tasks.caption.config:CaptionConfig",
        "unrolled.tasks.caption.estimator:Captioner",
        "Tell about a picture, numbers or a class: a caption, or a sequence of numbers.",
        "unrolled train caption pictures.csv --minutes 10",
        model="unrolled.models.caption:Runtime",
    ),
}


def home(place: str) -> tuple[str, str]:
    """Module and name."""
    module, _, name = place.partition(":")
    return module, name


def imported(place: str) -> Any:
    module, name = home(place)
    return getattr(importlib.import_module(module), name)
