"""What every model of the runtime is: a description in plain values and arrays, and what runs them.

Nothing here, and nothing that it imports, needs torch. A task's model says what it carries from step to step
beside its layers (`start`), how what users give becomes numbers (`encode`), and what comes out (`advance`):

    law   the answer after t steps of a stream is what `predict` says of those t steps alone, to the bit

Shapes   encoded steps (T, B, …) -> answers, arrays (T, B, …) each
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from unrolled.blocks.block import Block, read
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.files.messages import option
from unrolled.files.sound import open_recording
from unrolled.files.wav import features
from unrolled.models.hearing import Hearing
from unrolled.ops.numpy import network
from unrolled.ops.state import Array, State
from unrolled.registry import TASKS, imported

if TYPE_CHECKING:
    from unrolled.models.stream import Stream

# What the names of a codec's arrays begin with, among those of its model.
CODEC = "codec."

# Answers by name, arrays with the dimensions (T, B) in front.
Answers = dict[str, Array]


class Column(NamedTuple):
    """A column of the lines that `unrolled stream` reads: its cells are numbers, or text that `encode` reads
    itself; lines may lack one that is optional. decimal: the mark of numbers that are texts (numerals.py);
    truths: whether true and false are numbers, 1 and 0; categories: its cells are whatever `encode` reads;
    missing: words that say that there is no number, beside the usual ones (cells.py)."""

    numbers: bool = True
    optional: bool = False
    decimal: str | None = None
    truths: bool = False
    categories: bool = False
    missing: tuple[str, ...] = ()


class Model(ABC):
    """`about` as the run folder's runtime.json has it, `arrays` by the names that it uses."""

    task: str
    kind: ClassVar[type[Any] | None] = None  # of its network; None is the one of its task (registry.py)
    # What `unrolled verify` compares: an answer by its name, after every step, after every `stride` steps and
    # the last, or after the last alone.
    compared: ClassVar[str]
    every_step: ClassVar[bool] = True
    stride: int = 1
    words: bool = False  # whether a line that is no row of a table is one step, a word
    uses: ClassVar[tuple[str, ...]] = ("",)  # what begin the codec's arrays that are not for baselines

    hearing: Hearing | None = None  # of a model that hears, how

    block: Block

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        uses = tuple(CODEC + name for name in self.uses)
        self.arrays = {n: a for n, a in arrays.items() if n.startswith(uses) or not n.startswith(CODEC)}
        self.about, self.task = about, about["task"]
        kind = self.kind or imported(TASKS[self.task].network)
        block = read(about["network"])
        if not isinstance(block, kind):
            raise TypeError(f"a network of kind {type(block).__name__}; wanted {kind.__name__}")
        weights = {name: array for name, array in arrays.items() if not name.startswith(CODEC)}
        self.block, self.network = block, network(block, weights)
        self.causal = block.causal

    def start(self, rows: int) -> State:
        """The state before the first step. ConfigError for a model whose answers have no steps: one that
        begins to write when it has read a whole input."""
        raise self._no_steps()

    @abstractmethod
    def encode(self, chunk: Any) -> Array:
        """What users give of one row's next T steps -> (T, …). DataError for what cannot be read."""

    def encode_each(self, chunks: Sequence[Any]) -> list[Array]:
        """The same of many rows."""
        return [self.encode(chunk) for chunk in chunks]

    def encode_rows(self, chunks: Sequence[Any]) -> Array:
        """A chunk for each of B rows, one or more -> (T, B, …). DataError also where their T differ."""
        encoded = self.encode_each(chunks)
        if len({len(steps) for steps in encoded}) > 1:
            lengths = [len(steps) for steps in encoded][:9]
            raise DataError(f"wanted the same number of steps for each row, got {lengths}")
        return np.stack(encoded, 1)

    def encoded(self, sequences: Sequence[Any], name: str = "sequence", least: int = 0) -> list[Array]:
        """Every sequence as `encode` gives it; of a model that hears one may be the path of a recording, and
        all of them a single one. DataError with its name and number where one cannot be read, or has fewer
        steps than `least`, 0 or 1."""
        rows = []
        for k, sequence in enumerate([sequences] if self._is_recording(sequences) else sequences):
            try:
                rows.append(self.encode(self._heard(sequence)))
            except DataError as error:
                raise DataError(f"{name} {k}: {error}") from error
            if len(rows[-1]) < least:
                raise DataError(f"{name} {k} holds no step; leave it out")
        return rows

    def _is_recording(self, sequence: Any) -> bool:
        return self.hearing is not None and isinstance(sequence, str | Path)

    def _heard(self, sequence: Any) -> Any:
        """The features of a recording; all else as it is."""
        if self.hearing is None or not self._is_recording(sequence):
            return sequence
        audio = self.hearing.audio
        return features(open_recording(Path(sequence), audio.sound_channel), audio)

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        """steps (T, B, …) -> the answer after each of them, and the state after the last. ConfigError as of
        `start`."""
        raise self._no_steps()

    @abstractmethod
    def predict(self, sequences: Sequence[Any]) -> Any:
        """Answers for whole sequences, each with the bits that it has alone."""

    @abstractmethod
    def outputs(self, steps: Array) -> Array:
        """steps (T, …) of one whole sequence, in all directions that the model reads -> the answer `compared`
        after every `stride` of them and the last (⌈T / stride⌉, …), or after the last alone (…)."""

    def _no_steps(self) -> ConfigError:
        return ConfigError(
            f"a model of task '{self.task}' answers when it has read a whole input, not step by step; "
            "use predict"
        )

    # What `unrolled stream` must know.

    def columns(self) -> Mapping[str, Column]:
        """Of a model whose steps are rows of a table, its columns: `encode` then takes tables of their cells,
        floats (NaN where missing), in JSON lists of them too, or texts. {} where steps are text."""
        return {}

    def record(self, answer: Answers) -> dict[str, Any]:
        """What a line says of the answer after one step, arrays or plain values by name."""
        return dict(answer)

    def stream(
        self, rows: int | None = None, snapshot: bytes | None = None, rate_hz: int | None = None
    ) -> "Stream":
        """Goes on step by step: of one sequence, or of `rows` side by side; from a snapshot, as many as it
        has. `rate_hz`: that of samples which are fed, where it is not that of the training.

        ConfigError for a model that reads its sequences backward, and for a rate where it hears nothing;
        RunError for a snapshot of another model or rate.
        """
        from unrolled.models.stream import Stream

        self.start(0)
        if not self.causal:
            raise ConfigError(
                "this model reads every sequence as a whole, in windows or from its end, so its answers wait "
                f"for later steps; to stream, train one with {option('bidirectional', False)} and without "
                f"{option('reverse')} (to classify or estimate, also with {option('subsample', 1)}, "
                f"{option('front', 'none')} and {option('scale', 'pooled')}; recordings: "
                f"{option('level', 'running')} and {option('scale', 'running')})"
            )
        hearing = self.hearing
        if rate_hz is not None:
            if hearing is None:
                raise ConfigError("rate_hz is for models that were trained on recordings; leave it out")
            hearing = hearing.at(rate_hz)
        if snapshot is None:
            return Stream.begun(self, rows, hearing)
        stream = Stream.restored(self, snapshot)
        if rate_hz is not None and stream.hearing != hearing:
            raise RunError("the snapshot is of samples at another rate; leave rate_hz out, or begin without")
        return stream

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the description and all arrays that it uses: the same model, the same text."""
        digest = hashlib.sha256(json.dumps(self.about, sort_keys=True).encode())
        for name in sorted(self.arrays):
            array = self.arrays[name]
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


def codec_arrays(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Those of the codec, by the names that it gave them."""
    return {name[len(CODEC) :]: array for name, array in arrays.items() if name.startswith(CODEC)}
