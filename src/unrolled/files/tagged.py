"""Sequences with an answer at every step, as the readers of all formats give them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.files.fingerprints import Prints, fingerprints
from unrolled.files.sequences import Numbers, Sequences

Words = tuple[str, ...]


class Layout(NamedTuple):
    """How the lines of a file of words are made: so many columns, with tabs or blanks between them."""

    columns: int
    tabs: bool


@dataclass(frozen=True)
class Tagged:
    """N sequences of one source, all of words or all of numbers.

    inputs    of words (T_i,), of numbers (T_i, F), T_i ≥ 1, NaN where a value is missing
    features  (F,) names of the columns; () for words
    tags      (N,) of (T_i,) as the source writes them; None where it holds none
    names     (N,) what the source calls each: its id or number
    where     (N,) the source and what it counts: "train.conllu, line"
    lines     (N,) of (T_i,) where each step stands in it
    notes     what the reader found and chose
    layout    of CoNLL files with tags; None for other sources
    """

    noun: ClassVar[str] = "sequence"

    inputs: tuple[Words, ...] | tuple[Numbers, ...]
    features: tuple[str, ...]
    tags: tuple[Words, ...] | None
    names: tuple[str, ...]
    where: tuple[str, ...]
    lines: tuple[NDArray[np.int64], ...]
    notes: tuple[str, ...] = ()
    layout: Layout | None = None

    @property
    def is_text(self) -> bool:
        return not self.features

    @property
    def lengths(self) -> list[int]:
        return [len(one) for one in self.inputs]

    def __len__(self) -> int:
        return len(self.inputs)

    def place(self, sequence: int, step: int) -> str:
        """Where a step stands, for errors: "train.conllu, line 7"."""
        return f"{self.where[sequence]} {self.lines[sequence][step]}"

    def select(self, indices: Sequence[int] | NDArray[np.int64]) -> "Tagged":
        """Those of `indices`, in their order."""
        at = [int(i) for i in indices]

        def some(parts: Any) -> Any:
            return None if parts is None else tuple(parts[i] for i in at)

        fields = ("inputs", "tags", "names", "where", "lines")
        return replace(self, **{name: some(getattr(self, name)) for name in fields})

    def fingerprints(self) -> Prints:
        """(N,) of the inputs."""
        return fingerprints((" ".join(one),) if isinstance(one, tuple) else (one,) for one in self.inputs)

    def checksum(self) -> str:
        """SHA-256 of the features' names, the inputs and the tags."""
        digest = hashlib.sha256(repr(self.tags).encode("utf-8", "surrogatepass"))
        if not self.is_text:
            digest.update(self.sequences().checksum().encode())
        else:
            digest.update(repr(self.inputs).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def sequences(self) -> Sequences:
        """Its numbers without the tags."""
        inputs: Any = self.inputs
        places = tuple(self.place(i, 0) for i in range(len(self)))
        return Sequences(inputs, self.features, None, self.names, places, self.notes)
