"""Records what trained models say, to the bit, and compares two records: what code was before, and is now.

    python scripts/record_bits.py record FOLDER
    python scripts/record_bits.py record FOLDER --only language forecast-gaussian --jobs 2
    python scripts/record_bits.py compare BEFORE AFTER

A run of every row in recorded_runs.py is trained anew, by the commands that users have, in a folder
FOLDER/NAME that holds:

    data/            what it was trained on
    run/             the run folder: what has been learned, what is kept beside it, losses of each step
    asked/           what commands print: predictions, figures, generated steps and texts, lines of a stream
    half.state       the state of a stream in the middle of its lines; end.state, after them
    verified.json    whether each way to run the model has the same bits

`compare` tells what differs, and exits 1 where anything does. Arrays may have other names: one that has the
same content is the same.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from compared_bits import HISTORY, compare
from recorded_files import FILES, File, beside
from recorded_runs import RUNS, Run

ROOT = Path(__file__).parents[1]
SEQUENCES = "6"  # that are verified


class Answer(NamedTuple):
    status: int
    out: str
    err: str


def unrolled(*words: object, source: str | None = None) -> Answer:
    """A command in this process; `source` is its standard input, and then its output is that of the file."""
    from unrolled.cli import main

    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(sys, "argv", ["unrolled", *map(str, words)]))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        sink = stack.enter_context(_pipes(source)) if source is not None else None
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Answer(status, sink.read_text() if sink else out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _pipes(text: str) -> Iterator[Path]:
    """Descriptors 0 and 1 are files, which is what a stream reads and writes."""
    source, sink = Path("stream.in"), Path("stream.out")
    source.write_text(text)
    kept = os.dup(0), os.dup(1)
    with source.open("rb") as one, sink.open("wb") as other:
        os.dup2(one.fileno(), 0)
        os.dup2(other.fileno(), 1)
    try:
        yield sink
    finally:
        for number, before in enumerate(kept):
            os.dup2(before, number)
            os.close(before)


def record(name: str, folder: Path) -> None:
    """Trains that run in FOLDER/NAME, and asks it everything."""
    place, run = folder / name, RUNS[name]
    shutil.rmtree(place, ignore_errors=True)
    (place / "data").mkdir(parents=True)
    (place / "asked").mkdir()
    with contextlib.chdir(place):
        file = FILES[run.file](Path("data"))
        if run.task == "template":
            train_template(file)
            return
        beside(Path("data"))
        options = [f"data/{word}" if word.endswith(".txt") else word for word in run.options]
        done = unrolled("train", run.task, file.path, "--out", "run", *options)
        if done.status:
            raise SystemExit(f"{name}: {done.err.strip()}")
        ask(run, file)
        stream(run, file)
        verify(file)


def train_template(file: File) -> None:
    """The task to copy is no command, and is asked for predictions alone."""
    from unrolled.tasks._template import NextStep

    model = NextStep(hidden=5, epochs=2, batch_size=8).fit(file.path, out="run")
    model.predict(file.path).write_json("asked/0-predict.txt")


def ask(run: Run, file: File) -> None:
    """Predictions, figures, and what is asked of that run beside them."""
    usual = [["predict", "{file}"], ["evaluate"], ["evaluate", "{file}", "--include-training"]]
    commands = [one for one in [*usual, *run.asked] if one[0] != "stream"]
    for number, (command, *words) in enumerate(commands):
        filled = [word.format(file=file.path) for word in words]
        done = unrolled(command, "run", *filled, "--json")
        Path(f"asked/{number}-{command}.txt").write_text(_said(done))


def stream(run: Run, file: File) -> None:
    """Half of the lines, then in a stream of its own the other half, with the state of the first."""
    if not file.lines:
        return
    words = [one[1:] for one in run.asked if one[0] == "stream"]
    lines, state = file.lines.splitlines(keepends=True), Path("now.state")
    half = len(lines) // 2
    for number, own in enumerate([[*file.stream], *([*file.stream, *one] for one in words)]):
        out = ""
        for part, kept in ((lines[:half], "half.state"), (lines[half:], "end.state")):
            done = unrolled("stream", "run", "--snapshot", state, *own, source="".join(part))
            out += _said(done)
            if state.exists() and not number:
                shutil.copy(state, kept)
        Path(f"asked/stream-{number}.txt").write_text(out)
        state.unlink(missing_ok=True)
    for name in ("stream.in", "stream.out"):
        Path(name).unlink()


def _said(done: Answer) -> str:
    """Of what is refused the status alone: its words may change."""
    return done.out + (f"refused with status {done.status}\n" if done.status else "")


def verify(file: File) -> None:
    done = unrolled("verify", "run", file.path, "--sequences", SEQUENCES, "--json")
    told = json.loads(done.out) if done.out else {"checks": [], "refused": done.err}
    checks = {one["check"]: one["equal"] for one in told["checks"]}
    Path("verified.json").write_text(json.dumps(checks or told, indent=0))


def record_all(folders: list[Path], names: list[str], jobs: int) -> int:
    """Each run in a process of its own, so that none has what another left."""
    _load()
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        about = {"commit": _commit(), "numpy": np.__version__}
        (folder / "about.json").write_text(json.dumps(about, indent=2))
    begun, wrong, tasks = time.perf_counter(), 0, [(name, folder) for name in names for folder in folders]
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        for name, seconds, error in pool.imap(_recorded, tasks):
            print(f"{name}: {error or f'{seconds:.1f} s'}", flush=True)
            wrong += bool(error)
    print(f"{len(tasks)} runs, {wrong} failed, {time.perf_counter() - begun:.0f} s")
    return 1 if wrong else 0


def _load() -> None:
    """What every run needs, once, before the processes part. Plots are not recorded, so none is drawn."""
    import torch
    from matplotlib.figure import Figure

    import unrolled.cli.training

    for task in unrolled.tasks.TASKS:
        unrolled.tasks.estimator_class(task)
    torch.optim.Adam([torch.zeros(1)])  # imports for seconds
    Figure.savefig = lambda *_, **__: None  # type: ignore[method-assign]


def _recorded(task: tuple[str, Path]) -> tuple[str, float, str]:
    begun = time.perf_counter()
    try:
        record(*task)
    except SystemExit as error:
        return task[0], 0.0, str(error)
    return task[0], time.perf_counter() - begun, ""


def _commit() -> str:
    done = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("record")
    one.add_argument("folders", metavar="FOLDER", type=Path, nargs="+", help="several: the same in each")
    one.add_argument("--only", nargs="+", default=[""], help="runs whose name begins so")
    one.add_argument("--jobs", type=int, default=1)
    other = commands.add_parser("compare")
    other.add_argument("before", type=Path)
    other.add_argument("after", type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.command == "record":
        names = [name for name in RUNS if name.startswith(tuple(chosen.only))]
        return record_all([folder.resolve() for folder in chosen.folders], names, chosen.jobs)
    found = compare(chosen.before, chosen.after)
    print(*found, sep="\n", end="\n" if found else "")
    wrong = {one.run for one in found if not one.renamed}
    count = len(list(chosen.before.glob(HISTORY)))
    renamed = sum(one.renamed for one in found)
    print(f"{len(wrong)} of {count} runs differ, arrays renamed: {renamed}")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
