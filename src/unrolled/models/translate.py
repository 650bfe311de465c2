"""Texts that become other texts, without torch. Equations: blocks/translator.py, codecs/texts.py.

Shapes   a source x (S,) -> its answers, the best first
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.blocks.translator import Translator
from unrolled.codecs.texts import PairCodec
from unrolled.decoding.search import Answer, Beams, Hypothesis, averaged, in_one_line
from unrolled.errors import DataError
from unrolled.models.model import Model
from unrolled.ops.numpy import OPS
from unrolled.ops.state import Array


class Runtime(Model):
    """Answers of a beam search, as the options of the training say."""

    kind = Translator
    block: Translator
    compared = "answers"
    every_step = False

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(about, arrays)
        self.texts = PairCodec.restore(about["codec"])
        self.how = Beams.of(about["answers"], self.block.decoder.end)
        sizes = self.block.embedding.rows, self.block.decoder.symbols
        wanted = self.texts.source.size, self.texts.target.size
        if sizes != wanted:
            raise ValueError(f"a network of {sizes} symbols; wanted {wanted}")

    def encode(self, chunk: Any) -> Array:
        """A text, or numbers of its symbols."""
        if isinstance(chunk, str):
            return self.texts.source.encode(chunk, "the source")
        x = np.asarray(chunk)
        size = self.texts.source.size
        if x.ndim != 1 or not len(x) or x.dtype.kind not in "iu" or not (0 <= x.min() <= x.max() < size):
            raise DataError(f"wanted a text, or whole numbers below {size} of its symbols")
        return x.astype(np.int64)

    def predict(self, sequences: Sequence[Any]) -> list[list[Answer]]:
        """(N,) of the answers to each text."""
        if not len(sequences):
            raise DataError("there are no sources; wanted at least one")
        decode = self.texts.target.tokenizer.decode
        return [Answer.of(self.answers(x), decode) for x in self.encoded(sequences, "source")]

    def answers(self, x: Array) -> list[Hypothesis]:
        """x (S,)."""
        block, p, longest = self.block, self.network.p, self.how.longest
        step = averaged(block.steppers(OPS, p, block.conditions(OPS, p, x[:, None])))
        longest = self.texts.most(len(x)) if longest is None else longest
        return self.how.search(step, [longest], block.decoder, self.texts.never)[0]

    def outputs(self, steps: Array) -> Array:
        """x (S,) -> its answers in one line, search.py."""
        return in_one_line(self.answers(steps))
