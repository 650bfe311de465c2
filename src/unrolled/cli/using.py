"""The commands that use a trained model: evaluate, predict, generate."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from unrolled.cli import printing
from unrolled.cli.shared import (
    AHEAD,
    DECODING,
    Encoding,
    Episodes,
    Files,
    Forecasts,
    HelpAll,
    Json,
    LeftOutFile,
    MostValues,
    OutFile,
    RefitEvery,
    RunFolder,
    SkipWrong,
    TableFile,
    with_options,
)
from unrolled.console import note
from unrolled.errors import ConfigError
from unrolled.files.messages import either, option, shown

CONLL_ENDINGS = (".conll", ".conllu")
LINES_ENDING = ".txt"  # of translations
MOST_NAMES = 5  # of files, in a heading


@with_options(DECODING)
def evaluate(
    run: RunFolder,
    files: Files = None,
    most_values: MostValues = None,
    include_training: Annotated[
        bool,
        typer.Option(
            "--include-training",
            help="Judge what training held too, in place of leaving it out: better figures than new data "
            "will have.",
            show_default=False,
        ),
    ] = False,
    skip_wrong: SkipWrong = False,
    encoding: Encoding = None,
    out: TableFile = None,
    json: Json = False,
    forecasts: Forecasts = None,
    refit_every: RefitEvery = None,
    help_all: HelpAll = False,
    **decoding: Any,
) -> None:
    """Judge a model beside the baselines: on new files, or on the test part of what it was trained on."""
    estimator = _decoder(run, decoding, skip_wrong=skip_wrong, encoding=encoding)
    _require_forecast(estimator, {"forecasts": forecasts, "refit_every": refit_every})
    refits = _refits(refit_every, silent=json)
    evaluation = estimator.evaluate(files or None, include_training=include_training, **refits)
    if out is not None:
        printing.write_frame(evaluation.frame(), out)
    if forecasts is not None:
        rows = evaluation.forecasts()
        printing.write_frame(rows, forecasts)
        note(f"wrote {len(rows)} forecasts to {forecasts}")
    if json:
        printing.as_json(evaluation.json())
    else:
        printing.evaluation(evaluation, _title(files or []))


def _refits(every: int | None, silent: bool) -> dict[str, Any]:
    """How a forecaster is trained again on the way."""
    if every is None:
        return {}
    from unrolled.training.progress import reporter

    return {"refit_every": every, "report": reporter(silent)}


def _require_forecast(estimator: Any, options: Mapping[str, Any]) -> None:
    """ConfigError where one of these options is typed for another task."""
    if (typed := _typed(options)) and estimator.task != "forecast":
        raise ConfigError(
            f"{either([*map(option, typed)])} belongs to forecasts, and this is a run of task "
            f"'{estimator.task}'; leave it out"
        )


def _decoder(run: Path, decoding: Mapping[str, Any], **reading: Any) -> Any:
    """The model in `run`, which decodes and reads as those options say that were typed."""
    import unrolled

    estimator = unrolled.load(run).using(**_typed(decoding))
    how = {name: value for name, value in reading.items() if value}
    return estimator.reading(**how) if how else estimator


def _typed(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _title(files: list[Path]) -> str:
    """What is judged, for a person."""
    names = ", ".join(map(str, files[:MOST_NAMES])) or "test part"
    return names if len(files) <= MOST_NAMES else f"{names} and {len(files) - MOST_NAMES:,} more"


@with_options(AHEAD | DECODING)
def predict(
    run: RunFolder,
    files: Files = None,
    out: OutFile = None,
    most_values: MostValues = None,
    json: Json = False,
    episodes: Episodes = False,
    skip_wrong: SkipWrong = False,
    encoding: Encoding = None,
    left_out: LeftOutFile = None,
    help_all: HelpAll = False,
    **options: Any,
) -> None:
    """Answer: what follows the end of each series, how unusual each step is, what each sequence is, or says
    in other symbols."""
    estimator = _decoder(
        run, {name: options[name] for name in DECODING}, skip_wrong=skip_wrong, encoding=encoding
    )
    ahead, data = _typed({name: options[name] for name in AHEAD}), files or None
    _require_forecast(estimator, ahead)
    levels = {"quantiles": _levels(ahead.pop("quantiles"))} if "quantiles" in ahead else {}
    _require_one_form(ahead, levels)
    as_conll = out is not None and out.suffix in CONLL_ENDINGS
    as_lines = out is not None and out.suffix == LINES_ENDING and estimator.task == "translate"
    if out is not None and as_conll:
        predictions = _conll(estimator, data, out)
    elif episodes:
        predictions = _episodes(estimator, data)
    elif "paths" in ahead:
        predictions = estimator.paths(ahead.pop("paths"), data, **ahead)
    else:
        predictions = estimator.predict(data, **ahead, **levels)
    for line in estimator.notices(data, **levels):
        note(line)
    if left_out is not None:
        _write_left_out(estimator, data, left_out)
    if as_lines:
        predictions = _lines(predictions)
    (printing.text if as_conll or as_lines else printing.frame)(predictions, out, json)


def _conll(estimator: Any, data: Any, out: Path) -> Any:
    """ConfigError where this is no tagger."""
    if estimator.task != "tag":
        raise ConfigError(
            f"{out}: files that end in {either(CONLL_ENDINGS)} belong to taggers, and this is a run of task "
            f"'{estimator.task}'; name a .csv, .parquet or .json file"
        )
    return estimator.conll(data, out.suffix)


def _lines(predictions: Any) -> str:
    """A line for each source: its best answer."""
    answers = predictions.filter(rank=1)["answer"]
    return "".join(f"{' '.join(answer.splitlines())}\n" for answer in answers)


def _write_left_out(estimator: Any, data: Any, file: Path) -> None:
    """ConfigError for a task that leaves no rows out."""
    if not hasattr(estimator, "left_out"):
        raise ConfigError(f"task '{estimator.task}' leaves no rows out; leave {option('left_out')} out")
    printing.write_frame(estimator.left_out(data), file)


def _episodes(estimator: Any, data: Any) -> Any:
    """ConfigError where this is no detector."""
    if estimator.task != "detect":
        raise ConfigError(
            f"{option('episodes')} belongs to detectors, and this is a run of task '{estimator.task}'; "
            "leave it out"
        )
    return estimator.predict(data, episodes=True)


def _levels(text: str) -> list[float]:
    try:
        return [float(level) for level in text.split(",")]
    except ValueError:
        raise ConfigError(
            f"{option('quantiles')}: wanted numbers between 0 and 1, such as 0.1,0.5,0.9, got {shown(text)}"
        ) from None


def _require_one_form(ahead: Mapping[str, Any], levels: Mapping[str, Any]) -> None:
    """ConfigError where forecasts and drawn futures are asked for at once."""
    if levels and "paths" in ahead:
        raise ConfigError(
            f"wanted {option('quantiles')} or {option('paths')}, got both; a drawn future has no quantiles; "
            "leave one out"
        )
    if "seed" in ahead and "paths" not in ahead:
        raise ConfigError(
            f"{option('seed')} decides what {option('paths')} draws, and nothing else; leave it out"
        )


def generate(
    run: RunFolder,
    prime: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT|FILE",
            help="Go on from this text (language), or from the end of this file (forecast); without, as a "
            "text begins, or from the end of the training data.",
        ),
    ] = None,
    length: Annotated[
        int, typer.Option(min=1, help="Steps to forecast or tokens to write; more take as much longer.")
    ] = 100,
    stop: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="End before this text comes, after length tokens at most (language); $'\\n' is a line end.",
        ),
    ] = None,
    number: Annotated[
        int | None, typer.Option(help="Give so many texts, each drawn by itself (language; one).")
    ] = None,
    sample: Annotated[
        bool | None,
        typer.Option(
            "--sample/--greedy",
            help="Draw at random, which varies (language without either); or take the likeliest each time, "
            "which is always the same (forecast without either).",
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="language: above 1 draws more daringly, below 1 nearer to the likeliest (1)."),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            help="language: draw from so many of the likeliest alone; fewer are safer and more alike."
        ),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="language: draw from the fewest that hold this share alone; less is safer and more alike."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Number that what is drawn follows from (0); another one draws otherwise."),
    ] = None,
    out: OutFile = None,
    most_values: MostValues = None,
    json: Json = False,
) -> None:
    """Let a model go on by itself, each output its next input."""
    import unrolled

    estimator = unrolled.load(run)
    if not hasattr(estimator, "generate"):
        raise ConfigError(f"{run}: task '{estimator.task}' generates nothing; use unrolled predict")
    options: dict[str, Any] = {"prime": prime, "stop": stop, "number": number, "sample": sample}
    options |= {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    known = [name for name in inspect.signature(estimator.generate).parameters if name in options]
    for name in _typed(options):
        if name not in known:
            raise ConfigError(
                f"generate has no option --{_dashed(name)} for task '{estimator.task}'; it has --length, "
                + ", ".join(f"--{_dashed(other)}" for other in known)
            )
    generated = estimator.generate(length, **_typed(options))
    is_text = isinstance(generated, str | list)
    (printing.text if is_text else printing.frame)(generated, out, json)


def _dashed(name: str) -> str:
    return name.replace("_", "-")
