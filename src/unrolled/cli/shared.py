"""Arguments and options that several commands have."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperOption

from unrolled.files.encodings import encoding_name
from unrolled.files.limits import set_most_values

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained model.")]
Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FILES]",
        help="Files of the kind that it was trained on; without, the test part of those (predict of "
        "forecasts: what follows them).",
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print JSON in place of tables and sentences, for other programs.", show_default=False
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="RUN",
        help="Folder to make for the model, its figures and its plots (runs/TASK-FILE).",
    ),
]
OutFile = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write all answers to this CSV, Parquet or JSON file, in place of printing some; tags also to "
        ".conll and .conllu, translations to .txt, a line for each, text as it is.",
    ),
]


def _set_limit(most: int | None) -> None:
    if most is not None:
        set_most_values(most)


MostValues = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        callback=_set_limit,
        help="Refuse files that hold more values, so that a damaged one cannot fill the memory; no answer "
        r"changes \[default: 2^28].",
    ),
]

TableFile = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write the table of figures to this CSV, Parquet or JSON file too; of forecasts a row for each "
        "series.",
    ),
]


def _show_all(context: typer.Context, asked: bool) -> None:
    """The help with the options that `--help` leaves out."""
    if asked:
        for parameter in context.command.params:
            if isinstance(parameter, TyperOption):
                parameter.hidden = False
        typer.echo(context.get_help())
        raise typer.Exit


HelpAll = Annotated[
    bool,
    typer.Option(
        "--help-all",
        help="Show all options, in groups, and exit.",
        metavar="",
        callback=_show_all,
        is_eager=True,
        show_default=False,
    ),
]


def _in_group(group: str, kind: Any, help: str, metavar: str | None = None, rare: bool = False) -> Any:
    """`rare`: shown by `--help-all` alone."""
    option = typer.Option(help=help, metavar=metavar, show_default=False, rich_help_panel=group, hidden=rare)
    return Annotated[kind | None, option]


_forecast, _decoding = partial(_in_group, "Forecast"), partial(_in_group, "Decoding")

Forecasts = _forecast(
    Path, "Write every forecast that was judged, from each origin, to this CSV, Parquet or JSON file.", "FILE"
)

RefitEvery = _forecast(
    int,
    "Judge with models trained again every N steps of the test part, on all known by then: figures as daily "
    "use would have them; slow.",
    "N",
)

SkipWrong = Annotated[
    bool,
    typer.Option(
        "--skip-wrong",
        help="Leave out rows that cannot be used, and print how many and why; without, the first one ends "
        "the command.",
        show_default=False,
    ),
]

Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        callback=lambda name: None if name is None else encoding_name(name),
        help=r"How text is written that is not in UTF-8, such as cp1252 \[default: as in the training].",
        show_default=False,
    ),
]

LeftOutFile = Annotated[
    Path | None,
    typer.Option(
        "--left-out",
        metavar="FILE",
        help="Write the rows that were left out (skip-wrong), with the reasons, to this CSV, Parquet or JSON "
        "file.",
        show_default=False,
    ),
]

Episodes = Annotated[
    bool,
    typer.Option(
        "--episodes",
        help="detect: answer with a row for each episode of alarms, in place of a row for each step.",
        show_default=False,
    ),
]

# How far and in which form forecasts are given.
AHEAD = {
    "horizon": _forecast(
        int, "Steps to forecast (as trained; fewer, or with strategy recursive more); far ones are less sure."
    ),
    "quantiles": _forecast(
        str,
        "Levels to give of each forecast, such as 0.1,0.5,0.9: the value that a tenth, a half … of the "
        "futures stay below (those of the training).",
        "LEVELS",
    ),
    "paths": _forecast(
        int, "Answer with N futures drawn at random, each of steps that fit one another, not forecasts.", "N"
    ),
    "seed": _forecast(
        int,
        "paths: number that what is drawn follows from (0); another one draws other futures.",
        rare=True,
    ),
}

# How answers of any length are found, in place of what the model was trained with: fields of the sections
# `decoding` of the tasks. A task says itself which it has and what may be.
DECODING = {
    "decoder": _decoding(
        str,
        "transcribe: beam searches for the likeliest transcript; greedy takes each step's likeliest label, "
        "faster and worse.",
        rare=True,
    ),
    "beam": _decoding(
        int, "Unfinished answers that are kept; more finds likelier answers, and takes longer."
    ),
    "best": _decoding(int, "Answers to give for each input, the likeliest first, each in a row of its own."),
    "length_penalty": _decoding(
        float,
        "translate, caption: answers are compared by symbols to this power; more makes them longer.",
        rare=True,
    ),
    "longest": _decoding(
        int, "translate, caption: most symbols of an answer, which is cut there.", rare=True
    ),
    "min_length": _decoding(
        int, "translate, caption: least symbols of an answer, which does not end before.", rare=True
    ),
    "no_repeat": _decoding(
        int,
        "translate, caption: no run of so many symbols comes twice, for answers that go round in circles.",
        rare=True,
    ),
    "lm_weight": _decoding(
        float,
        "transcribe: weight of the n-gram of labels; more makes answers likelier label sequences, and "
        "follows the sound less.",
        rare=True,
    ),
    "label_bonus": _decoding(
        float, "transcribe: added to the score for each label; more makes answers longer.", rare=True
    ),
    "lm_order": _decoding(
        int, "transcribe: order of the n-gram of labels, made anew; 0 leaves it out.", rare=True
    ),
    "lm_text": _decoding(
        str,
        "transcribe: file of more transcripts for the n-gram of labels, one in each line, in place of the "
        "training's.",
        "FILE",
        rare=True,
    ),
    "lexicon": _decoding(
        str,
        "transcribe: file of the only words that the beam may answer, one in each line.",
        "FILE",
        rare=True,
    ),
    "piece_seconds": _decoding(
        float,
        "transcribe: recordings that are longer are cut at their quietest places, and answered piece by "
        "piece; 0: never.",
        rare=True,
    ),
    "sample": _decoding(
        bool,
        "translate, caption: draw answers at random in place of a beam: more varied, less likely ones.",
        rare=True,
    ),
    "temperature": _decoding(
        float, "sample: above 1 answers are more varied, below 1 nearer to the likeliest.", rare=True
    ),
    "top_k": _decoding(
        int,
        "sample: from so many of the likeliest symbols alone; fewer make answers safer and more alike.",
        rare=True,
    ),
    "top_p": _decoding(
        float,
        "sample: from the fewest symbols that hold this share alone; less makes answers safer and more "
        "alike.",
        rare=True,
    ),
    "sample_seed": _decoding(
        int, "sample: number that what is drawn follows from; another one draws other answers.", rare=True
    ),
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
