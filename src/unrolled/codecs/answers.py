"""What answers to inputs of one step are for a network: texts, or sequences of numbers. Fitted on the
training part; needs no torch.

    texts      numbers of symbols, then the end of blocks/decoder.py
    numbers    standard scores of each column over all steps of training

Shapes   texts (S,) with the end; numbers (T, D)
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.blocks.decoder import end_of
from unrolled.codecs.scaling import Scaler
from unrolled.codecs.texts import TextCodec
from unrolled.codecs.unicode import NONE
from unrolled.errors import DataError
from unrolled.files.captioned import Captioned
from unrolled.files.messages import listed, shown

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Texts:
    """`longest` answer of training in symbols; `usual`: its most frequent one."""

    side: TextCodec
    longest: int
    usual: str

    @classmethod
    def fit(
        cls,
        kind: str,
        data: Captioned,
        least: int | None = None,
        most: int | None = None,
        unicode: str = NONE,
    ) -> Self:
        """All but `data` are of the tokenizer."""
        texts = [text for several in data.truth for text in several]
        side = TextCodec.fit(kind, texts, least, most, unicode)
        return cls(side, 0, "").again(data)

    def again(self, data: Captioned) -> Self:
        """The same with another training part; answers may be as long as those of either."""
        texts = [text for several in data.truth for text in several]
        longest = max(len(self.side.tokenizer.encode(text)) for text in texts)
        return replace(self, longest=max(self.longest, longest), usual=most_frequent(texts))

    @property
    def unknown(self) -> int | None:
        return self.side.unknown

    def encode(self, data: Captioned) -> list[list[NDArray[Any]]]:
        """(N,) of the right answers (S,) of each, their ends counted."""
        encode, end = self.side.tokenizer.encode, end_of(self.side.size)
        return [[np.append(encode(text), end) for text in several] for several in data.truth]

    def about(self) -> dict[str, Any]:
        return {"kind": "texts", "side": self.side.about(), "longest": self.longest, "usual": self.usual}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        return cls(TextCodec.restore(about["side"]), int(about["longest"]), str(about["usual"]))


@dataclass(frozen=True)
class NumberAnswers:
    """`means` (K + 1, L, D): what the answers of each class, and of all, are on average when each is held at
    its last value, and `lengths` (K + 1,) how long they are."""

    columns: tuple[str, ...]
    scaler: Scaler
    means: Array
    lengths: NDArray[np.int64]

    unknown: ClassVar[int | None] = None

    @classmethod
    def fit(cls, data: Captioned, classes: Sequence[str]) -> Self:
        """DataError for a column that is the same in all steps."""
        answers = [several[0] for several in data.truth]
        scaler = Scaler.fit(answers, data.targets)
        longest = max(map(len, answers))
        labels = np.array(data.labels, object)
        groups = [*(np.flatnonzero(labels == name) for name in classes), np.arange(len(answers))]
        means = [_mean([answers[i] for i in group], longest) for group in groups]
        lengths = [round(float(np.mean([len(answers[i]) for i in group]))) for group in groups]
        return cls(data.targets, scaler, np.stack(means), np.array(lengths))

    def again(self, data: Captioned) -> Self:
        """The same, whose answers may be as long as those of another training part too."""
        longest = max([self.longest, *(len(answer) for several in data.truth for answer in several)])
        return replace(self, means=np.stack([held(mean, longest) for mean in self.means]))

    @property
    def longest(self) -> int:
        return int(self.means.shape[1])

    def encode(self, data: Captioned) -> list[list[NDArray[Any]]]:
        """(N,) of the one answer (T, D) of each. DataError for other columns, or values that float32 cannot
        hold once they are scaled."""
        if data.targets != self.columns:
            raise DataError(
                f"{data.places[0]}: answers of {listed(data.targets)}; wanted {listed(self.columns)}"
            )
        with np.errstate(over="ignore"):
            rows = [self.scaler.transform(answer).astype(np.float32) for (answer,) in data.truth]
        for row, place in zip(rows, data.places, strict=True):
            if not np.isfinite(row).all():
                t, d = (int(at) for at in np.argwhere(~np.isfinite(row))[0])
                raise DataError(
                    f"{place}, step {t + 1}, {shown(self.columns[d])}: too far from the values of the "
                    "training part; correct it"
                )
        return [[row] for row in rows]

    def about(self) -> dict[str, Any]:
        return {"kind": "numbers", "columns": list(self.columns)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        arrays = {f"answer_{name}": array for name, array in self.scaler.to_arrays().items()}
        return arrays | {"means": self.means, "mean_lengths": self.lengths}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        scaler = Scaler.from_arrays({name: arrays[f"answer_{name}"] for name in ("mean", "scale")})
        columns = tuple(about["columns"])
        if scaler.mean.shape != (len(columns),):
            raise ValueError(f"{len(columns)} columns of answers, scaled as {len(scaler.mean)}")
        return cls(columns, scaler, arrays["means"], arrays["mean_lengths"])


ANSWERS: dict[str, type[Texts] | type[NumberAnswers]] = {"texts": Texts, "numbers": NumberAnswers}


def most_frequent(texts: Iterable[str]) -> str:
    """Of those that tie the first in the order of their code points."""
    counts = Counter(texts)
    return min(counts, key=lambda text: (-counts[text], text))


def _mean(answers: Sequence[Array], length: int) -> Array:
    """(length, D), one answer after another: all at once would take the length of the longest for each."""
    total = np.zeros((length, answers[0].shape[1]))
    for answer in answers:
        total += held(answer, length)
    return total / len(answers)


def held(answer: Array, length: int) -> Array:
    """(T, D) -> (length, D), the last value held."""
    return answer[np.minimum(np.arange(length), len(answer) - 1)]
