"""The commands by name. Each stands with its work; what is heavy is imported when it runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from unrolled.cli import using
from unrolled.cli.demo import demo
from unrolled.cli.exporting import export
from unrolled.cli.kernels import kernels
from unrolled.cli.shared import Json, MostValues, Out
from unrolled.cli.verify import verify
from unrolled.errors import ConfigError

WrongCall: Any = typer.BadParameter.__base__  # typer names this class in none of its public modules


@contextmanager
def refusals_in_a_line() -> Iterator[None]:
    """ConfigError for what typer refuses, in place of a box of several lines."""
    try:
        yield
    except WrongCall as error:
        message = error.format_message()
        if not message:  # help was asked for by giving nothing, and is printed
            sys.exit(2)
        place = error.ctx.command_path if error.ctx else " ".join(["unrolled", *_command(sys.argv[1:])])
        raise ConfigError(f"{message.rstrip('.')}; see {place} --help") from None


def _command(words: list[str]) -> list[str]:
    """Those that name the command: of an option without its value typer does not tell whose it is."""
    from unrolled.tasks import TASKS

    return words[: 2 if words[:1] == ["train"] and words[1:2] and words[1] in TASKS else 1]


class Commands(TyperGroup):
    """A group that says which commands there are when it is asked for another."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if self.get_command(ctx, args[0]) is None:
            from unrolled.tasks import TASKS

            if args[0] in TASKS:
                ctx.fail(f"{args[0]} is a task; wanted unrolled train {args[0]}")
            ctx.fail(f"wanted one of {', '.join(self.list_commands(ctx))}, got '{args[0]}'")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="unrolled",
    cls=Commands,
    help="Recurrent networks, from a file of sequences to a live stream.",
    epilog="Example: unrolled demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def unrolled(
    version: Annotated[
        bool, typer.Option("--version", help="Print the versions of unrolled and what it uses, and exit.")
    ] = False,
) -> None:
    if version:
        raise ConfigError("--version stands alone; leave out the rest, or leave it out")


class TaskGroup(Commands):
    """`train TASK`: each task's command is made from its configuration when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        from unrolled.tasks import TASKS

        return sorted(TASKS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """For the list of commands: what a task is about, without its options, whose import takes seconds."""
        from unrolled.tasks import TASKS

        return TyperCommand(cmd_name, help=TASKS[cmd_name].about) if cmd_name in TASKS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        from unrolled.cli import training

        name, command, rest = super().resolve_command(ctx, args)
        return name, command and training.task_command(str(name)), rest


train_app = typer.Typer(
    cls=TaskGroup,
    help="Train a model on files, or go on with a training that was interrupted.",
    epilog="Examples: unrolled train forecast sales.csv --target sales · unrolled train --resume runs/sales",
    invoke_without_command=True,
    rich_markup_mode="rich",
)
app.add_typer(train_app, name="train")


@train_app.callback()
def train(
    ctx: typer.Context,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Go on with an interrupted training in this folder, to the same bits.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="Train as this config.toml says, such as that of another run."
        ),
    ] = None,
    out: Out = None,
    most_values: MostValues = None,
    json: Json = False,
) -> None:
    if (task := ctx.invoked_subcommand) is not None:
        _refuse(ctx, f"before {task}: options of a training stand behind its task", *ctx.params)
        return
    from unrolled.cli import training

    if resume is not None:
        _refuse(ctx, "beside --resume, which goes on in that folder as its config.toml says", "config", "out")
        training.resume(resume, json)
    elif config is not None:
        training.train(None, {}, config, out, json)
    else:
        typer.echo(ctx.get_help())
        raise typer.Exit(2)


def _refuse(ctx: typer.Context, why: str, *names: str) -> None:
    """Wrong call, where one of these options is given."""
    for name in names:
        if ctx.params[name]:
            ctx.fail(f"wanted no --{name} {why}")


app.command(
    epilog="Examples: unrolled evaluate runs/forecast-sales newer.csv --forecasts every.csv · "
    "unrolled evaluate runs/translate-pairs --beam 10"
)(using.evaluate)
app.command(
    epilog="Examples: unrolled predict runs/forecast-sales newer.csv -o next.csv · "
    "unrolled predict runs/forecast-sales --horizon 48 --quantiles 0.1,0.5,0.9 · "
    "unrolled predict runs/translate-pairs new.txt --beam 10 --best 3"
)(using.predict)
app.command(
    epilog="Examples: unrolled generate runs/forecast-sales --length 200 --sample --seed 7 · "
    'unrolled generate runs/language-book --prime "It was" --temperature 0.8'
)(using.generate)


@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    epilog="Example: unrolled stream runs/forecast-load --snapshot load.state < values.csv",
)
def stream(context: typer.Context) -> None:
    """Go on with a model line by line, its state carried: lines in, an answer out for each."""
    from unrolled.streaming.command import stream as run

    run(context.args)


app.command(epilog="Example: unrolled export runs/forecast-load --to runtime -o load.unrolled")(export)
app.command(
    epilog="Examples: unrolled verify runs/sales --out runs/sales/receipt.txt · "
    "unrolled verify runs/sales --check runs/sales/receipt.txt · unrolled verify runs/sales --files"
)(verify)
app.command(epilog="Example: unrolled kernels lstm --option peephole --lengths --device cpu")(kernels)


@app.command(
    epilog="Examples: unrolled bench --quick · unrolled bench --small · "
    "unrolled bench --only training/lstm --threads 1,2"
)
def bench(
    only: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN", help="Measure only workloads whose name holds this; * and ? as in file names."
        ),
    ] = None,
    threads: Annotated[
        str | None,
        typer.Option(
            metavar="1,2",
            help="Measure with each of these numbers of threads; without, as many as torch takes.",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Measure a few small shapes, in seconds, for a first look.")
    ] = False,
    small: Annotated[
        bool,
        typer.Option(
            "--small", help="In place of the rest: cells, single steps, packed rows, half precision."
        ),
    ] = False,
    names: Annotated[
        bool, typer.Option("--list", help="Print the names of the workloads, for --only; measure nothing.")
    ] = False,
    sources: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="FILE.json",
            help="Show what --out wrote; measure nothing. Several times: a measurement in parts.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="NAME", help="Write what was measured to NAME.json and NAME.md too."),
    ] = None,
    docs: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="Write the page of docs/ from it to this file too.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure layers beside torch.nn, onnxruntime and the reference loop on this machine."""
    from unrolled.cli import bench as benchmarks

    if names:
        benchmarks.show_names(only, quick, small, json)
    else:
        benchmarks.run(only, threads, quick, small, sources or [], out, docs, json)


app.command(epilog="Example: unrolled demo --out runs/sunspots")(demo)
