"""Damages run folders at random and tries every command on them: each ends by itself, with what it was asked
for or with one line, and without a traceback.

    python scripts/fuzz_runs.py --cases 5000 --seed 1
    python scripts/fuzz_runs.py --tasks tag --commands predict --seed 1 --first 17 --cases 1

The checksums are made to fit the damage, as by somebody who means harm, so that the readers behind them are
tried. A training that was not ended is a run whose weights are gone. A short form is
tests/tasks/test_damaged.py.
"""

import argparse
import collections
import contextlib
import io
import json
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import fuzz_saved
import tomli_w
from fuzz_saved import alter, damaged, moves, points, sealed, series

from unrolled.cli import main as unrolled
from unrolled.files import checksums

SECONDS = 60  # of a command; what takes longer hangs
MEMORY = 8 << 30  # bytes of addresses
SMALL = ("--hidden", "5", "--epochs", "1", "--batch-size", "4")
MODEL, CONFIG = "model.safetensors", "config.toml"


class Task(NamedTuple):
    """The options of a training on what `write_data` has written as `data`."""

    data: str
    options: tuple[str, ...]


TASKS = {
    "forecast": Task(
        "series.csv", ("--target", "y", "--window", "14", "--horizon", "2", "--output", "gaussian")
    ),
    "classify": Task("label.csv", ("--cell", "lstm", "--pooling", "attention")),
    "regress": Task("value.csv", ("--target", "value")),
    "tag": Task("words.conll", ("--crf",)),
    "transcribe": Task("label.csv", ("--layers", "1", "--lm-order", "2")),
    "language": Task("text.txt", ("--window", "16", "--tie")),
    "translate": Task("pairs.tsv", ("--target-tokens", "symbols", "--attention", "additive", "--beam", "2")),
    "caption": Task(
        "points.csv",
        (
            "--target",
            "caption",
        ),
    ),
}

COMMANDS = {
    "predict": lambda run, data: ["predict", run, data],
    "evaluate": lambda run, data: ["evaluate", run, data],
    "evaluate-test": lambda run, data: ["evaluate", run],
    "generate": lambda run, data: ["generate", run, "--length", "5"],
    "export": lambda run, data: ["export", run, "--to", "runtime", "-o", f"{run}.file", "--force"],
    "verify": lambda run, data: ["verify", run, data, "--sequences", "2"],
    "resume": lambda run, data: ["train", "--resume", run],
}
RARE = ("verify",)  # takes seconds


def write_data(folder: Path) -> None:
    """A small file for each task."""
    moves().drop(["value", "tag"]).write_csv(folder / "label.csv")
    moves().drop(["label", "tag"]).write_csv(folder / "value.csv")
    series().write_csv(folder / "series.csv")
    points().write_csv(folder / "points.csv")
    (folder / "text.txt").write_text(fuzz_saved.TEXT)
    words = [f"{word}\t{tag}\n" for word, tag in (("Anna", "B-x"), ("Öl", "I-x"), ("sees", "O"))]
    sentences = ["".join(random.Random(n).choices(words, k=1 + n % 4)) for n in range(40)]
    (folder / "words.conll").write_text("\n".join(sentences))
    pairs = [("ab"[n % 2] * (1 + n % 3), "uv"[n % 2]) for n in range(40)]
    (folder / "pairs.tsv").write_text(
        "".join(f"{' '.join(a)} {n}\t{b} {n}\n" for n, (a, b) in enumerate(pairs))
    )


