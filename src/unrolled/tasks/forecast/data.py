"""Series as the network reads them. Step t of a series with T targets and F further rows becomes the row

    x_t = [z_t, p_t, k_t],   k_t = [g_{t+1}, f_{t+1}, …, f_{t+S}]

z_t are the scaled targets (K), p_t the scaled past covariates (P), both known at t; k_t is what is known of
the time to forecast: its calendar g (C) and the scaled known-future covariates f (Q) of all S steps that row
t forecasts. The calendar of the later steps follows from g, so it is not repeated.

Everything is fitted on the training parts alone.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from unrolled.batching.calendar import calendar_features
from unrolled.batching.scaling import Scaler
from unrolled.errors import DataError
from unrolled.files.series import Series, SeriesFile, read_series
from unrolled.files.steps import Step, Times
from unrolled.tasks.forecast.config import DataConfig

# Cycles of the calendar. One that was seen once is learnt by heart, so the training part must span it twice.
CYCLES = {
    "hour_of_day": np.timedelta64(1, "D"),
    "day_of_week": np.timedelta64(7, "D"),
    "day_of_year": np.timedelta64(365, "D"),
}
KINDS = ("target", "past", "future")

Array = NDArray[np.float64]
Source = str | Path | pl.DataFrame | Sequence[str | Path]


@dataclass(frozen=True)
class Coded:
    """A series with T targets and F further rows: times (T + F,); y (T, K) as in the file; z (T, K), p (T, P)
    and k (T + F - S, U) scaled, in float32."""

    name: str
    times: Times
    y: Array
    z: Tensor
    p: Tensor
    k: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def rows(self) -> Tensor:
        """(T, K + P + U) the rows x_t; k_t is NaN where it is not known."""
        T = len(self.z)
        k = pad(self.k[:T], (0, 0, 0, max(0, T - len(self.k))), value=torch.nan)
        return torch.cat([self.z, self.p, k], dim=1)


@dataclass(frozen=True)
class Codec:
    """How series become rows and forecasts become values. `calendar` are the names of the features in g."""

    targets: tuple[str, ...]
    past: tuple[str, ...]
    future: tuple[str, ...]
    step: Step
    calendar: tuple[str, ...]
    scalers: Mapping[str, Scaler]
    steps: int

    @classmethod
    def fit(cls, file: SeriesFile, ends: Sequence[int], calendar: Sequence[str], steps: int) -> "Codec":
        """`ends`: where the training part of each series ends; `steps`: S. DataError where a column is
        constant in all of them."""
        parts = {
            name: [getattr(s, name)[:end] for s, end in zip(file.series, ends, strict=True)] for name in KINDS
        }
        names = {"target": file.targets, "past": file.past, "future": file.future}
        scalers = {kind: Scaler.fit(parts[kind], names[kind]) for kind in KINDS if names[kind]}
        return cls(file.targets, file.past, file.future, file.step, tuple(calendar), scalers, steps)

    @property
    def width(self) -> int:
        """K + P + C + S·Q, the length of a row."""
        return len(self.targets) + len(self.past) + len(self.calendar) + self.steps * len(self.future)

    def encode(self, series: Series, ahead: int) -> Coded:
        """`ahead`: steps past the last target for which rows are needed; the calendar is extended by so many
        where no covariates bound it."""
        times, future = series.times, self._scaled("future", series.future)
        if not self.future:
            known = times[: len(series.target)]
            times = np.concatenate([known, self.step.extend(known, ahead)])
            future = np.zeros((len(times), 0))
        rows = max(0, len(times) - self.steps)
        names, features = calendar_features(times, self.step)
        g = features[1 : 1 + rows, [names.index(name) for name in self.calendar]]
        f = [future[1 + s : 1 + s + rows] for s in range(self.steps)]
        target, past = self._scaled("target", series.target), self._scaled("past", series.past)
        return Coded(
            series.name, times, series.target, _float(target), _float(past), _float(np.hstack([g, *f]))
        )

    def blank(self, last: int, ahead: int) -> Coded:
        """A series of one step, at the time `last`, whose values are the means of training, and are so for
        all steps ahead where they are covariates known for the future."""
        moment = np.array([last]) if self.step.unit == "number" else np.array([last], "datetime64[us]")
        times = np.concatenate([moment, self.step.extend(moment, ahead)])
        means = {kind: self.scalers[kind].mean if kind in self.scalers else np.empty(0) for kind in KINDS}
        future = np.tile(means["future"], (len(times), 1))
        series = Series("blank", times, means["target"][None], means["past"][None], future)
        return self.encode(series, ahead)

    def values(self, z: Tensor) -> Array:
        """z (..., K) -> values in the units of the file."""
        return self.scalers["target"].inverse(z.double().numpy())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the fit found, for a run folder."""
        kinds = self.scalers.items()
        return {
            f"{kind}.{name}": array for kind, scaler in kinds for name, array in scaler.to_arrays().items()
        }

    def about(self) -> dict[str, Any]:
        """What `arrays` does not hold, in plain values."""
        names = {"targets": self.targets, "past": self.past, "future": self.future, "calendar": self.calendar}
        return {
            **{key: list(value) for key, value in names.items()},
            "step": asdict(self.step),
            "steps": self.steps,
        }

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> "Codec":
        """The reverse of `about` and `arrays`."""
        grouped: dict[str, dict[str, NDArray[Any]]] = {}
        for name, array in arrays.items():
            kind, _, own = name.partition(".")
            grouped.setdefault(kind, {})[own] = array
        scalers = {kind: Scaler.from_arrays(own) for kind, own in grouped.items()}
        names = {key: tuple(about[key]) for key in ("targets", "past", "future", "calendar")}
        return cls(**names, step=Step(**about["step"]), scalers=scalers, steps=about["steps"])

    def _scaled(self, kind: str, values: Array) -> Array:
        return self.scalers[kind].transform(values) if kind in self.scalers else values


