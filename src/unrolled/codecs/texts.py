"""The symbols of sources and of the targets that they become, and how long answers may be. Needs no torch.

    S, T    symbols of a source and of its target
    L(S)    = min(⌈r S⌉ + 10, 2 max T), r = max T / S over the training part: the most symbols of an answer

Symbols of the target are numbered 0 … V - 1 as its tokenizer does; what stands before and behind a target has
higher numbers (blocks/decoder.py), so that no text holds it. No answer holds <unk>.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.blocks.decoder import end_of
from unrolled.codecs.tokenizers import TOKENIZERS, Tokenizer, fitted
from unrolled.codecs.unicode import NONE
from unrolled.errors import DataError
from unrolled.files.messages import shown

Numbers = NDArray[np.int64]

MOST = 1 << 32  # symbols of a text: more are none of a training
SPARE = 10  # symbols that an answer may have beyond what the training part suggests


@dataclass(frozen=True)
class TextCodec:
    """How the texts of one side become numbers; `kind` names the tokenizer."""

    kind: str
    tokenizer: Tokenizer

    @classmethod
    def fit(
        cls, kind: str, texts: Sequence[str], least: int | None, most: int | None, unicode: str = NONE
    ) -> Self:
        return cls(kind, fitted(kind, texts, least, most, unicode))

    @property
    def size(self) -> int:
        return self.tokenizer.size

    @property
    def unknown(self) -> int | None:
        """The number of <unk>; byte pairs have none."""
        return self.tokenizer.unknown

    @property
    def never(self) -> tuple[int, ...]:
        """What no answer holds."""
        return () if self.unknown is None else (self.unknown,)

    def encode(self, text: str, name: str) -> Numbers:
        """(T,) one at least. DataError, which calls the text `name`, for one that holds no symbol."""
        numbers = self.tokenizer.encode(text)
        if not len(numbers):
            raise DataError(f"{name} {shown(text)} holds no symbol; write one, or leave it out")
        return numbers

    def symbols(self, text: str) -> list[str]:
        """What errors are counted in: the symbols of a text, of byte pairs its characters."""
        return self.tokenizer.symbols(text)

    def written(self, text: str) -> str:
        """The text as decode writes it: of words and symbols, one space between any two."""
        return self.tokenizer.joint.join(self.symbols(text))

    def about(self) -> dict[str, Any]:
        return {"tokens": self.kind, "tokenizer": self.tokenizer.about()}

    @classmethod
    def restore(cls, about: Mapping[str, Any]) -> Self:
        kind = about["tokens"]
        return cls(kind, TOKENIZERS[kind].restore(about["tokenizer"]))


@dataclass(frozen=True)
class PairCodec:
    """`ratio`: r; `longest`: max T."""

    source: TextCodec
    target: TextCodec
    ratio: float
    longest: int

    @property
    def end(self) -> int:
        return end_of(self.target.size)

    @property
    def never(self) -> tuple[int, ...]:
        """What no answer holds."""
        return self.target.never

    def most(self, S: int) -> int:
        """L(S)."""
        return min(math.ceil(self.ratio * S) + SPARE, 2 * self.longest)

    def about(self) -> dict[str, Any]:
        sides = {"source": self.source.about(), "target": self.target.about()}
        return sides | {"ratio": self.ratio, "longest": self.longest}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, Any] | None = None) -> Self:
        source, target = (TextCodec.restore(about[side]) for side in ("source", "target"))
        ratio, longest = float(about["ratio"]), int(about["longest"])
        if not (0 <= ratio <= MOST and 0 <= longest <= MOST):
            raise ValueError(f"targets of {longest!r:.20} symbols, {ratio:g} for one of a source")
        return cls(source, target, ratio, longest)
