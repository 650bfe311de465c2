"""Arguments and options that several commands have."""

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from unrolled.errors import ConfigError
from unrolled.files.encodings import encoding_name
from unrolled.files.limits import set_most_values
from unrolled.files.messages import option

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained model.")]
Files = Annotated[
    list[Path] | None, typer.Argument(metavar="[FILES]", help="Files of the kind that it was trained on.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", metavar="RUN", help="Folder to make (runs/TASK-FILE).")]
OutFile = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="CSV, Parquet or JSON file to write; of tags also .conll, .conllu; text as it is.",
    ),
]


def _set_limit(most: int | None) -> None:
    if most is not None:
        set_most_values(most)


def _known_encoding(name: str | None) -> str | None:
    try:
        return None if name is None else encoding_name(name)
    except ValueError as error:
        raise ConfigError(f"{option('encoding')}: {error}") from None


MostValues = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        callback=_set_limit,
        help=r"Refuse files that hold more values, a limit against damaged files \[default: 2^28].",
    ),
]

TableFile = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="CSV, Parquet or JSON file for the table; of forecasts each series.",
    ),
]


def _forecast(kind: Any, help: str, metavar: str | None = None) -> Any:
    option = typer.Option(help=help, metavar=metavar, show_default=False, rich_help_panel="Forecast")
    return Annotated[kind | None, option]


Forecasts = _forecast(Path, "CSV, Parquet or JSON file for the forecasts from every origin.", "FILE")

RefitEvery = _forecast(
    int, "Judge with models trained again every N steps of the test part, on all known by then; slow.", "N"
)

SkipWrong = Annotated[
    bool,
    typer.Option(
        "--skip-wrong",
        help="Leave out rows that cannot be used, and print how many and why.",
        show_default=False,
    ),
]

Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        callback=_known_encoding,
        help=r"How text is written that is not in UTF-8, such as cp1252 \[default: as in the training].",
        show_default=False,
    ),
]

LeftOutFile = Annotated[
    Path | None,
    typer.Option(
        "--left-out",
        metavar="FILE",
        help="CSV, Parquet or JSON file for the rows that were left out (skip-wrong), with the reasons.",
        show_default=False,
    ),
]

Episodes = Annotated[
    bool,
    typer.Option(
        "--episodes", help="detect: give the episodes of alarms in place of steps.", show_default=False
    ),
]

# How far and in which form forecasts are given.
AHEAD = {
    "horizon": _forecast(int, "Steps to forecast (as trained; fewer, or with strategy recursive more)."),
    "quantiles": _forecast(str, "Quantiles to give, such as 0.1,0.5,0.9 (those of the training).", "LEVELS"),
    "paths": _forecast(int, "Give so many drawn futures in place of forecasts.", "N"),
    "seed": _forecast(int, "paths: number that what is drawn follows from (0)."),
}


def _decoding(kind: Any, help: str) -> Any:
    return Annotated[kind | None, typer.Option(help=help, show_default=False, rich_help_panel="Decoding")]


# How answers of any length are found, in place of what the model was trained with: fields of the sections
# `decoding` of the tasks. A task says itself which it has and what may be.
DECODING = {
    "decoder": _decoding(str, "transcribe: greedy or beam."),
    "beam": _decoding(int, "Unfinished answers that are kept."),
    "best": _decoding(int, "Answers for each input, the likeliest first."),
    "length_penalty": _decoding(float, "translate, caption: compare answers by symbols to this power."),
    "longest": _decoding(int, "translate, caption: most symbols of an answer."),
    "min_length": _decoding(int, "translate, caption: least symbols of an answer."),
    "no_repeat": _decoding(int, "translate, caption: no run of so many symbols comes twice in an answer."),
    "lm_weight": _decoding(float, "transcribe: weight of the n-gram of labels."),
    "label_bonus": _decoding(float, "transcribe: what each label adds to the score."),
    "sample": _decoding(bool, "translate, caption: draw answers at random."),
    "temperature": _decoding(float, "sample: above 1 more widely, below 1 more narrowly."),
    "top_k": _decoding(int, "sample: from so many of the likeliest symbols alone."),
    "top_p": _decoding(float, "sample: from the likeliest that hold this share of the mass."),
    "sample_seed": _decoding(int, "sample: number that what is drawn follows from."),
}


def with_options(options: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """For `command(…, **options)`: declares these by name and type; those that are not typed are None."""

    def declare(command: Callable[..., None]) -> Callable[..., None]:
        declared = [p for p in signature(command).parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
        added = [Parameter(k, Parameter.KEYWORD_ONLY, default=None, annotation=t) for k, t in options.items()]
        command.__signature__ = Signature([*declared, *added])  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in [*declared, *added]}
        return command

    return declare
