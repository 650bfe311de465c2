"""Taggers without torch: a tag for every step. Equations: tasks/tag.py.

Shapes   encoded steps (T, B, …) -> o (T, B, K) -> tag (T, B), p (T, B, K); the state is that of the layers,
         of what stands before them (fronts.py) and of the paths so far (decoding.py)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.codecs.inputs import NumberInputs
from unrolled.codecs.words import Words
from unrolled.decoding.tags import Path, decoder, masks
from unrolled.kernels.numpy import heads
from unrolled.models.model import Answers, Column, Model, codec_arrays
from unrolled.models.readers import NumberReader, WordFront
from unrolled.ops.state import Array, State


class Runtime(Model):
    """Steps are words, or numbers: a stream takes one of them, or a list.

    Answers: "tag", its "probability", the "probabilities" of all tags in the order of `tags`, float64, and
    the "scores" o. Step by step the answer is that to the sequence if it ended there: where tags are bound or
    of a chain, later steps may change it, and `predict` of the whole sequence says so.

    Compared are the scores, which are the same whether a sequence is whole or not.
    """

    task = "tag"
    compared = "scores"

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(about, arrays)
        network, codec = about["network"], about["codec"]
        self.front = _front(network, codec, arrays)
        self.head = heads.Linear(arrays[network["head"]], arrays[network["bias"]])
        self.tags = tuple(codec["tags"])
        self._names = np.array([*self.tags, None], np.object_)[:-1]
        bound, chain = codec["allowed"], network["chain"]
        self.decoder = decoder(
            len(self.tags),
            self.layers.dtype,
            bound and masks(*(np.array(bound[name], np.bool_) for name in ("start", "transitions"))),
            chain and (arrays[chain["transitions"]], arrays[chain["start"]], arrays[chain["end"]]),
        )
        self._require_meeting(self.front.width, self.head, len(self.tags))
        if not all(isinstance(tag, str) for tag in self.tags):
            raise TypeError("tags that are no texts")
        if self.layers.start(0).keys() & (self.front.start(0) | self.decoder.start(0)).keys():
            raise ValueError("a state of the layers has the name of another")

    def start(self, rows: int) -> State:
        return self.layers.start(rows) | self.front.start(rows) | self.decoder.start(rows)

    def encode(self, chunk: Any) -> Array:
        """A list of words; or of numbers, of lists of numbers or of {feature: number}, or an array (T, F)."""
        return self.front.encode(chunk)

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        """{"tag" (T, B), "probability" (T, B), "probabilities" (T, B, K), "scores" (T, B, K)}."""
        o, after = self._scores(steps, state)
        path, p, carried = self.decoder.running(o, state)
        return self._answers(path, p) | {"scores": o}, after | carried

    def predict(self, sequences: Sequence[Any]) -> list[Answers]:
        """For each sequence {"tag" (T,), "probability" (T,), "probabilities" (T, K)}."""
        found = (self.decoder.whole(self.outputs(self.encode(one))) for one in sequences)
        return [self._answers(path, p) for path, p in found]

    def outputs(self, steps: Array) -> Array:
        return self._scores(steps[:, None], self.start(1))[0][:, 0]

    def columns(self) -> Mapping[str, Column]:
        return {name: Column() for name in self.front.columns}

    def told(self, answer: Answers) -> dict[str, Any]:
        return {name: answer[name] for name in ("tag", "probability")}

    def _scores(self, steps: Array, state: Mapping[str, Array]) -> tuple[Array, State]:
        x, carried = self.front(steps, state)
        y, after = self.layers(x, state)
        return self.head(y), after | carried

    def _answers(self, path: Path, p: Array) -> Answers:
        chosen = np.take_along_axis(p, path[..., None], -1)[..., 0]
        return {"tag": self._names[path], "probability": chosen, "probabilities": p}


def _front(
    network: Mapping[str, Any], codec: Mapping[str, Any], arrays: Mapping[str, Array]
) -> WordFront | NumberReader:
    own = codec_arrays(arrays)
    if codec["kind"] == "words":
        return WordFront(Words.restore(codec["inputs"], own), network["words"], arrays)
    return NumberReader(NumberInputs.restore(codec["inputs"], own))
