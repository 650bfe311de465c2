"""Series of files as the network reads them: rows as codecs/series.py makes them, in tensors."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.codecs.calendar import calendar_features
from unrolled.codecs.gaps import MASK, REFUSE
from unrolled.codecs.scaling import Scaler
from unrolled.codecs.series import KINDS, Rows, SeriesCodec
from unrolled.errors import DataError
from unrolled.files.messages import listed, option
from unrolled.files.opening import plain_name
from unrolled.files.query import Query
from unrolled.files.series import Series, SeriesFile, read_series
from unrolled.files.steps import Times
from unrolled.files.zones import Seconds, notation
from unrolled.tasks.forecast.config import DataConfig

# Cycles of the calendar. One that was seen once is learnt by heart, so the training part must span it twice.
CYCLES = {
    "hour_of_day": np.timedelta64(1, "D"),
    "day_of_week": np.timedelta64(7, "D"),
    "day_of_year": np.timedelta64(365, "D"),
}

Array = NDArray[np.float64]
Source = str | Path | pl.DataFrame | Sequence[str | Path]


@dataclass(frozen=True)
class Coded:
    """A series with T targets and F further rows: times (T + F,) with their offsets; y (T, K) as in the file;
    in float32 the same scaled, z (T, K), both NaN where the file has no value; x (T, width) the rows that a
    network reads; and k (T + F - S, U) the end of the rows of steps whose other values are forecasts, behind
    K of these."""

    name: str
    times: Times
    offsets: Seconds
    y: Array
    z: Tensor
    x: Tensor
    k: Tensor

    def __len__(self) -> int:
        return len(self.y)


class Codec(SeriesCodec):
    """The same with series of files and with tensors."""

    @classmethod
    def fit(
        cls, file: SeriesFile, ends: Sequence[int], calendar: Sequence[str], steps: int, gaps: str = REFUSE
    ) -> "Codec":
        """`ends`: where the training part of each series ends; `steps`: S. DataError where a column is
        constant in all of them."""
        training = {
            name: [getattr(s, name)[:end] for s, end in zip(file.series, ends, strict=True)] for name in KINDS
        }
        names = {"target": file.targets, "past": file.past, "future": file.future}
        scalers = {kind: Scaler.fit(training[kind], names[kind]) for kind in KINDS if names[kind]}
        missing = [np.isnan(np.concatenate(training[kind])).any(0) for kind in KINDS]
        flagged = np.concatenate(missing) & (gaps == MASK)
        return cls(
            file.targets,
            file.past,
            file.future,
            file.step,
            file.zone,
            tuple(calendar),
            scalers,
            steps,
            gaps,
            flagged,
        )

    def encode(self, series: Series, ahead: int) -> Coded:
        """`ahead`: steps past the last target for which rows are needed; the calendar is extended by so many
        where no covariates bound it."""
        times, offsets, known, rows = self.known_rows(series, ahead)
        T, K = series.target.shape
        x, _ = self.filled(known, np.zeros(len(self.flagged), np.float32))
        k = x[:rows, K:].copy()
        k[:, len(self.past) : len(self.past) + self.flags] = 0
        return Coded(
            series.name, times, offsets, series.target, *map(torch.from_numpy, (known[:T, :K], x[:T], k))
        )

    def known_rows(self, series: Series, ahead: int) -> tuple[Times, Seconds, Rows, int]:
        """The times of `encode` and their offsets, what is known of every step (max(T, R), known_width), and
        R, how many steps have all that is known of the steps ahead of them; of others it is NaN."""
        times, offsets, future = series.times, series.offsets, series.future
        if not self.future:
            times, offsets = self.continued(times[: len(series.target)], offsets, ahead)
            future = np.zeros((len(times), 0))
        rows = max(0, len(times) - self.steps)
        f = np.stack([future[1 + s : 1 + s + rows] for s in range(self.steps)], axis=1)
        T, K = series.target.shape
        known = np.full((max(T, rows), self.known_width), np.nan, np.float32)
        known[:T, :K] = self.scaled("target", series.target)
        known[:T, K : self.own] = self.scaled("past", series.past)
        next_ = times[1 : 1 + rows]  # their offsets follow from the present ones, as in a stream
        known[:rows, self.own :] = self.known(next_, self.offsets_after(next_, offsets[:rows]), f)
        return times, offsets, known, rows

    def continued(self, times: Times, offsets: Seconds, ahead: int) -> tuple[Times, Seconds]:
        """times (T,) and their offsets with `ahead` that follow."""
        T, after = len(times), self.step.extend(times, ahead)
        return np.concatenate([times, after]), np.concatenate(
            [offsets[:T], self.offsets_after(after, offsets[T - 1])]
        )

    def blank(self, last: int, offset: int, ahead: int) -> Coded:
        """A series of one step, at the time `last` with this offset, whose values are the means of training,
        and are so for all steps ahead where they are covariates known for the future."""
        moment = np.array([last]) if self.step.unit == "number" else np.array([last], "datetime64[us]")
        times, offsets = self.continued(moment, np.array([offset]), ahead)
        means = {kind: self.scalers[kind].mean if kind in self.scalers else np.empty(0) for kind in KINDS}
        future = np.tile(means["future"], (len(times), 1))
        series = Series("blank", times, offsets, means["target"][None], means["past"][None], future)
        return self.encode(series, ahead)


def calendar_names(file: SeriesFile, ends: Sequence[int]) -> tuple[str, ...]:
    """The features of cycles that the longest training part spans twice."""
    longest = max((s.times[:end] for s, end in zip(file.series, ends, strict=True)), key=len)
    names, _ = calendar_features(longest, file.step)
    return tuple(name for name in names if longest[-1] - longest[0] >= 2 * CYCLES[name.rpartition("_")[0]])


def read(source: Source, config: DataConfig) -> SeriesFile:
    """The series of one frame, or of one or several files with the same columns and step."""
    sources = [source] if isinstance(source, str | Path | pl.DataFrame) else list(source)
    columns = {
        name: getattr(config, name)
        for name in ("time", "id", "past", "future", "zone", "date_format", "decimal")
    }
    query = Query(targets=config.target, gaps=config.gaps != REFUSE, **columns)
    files = [read_series(one, query) for one in sources]
    if len(files) == 1:
        return files[0]
    return _joined([Path(str(one)) for one in sources], files)


def checksum(file: SeriesFile) -> str:
    """SHA-256 of the columns' names, the times and the numbers, whatever the file's name and format."""
    digest = hashlib.sha256(repr((file.targets, file.past, file.future, file.step, file.zone)).encode())
    for series in file.series:
        digest.update(repr((series.times.dtype.str, series.target.shape)).encode())
        digest.update(series.times.astype(np.int64).tobytes())
        for array in (series.target, series.past, series.future):
            digest.update(np.where(np.isnan(array), np.nan, array).tobytes())
    return digest.hexdigest()


def _joined(paths: Sequence[Path], files: Sequence[SeriesFile]) -> SeriesFile:
    """All series in one, each named by its file too."""
    first = files[0]
    for path, file in zip(paths, files, strict=True):
        if file.zone != first.zone:
            raise DataError(
                f"{path}: times {notation(file.zone)}, but {paths[0]}: {notation(first.zone)}; write them "
                f"alike, or name the zone ({option('zone', 'Europe/Berlin')})"
            )
        if (file.targets, file.step) != (first.targets, first.step):
            raise DataError(
                f"{path}: targets {listed(file.targets)} every {file.step.name}, but {paths[0]}: "
                f"{listed(first.targets)} every {first.step.name}; give files of one kind"
            )
    series = [
        replace(one, name=f"{stem} {one.name}" if len(file.series) > 1 else stem)
        for stem, file in zip((plain_name(path).stem for path in paths), files, strict=True)
        for one in file.series
    ]
    notes = [f"{path.name}: {note}" for path, file in zip(paths, files, strict=True) for note in file.notes]
    return replace(first, series=tuple(series), notes=tuple(notes))
