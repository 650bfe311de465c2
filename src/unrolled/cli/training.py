"""`unrolled train`: a task's command is made from its configuration."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from unicodedata import category, normalize

import typer
from typer.core import TyperCommand, TyperOption

from unrolled.cli import printing
from unrolled.cli.options import once, options_of, short_help
from unrolled.cli.shared import HelpAll, Json, MostValues, Out, with_options
from unrolled.console import note, say
from unrolled.errors import ConfigError
from unrolled.files import opening
from unrolled.files.messages import resuming
from unrolled.runs import HEAD, MOST_CONFIG, Run
from unrolled.tasks import TASKS, config_class, estimator_class
from unrolled.tasks.config import from_sections

# Where the data come from is told by the arguments; checksums belong to a configuration file.
NO_OPTIONS = ("files", "sha256", "start_sha256")
LONGEST = 40  # characters of a file's name that a run's folder takes over


def task_command(task: str) -> TyperCommand:
    """`unrolled train TASK`, with an option for every field of the task's configuration."""

    every = options_of(config_class(task), but=NO_OPTIONS)

    @with_options(every)
    def run(
        files: Annotated[
            list[Path] | None, typer.Argument(metavar="FILES", help="Files to train on.")
        ] = None,
        config: Annotated[
            Path | None,
            typer.Option(
                "--config",
                metavar="FILE",
                help="Take options from a config.toml; those that are typed go before.",
            ),
        ] = None,
        out: Out = None,
        most_values: MostValues = None,
        json: Json = False,
        help_all: HelpAll = False,
        **options: Any,
    ) -> None:
        typed = {name: value for name, value in options.items() if value is not None and value != []}
        chosen = once(config_class(task), typed)
        if files:
            chosen["files"] = [str(file) for file in files]
        train(task, chosen, config, out, json)

    single = typer.Typer(add_completion=False, rich_markup_mode="rich")
    single.command(
        task, help=TASKS[task].about, epilog=f"Example: {TASKS[task].example}", no_args_is_help=True
    )(run)
    command = typer.main.get_command(single)
    assert isinstance(command, TyperCommand)
    shown = {"out", "help_all", *short_help(config_class(task))}
    for parameter in command.params:
        if isinstance(parameter, TyperOption):
            parameter.hidden = parameter.name not in shown
            if parameter.name == "help_all":
                parameter.help = f"Show all {len(every)} options of {task}, in groups, and exit."
    return command


def train(
    task: str | None, options: Mapping[str, Any], config: Path | None, out: Path | None, json: bool
) -> None:
    """Trains on what `config` and, over it, `options` say, into a run folder; tells how good the model is."""
    values = {} if config is None else _read(config)
    task = _task(task, values.get("task"), config)
    sections = {name: value for name, value in values.items() if name not in HEAD}
    try:
        from_sections(config_class(task), sections)
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}") from None
    estimator = estimator_class(task)(**_flat(sections) | dict(options))
    files = estimator.config.data.files
    if not files:
        raise ConfigError(f"wanted files to train on, got none; example: {TASKS[task].example}")
    folder = out or free_folder(task, opening.plain_name(Path(files[0])).stem)
    _fit(estimator, folder, json, out=folder)


def resume(folder: Path, json: bool) -> None:
    """Goes on with the training in `folder` as if it had not been interrupted."""
    _fit(estimator_class(Run.open(folder).task)(), folder, json, resume=folder)


def _fit(estimator: Any, folder: Path, json: bool, **to: Path) -> None:
    """Trains into `folder` and prints what came of it."""
    from unrolled.training.progress import reporter

    try:
        estimator.fit(**to, report=reporter(silent=json))
    except (KeyboardInterrupt, SystemExit):
        if folder.exists():  # not yet while the data are read
            note(f"interrupted; go on with: {resuming(folder)}")
        raise
    evaluation = estimator.evaluation if estimator.has_test else None
    if json:
        printing.as_json({"run": str(folder)} | (evaluation.json() if evaluation else {}))
        return
    if evaluation:
        say("")
        printing.evaluation(evaluation, "On the test part")
    say("", f"The trained model is in {folder}, its plots in {folder}/plots")


def _flat(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for section in sections.values() for name, value in section.items()}


def free_folder(task: str, stem: str) -> Path:
    """runs/TASK-STEM, or with the first number that is free."""
    first = Path("runs") / f"{task}-{_folder_name(stem)}"
    numbered = (first.with_name(f"{first.name}-{n}") for n in range(2, 10**6))
    return first if not first.exists() else next(folder for folder in numbered if not folder.exists())


def _folder_name(name: str) -> str:
    """Letters and digits of any script, dots, hyphens, underscores; hyphens for all others."""
    letters = (c if c in "._" or category(c)[0] in "LMN" else "-" for c in normalize("NFC", name))
    words = [word for word in "".join(letters)[:LONGEST].split("-") if word]
    return "-".join(words) or "data"


def _task(task: str | None, named: Any, config: Path | None) -> str:
    if task is not None and named not in (None, task):
        raise ConfigError(
            f"{config}: wanted task '{task}', got '{named}'; use unrolled train --config {config}"
        )
    if task is None and not isinstance(named, str):
        raise ConfigError(f'{config}: names no task; add a line such as task = "forecast"')
    return task or str(named)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(opening.read_regular(path, MOST_CONFIG).decode())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; give a config.toml") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}; correct that line") from None
