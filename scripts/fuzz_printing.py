"""Trains tiny models on files whose names, columns, classes and texts are hostile, and tries every command.

    python scripts/fuzz_printing.py --cases 200 --seed 1
    python scripts/fuzz_printing.py --tasks classify --seed 217 --cases 1

    laws   no traceback; what is refused is one line
           standard output and error hold no control character but newlines, whatever their encoding
           a file that is named in a heading or an error can be recognised
           JSON, CSV and Parquet give every name back as it was

A case is told by its task and seed. A short form is in tests/cli/test_names.py.
"""

import argparse
import collections
import contextlib
import csv
import io
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import polars as pl

from unrolled.cli import main
from unrolled.files.messages import CONTROL, visible

ENCODINGS = ("utf-8", "latin-1", "ascii")
PIECES = (
    *("[/]", "[red]", "[laughter]", "[bold", "\\[", "[link=x]", ":warning:", "[/red]x"),
    *("\x1b[31m", "\x1b]0;title\x07", "\x9b5n", "\x7f", "\x08", "\r", "\t", "\x0c", "\x1c", "\u0085"),
    *("\u202e", "\u2066", "\u200f", "\u2028", "\u2029", "\ufeff", "\u200d", "e\u0301"),
    *("$", "$x", "a_b$^", "\\frac{", "{}", "{0}", "{x}", "%s", "%(x)d", "%", "\\n", "\\x1b"),
    *("=1+1", "@a", "-1", "+", "'", '"', '""', ",", ";", "#", "&", "<b>", "--", "~", "*", "?", "|"),
    *("漢字", "Käse", "👍🏽", "ß", "İ", "None", "nan", "NULL", " ", "..", "x" * 300),
)
LINE_ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
SMALL = ("--hidden", 3, "--epochs", 1, "--batch-size", 8)
FORWARD = ("--bidirectional", "off")


class Case(NamedTuple):
    """`file` trains a model of `task` with `options`, `new` is another such file; `names` are those that each
    answer to `new` must hold in its column `column`; `lines` go into a stream, if there is one."""

    file: Path
    new: Path
    options: tuple[object, ...] = ()
    column: str = "name"
    names: tuple[str, ...] = ()
    lines: str | None = None
    stream: tuple[object, ...] = ()


class Answer(NamedTuple):
    status: int
    out: str
    err: str


class Names:
    """Draws hostile names, no two alike."""

    def __init__(self, seed: str) -> None:
        self.draw = random.Random(seed)
        self.number = 0

    def __call__(self, without: str = "\r", longest: int = 1000) -> str:
        """Some letters that tell it from others, and pieces; readers of text refuse a lone \\r."""
        self.number += 1
        pieces = self.draw.choices(PIECES, k=self.draw.randint(1, 3))
        text = "".join(c for c in "".join(pieces) if c not in without)[: longest - 4]
        return f"{text}a{self.number}" if self.draw.random() < 0.5 else f"a{self.number}{text}z"

    def path(self, folder: Path, ending: str, raw: bool = False) -> Path:
        """A file's name, at times with a newline, or with bytes that are no UTF-8 where it may be `raw`."""
        name = self("/\0", 60) + "\n" * (self.draw.random() < 0.2)
        return folder / (name + "\udcff" * (raw and self.draw.random() < 0.3) + ending)

    def paths(self, folder: Path, ending: str) -> tuple[Path, Path]:
        """Of a file to train on, whose name config.toml must hold, and of a new one."""
        return self.path(folder, ending), self.path(folder, ending, raw=True)


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([header, *rows])
    return path


def moves(names: Names, folder: Path, answer: Callable[[int], object], tagged: bool = False) -> Case:
    """A long table of 16 sequences of 2 to 5 steps of two features; `answer` of each, or of each step."""
    id_, target, x, y = (names(LINE_ENDS).strip() for _ in range(4))
    ids, draw = [names().strip() for _ in range(16)], names.draw
    rows = []
    for n, one in enumerate(ids):
        for t in range(draw.randint(2, 5)):
            a = answer(draw.randint(0, 1) if tagged else n)
            rows.append([one, t, f"{draw.gauss(2 * n % 2, 1):.3f}", f"{draw.random():.3f}", a])
    header = [id_, "time", x, y, target]
    options = (f"--id={id_}", f"--target={target}", f"--features={x}", f"--features={y}", *SMALL, *FORWARD)
    lines = "".join(json.dumps({x: float(row[2]), y: float(row[3]), id_: row[0]}) + "\n" for row in rows)
    paths = [write_csv(path, header, rows) for path in names.paths(folder, ".csv")]
    return Case(
        *paths,
        options,
        names=tuple(ids),
        lines=lines,
        stream=("--id", id_),
    )


