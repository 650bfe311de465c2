"""Sequences with one answer each, as the readers of all formats give them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.files.fingerprints import Prints, fingerprints

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Sequences:
    """N sequences of one source, all of numbers or all of text.

    inputs    of numbers (T_i, F) of any real type, T_i ≥ 1, NaN where a value is missing; of text a str
    features  (F,) names of the columns; () for text
    answers   (N,) as the source writes them; None where it holds none
    names     (N,) what the source calls each: its id, file or number
    places    (N,) where each stands, for errors: "digits.csv, line 7"
    notes     what the reader found and chose
    rate_hz   of recordings, the rate that they all have; None for others
    named     whether the source names the columns, so that others beside those asked for do no harm
    """

    noun: ClassVar[str] = "sequence"

    inputs: tuple[Numbers, ...] | tuple[str, ...]
    features: tuple[str, ...]
    answers: tuple[str, ...] | None
    names: tuple[str, ...]
    places: tuple[str, ...]
    notes: tuple[str, ...] = ()
    rate_hz: int | None = None
    named: bool = True

    @property
    def is_text(self) -> bool:
        return not self.features

    def __len__(self) -> int:
        return len(self.inputs)

    def select(self, indices: Sequence[int] | NDArray[np.int64]) -> "Sequences":
        """Those of `indices`, in their order."""
        at = [int(i) for i in indices]
        inputs: Any = tuple(self.inputs[i] for i in at)
        answers = None if self.answers is None else tuple(self.answers[i] for i in at)
        names, places = tuple(self.names[i] for i in at), tuple(self.places[i] for i in at)
        return replace(self, inputs=inputs, answers=answers, names=names, places=places)

    def fingerprints(self) -> Prints:
        """(N,) of the inputs."""
        return fingerprints((one,) for one in self.inputs)

    def checksum(self) -> str:
        """SHA-256 of the features' names, the inputs and the answers."""
        digest = hashlib.sha256(repr((self.features, self.answers)).encode("utf-8", "surrogatepass"))
        for one in self.inputs:
            if isinstance(one, str):
                digest.update(repr(one).encode("ascii", "backslashreplace"))
            else:
                digest.update(repr((one.shape, one.dtype.str)).encode())
                digest.update(np.ascontiguousarray(one).tobytes())
        return digest.hexdigest()
