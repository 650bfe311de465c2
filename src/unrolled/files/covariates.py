"""Covariates as numbers. A column of texts becomes a column of 0 and 1 for each of its categories, the texts
of the training part, "weather=rain": of any other text all are 0, and of a missing one all are missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unrolled.files.fingerprints import fingerprint

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Covariates:
    """Columns of a file: known up to the present, for the time to forecast too, and of one value a series;
    and the categories of those that hold texts."""

    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def names(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Of the columns of numbers that these become."""
        return tuple(name for column in columns for name in self._names(column))

    def numbers(self, columns: Sequence[str], values: Array) -> Array:
        """values (..., C), texts by their codes -> (..., N) the numbers of `names`."""
        if not self.categories.keys() & set(columns):
            return values
        parts = [np.empty((*values.shape[:-1], 0))]
        for k, column in enumerate(columns):
            one = values[..., k : k + 1]
            if column in self.categories:
                one = np.where(np.isnan(one), np.nan, one == self._codes[column])
            parts.append(one)
        return np.concatenate(parts, axis=-1)

    @cached_property
    def _codes(self) -> Mapping[str, Array]:
        return {column: np.array([code(text) for text in texts]) for column, texts in self.categories.items()}

    def _names(self, column: str) -> tuple[str, ...]:
        texts = self.categories.get(column)
        return (column,) if texts is None else tuple(f"{column}={text}" for text in texts)


def code(text: str) -> float:
    """A number that stands for a text, the same in every file."""
    return float(fingerprint(text) >> 11)
