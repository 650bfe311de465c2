"""Texts that a language model writes: asked of a trained one, and on the way of a training."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from unrolled.codecs.tokenizers import Tokenizer, beginning
from unrolled.errors import ConfigError
from unrolled.files import atomic
from unrolled.files.metrics import Row
from unrolled.files.text import text_of
from unrolled.tasks.next_symbol import Network, continued
from unrolled.tasks.sampling import Sampling
from unrolled.training.progress import Pace, Reporter

BETWEEN = "\n---\n"  # of several texts


def written(
    network: Network,
    tokenizer: Tokenizer,
    length: int,
    prime: str,
    sampling: Sampling,
    generator: np.random.Generator,
    stop: str | None = None,
) -> str:
    """`prime` and at most `length` tokens after it, never <unk>, up to where they hold `stop`. ConfigError
    where there is nothing to draw."""
    if prime:
        text_of(prime)
    if tokenizer.size - (tokenizer.unknown is not None) < 1:
        raise ConfigError("this model knows no symbol but <unk>; train it on more text")
    primed = [int(number) for number in tokenizer.encode(prime)]
    numbers = continued(
        network,
        primed or [beginning(tokenizer)],
        length,
        sampling,
        generator,
        tokenizer.unknown,
        None if stop is None else lambda drawn: _holds(tokenizer, drawn, stop),
    )
    text = tokenizer.decode([*primed, *numbers])[len(tokenizer.decode(primed)) :]
    return prime + (text if stop is None else text.partition(stop)[0])


def _holds(tokenizer: Tokenizer, drawn: Sequence[int], stop: str) -> bool:
    """Whether the text of the last tokens holds it: each is a byte or more."""
    return stop in tokenizer.decode(drawn[-len(stop.encode()) - 1 :])


class Samples(Reporter):
    """Passes all on to another reporter. After every so many epochs it notes the texts that `write(epoch)`
    gives, and leaves them in the folder as epoch-N.txt."""

    def __init__(
        self, report: Reporter, every: int, write: Callable[[int], Iterable[str]], folder: Path | None
    ) -> None:
        self.report, self.every, self.write, self.folder = report, every, write, folder

    def __enter__(self) -> "Samples":
        self.report.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.report.__exit__(kind, error, trace)

    def start(self, pace: Pace) -> None:
        self.report.start(pace)

    def step(self, epoch: int, steps_done: int, loss: float) -> None:
        self.report.step(epoch, steps_done, loss)

    def epoch(self, row: Row, best: bool) -> None:
        self.report.epoch(row, best)
        number = int(row["epoch"] or 0)
        if number % self.every:
            return
        texts = list(self.write(number))
        for line in "\n".join(f"epoch {number} writes: {text}" for text in texts).split("\n"):
            self.report.note(line)
        if self.folder is not None:
            self.folder.mkdir(exist_ok=True)
            atomic.write_text(self.folder / f"epoch-{number}.txt", BETWEEN.join(texts) + "\n")

    def note(self, line: str) -> None:
        self.report.note(line)

    def close(self) -> None:
        self.report.close()
