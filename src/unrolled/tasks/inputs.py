"""What tasks with one answer a sequence read, and how their sequences become the network's inputs.

    numbers   m_f, s_f: mean and deviation of feature f over all known values of the training part; s_f = 1
              where the feature is constant
              z_tf = (x_tf - m_f) / s_f    where x_tf is known
              z_tf = z_{t-1,f}             where it is missing; 0, the mean, before the first known one
              w_tf = 1 where it is missing, else 0, for the features with missing values in training
    text      the numbers of its symbols, see tasks/symbols.py

For baselines a sequence is summed up in S numbers: of numbers, mean and deviation over time of each z_f where
it is known; of text, how often each of the first symbols of the vocabulary stands in it, as a share.

Shapes   numbers x (T, F) -> [z, w] (T, F + W) float32; text -> (T,) int64
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from unrolled.batching.scaling import Scaler
from unrolled.errors import DataError
from unrolled.files.sequences import Numbers, Sequences
from unrolled.files.wording import listed, shown
from unrolled.tasks.config import Names
from unrolled.tasks.parts import PartsConfig
from unrolled.tasks.pooling import Augment, Front, PooledModelConfig

Array = NDArray[np.float64]

# Values that are turned to float64 at once while a scaler is fitted.
CHUNK = 2**22


class SequencesConfig(PartsConfig):
    """Which files are read, what of them, and how they are split."""

    id: str | None = Field(default=None, description="column that tells which sequence a row belongs to")
    time: str | None = Field(default=None, description="column that rows of a sequence are sorted by")
    target: str | None = Field(default=None, description="column of the answers")
    features: Names = Field(default=(), description="columns to read (all others)")
    text: str | None = Field(default=None, description="column of texts, each a sequence")
    labels: str | None = Field(default=None, description="IDX file of the answers, beside an IDX file")


@dataclass(frozen=True)
class NumberInputs:
    """`flagged` (F,): which features have a channel w."""

    features: tuple[str, ...]
    scaler: Scaler
    flagged: NDArray[np.bool_]

    @classmethod
    def fit(cls, data: Sequences) -> Self:
        """DataError where a feature has no value at all, or none that float64 can scale."""
        return cls(data.features, *_moments(data.inputs, data.features))

    @property
    def width(self) -> int:
        return len(self.features) + int(self.flagged.sum())

    def check(self, data: Sequences) -> None:
        """DataError where these are not the features that the model reads."""
        if data.features != self.features:
            found = f"columns {listed(data.features)}" if data.features else "text"
            raise DataError(
                f"{data.places[0]}: this model reads {listed(self.features)}, got {found}; "
                "give data with the columns of the training, in their order"
            )

    def encode(self, x: Numbers, place: str) -> NDArray[np.float32]:
        """x (T, F) -> (T, width). DataError for a value that float32 cannot hold once it is scaled."""
        z = self._scaled(x)
        missing = np.isnan(z)
        if missing.any():
            z = _carried(z, missing)
        with np.errstate(over="ignore"):
            rows = np.concatenate([z, missing[:, self.flagged]], axis=1, dtype=np.float32)
        if not np.isfinite(rows).all():
            t, f = (int(at) for at in np.argwhere(~np.isfinite(rows))[0])
            raise DataError(
                f"{place}, step {t + 1}, {shown(self.features[f])}: {x[t, f]:g} is too far from the "
                "values of the training part; correct it, or leave it empty if it is missing"
            )
        return rows

    def summaries(self, data: Sequences) -> Array:
        """(N, S)."""
        return np.stack([self.summary(x) for x in cast(Iterable[Numbers], data.inputs)])

    def summary(self, x: Numbers) -> Array:
        """x (T, F) -> (2 F,) means, then deviations; 0 where no value is known."""
        z = self._scaled(x)
        known = ~np.isnan(z)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, z, 0).sum(0) / count
        return np.concatenate([mean, np.sqrt((np.where(known, z - mean, 0) ** 2).sum(0) / count)])

    def front(self, config: PooledModelConfig) -> Front:
        return Augment(self.width, config.noise, config.time_mask, config.feature_mask)

    def about(self) -> dict[str, Any]:
        return {"features": list(self.features), "flagged": self.flagged.tolist()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {f"features.{name}": array for name, array in self.scaler.to_arrays().items()}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        scaler = Scaler.from_arrays({name: arrays[f"features.{name}"] for name in ("mean", "scale")})
        return cls(tuple(about["features"]), scaler, np.array(about["flagged"], np.bool_))

    def _scaled(self, x: Numbers) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            return self.scaler.transform(np.asarray(x, np.float64))


def _carried(z: Array, missing: NDArray[np.bool_]) -> Array:
    """z (T, F) with the last known value of each feature where it is missing, 0 before the first."""
    steps = np.arange(len(z))[:, None]
    last = np.maximum.accumulate(np.where(missing, -1, steps), axis=0)
    return np.where(last < 0, 0.0, np.take_along_axis(z, np.maximum(last, 0), 0))


def _moments(inputs: Sequence[Any], features: Sequence[str]) -> tuple[Scaler, NDArray[np.bool_]]:
    """The scaler of all known values, and which features (F,) have missing ones."""
    F = len(features)
    rows, count, total = 0, np.zeros(F, np.int64), np.zeros(F)
    low, high = np.full(F, np.inf), np.full(F, -np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        for x in _chunks(inputs):
            rows, count, total = rows + len(x), count + (~np.isnan(x)).sum(0), total + np.nansum(x, 0)
            low, high = np.fmin(low, np.fmin.reduce(x)), np.fmax(high, np.fmax.reduce(x))
        _require_values(features, count)
        mean = np.where(low == high, low, total / count)
        unit = np.where(low == high, 1.0, np.maximum(high - mean, mean - low))
        squares = sum(np.nansum(((x - mean) / unit) ** 2, 0) for x in _chunks(inputs))
        scale = np.where(low == high, 1.0, unit * np.sqrt(squares / count))
    for name, size in zip(features, np.where(np.isfinite(mean), scale, np.nan), strict=True):
        if not (np.isfinite(size) and size > 0):
            raise DataError(
                f"column {shown(name)}: its values are beyond the range of float64; give it another unit"
            )
    return Scaler(mean, scale), count < rows


def _require_values(features: Sequence[str], count: NDArray[np.int64]) -> None:
    for name, known in zip(features, count, strict=True):
        if not known:
            raise DataError(
                f"column {shown(name)} holds no value in the training part; leave it out (--features)"
            )


def _chunks(inputs: Sequence[Any]) -> Iterator[Array]:
    """The rows of all sequences in float64, some sequences at a time."""
    part: list[Any] = []
    size = 0
    for x in inputs:
        part.append(x)
        size += x.size
        if size >= CHUNK:
            yield np.concatenate(part, dtype=np.float64)
            part, size = [], 0
    if part:
        yield np.concatenate(part, dtype=np.float64)


Inputs = NumberInputs


def fit_inputs(config: Any, data: Sequences) -> Inputs:
    return NumberInputs.fit(data)


def restore_inputs(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Inputs:
    return NumberInputs.restore(about, arrays)


def read(config: SequencesConfig, source: Any, answers: bool = True) -> Sequences:
    """What a source holds. DataError with its place for whatever is wrong with it."""
    if isinstance(source, Sequences):
        return source
    return pair(*source)


def pair(X: Any, y: Any = None) -> Sequences:
    """X (N, T), (N, T, F), or a list of arrays (T_i,) or (T_i, F), or of texts; y (N,) -> Sequences."""
    inputs: Any = tuple(x if isinstance(x, str) else _steps(x, f"sequence {i}") for i, x in enumerate(X))
    names = tuple(str(i) for i in range(len(inputs)))
    places = tuple(f"sequence {i}" for i in range(len(inputs)))
    answers = None if y is None else tuple(str(one) for one in y)
    if not inputs:
        raise DataError("X holds no sequences; wanted at least one")
    if answers is not None and len(answers) != len(inputs):
        raise DataError(f"X holds {len(inputs):,} sequences and y {len(answers):,} answers; wanted as many")
    if len({isinstance(x, str) for x in inputs}) > 1:
        raise DataError("X holds texts and numbers; wanted one kind")
    widths = {0 if isinstance(x, str) else x.shape[1]: i for i, x in reversed(list(enumerate(inputs)))}
    if len(widths) > 1:
        (F, _), (other, at), *_ = sorted(widths.items(), key=lambda item: item[1])
        raise DataError(f"sequence {at} has {other} features; the first has {F}; wanted the same of all")
    return Sequences(inputs, tuple(f"x{f}" for f in range(*widths)), answers, names, places)


def _steps(x: Any, place: str) -> Numbers:
    """One sequence (T, F). DataError where it is none."""
    try:
        values = np.asarray(x)
        values = values if values.dtype.kind in "iufb" else values.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{place}: wanted an array of numbers (T,) or (T, F), got {shown(x)}") from None
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise DataError(f"{place}: wanted numbers (T,) or (T, F), one at least, got shape {np.shape(x)}")
    if np.isinf(values).any():
        raise DataError(f"{place}: wanted finite numbers, got infinity; correct it, or put NaN for missing")
    return values
