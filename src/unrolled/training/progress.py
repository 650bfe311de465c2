"""Reporters tell a person how a training goes: a bar on a terminal, a line an epoch elsewhere, or nothing.

They see plain numbers that the loop has anyway, and draw at most DRAW_HZ times a second. What they print has
times in it and is no part of what a resumed training repeats.
"""

import contextlib
import os
import sys
import time
from datetime import timedelta
from types import TracebackType
from typing import TextIO

from unrolled.files.messages import visible
from unrolled.files.metrics import Row

DRAW_HZ = 8
# A terminal that hung up and a log on a full disk take no line; the training goes on without.
unheard = contextlib.suppress(OSError)


class Reporter:
    """Says nothing; the others derive from it. Used as a context manager around a training."""

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, pace: "Pace") -> None:
        """The training begins or goes on."""
        self.pace = pace

    def step(self, epoch: int, steps_done: int, loss: float) -> None:
        """After every step."""

    def epoch(self, row: Row, best: bool) -> None:
        """After every epoch: its row of metrics.jsonl, and whether its weights are the best so far."""

    def note(self, line: str) -> None:
        """A line for the person, such as why the training ended."""

    def close(self) -> None:
        """The training is over, or an exception ended it."""


class Lines(Reporter):
    """A line an epoch, for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def epoch(self, row: Row, best: bool) -> None:
        steps = int(row["step"])
        clipped = f"{row['clipped']:.0%} clipped, " if row["clipped"] else ""
        self.note(
            f"epoch {self.pace.epoch(row['epoch'])}: train {row['train_loss']:.4g}, "
            f"validation {row['validation_loss']:.4g}{' (best)' if best else ''}, "
            f"gradient {row['gradient_norm_mean']:.3g}, {clipped}{self.pace.text(steps)}"
        )

    def note(self, line: str) -> None:
        with unheard:
            print(visible(line), file=self.stream, flush=True)


class Bar(Reporter):
    """A bar over the whole training, drawn in place."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[tail]}"))
        # Drawn by step() alone: a drawing thread would take the interpreter from the training.
        self.bars = Progress(*columns, console=Console(file=stream), auto_refresh=False)
        self.validation = ""
        self.drawn = 0.0
        self.last: tuple[int, int, float] | None = None

    def start(self, pace: "Pace") -> None:
        super().start(pace)
        self.task = self.bars.add_task("epoch", total=1.0, tail="")
        with unheard:
            self.bars.start()

    def step(self, epoch: int, steps_done: int, loss: float) -> None:
        self.last = (epoch, steps_done, loss)
        now = time.monotonic()
        if now - self.drawn < 1 / DRAW_HZ:
            return
        self.drawn = now
        self._draw(*self.last)

    def epoch(self, row: Row, best: bool) -> None:
        self.validation = f", validation {row['validation_loss']:.4g}{' (best)' if best else ''}"

    def note(self, line: str) -> None:
        with unheard:
            self.bars.console.print(visible(line), markup=False, highlight=False, emoji=False)

    def close(self) -> None:
        if self.last is not None:
            self._draw(*self.last)
        with unheard:
            self.bars.stop()

    def _draw(self, epoch: int, steps_done: int, loss: float) -> None:
        self.bars.update(
            self.task,
            description=f"epoch {self.pace.epoch(epoch)}",
            completed=self.pace.share(steps_done),
            tail=f"loss {loss:.4g}{self.validation}, {self.pace.text(steps_done)}",
        )
        with unheard:
            self.bars.refresh()


class Pace:
    """Rate and remaining time, from the steps that this process has done.

    Whichever comes first ends the training: all steps of `epochs`, or `minutes`; None is no limit. It begins
    after `steps_done` steps and `seconds`, both 0 at the very beginning.
    """

    def __init__(
        self, steps_per_epoch: int, epochs: int | None, minutes: float | None, steps_done: int, seconds: float
    ) -> None:
        self.epochs, self.first, self.seconds = epochs, steps_done, seconds
        self.begun = time.monotonic()
        self.steps = None if epochs is None else epochs * steps_per_epoch
        self.budget = None if minutes is None else minutes * 60

    def epoch(self, epoch: str | int | float) -> str:
        """3/100, or 3 where no number of epochs ends the training."""
        return f"{epoch}" if self.epochs is None else f"{epoch}/{self.epochs}"

    def share(self, steps_done: int) -> float:
        """How much of the training is done, from 0 to 1."""
        by_steps = steps_done / self.steps if self.steps else 0.0
        by_time = (self.seconds + self._elapsed()) / self.budget if self.budget else 0.0
        return min(1.0, max(by_steps, by_time))

    def text(self, steps_done: int) -> str:
        """85 steps/s, 0:01:12 left."""
        rate = (steps_done - self.first) / self._elapsed()
        ends = [(self.steps - steps_done) / rate] if self.steps and rate else []
        ends += [max(0.0, self.budget - self.seconds - self._elapsed())] if self.budget else []
        left = f", {timedelta(seconds=round(min(ends)))} left" if ends else ""
        return f"{rate:.3g} steps/s{left}"

    def _elapsed(self) -> float:
        return max(time.monotonic() - self.begun, 1e-9)


def reporter(silent: bool = False, stream: TextIO | None = None) -> Reporter:
    """The one that suits `stream` (standard error): a bar on a terminal, else lines; nothing where silent."""
    stream = stream or sys.stderr
    if silent:
        return Reporter()
    return Bar(stream) if stream.isatty() and os.environ.get("TERM") != "dumb" else Lines(stream)
