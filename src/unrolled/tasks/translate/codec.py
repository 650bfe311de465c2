"""What translate fits on its training part: the symbols of both sides, and how long answers may be.

    S, T    symbols of a source and of its target
    L(S)    = min(⌈r S⌉ + 10, 2 max T), r = max T / S over the training part: the most symbols of an answer

Symbols of the target are numbered 0 … V - 1 as its tokenizer does; V ends a target and V + 1 stands before
it, so that no text holds them. <unk> of the target stands for what training did not hold, or held too seldom:
it is read, but no loss is taken where it should be written, and no answer holds it.

Shapes   x (S,), y (T + 1,) with the end
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import padded
from unrolled.batching.tokenizers import TOKENIZERS, Tokenizer, fitted
from unrolled.errors import DataError
from unrolled.files.pairs import Pairs
from unrolled.files.wording import shown
from unrolled.tasks.translate.config import TranslateData

Numbers = NDArray[np.int64]

SPARE = 10  # symbols that an answer may have beyond what the training part suggests


@dataclass(frozen=True)
class Side:
    """How the texts of one side become numbers; `kind` names the tokenizer."""

    kind: str
    tokenizer: Tokenizer

    @classmethod
    def fit(cls, kind: str, texts: Sequence[str], least: int | None, most: int | None) -> Self:
        return cls(kind, fitted(kind, texts, least, most))

    @property
    def size(self) -> int:
        return self.tokenizer.size

    @property
    def unknown(self) -> int | None:
        """The number of <unk>; byte pairs have none."""
        return 0 if hasattr(self.tokenizer, "vocabulary") else None

    def symbols(self, text: str) -> list[str]:
        """What errors are counted in: the symbols of a text, of byte pairs its characters."""
        split: Any = getattr(self.tokenizer, "split", list)
        return list(split(text))

    def written(self, text: str) -> str:
        """The text as decode writes it: of words and symbols, one space between any two."""
        joint: str = getattr(self.tokenizer, "joint", "")
        return joint.join(self.symbols(text))

    def about(self) -> dict[str, Any]:
        return {"tokens": self.kind, "tokenizer": self.tokenizer.about()}

    @classmethod
    def restore(cls, about: Mapping[str, Any]) -> Self:
        kind = about["tokens"]
        return cls(kind, TOKENIZERS[kind].restore(about["tokenizer"]))


@dataclass(frozen=True)
class TranslateCodec:
    """`ratio`: r; `longest`: max T."""

    source: Side
    target: Side
    ratio: float
    longest: int

    @classmethod
    def fit(cls, data: TranslateData, train: Pairs) -> Self:
        """On the training part."""
        targets, d = targets_of(train), data
        source = Side.fit(d.source_tokens, train.sources, d.source_least_count, d.source_most_symbols)
        target = Side.fit(d.target_tokens, targets, d.target_least_count, d.target_most_symbols)
        lengths = [
            (len(source.tokenizer.encode(x)), len(target.tokenizer.encode(y)))
            for x, y in zip(train.sources, targets, strict=True)
        ]
        return cls(source, target, max(T / max(1, S) for S, T in lengths), max(T for _, T in lengths))

    @property
    def end(self) -> int:
        return self.target.size

    @property
    def begin(self) -> int:
        return self.target.size + 1

    @property
    def never(self) -> tuple[int, ...]:
        """What no answer holds."""
        return () if self.target.unknown is None else (self.target.unknown,)

    def most(self, S: int) -> int:
        """L(S)."""
        return min(math.ceil(self.ratio * S) + SPARE, 2 * self.longest)

    def encode(self, data: Pairs) -> list[Numbers]:
        """(N,) of x (S_i,). DataError for a source without a symbol."""
        return _encoded(self.source, data.sources, data.places, "source")

    def encode_targets(self, data: Pairs) -> list[Numbers]:
        """(N,) of y (T_i + 1,). DataError likewise."""
        rows = _encoded(self.target, targets_of(data), data.places, "target")
        return [np.append(row, self.end) for row in rows]

    def about(self) -> dict[str, Any]:
        own = {"source": self.source.about(), "target": self.target.about()}
        return own | {"ratio": self.ratio, "longest": self.longest}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        source, target = (Side.restore(about[side]) for side in ("source", "target"))
        return cls(source, target, float(about["ratio"]), int(about["longest"]))


class Batch(NamedTuple):
    """x (B, S), lengths (B,); y (B, T), their ends counted, y_lengths (B,). `share`: of how many symbols the
    network reads its own in place of the right ones."""

    x: Tensor
    lengths: Tensor
    y: Tensor
    y_lengths: Tensor
    share: float = 0.0


@dataclass(frozen=True)
class Examples:
    """Encoded pairs, x (S_i,) and y (T_i + 1,)."""

    x: Sequence[Tensor]
    y: Sequence[Tensor]

    @classmethod
    def of(cls, codec: TranslateCodec, data: Pairs) -> Self:
        x, y = codec.encode(data), codec.encode_targets(data)
        return cls([torch.from_numpy(row) for row in x], [torch.from_numpy(row) for row in y])

    def __len__(self) -> int:
        return len(self.x)

    @property
    def order(self) -> list[int]:
        """(N,) numbers that put pairs of like length on both sides side by side, the source's first."""
        most = max(len(row) for row in self.y) + 1
        return [len(x) * most + len(y) for x, y in zip(self.x, self.y, strict=True)]

    def collate(self, indices: Numbers) -> Batch:
        return Batch(*padded([self.x[i] for i in indices]), *padded([self.y[i] for i in indices]))


def targets_of(data: Pairs) -> tuple[str, ...]:
    """DataError where there are none."""
    if data.targets is None:
        raise DataError(f"{data.places[0]}: there are no targets; give pairs of a source and its target")
    return data.targets


def _encoded(side: Side, texts: Sequence[str], places: Sequence[str], name: str) -> list[Numbers]:
    rows = [side.tokenizer.encode(text) for text in texts]
    for row, text, place in zip(rows, texts, places, strict=True):
        if not len(row):
            raise DataError(f"{place}: the {name} {shown(text)} holds no symbol; write one, or leave it out")
    return rows
