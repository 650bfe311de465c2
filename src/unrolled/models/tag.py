"""Taggers without torch: a tag for every step. Equations: blocks/tagger.py, decoding/tags.py.

Shapes   encoded steps (T, B, …) -> o (T, B, K) -> tag (T, B), p (T, B, K); the state is that of the network,
         of what it reads and of the paths so far
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.blocks.tagger import Tagger
from unrolled.decoding.tags import Path, decoder, masks
from unrolled.files import labels
from unrolled.models.forward import Forward
from unrolled.models.model import Answers
from unrolled.ops.state import Array, State


class Tags(Forward):
    """Steps are words, or numbers: a stream takes one of them, or a list.

    Answers: "tag" in the type that training had it in, its "probability", the "probabilities" of all tags in
    the order of `tags`, float64, and the "scores" o. Step by step the answer is that to the sequence if it
    ended there: where tags are bound or of a chain, later steps may change it, and `predict` of the whole
    sequence says so.

    Compared are the scores, which are the same whether a sequence is whole or not.
    """

    kind = Tagger
    block: Tagger
    compared = "scores"

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(about, arrays)
        codec, K = about["codec"], self.block.head.outputs
        self.tags, bound = tuple(codec["tags"]), codec["allowed"]
        if len(self.tags) != K or not all(isinstance(tag, str) for tag in self.tags):
            raise ValueError(f"{len(self.tags)} tags; wanted {K} texts")
        self._names = labels.objects(self.tags, codec.get("kind"))
        self.decoder = decoder(
            K,
            self.network.dtype,
            bound and masks(**{name: np.array(part, np.bool_) for name, part in bound.items()}),
            self.block.chain(self.network.p),
        )

    def start(self, rows: int) -> State:
        return super().start(rows) | self.decoder.start(rows)

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        """{"tag" (T, B), "probability" (T, B), "probabilities" (T, B, K), "scores" (T, B, K)}."""
        o, after = self.forward(steps, state)
        path, p, carried = self.decoder.running(o, state)
        return self._answers(path, p) | {"scores": o}, after | carried

    def predict(self, sequences: Sequence[Any]) -> list[Answers]:
        """For each sequence {"tag" (T,), "probability" (T,), "probabilities" (T, K)}."""
        decoded = (self.decoder.decode(self.outputs(steps)[None]) for steps in self.encoded(sequences))
        return [self._answers(path[0], p[0]) for path, p in decoded]

    def record(self, answer: Answers) -> dict[str, Any]:
        return {name: answer[name] for name in ("tag", "probability")}

    def _answers(self, path: Path, p: Array) -> Answers:
        chosen = np.take_along_axis(p, path[..., None], -1)[..., 0]
        return {"tag": self._names[path], "probability": chosen, "probabilities": p}