def forecast(names: Names, folder: Path) -> Case:
    shop, target, price = (names(LINE_ENDS).strip() for _ in range(3))
    shops, draw = [names().strip() for _ in range(2)], names.draw
    rows: list[list[object]] = [
        [str(np.datetime64("2024-01-01") + d), one, f"{draw.gauss(10, 1):.3f}", f"{draw.random():.3f}"]
        for one in shops
        for d in range(60)
    ]
    path = write_csv(names.path(folder, ".csv"), ["day", shop, target, price], rows)
    columns = (f"--id={shop}", f"--target={target}", f"--past={price}")
    small = ("--window", 8, "--horizon", 3, *SMALL, "--cell", "rnn")
    lines = "".join(
        json.dumps({"day": day, shop: one, target: float(a), price: float(b)}) + "\n"
        for day, one, a, b in rows
    )
    return Case(path, path, (*columns, *small), "series", tuple(shops), lines, ("--id", shop))


def classify(names: Names, folder: Path) -> Case:
    labels = [names().strip(), names().strip()]
    return moves(names, folder, lambda n: labels[n % 2])


def classify_texts(names: Names, folder: Path) -> Case:
    labels, words = [names().strip(), names().strip()], [names() for _ in range(8)]
    rows: list[list[object]] = [[" ".join(names.draw.choices(words, k=3)), labels[n % 2]] for n in range(20)]
    paths = [write_csv(path, ["text", "label"], rows) for path in names.paths(folder, ".csv")]
    return Case(*paths, (*SMALL, *FORWARD))


def regress(names: Names, folder: Path) -> Case:
    return moves(names, folder, lambda n: n * 0.5)


def tag_steps(names: Names, folder: Path) -> Case:
    labels = [names().strip(), names().strip()]
    return moves(names, folder, lambda n: labels[n % 2], tagged=True)


def tag_words(names: Names, folder: Path) -> Case:
    blank = LINE_ENDS + "".join(c for c in map(chr, range(0x3001)) if c.isspace())
    words = [(names(blank), names(blank)) for _ in range(6)]
    sentences = [names.draw.choices(words, k=names.draw.randint(1, 4)) for _ in range(20)]
    text = "\n\n".join("\n".join("\t".join(pair) for pair in one) for one in sentences) + "\n"
    paths = names.paths(folder, ".txt")
    for path in paths:
        path.write_text(text, encoding="utf-8")
    lines = "".join(f"{word}\n" for word, _ in words)
    held = tuple({word for one in sentences for word, _ in one})
    options = (*SMALL, "--embedding-size", 3, *FORWARD)
    return Case(*paths, options, "word", held, lines)


def language(names: Names, folder: Path) -> Case:
    words = [names() for _ in range(12)]
    text = "\n".join(" ".join(names.draw.choices(words, k=8)) for _ in range(30)) + "\n"
    paths = names.paths(folder, ".txt")
    for path in paths:
        path.write_text(text, encoding="utf-8", newline="")
    options = (*SMALL, "--embedding-size", 3, "--window", 10)
    return Case(*paths, options, lines=text, stream=("--next", 2))


def translate(names: Names, folder: Path) -> Case:
    words = [names("\t" + LINE_ENDS).strip() for _ in range(6)]
    pairs = [names.draw.choices(words, k=names.draw.randint(1, 3)) for _ in range(24)]
    text = "".join(f"{' '.join(one)}\t{' '.join(reversed(one))}\n" for one in pairs)
    paths = names.paths(folder, ".tsv")
    for path in paths:
        path.write_text(text, encoding="utf-8")
    return Case(*paths, (*SMALL, "--embedding-size", 3))


