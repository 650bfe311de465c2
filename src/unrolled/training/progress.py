"""Reporters tell a person how a training goes: a bar on a terminal, a line an epoch elsewhere, or nothing.

They see plain numbers that the loop has anyway, and draw at most DRAW_HZ times a second. What they print has
times in it and is no part of what a resumed training repeats.
"""

import contextlib
import math
import os
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, TextIO

from unrolled.files.messages import visible
from unrolled.files.metrics import Row
from unrolled.training.selection import measures_text

DRAW_HZ = 8
# Without a terminal a line is printed at least this often, and for at most about so many epochs.
LINE_SECONDS, MOST_LINES = 10, 50
MOST_NATS = 700  # whose exponential is still a number
# A terminal that hung up and a log on a full disk take no line; the training goes on without.
unheard = contextlib.suppress(OSError)


class Reporter:
    """Says nothing; the others derive from it. Used as a context manager around a training. `exponential`:
    what the exponential of a loss is called, where it is shown beside it."""

    exponential = ""

    def _beside(self, loss: float, best: bool = False) -> str:
        """What follows a loss: (perplexity 148, best)."""
        words = [f"{self.exponential} {math.exp(min(loss, MOST_NATS)):.4g}"] if self.exponential else []
        words += ["best"] if best else []
        return f" ({', '.join(words)})" if words else ""

    def _validation(self, row: Row, best: bool) -> str:
        """, validation 0.25, accuracy 0.9 (best), with the measure where it is another than the training's;
        nothing where there is no validation part."""
        loss: Any = row["validation_loss"]
        if loss is None:
            return ""
        name = f"validation {row.get('validated', '')}".rstrip()
        return f", {name} {loss:.4g}{measures_text(row)}{self._beside(loss, best)}"

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

    @contextlib.contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Around what takes its time without a step, such as reading or judging."""
        yield

    def close(self) -> None:
        """The training is over, or an exception ended it."""


class Lines(Reporter):
    """A line an epoch, of more than MOST_LINES one every few, or where minutes end the training one after
    each such part of them, and between, before and after them a line every LINE_SECONDS, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def start(self, pace: "Pace") -> None:
        super().start(pace)
        self.printed = time.monotonic()
        self.every = -(-(pace.epochs or 1) // MOST_LINES)
        self.apart = 0.0 if pace.epochs or pace.budget is None else pace.budget / MOST_LINES

    def step(self, epoch: int, steps_done: int, loss: float) -> None:
        if time.monotonic() - self.printed >= LINE_SECONDS:
            at = self.pace.step_of_epoch(steps_done)
            self.note(f"epoch {self.pace.epoch(epoch)}, {at}: loss {loss:.4g}, {self.pace.text(steps_done)}")

    def epoch(self, row: Row, best: bool) -> None:
        if self._left_out(int(row["epoch"] or 0)):
            return
        train: Any = row["train_loss"]
        clipped = f"{row['clipped']:.0%} clipped, " if row["clipped"] else ""
        self.note(
            f"epoch {self.pace.epoch(row['epoch'])}: train {train:.4g}{self._beside(train)}"
            f"{self._validation(row, best)}, gradient {row['gradient_norm_mean']:.3g}, {clipped}"
            f"{self.pace.text(int(row['step'] or 0))}"
        )

    def _left_out(self, epoch: int) -> bool:
        soon = time.monotonic() - self.printed < self.apart
        return (soon or epoch % self.every > 0) and epoch not in (1, self.pace.epochs)

    def note(self, line: str) -> None:
        self.printed = time.monotonic()
        with unheard:
            print(visible(line), file=self.stream, flush=True)

    @contextlib.contextmanager
    def busy(self, what: str) -> Iterator[None]:
        over, begun = threading.Event(), time.monotonic()

        def tell() -> None:
            while not over.wait(LINE_SECONDS):
                self.note(f"{what}, {timedelta(seconds=round(time.monotonic() - begun))} so far")

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


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
        self.validation = self._validation(row, best)

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

    Whichever comes first ends the training: `steps`, or `minutes`; None is no limit. It begins
    after `steps_done` steps and `seconds`, both 0 at the very beginning.
    """

    def __init__(
        self, steps_per_epoch: int, steps: int | None, minutes: float | None, steps_done: int, seconds: float
    ) -> None:
        self.steps_per_epoch, self.steps, self.first, self.seconds = (
            steps_per_epoch,
            steps,
            steps_done,
            seconds,
        )
        self.begun = time.monotonic()
        self.epochs = None if steps is None else math.ceil(steps / steps_per_epoch)
        self.budget = None if minutes is None else minutes * 60

    def epoch(self, epoch: str | float | None) -> str:
        """3/100, or 3 where no number of steps ends the training."""
        return f"{epoch}" if self.epochs is None else f"{epoch}/{self.epochs}"

    def step_of_epoch(self, steps_done: int) -> str:
        """step 120 of 3,000, of the running epoch."""
        return f"step {(steps_done - 1) % self.steps_per_epoch + 1:,} of {self.steps_per_epoch:,}"

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
