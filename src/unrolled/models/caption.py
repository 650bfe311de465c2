"""Pictures, numbers and classes that become words or sequences of numbers, without torch. Equations:
blocks/captioner.py.

Encoded: a picture (H, W, C) uint8; of numbers and a class one step with the fields "z" and "class".
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.blocks.captioner import Captioner
from unrolled.blocks.decoder import Decoder
from unrolled.codecs.answers import ANSWERS, NumberAnswers, Texts
from unrolled.codecs.conditions import INPUTS, AttributeInputs, Pictures, Rows
from unrolled.decoding import numbers, search
from unrolled.decoding.search import Answer, Beams, in_one_line
from unrolled.errors import DataError
from unrolled.files.captioned import Attributes, Captioned
from unrolled.models.model import Model, codec_arrays
from unrolled.models.readers import require_scaled
from unrolled.ops.numpy import OPS
from unrolled.ops.state import Array


class Runtime(Model):
    """Inputs are pictures (H, W, C) of uint8; or {column: number or class}, a class alone as it is."""

    kind = Captioner
    block: Captioner
    compared = "answers"
    every_step = False

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(about, arrays)
        codec, fitted, decoder = about["codec"], codec_arrays(arrays), self.block.decoder
        self.inputs = INPUTS[codec["inputs"]["kind"]].restore(codec["inputs"], fitted)
        self.answers = ANSWERS[codec["answers"]["kind"]].restore(codec["answers"], fitted)
        self.how = Beams.of(about["answers"], decoder.symbols if isinstance(decoder, Decoder) else 1)
        self.longest = int(about["answers"]["longest"])
        self.never = self.answers.side.never if isinstance(self.answers, Texts) else ()
        sizes = self.block.encoder.reads, decoder.writes
        wanted = _reads(self.inputs), _writes(self.answers)
        if sizes != wanted:
            raise ValueError(f"a network of {sizes}; wanted {wanted}")

    def encode(self, chunk: Any) -> Array:
        """DataError for what the model cannot read."""
        if isinstance(self.inputs, Pictures):
            x = np.asarray(chunk)
            if x.dtype != np.uint8:
                raise DataError(f"wanted a picture of whole numbers from 0 to 255 (uint8), got {x.dtype}")
            picture: Array = self.inputs.encode(_one(x, self.inputs))[0][0]
            return picture
        z, classes = self.inputs.encode(_one(_attributes(chunk, self.inputs), self.inputs))
        return as_step(z[0], classes[0])

    def predict(self, sequences: Sequence[Any]) -> list[Any]:
        """(N,) of the answers to each input, the best first; or of its sequence of numbers (T, D)."""
        answers = [self._answered(self.encode(one)) for one in sequences]
        if isinstance(self.answers, NumberAnswers):
            return [self.answers.scaler.inverse(one.astype(np.float64)) for one in answers]
        return [Answer.of(each, self.answers.side.tokenizer.decode) for each in answers]

    def outputs(self, steps: Array) -> Array:
        """An encoded input -> its answers in one line (search.py), or its standard scores (T, D)."""
        answers = self._answered(steps)
        return answers if isinstance(answers, np.ndarray) else in_one_line(answers)

    def _answered(self, row: Array) -> Any:
        rows: Rows = (row[None],) if row.dtype.names is None else (row["z"], row["class"])
        block, p = self.block, self.network.p
        steps = block.steppers(OPS, p, block.conditions(OPS, p, *self.inputs.scaled(rows)))
        if not isinstance(block.decoder, Decoder):
            return numbers.written(numbers.averaged(steps), block.decoder, 1, self.longest)[0]
        return self.how.search(search.averaged(steps), [self.longest], block.decoder, self.never)[0]


def as_step(z: Array, number: Any) -> Array:
    """(1,) numbers z (F,) and the number of a class, as one step of a sequence."""
    row: Array = np.empty(1, [("z", z.dtype, z.shape), ("class", np.int64)])
    row["z"], row["class"] = z, number
    return row


def _writes(answers: Texts | NumberAnswers) -> tuple[str, int]:
    """What the decoder must write."""
    if isinstance(answers, Texts):
        return "symbols", answers.side.size
    return "numbers", len(answers.columns)


def _reads(inputs: Pictures | AttributeInputs) -> tuple[str, tuple[int, ...]]:
    """What the encoder must read. ValueError or TypeError for inputs that do not fit together."""
    if isinstance(inputs, Pictures):
        shapes = inputs.mean.shape, inputs.scale.shape
        if shapes != ((inputs.channels,),) * 2:
            raise ValueError(f"pictures of {inputs.size} pixels, scaled by {shapes} numbers")
        return "pictures", (*inputs.size, inputs.channels)
    if inputs.numbers is not None:
        require_scaled(inputs.numbers)
    if not all(isinstance(name, str) for name in (*inputs.classes, inputs.class_column or "")):
        raise TypeError("classes that are no texts")
    return "attributes", (inputs.width, len(inputs.classes))


def _attributes(chunk: Any, inputs: AttributeInputs) -> Attributes:
    """{column: value}, or of a model that reads a class alone this."""
    wanted = [*inputs.features, *([] if inputs.class_column is None else [inputs.class_column])]
    if not isinstance(chunk, Mapping):
        if wanted != [inputs.class_column]:
            raise DataError(f"wanted {wanted!s:.200} by their names, got {chunk!r:.40}")
        chunk = {inputs.class_column: chunk}
    if missing := [name for name in wanted if name not in chunk]:
        raise DataError(f"{missing[0]!r:.40} is missing; give {wanted!s:.200}")
    try:
        numbers = np.array([float(chunk[name]) for name in inputs.features])
    except (TypeError, ValueError):
        raise DataError(f"wanted numbers for {list(inputs.features)!s:.200}, got {chunk!s:.60}") from None
    if not np.isfinite(numbers).all():
        raise DataError(f"wanted finite numbers for {list(inputs.features)!s:.200}, got {chunk!s:.60}")
    return Attributes(numbers, None if inputs.class_column is None else str(chunk[inputs.class_column]))


def _one(x: Any, inputs: Pictures | AttributeInputs) -> Captioned:
    return Captioned((x,), inputs.features, None, ("1",), ("the input",), class_column=inputs.class_column)