def transcribe(names: Names, folder: Path) -> Case:
    labels, rows = [names().strip()[:3] or "a", "b"], []
    for n in range(16):
        transcript = "".join(names.draw.choices(labels, k=n % 3))
        name = re.sub("[\ufeff\u200d]", "", CONTROL.sub("", names("/\0", 60)))  # a list may not hold these
        path = folder / f"{name.strip()}.wav"
        tone = np.sin(np.arange(1600) * (0.2 + 0.5 * (n % 2)))
        with wave.open(os.fspath(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes((tone * 20000).astype("<i2").tobytes())
        rows.append([path.name, transcript])
    paths = [write_csv(path, ["path", "transcript"], rows) for path in names.paths(folder, ".csv")]
    return Case(*paths, (*SMALL, "--subsample", 2), names=tuple(str(row[0]) for row in rows))


def caption(names: Names, folder: Path) -> Case:
    classes, words = [names().strip() for _ in range(2)], [names() for _ in range(4)]
    rows: list[list[object]] = [
        [classes[n % 2], " ".join(names.draw.choices(words, k=2)).strip()] for n in range(24)
    ]
    paths = [write_csv(path, ["class", "caption"], rows) for path in names.paths(folder, ".csv")]
    return Case(*paths, (*SMALL, "--target-embedding-size", 3))


TASKS: dict[str, tuple[str, Callable[[Names, Path], Case]]] = {
    "forecast": ("forecast", forecast),
    "classify": ("classify", classify),
    "classify texts": ("classify", classify_texts),
    "regress": ("regress", regress),
    "tag steps": ("tag", tag_steps),
    "tag words": ("tag", tag_words),
    "language": ("language", language),
    "translate": ("translate", translate),
    "transcribe": ("transcribe", transcribe),
    "caption": ("caption", caption),
}


def call(encoding: str, *arguments: object) -> Answer:
    """The command in this process; what is printed obeys the laws of printing."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding, newline="") for _ in range(2)]
    status = 0
    with (
        mock.patch.object(sys, "argv", ["unrolled", *map(str, arguments)]),
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
    for stream in streams:
        stream.seek(0)
    answer = Answer(status, *(stream.read() for stream in streams))
    check(answer, *arguments)
    return answer


def check(answer: Answer, *arguments: object) -> None:
    for text in (answer.out, answer.err):
        found = CONTROL.search(text.replace("\n", ""))
        assert found is None or found[0] == "\t", (found, text, arguments)
    assert "Traceback" not in answer.err and "Warning" not in answer.err, answer.err
    if answer.status:
        assert answer.err.splitlines()[-1].startswith("unrolled: "), answer.err


def recognised(path: object, text: str, encoding: str) -> None:
    wanted = visible(str(path)).encode(encoding, "backslashreplace").decode(encoding)
    assert wanted in text, (wanted, text)


def try_case(task: str, seed: int, folder: Path) -> Iterator[str]:
    """One word for each command: what became of it."""
    command, write = TASKS[task]
    names = Names(f"{task} {seed}")
    encoding, held = names.draw.choice(ENCODINGS), folder / names("/\0", 40)
    held.mkdir()
    case = write(names, held)
    run = held / names.path(held, "").name
    trained = call(encoding, "train", command, case.file, *case.options, "--out", run)
    if trained.status:
        yield f"train refused: {trained.err.splitlines()[-1][-90:]}"
        return
    yield "trained"
    recognised(run, trained.out, encoding)
    judged = call(encoding, "evaluate", run, case.new, "--include-training")
    recognised(case.new, judged.out if not judged.status else judged.err, encoding)
    yield f"evaluated {judged.status}"
    json.loads(call(encoding, "evaluate", run, "--json").out)
    yield from try_answers(case, run, encoding)
    if case.lines is not None:
        yield try_stream(case, run, encoding)
    yield from try_others(case, run, encoding, names)


def try_answers(case: Case, run: Path, encoding: str) -> Iterator[str]:
    shown = call(encoding, "predict", run, case.new)
    if shown.status:
        yield f"predict refused: {shown.err.splitlines()[-1][-90:]}"
        return
    rows = json.loads(call(encoding, "predict", run, case.new, "--json").out)
    frames = {ending: run.parent / f"answers{ending}" for ending in (".csv", ".json", ".parquet")}
    for path in frames.values():
        assert call(encoding, "predict", run, case.new, "-o", path).status == 0
    with frames[".csv"].open(newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert len(cells) == len(rows) and cells[0].keys() == rows[0].keys()
    texts = [name for name, value in rows[0].items() if isinstance(value, str) and name != "time"]
    written = json.loads(frames[".json"].read_bytes())
    parquet = pl.read_parquet(frames[".parquet"].read_bytes())
    for name in texts:
        wanted = [row[name] for row in rows]
        assert [row[name] for row in cells] == wanted, (name, "csv")
        assert [row[name] for row in written] == wanted, (name, "json")
        assert parquet[name].to_list() == wanted, (name, "parquet")
    if case.names:
        assert {row[case.column] for row in rows} == set(case.names), case.names
    yield "predicted"


def try_stream(case: Case, run: Path, encoding: str) -> str:
    assert case.lines is not None
    how = [sys.executable, "-m", "unrolled.runtime", str(run), *map(str, case.stream)]
    given = case.lines.encode("utf-8", "surrogatepass")
    done = subprocess.run(
        how, input=given, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}
    )
    answer = Answer(done.returncode, done.stdout.decode(), done.stderr.decode(encoding))
    check(answer, *how)
    for line in answer.out.splitlines():
        json.loads(line)
    return f"streamed{answer.err[-70:].rstrip() if done.returncode else ''}"


def try_others(case: Case, run: Path, encoding: str, names: Names) -> Iterator[str]:
    yield f"verified {call(encoding, 'verify', run, '--sequences', 4).status}"
    yield f"exported {call(encoding, 'export', run, '--to', 'runtime').status}"
    if run.joinpath("config.toml").read_text(encoding="utf-8").count('task = "language"'):
        made = run.parent / "made.txt"
        assert call(encoding, "generate", run, "--length", 50, "--prime", case.file).status == 0
        assert call(encoding, "generate", run, "--length", 50, "--prime", case.file, "-o", made).status == 0
        text = made.read_bytes().decode()
        assert json.loads(call(encoding, "generate", run, "--length", 50, "--json").out).keys() == {"text"}
        yield f"generated {len(text) > 0}"
    hostile = names("\0")
    for wrong in (
        ("predict", run, run.parent / names("/\0", 40)),
        ("evaluate", run.parent / names("/\0", 40)),
        ("train", "classify", case.file, f"--target={hostile}"),
        ("train", "forecast", case.file, f"--cell={hostile}"),
        ("train", "--config", run.parent / names("/\0", 40)),
        ("train", "--resume", run),
        ("kernels", "--", hostile),
        (f"a{hostile}",),
        ("generate", run, "--prime", hostile, "--top-k", hostile),
        ("verify", run, "--check", case.file),
        ("export", run, f"--to={hostile}"),
        ("bench", f"--only={hostile}", f"--threads={hostile}"),
    ):
        answer = call(encoding, *wrong)
        assert answer.status in (1, 2) and answer.err.count("\n") == 1, (wrong, answer)
    yield "refused"


def run_case(task: str, seed: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return list(try_case(task, seed, Path(folder)))


def fuzz() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=50, help="of each task")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=TASKS)
    asked = parser.parse_args()
    became: collections.Counter[str] = collections.Counter()
    failed, began = 0, time.monotonic()
    for seed in range(asked.seed, asked.seed + asked.cases):
        for task in asked.tasks:
            try:
                became.update(f"{task}: {word}" for word in run_case(task, seed))
            except Exception as error:
                failed += 1
                print(f"--tasks {task!r} --seed {seed} --cases 1: {type(error).__name__}: {error!s:.600}")
    for word, number in sorted(became.items()):
        print(f"{number:6}  {word}")
    print(f"{asked.cases * len(asked.tasks)} cases, {failed} failed, {time.monotonic() - began:.0f} s")
    sys.exit(failed > 0)


if __name__ == "__main__":
    fuzz()
