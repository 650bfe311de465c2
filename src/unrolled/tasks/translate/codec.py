"""What translate fits on its training part, codecs/texts.py, and the pairs that a network learns from.

<unk> of the target stands for what training did not hold, or held too seldom: it is read, but no loss is
taken where it should be written.

Shapes   x (S,), y (T + 1,) with the end
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import padded
from unrolled.codecs.texts import Numbers, PairCodec, TextCodec
from unrolled.decoding.search import BEAM, checked_beam
from unrolled.files.pairs import Pairs
from unrolled.tasks import examples
from unrolled.tasks.translate.config import MOST_WORDS, TranslateData

WHY = {
    "characters": "characters, as each is one word that hardly repeats",
    "bpe": f"byte pairs, as there are more than {MOST_WORDS:,} words",
}


@dataclass(frozen=True)
class TranslateCodec(PairCodec):
    """The symbols of both sides of pairs; `beam` of a search where none is asked for."""

    beam: int = BEAM

    @classmethod
    def fit(cls, data: TranslateData, train: Pairs) -> Self:
        """On the training part."""
        targets, d = train.truth, data
        limits = d.source_least_count, d.source_most_symbols
        source = _side(d.source_tokens, train.inputs, *limits, d.unicode)
        limits = d.target_least_count, d.target_most_symbols
        target = _side(d.target_tokens, targets, *limits, d.unicode)
        return cls(source, target, 0.0, 0).again(train)

    def named(self, data: TranslateData) -> TranslateData:
        """With the symbols that were chosen where none are named."""
        return data.model_copy(update={"source_tokens": self.source.kind, "target_tokens": self.target.kind})

    def chosen(self, data: TranslateData) -> tuple[str, ...]:
        """A sentence on each side whose symbols `data` does not name, and that is not read as words."""
        sides = ("sources", self.source, data.source_tokens), ("targets", self.target, data.target_tokens)
        return tuple(
            f"{name}: {WHY[side.kind]}" for name, side, kind in sides if kind is None and side.kind in WHY
        )

    def again(self, train: Pairs) -> Self:
        """The same, whose answers may be as long as those of another training part too."""
        lengths = [
            (len(self.source.tokenizer.encode(x)), len(self.target.tokenizer.encode(y)))
            for x, y in zip(train.inputs, train.truth, strict=True)
        ]
        ratio, longest = max(T / max(1, S) for S, T in lengths), max(T for _, T in lengths)
        return replace(self, ratio=max(self.ratio, ratio), longest=max(self.longest, longest))

    def encode(self, data: Pairs) -> list[Numbers]:
        """(N,) of x (S_i,). DataError with its place for a source without a symbol."""
        pairs = zip(data.inputs, data.places, strict=True)
        return [self.source.encode(text, f"{place}: the source") for text, place in pairs]

    def encode_targets(self, data: Pairs) -> list[Numbers]:
        """(N,) of y (T_i + 1,). DataError likewise."""
        pairs = zip(data.truth, data.places, strict=True)
        return [
            np.append(self.target.encode(text, f"{place}: the target"), self.end) for text, place in pairs
        ]

    def about(self) -> dict[str, Any]:
        return super().about() | {"beam": self.beam}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, Any] | None = None) -> Self:
        return replace(super().restore(about, arrays), beam=checked_beam(about["beam"]))


def _side(
    kind: str | None, texts: Sequence[str], least: int | None, most: int | None, unicode: str
) -> TextCodec:
    """Of `kind`; of words, characters or byte pairs as the texts are where that is None."""
    if kind is not None:
        return TextCodec.fit(kind, texts, least, most, unicode)
    if _are_single_words(texts):
        return TextCodec.fit("characters", texts, least, most, unicode)
    words = TextCodec.fit("words", texts, least, most, unicode)
    few = words.size - len(words.never) <= MOST_WORDS
    return words if few else TextCodec.fit("bpe", texts, least, most, unicode)


def _are_single_words(texts: Sequence[str]) -> bool:
    """Whether nearly all are one word, and most words come once: none of them would teach another."""
    single = sum(len(text.split()) < 2 for text in texts) >= 0.9 * len(texts)
    return single and 2 * len(set(texts)) > len(texts)


class Batch(NamedTuple):
    """x (B, S), lengths (B,); y (B, T), their ends counted, y_lengths (B,). `share`: of how many symbols the
    network reads its own in place of the right ones."""

    x: Tensor
    lengths: Tensor
    y: Tensor
    y_lengths: Tensor
    share: float = 0.0


@dataclass(frozen=True)
class Examples(examples.Examples[Batch]):
    """Encoded pairs, x (S_i,) and y (T_i + 1,)."""

    x: Sequence[Tensor]
    y: Sequence[Tensor]

    @classmethod
    def of(cls, codec: TranslateCodec, data: Pairs) -> Self:
        x, y = codec.encode(data), codec.encode_targets(data)
        return cls([torch.from_numpy(row) for row in x], [torch.from_numpy(row) for row in y])

    @property
    def lengths(self) -> list[int]:
        """(N,) numbers that put pairs of like length on both sides side by side, the source's first."""
        most = max(len(row) for row in self.y) + 1
        return [len(x) * most + len(y) for x, y in zip(self.x, self.y, strict=True)]

    def collate(self, indices: Numbers) -> Batch:
        return Batch(*padded([self.x[i] for i in indices]), *padded([self.y[i] for i in indices]))
