"""What a model has seen: its training part, and its validation part, which chose among its weights. A run
keeps it in seen.safetensors, so that the model is judged on what is new to it, whatever file that stands in.
A test part that was cut from the training files is judged whole: it repeats what repeats by its nature.

    examples   an input that was seen is left out, whatever its answer: its fingerprint, 8 bytes, is kept
    texts      a stretch that was seen is left out: every `stride`-th gram of GRAM characters is kept,
               MOST_GRAMS in all. Of a stretch of `stride` + GRAM characters or more nothing is judged, nor of
               `stride` characters before and behind it
    series     see tasks/forecast/seen.py
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.examples import Examples
from unrolled.files.fingerprints import NONE, Prints, known, ngrams
from unrolled.files.messages import counted, option
from unrolled.files.text import Text

GRAM = 64
LEAST_STRIDE = 16
MOST_GRAMS = 2**20

Arrays = Mapping[str, NDArray[Any]]


E = TypeVar("E", bound=Examples[Any, Any])


@dataclass(frozen=True)
class SeenExamples:
    """`prints` (M,) rising. `restore` raises LookupError or ValueError for what `arrays` did not give."""

    prints: Prints

    @classmethod
    def of(cls, *parts: Examples[Any, Any]) -> Self:
        prints = np.unique(np.concatenate([part.fingerprints() for part in parts]))
        return cls(prints[prints != NONE])

    def joined(self, other: Self) -> Self:
        """What either has seen."""
        return type(self)(np.union1d(self.prints, other.prints))

    def new(self, data: E) -> E:
        """What of `data` none of these parts held, in its order."""
        return data.select(np.flatnonzero(known(data.fingerprints(), self.prints) < 0))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"prints": self.prints}

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        return cls(rising(arrays["prints"]))


@dataclass(frozen=True)
class SeenText:
    """The same of texts: `prints` (M,) rising, of every `stride`-th gram."""

    prints: Prints
    stride: int

    @classmethod
    def of(cls, *parts: Text) -> Self:
        stride = max(LEAST_STRIDE, -(-sum(map(len, parts)) // MOST_GRAMS))
        pieces = [np.empty(0, np.uint64)]
        for part in parts:
            for begin, prints in _grams(part):
                pieces += [prints[-begin % stride :: stride], prints[-1:]]  # the last one: to the end
        return cls(np.unique(np.concatenate(pieces)), stride)

    def joined(self, other: Self) -> Self:
        """What either has seen, its stretches as far as the wider stride may reach."""
        return type(self)(np.union1d(self.prints, other.prints), max(self.stride, other.stride))

    def new(self, data: Text) -> Text:
        hits = [begin + np.flatnonzero(known(prints, self.prints) >= 0) for begin, prints in _grams(data)]
        at = np.concatenate([np.empty(0, np.int64), *hits])
        # From the end of each stretch that was seen to the next one's begin; many pairs are empty.
        begins = np.append(at - self.stride + 1, len(data)).tolist()
        ends = np.append(0, at + GRAM + self.stride - 1).tolist()
        return data.parts([(a, b) for a, b in zip(ends, begins, strict=True) if a < b])

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"prints": self.prints, "stride": np.array([self.stride], np.int64)}

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        (stride,) = arrays["stride"].tolist()
        if type(stride) is not int or not 0 < stride < 2**40:
            raise ValueError(f"stride {stride!r:.20}")
        return cls(rising(arrays["prints"]), stride)


def _grams(text: Text) -> Any:
    """(where the first begins, the fingerprints of all ngrams) in pieces of the text."""
    rest, begin = np.empty(0, np.uint32), 0
    for piece in text.pieces():
        codes = np.concatenate([rest, np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)])
        prints = ngrams(codes, GRAM)
        if len(prints):
            yield begin, prints
        begin += len(prints)
        rest = codes[len(prints) :]


def rising(prints: NDArray[Any]) -> Prints:
    """ValueError for what are no fingerprints."""
    if prints.dtype != np.uint64 or prints.ndim != 1 or bool((prints[1:] <= prints[:-1]).any()):
        raise ValueError(f"fingerprints {prints.dtype} {prints.shape}")
    return prints


def seen_sentences(noun: str, known: int, total: int, judged: bool) -> list[str]:
    """What a verdict says of `known` of `total` that were seen, and were `judged` or left out."""
    if not known:
        return []
    which = f"{known:,} of {counted(total, noun)}"
    if judged:
        return [f"{which} stand in the training or validation part: these figures flatter the model"]
    remedy = f"{option('include_training')} judges them too"
    return [f"left out: {which}, seen in training or validation; {remedy}"]


def validated_on_known(noun: str, known: int, total: int) -> tuple[str, ...]:
    """What is told of a validation part of which the model that a training starts from has seen `known`."""
    if not known:
        return ()
    which = f"{known:,} of {counted(total, noun)}"
    return (
        f"validation part: {which} were seen by the model that this training starts from: its loss there "
        "flatters it",
    )


def nothing_new(noun: str, new: int, total: int, wanted: str) -> DataError:
    """The error where less is left to judge on than is `wanted`."""
    return DataError(
        f"wanted {wanted} that training and validation did not hold, got {new:,} of {counted(total, noun)}; "
        f"give others, or judge these with {option('include_training')}"
    )
