"""One answer for a whole sequence, without torch: classes and numbers. Equations: blocks/pooled.py,
tasks/classify.py, tasks/regress.py.

Shapes   encoded steps (T, B, …) -> o (T, B, O); the state is that of the network and of what it reads
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.blocks.pooled import Pooled
from unrolled.codecs import class_outputs
from unrolled.codecs.scaling import Scaler
from unrolled.errors import DataError
from unrolled.models.forward import Forward
from unrolled.models.model import Answers, codec_arrays
from unrolled.ops.state import Array, State


class Pooling(Forward):
    """An answer is that to the sequence if it ended there; with each stands o as "output"."""

    kind = Pooled
    block: Pooled
    every_step = False
    uses = ("features.", "target.")

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(about, arrays)
        wanted = self._restore(about["codec"], codec_arrays(self.arrays))
        if self.block.head.outputs != wanted:
            raise ValueError(f"a network of {self.block.head.outputs} outputs; wanted {wanted}")

    @abstractmethod
    def _restore(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> int:
        """Takes what `_answers` needs from the codec; how many outputs that wants."""

    @abstractmethod
    def _answers(self, o: Array) -> Answers:
        """o (…, O) -> the answers (…)."""

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        """The answers, and {"output": o (T, B, O)}."""
        o, after = self.forward(steps, state)
        return self._answers(o) | {"output": o}, after

    def predict(self, sequences: Sequence[Any]) -> Answers:
        """The answers (N, …) to arrays (T, F), or (T,) of one feature, or to texts; of a model that hears
        also to paths of recordings."""
        rows = self.encoded(sequences, least=1)
        if not rows:
            raise DataError("there are no sequences; wanted at least one")
        o = np.stack([self.outputs(row) for row in rows])
        return self._answers(o) | {"output": o}

    def outputs(self, steps: Array) -> Array:
        o: Array = super().outputs(steps)[-1]
        return o


class Classify(Pooling):
    """Answers: "label", the class in the type that training had it in (of several labels a list, or a row of
    an indicator array; as files have it a text), and the "probabilities" of all in the order of `classes`,
    float64."""

    def _restore(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> int:
        self.output = class_outputs.restored(about)
        self.classes = self.output.names
        return self.output.size

    def _answers(self, o: Array) -> Answers:
        p = self.output.probabilities(o)
        return {"label": self.output.label(self.output.chosen(o, p)), "probabilities": p}

    def record(self, answer: Answers) -> dict[str, Any]:
        """As the columns of `predict` of the task."""
        p = answer["probabilities"]
        label = self.output.text(self.output.chosen(answer["output"], p))
        return {"label": label} | {f"p({name})": p[k] for k, name in enumerate(self.classes)}


class Regress(Pooling):
    """Answers: "value"."""

    def _restore(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> int:
        self.target = Scaler.from_arrays({name: arrays[f"target.{name}"] for name in ("mean", "scale")})
        return len(self.target.mean)

    def _answers(self, o: Array) -> Answers:
        return {"value": self.target.inverse(o.astype(np.float64))[..., 0]}

    def record(self, answer: Answers) -> dict[str, Any]:
        return {"value": answer["value"]}
