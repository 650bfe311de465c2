"""Times two versions of the code side by side: a training, predictions, and a stream, for every task.

    python scripts/time_trees.py BEFORE AFTER
    python scripts/time_trees.py BEFORE AFTER --only language forecast --rounds 9

BEFORE and AFTER are working trees, each with its compiled module. Each has a process, and both do the same by
turns, so that whatever else the machine does meets both. Printed are medians of seconds of processor time,
which a busy machine changes least, and their ratio: of a training of small epochs, of all predictions for its
file by a model that is loaded, and of one line of a stream.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PREDICTIONS = 30  # in one measurement
LINES = 1000
LARGER = ("--hidden", "64", "--epochs", "4")
PARTS = ("train", "predict", "stream")


class Timed(NamedTuple):
    """`run`: of recorded_runs.py, with LARGER options."""

    run: str
    streams: bool = True


TASKS = {
    "classify": Timed("classify-plain"),
    "regress": Timed("regress-plain"),
    "tag": Timed("tag-words-forward"),
    "language": Timed("language-lstm"),
    "forecast": Timed("forecast-counts"),
    "transcribe": Timed("transcribe-forward"),
    "translate": Timed("translate-additive", streams=False),
    "caption": Timed("caption-attention", streams=False),
}


class Measured:
    """One task in this process, in the current folder."""

    def __init__(self, task: str) -> None:
        from recorded_files import FILES
        from recorded_runs import RUNS

        self.task, self.count, folder = task, 0, Path(task)
        folder.mkdir()
        self.run = RUNS[TASKS[task].run]
        self.file = FILES[self.run.file](folder)

    def train(self) -> float:
        self.count += 1
        words = ("train", self.task, self.file.path, "--out", self._folder, *self.run.options, *LARGER)
        return self._seconds(*words)

    def predict(self) -> float:
        import unrolled

        model = unrolled.load(self._folder)
        begun = time.process_time()
        for _ in range(PREDICTIONS):
            model.predict(self.file.path)
        return (time.process_time() - begun) / PREDICTIONS

    def stream(self) -> float:
        """Of one line: what many take, less what the first take."""
        head, *lines = self.file.lines.splitlines(keepends=True)
        many = (lines * (1 + LINES // len(lines)))[:LINES]
        few = self._seconds("stream", self._folder, *self.file.stream, source="".join([head, *many[:1]]))
        return (
            self._seconds("stream", self._folder, *self.file.stream, source="".join([head, *many])) - few
        ) / LINES

    @property
    def _folder(self) -> str:
        return f"{self.task}/run{self.count}"

    def _seconds(self, *words: object, source: str | None = None) -> float:
        from record_bits import unrolled

        begun = time.process_time()
        done = unrolled(*words, source=source)
        assert done.status == 0, done.err
        return time.process_time() - begun


def worker() -> None:
    """Answers lines of standard input, [task, part], with seconds."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    known: dict[str, Measured] = {}
    for line in sys.stdin:
        task, part = json.loads(line)
        if task not in known:
            known[task] = Measured(task)
        print(json.dumps(getattr(known[task], part)()), file=answers, flush=True)


class Tree:
    """The process of one working tree."""

    def __init__(self, root: Path, folder: Path) -> None:
        folder.mkdir()
        source = str(root.resolve() / "src")
        environment = os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).resolve(), "--worker"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def seconds(self, task: str, part: str) -> float:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps([task, part]), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{task}, {part}: the process has ended")
        return float(answer)


@contextlib.contextmanager
def trees(roots: list[Path]) -> Iterator[list[Tree]]:
    with tempfile.TemporaryDirectory() as folder:
        both = [Tree(root, Path(folder, str(k))) for k, root in enumerate(roots)]
        try:
            yield both
        finally:
            for tree in both:
                tree.process.kill()
                tree.process.wait()


def compare(both: list[Tree], task: str, rounds: int) -> None:
    parts = PARTS if TASKS[task].streams else PARTS[:2]
    found: dict[str, list[list[float]]] = {part: [[], []] for part in parts}
    for number in range(rounds + 1):
        for part in parts:
            for k in (0, 1) if number % 2 else (1, 0):
                seconds = both[k].seconds(task, part)
                if number:  # the first warms up
                    found[part][k].append(seconds)
    for part, times in found.items():
        before, after = map(statistics.median, times)
        print(f"{task:11}{part:9}{before * 1e3:11.4f} ms {after * 1e3:11.4f} ms {after / before:7.3f}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    print(f"{'task':11}{'part':9}{'before':>14} {'after':>14} {'ratio':>7}")
    with trees([chosen.before, chosen.after]) as both:
        for task in chosen.only:
            compare(both, task, chosen.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(worker() if sys.argv[1:] == ["--worker"] else main())
