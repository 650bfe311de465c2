"""One answer for a whole sequence, without torch: classes and numbers. Equations: tasks/pooling.py,
tasks/classify.py, tasks/regress.py.

Shapes   encoded steps (T, B, …) -> y (T, B, H) -> p (T, B, H) -> o (T, B, O); the state is that of the
         layers, of what stands before them (fronts.py, symbols.py) and of the pooling
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import numpy as np

from unrolled.codecs.inputs import Inputs, NumberInputs, restore_inputs
from unrolled.codecs.scaling import Scaler
from unrolled.errors import DataError
from unrolled.kernels.numpy import heads
from unrolled.models.encoders import Front, NumberFront
from unrolled.models.layers import Layers
from unrolled.models.model import CODEC, Answers, Column, Model, codec_arrays
from unrolled.models.symbols import SymbolFront
from unrolled.ops.state import Array, State

OWN = ("codec.features.", "codec.target.")  # of the codec's arrays; the others are for baselines
CARRIED = "pooling"


class Pooling:
    """p_t, the vector that the steps 1 … t become. Of "last" the first `forwards` units of y are those of the
    last step, the others, which read backward, those of the first."""

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array], layers: Layers) -> None:
        self.kind, self.forwards = str(about["pooling"]), int(about["forwards"])
        self.width, self.dtype = layers.output_size, layers.dtype
        self.score: heads.Linear | None = None
        if self.kind == "attention":
            self.score = heads.Linear(arrays[about["score"]], arrays[about["score_bias"]])
            found = self.score.in_features, self.score.out_features, self.score.dtype
            if found != (self.width, 1, self.dtype):
                raise ValueError(f"the score is {found}; wanted {self.width, 1, self.dtype}")
        if not 0 <= self.forwards <= self.width:
            raise ValueError(f"{self.forwards} of {self.width} units read forward")
        self.start(0)  # ValueError for an unknown kind

    def start(self, rows: int) -> State:
        """What is carried, before the first step."""
        return self(np.empty((0, rows, self.width), self.dtype))[1]

    def __call__(self, y: Array, before: Array | None = None) -> tuple[Array, State]:
        """y (T, B, H) -> p (T, B, H), and what is carried on."""
        if self.kind == "last":
            first = np.broadcast_to(y[:1, :, self.forwards :], (*y.shape[:2], self.width - self.forwards))
            return np.concatenate([y[..., : self.forwards], first], -1), {}
        scores = None if self.score is None else self.score(y)[..., 0]
        p, after = heads.pooling(self.kind, y, before, scores)
        return p, {CARRIED: after}


class Runtime(Model):
    """Steps are rows of numbers, or symbols of a text. An answer is that to the sequence if it ended there;
    with each stands o as "output"."""

    compared = "output"
    every_step = False

    def __new__(cls, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """That of the task."""
        made: Any = super().__new__(KINDS[about["task"]])
        return cast(Self, made)

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        arrays = {name: a for name, a in arrays.items() if name.startswith(OWN) or not name.startswith(CODEC)}
        super().__init__(about, arrays)
        network, codec = about["network"], about["codec"]
        own = codec_arrays(arrays)
        self.inputs = restore_inputs(codec["inputs"], own)
        self.front = _front(self.inputs, network, arrays)
        self.pooling = Pooling(network, arrays, self.layers)
        self.head = heads.Linear(arrays[network["head"]], arrays[network["bias"]])
        self._require_meeting(self.front.width, self.head, self._restore(codec, own))

    @abstractmethod
    def _restore(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> int:
        """Takes what `_answers` needs from the codec; how many outputs that wants."""

    @abstractmethod
    def _answers(self, o: Array) -> Answers:
        """o (…, O) -> the answers (…)."""

    def start(self, rows: int) -> State:
        return self.layers.start(rows) | self.front.start(rows) | self.pooling.start(rows)

    def encode(self, chunk: Any) -> Array:
        """Rows of numbers, an array (T, F) or by their names; or a text, or numbers of its symbols."""
        return self.front.encode(chunk)

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        """The answers, and {"output": o (T, B, O)}."""
        x, carried = self.front(steps, state)
        y, after = self.layers(x, state)
        p, pooled = self.pooling(y, state.get(CARRIED))
        o = self.head(p)
        return self._answers(o) | {"output": o}, after | carried | pooled

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


def _front(inputs: Inputs, network: Mapping[str, Any], arrays: Mapping[str, Array]) -> Front:
    if isinstance(inputs, NumberInputs):
        return NumberFront(inputs)
    return SymbolFront(inputs.tokenizer, arrays[network["table"]])
