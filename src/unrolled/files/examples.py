"""Inputs of one source with their answers, as the readers of all formats give them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.fingerprints import Prints, fingerprints
from unrolled.files.labels import Kind, SetKind
from unrolled.files.messages import option

Numbers = NDArray[Any]
Input = TypeVar("Input")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Examples(Generic[Input, Answer]):
    """N examples of one source. As they stand here, sequences with one answer each; tagged.py, pairs.py and
    captioned.py have those with others.

    inputs    (N,) of numbers (T_i, F) of any real type, T_i ≥ 1, NaN where a value is missing; or texts
    features  (F,) names of the columns of numbers; () where there are none
    answers   (N,) as the source writes them; None where it holds none
    names     (N,) what the source calls each: its id, file or number
    places    (N,) where each stands, for errors: "digits.csv, line 7"
    notes     what the reader found and chose
    rate_hz   of recordings, the rate that they all have; None for others
    named     whether the source names its columns, so that others beside those asked for do no harm
    kind      of answers that a caller holds in memory, their type, see labels.py; None of all others
    left_out  by place why rows were left out
    weights   (N,) what each counts in the loss of a training; None: all alike
    groups    (N,) what each belongs to: those of one group stay in one part of the data; None: to nothing
    """

    noun: ClassVar[str] = "sequence"

    inputs: tuple[Input, ...]
    features: tuple[str, ...]
    answers: tuple[Answer, ...] | None
    names: tuple[str, ...]
    places: tuple[str, ...]
    notes: tuple[str, ...] = ()
    rate_hz: int | None = None
    named: bool = True
    kind: Kind | SetKind | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    weights: tuple[float, ...] | None = None
    groups: tuple[str, ...] | None = None

    @property
    def is_text(self) -> bool:
        return not self.features

    @property
    def truth(self) -> tuple[Answer, ...]:
        """The answers. DataError where there are none."""
        if self.answers is None:
            raise DataError(f"{self.places[0]}: {self._lacking()}")
        return self.answers

    def _lacking(self) -> str:
        return f"there are no answers; name their column with {option('target')}"

    def __len__(self) -> int:
        return len(self.inputs)

    def select(self, indices: Sequence[int] | NDArray[np.int64]) -> Self:
        """Those of `indices`, in their order."""
        at = [int(i) for i in indices]
        columns: dict[str, Any] = {
            name: tuple(map(column.__getitem__, at))
            for name in ("inputs", "answers", "names", "places", "weights", "groups")
            if (column := getattr(self, name)) is not None
        }
        return replace(self, **columns)

    def with_features(self, features: tuple[str, ...]) -> Self:
        """Its numbers in these columns alone, in this order."""
        at = [self.features.index(name) for name in features]
        inputs: tuple[Any, ...] = self.inputs
        return replace(self, inputs=tuple(x[:, at] for x in inputs), features=features)

    def fingerprints(self) -> Prints:
        """(N,) of the inputs; NONE of one that is never known again."""
        inputs: tuple[Any, ...] = self.inputs
        return fingerprints((one,) for one in inputs)

    def checksum(self) -> str:
        """SHA-256 of the inputs, the answers, the names of columns, and the groups, whatever the format."""
        digest = hashlib.sha256()
        for part in self._content():
            digest.update(part)
        if self.groups is not None:
            digest.update(encoded(self.groups))
        return digest.hexdigest()

    def _content(self) -> Iterator[bytes]:
        yield encoded((self.features, self.answers))
        if self.weights is not None:
            yield encoded(self.weights)
        for one in self.inputs:
            if isinstance(one, str):
                yield repr(one).encode("ascii", "backslashreplace")
            else:
                yield from content(one)


Sequences = Examples[Any, str]
E = TypeVar("E", bound=Examples[Any, Any])


def content(array: Any) -> Iterator[bytes]:
    """The shape, the type and the values of an array."""
    yield repr((array.shape, array.dtype.str)).encode()
    yield np.ascontiguousarray(array).tobytes()


def encoded(values: object) -> bytes:
    """Texts and what holds them, as Python would write them."""
    return repr(values).encode("utf-8", "surrogatepass")


def joined(several: Sequence[E]) -> E:
    """All of them in their order, as the first one is; without answers, or groups, where one has none."""
    columns: dict[str, Any] = {
        name: tuple(chain.from_iterable(getattr(one, name) for one in several))
        for name in ("inputs", "names", "places")
    }
    columns |= {name: _all_of([getattr(one, name) for one in several]) for name in ("answers", "groups")}
    return replace(
        several[0],
        notes=tuple(dict.fromkeys(chain.from_iterable(one.notes for one in several))),
        left_out=dict(chain.from_iterable(one.left_out.items() for one in several)),
        **columns,
    )


def _all_of(several: Sequence[tuple[Any, ...] | None]) -> tuple[Any, ...] | None:
    return None if None in several else tuple(chain.from_iterable(one or () for one in several))