def called(*arguments: str) -> tuple[int, str]:
    """(status, standard error). Anything but SystemExit passes."""
    out, err, status = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8"), 0
    with (
        mock.patch.object(sys, "argv", ["unrolled", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            unrolled()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    err.seek(0)
    return status, err.read()


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """AssertionError in what takes longer."""

    def over(*_: object) -> None:
        raise AssertionError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def trained(task: str, folder: Path) -> Path:
    """A run of that task on its data in `folder`."""
    own, run = TASKS[task], folder / f"run-{task}"
    status, said = called("train", task, str(folder / own.data), *SMALL, *own.options, "--out", str(run))
    assert status == 0, said
    return run


def bent(name: str, data: bytes, draw: random.Random) -> bytes:
    """The file's content, damaged."""
    if name == CONFIG and draw.random() < 0.7:
        about = tomllib.loads(data.decode())
        alter(about, draw)
        with contextlib.suppress(TypeError, ValueError, RecursionError):
            return tomli_w.dumps(about).encode()
    if name.endswith(".jsonl") and draw.random() < 0.7:
        rows = [json.loads(line) for line in data.decode().splitlines()]
        alter(rows, draw)
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    return sealed(damaged(data, draw))


def damage(sound: Path, there: Path, draw: random.Random) -> None:
    """A damaged copy of a run."""
    shutil.copytree(sound, there)
    names = [str(path.relative_to(there)) for path in sorted(there.rglob("*")) if path.is_file()]
    names = [name for name in names if not name.startswith("plots") and "best" not in name]
    model = (there / MODEL).read_bytes()
    for name in draw.sample(names, draw.choice([1, 1, 1, 2, 3])):
        before = model if name == MODEL else (there / name).read_bytes()
        after = bent(name, before, draw)
        if name == MODEL:
            model = after
            continue
        model = model.replace(checksums.of(before).encode(), checksums.of(after).encode())
        (there / name).write_bytes(after)
    (there / MODEL).write_bytes(sealed(model))


def tried(sound: Path, data: Path, place: Path, command: str, draw: random.Random) -> str:
    """ "answered", or the last line that was said. Whatever must not be raised passes."""
    shutil.rmtree(place, ignore_errors=True)
    damage(sound, place, draw)
    if command == "resume":
        (place / MODEL).unlink()
    with limited(SECONDS):
        status, said = called(*map(str, COMMANDS[command](place, data)))
    assert "Traceback" not in said, said
    last = said.strip().splitlines()[-1:] or [""]
    assert status in (0, 1, 2) and (status == 0 or last[0]), f"status {status}: {said}"
    return "answered" if status == 0 else last[0]


def fuzz(
    task: str, folder: Path, commands: list[str], cases: int, seed: int, first: int = 0, go_on: bool = False
) -> collections.Counter[str]:
    """How often each was said, by its first words."""
    said: collections.Counter[str] = collections.Counter()
    sound, data = trained(task, folder), folder / TASKS[task].data
    for n in range(first, first + cases):
        draw = random.Random(f"{task} {seed} {n}")
        command = draw.choice(commands)
        if command in RARE and draw.random() < 0.9:
            command = "predict"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = tried(sound, data, folder / "damaged", command, draw)
        except Exception as error:
            again = f"{command}: --tasks {task} --seed {seed} --first {n} --cases 1"
            if not go_on:
                raise AssertionError(again) from error
            where = [
                f"{one.filename.rpartition('unrolled/')[2]}:{one.lineno}"
                for one in traceback.extract_tb(error.__traceback__)
            ]
            print(
                f"FAILED {again}: {type(error).__name__}: {error!s:.300} ({' '.join(where[-4:])})", flush=True
            )
            found = "FAILED"
        said[" ".join(found.replace(str(folder), "").split()[:12])] += 1
    return said


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=5000, help="of all tasks together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--commands", nargs="*", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--go-on", action="store_true", help="report what fails, and go on")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    each = -(-arguments.cases // len(arguments.tasks))
    total: collections.Counter[str] = collections.Counter()
    for task in arguments.tasks:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_data(folder)
            said = fuzz(
                task, folder, arguments.commands, each, arguments.seed, arguments.first, arguments.go_on
            )
        total += said
        print(
            f"{task}: {sum(said.values())} cases, {said['answered']} answered, "
            f"{time.monotonic() - begun:.0f} s",
            flush=True,
        )
    for what, count in total.most_common(12):
        print(f"{count:8} {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
