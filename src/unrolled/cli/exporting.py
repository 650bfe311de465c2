"""`unrolled export`: a trained model in other forms."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from unrolled.cli import printing
from unrolled.cli.shared import Json, RunFolder
from unrolled.console import say
from unrolled.errors import ConfigError


def export(
    run: RunFolder,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="runtime",
            help="What to write: runtime, one file that numpy alone runs, to the same bits.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File to write the model to (RUN.unrolled, beside the run).",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write over a file of this name that is there, in place of refusing."),
    ] = False,
    json: Json = False,
) -> None:
    """Write a model as one file for machines without torch."""
    if to not in FORMS:
        raise ConfigError(f"--to: wanted {', '.join(FORMS)}, got {to!r}")
    write, ending = FORMS[to]
    path = out or run.resolve().with_name(run.resolve().name + ending)
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file with -o")
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; name another file with -o, or give --force")
    usage = write(run, path)
    size = path.stat().st_size
    if json:
        printing.as_json({"run": str(run), "file": str(path), "bytes": size, "to": to})
    else:
        say(f"wrote {path}, {size:,} bytes", *usage)


def _runtime(run: Path, path: Path) -> list[str]:
    """From runtime.json; without one torch says why, or makes it. How the file is used."""
    from unrolled.models import saved

    if (run / saved.DESCRIPTION).is_file():
        model = saved.load(run)
    else:
        import unrolled

        model = unrolled.load(run).runtime()
    saved.save(path, model)
    where, load = "on a machine with numpy and unrolled alone", f"runtime.load({str(path)!r})"
    try:
        model.stream(rows=0)
    except ConfigError:  # it answers whole inputs
        return [f"{where}, from Python: from unrolled import runtime; answers = {load}.predict(inputs)"]
    python = f"from unrolled import runtime; stream = {load}.stream()"
    return [f"{where}: unrolled stream {shlex.quote(str(path))}", f"or from Python: {python}"]


# What --to names: what writes the file and tells how it is used, and its ending.
FORMS: dict[str, tuple[Callable[[Path, Path], list[str]], str]] = {"runtime": (_runtime, ".unrolled")}