def calendar_names(file: SeriesFile, ends: Sequence[int]) -> tuple[str, ...]:
    """The features of cycles that the longest training part spans twice."""
    longest = max((s.times[:end] for s, end in zip(file.series, ends, strict=True)), key=len)
    names, _ = calendar_features(longest, file.step)
    return tuple(name for name in names if longest[-1] - longest[0] >= 2 * CYCLES[name.rpartition("_")[0]])


def read(source: Source, config: DataConfig) -> SeriesFile:
    """The series of one frame, or of one or several files with the same columns and step."""
    sources = [source] if isinstance(source, str | Path | pl.DataFrame) else list(source)
    files = [
        read_series(
            one,
            targets=config.target,
            time=config.time,
            id=config.id,
            past=config.past,
            future=config.future,
            gaps=config.gaps,
        )
        for one in sources
    ]
    if len(files) == 1:
        return files[0]
    return _joined([Path(str(one)) for one in sources], files)


def checksum(file: SeriesFile) -> str:
    """SHA-256 of the columns' names, the times and the numbers, whatever the file's name and format."""
    digest = hashlib.sha256(repr((file.targets, file.past, file.future, file.step)).encode())
    for series in file.series:
        digest.update(repr((series.times.dtype.str, series.target.shape)).encode())
        for array in (series.times.astype(np.int64), series.target, series.past, series.future):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _joined(paths: Sequence[Path], files: Sequence[SeriesFile]) -> SeriesFile:
    """All series in one, each named by its file too."""
    first = files[0]
    for path, file in zip(paths, files, strict=True):
        if (file.targets, file.step) != (first.targets, first.step):
            raise DataError(
                f"{path}: target {', '.join(file.targets)} every {file.step.name}, but {paths[0]}: "
                f"{', '.join(first.targets)} every {first.step.name}; give files of one kind"
            )
    series = [
        replace(one, name=f"{path.stem} {one.name}" if len(file.series) > 1 else path.stem)
        for path, file in zip(paths, files, strict=True)
        for one in file.series
    ]
    notes = [f"{path.name}: {note}" for path, file in zip(paths, files, strict=True) for note in file.notes]
    return replace(first, series=tuple(series), notes=tuple(notes))


def _float(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
