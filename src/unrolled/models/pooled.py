"""One answer for a whole sequence, without torch: classes and numbers. Equations: blocks/pooled.py,
tasks/classify.py, tasks/regress.py.

Shapes   encoded steps (T, B, …) -> o (T, B, O); the state is that of the network and of what it reads
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import numpy as np

from unrolled.blocks.pooled import Pooled
from unrolled.codecs.inputs import Inputs, NumberInputs, restore_inputs
from unrolled.codecs.scaling import Scaler
from unrolled.errors import DataError
from unrolled.kernels.numpy import heads
from unrolled.models.model import CODEC, Answers, Column, Model, codec_arrays
from unrolled.models.readers import NumberReader, Reader, SymbolReader
from unrolled.ops.state import Array, State

OWN = ("codec.features.", "codec.target.")  # of the codec's arrays; the others are for baselines


class Runtime(Model):
    """Steps are rows of numbers, or symbols of a text. An answer is that to the sequence if it ended there;
    with each stands o as "output"."""

    kind = Pooled
    block: Pooled
    compared = "output"
    every_step = False

    def __new__(cls, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """That of the task."""
        made: Any = super().__new__(KINDS[about["task"]])
        return cast(Self, made)

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        arrays = {name: a for name, a in arrays.items() if name.startswith(OWN) or not name.startswith(CODEC)}
        super().__init__(about, arrays)
        codec, own = about["codec"], codec_arrays(arrays)
        self.inputs = restore_inputs(codec["inputs"], own)
        self.reader, reads = _reader(self.inputs)
        wanted, block = (reads, self._restore(codec, own)), self.block
        if (block.encoder.reads, block.head.outputs) != wanted:
            raise ValueError(f"a network of {block.encoder.reads, block.head.outputs}; wanted {wanted}")

    @abstractmethod
    def _restore(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> int:
        """Takes what `_answers` needs from the codec; how many outputs that wants."""

    @abstractmethod
    def _answers(self, o: Array) -> Answers:
        """o (…, O) -> the answers (…)."""

    def start(self, rows: int) -> State:
        return self.network.start(rows) | self.reader.start(rows)

    def encode(self, chunk: Any) -> Array:
        """Rows of numbers, an array (T, F) or by their names; or a text, or numbers of its symbols."""
        return self.reader.encode(chunk)

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        """The answers, and {"output": o (T, B, O)}."""
        x, carried = self.reader(steps, state)
        o, after = self.network(x, state)
        return self._answers(o) | {"output": o}, after | carried

    def predict(self, sequences: Sequence[Any]) -> Answers:
        """The answers (N, …) to arrays (T, F), or (T,) of one feature, or to texts."""
        if not len(sequences):
            raise DataError("there are no sequences; wanted at least one")
        o = np.stack([self.outputs(self._encoded(one, k)) for k, one in enumerate(sequences)])
        return self._answers(o) | {"output": o}

    def outputs(self, steps: Array) -> Array:
        o: Array = self.advance(steps[:, None], self.start(1))[0]["output"][-1, 0]
        return o

    def columns(self) -> Mapping[str, Column]:
        return {name: Column() for name in self.inputs.features}

    def _encoded(self, sequence: Any, k: int) -> Array:
        try:
            steps = self.encode(sequence)
        except DataError as error:
            raise DataError(f"sequence {k}: {error}") from error
        if not len(steps):
            raise DataError(f"sequence {k} holds no step; leave it out")
        return steps


class Classify(Runtime):
    """Answers: "label", the name of the likeliest class, and the "probabilities" of all in the order of
    `classes`, float64."""

    task = "classify"

    def _restore(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> int:
        self.classes = tuple(about["classes"])
        if not all(isinstance(name, str) for name in self.classes):
            raise TypeError("classes that are no texts")
        self._names = np.array(self.classes, np.object_)
        return len(self.classes)

    def _answers(self, o: Array) -> Answers:
        p = heads.softmax(o.astype(np.float64))
        return {"label": self._names[p.argmax(-1)], "probabilities": p}

    def told(self, answer: Answers) -> dict[str, Any]:
        """As the columns of `predict` of the task."""
        each = zip(self.classes, answer["probabilities"], strict=True)
        return {"label": answer["label"]} | {f"p({name})": p for name, p in each}


class Regress(Runtime):
    """Answers: "value"."""

    task = "regress"

    def _restore(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> int:
        self.target = Scaler.from_arrays({name: arrays[f"target.{name}"] for name in ("mean", "scale")})
        return len(self.target.mean)

    def _answers(self, o: Array) -> Answers:
        return {"value": self.target.inverse(o.astype(np.float64))[..., 0]}

    def told(self, answer: Answers) -> dict[str, Any]:
        return {"value": answer["value"]}


KINDS: dict[str, type[Runtime]] = {"classify": Classify, "regress": Regress}


def _reader(inputs: Inputs) -> tuple[Reader, tuple[str, int]]:
    """And what the network must read."""
    if isinstance(inputs, NumberInputs):
        return NumberReader(inputs), ("numbers", inputs.width)
    return SymbolReader(inputs.tokenizer), ("symbols", inputs.tokenizer.size)
