"""Texts that become other texts, without torch. Equations: tasks/translate/network.py, codecs/texts.py.

    {"embedding": name, "decoder": {… as models/decoder.py has it},
     "decoding": {"beam": 5, "best": 1, "penalty": 1.0, "longest": null,
                  "min_length": 0, "no_repeat": null}}

Shapes   a source x (S,) -> its answers, the best first
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.codecs.texts import Sides
from unrolled.decoding.search import Beams, Hypothesis, in_one_line
from unrolled.errors import DataError
from unrolled.kernels.numpy import heads
from unrolled.models.decoder import Answer, Decoder
from unrolled.models.model import Model
from unrolled.ops.state import Array


class Runtime(Model):
    """Answers of a beam search, as the training was told to find them."""

    task = "translate"
    compared = "answers"
    every_step = False

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(about, arrays)
        network = about["network"]
        self.sides = Sides.restore(about["codec"])
        self.table = arrays[network["embedding"]]
        self.decoder = Decoder(network["decoder"], arrays)
        self.how = Beams.of(network["decoding"], self.decoder.end)
        self._require()

    def encode(self, chunk: Any) -> Array:
        """A text, or numbers of its symbols."""
        if isinstance(chunk, str):
            return self.sides.source.encode(chunk, "the source")
        x = np.asarray(chunk)
        size = self.sides.source.size
        if x.ndim != 1 or not len(x) or x.dtype.kind not in "iu" or not (0 <= x.min() <= x.max() < size):
            raise DataError(f"wanted a text, or whole numbers below {size} of its symbols")
        return x.astype(np.int64)

    def predict(self, sequences: Sequence[Any]) -> list[list[Answer]]:
        """(N,) of the answers to each text."""
        if not len(sequences):
            raise DataError("there are no sources; wanted at least one")
        found = [self.answers(self._encoded(one, k)) for k, one in enumerate(sequences)]
        return [Answer.of(each, self.sides.target) for each in found]

    def answers(self, x: Array) -> list[Hypothesis]:
        """x (S,)."""
        e = heads.embedding(x[:, None], self.table)
        y, state = self.layers(e, self.layers.start(1))
        memory = self.decoder.remember(np.ascontiguousarray(y.swapaxes(0, 1)), np.array([len(x)]))
        step = self.decoder.stepper(self.decoder.start(state), memory)
        longest = self.sides.most(len(x)) if self.how.longest is None else self.how.longest
        return self.decoder.answers(step, self.how, longest, self.sides.never)

    def outputs(self, steps: Array) -> Array:
        """x (S,) -> its answers in one line, search.py."""
        return in_one_line(self.answers(steps))

    def _encoded(self, source: Any, k: int) -> Array:
        try:
            return self.encode(source)
        except DataError as error:
            raise DataError(f"source {k}: {error}") from error

    def _require(self) -> None:
        ends = {name: array.shape[1] for name, array in self.layers.start(0).items()}
        attention = self.decoder.attention
        found = (self.table.shape, self.decoder.end, self.decoder.extra)
        wanted = ((self.sides.source.size, self.layers.input_size), self.sides.target.size, 0)
        fits = found == wanted and self.decoder.bridge.fits(ends)
        fits = fits and (attention is None or attention.memory_size == self.layers.output_size)
        if not fits or {self.table.dtype, self.decoder.table.dtype} != {self.layers.dtype}:
            raise ValueError(f"sizes {found} do not meet {wanted}, or those of the bridge and the memory")
