"""Series of files as the network reads them: rows as codecs/series.py makes them, in tensors."""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.splits import by_sequence, chronological
from unrolled.blocks.outputs import SCALED, Output
from unrolled.codecs.calendar import calendar_features
from unrolled.codecs.gaps import MASK, REFUSE
from unrolled.codecs.scaling import Scaler
from unrolled.codecs.series import HOLIDAY, KINDS, Rows, SeriesCodec
from unrolled.errors import DataError
from unrolled.files.category_columns import Texts
from unrolled.files.left_out import LeftOut, UnusableError
from unrolled.files.messages import listed, option, shown
from unrolled.files.opening import plain_name
from unrolled.files.query import Query
from unrolled.files.series import Series, SeriesFile, read_series
from unrolled.files.steps import Step, Times, parse_step
from unrolled.files.zones import Seconds, notation
from unrolled.tasks import groups
from unrolled.tasks.forecast.config import DataConfig
from unrolled.tasks.forecast.targets import target_scaler
from unrolled.tasks.sources import Sources

# Cycles of the calendar. One that was seen once is learnt by heart, so the training part must span it twice.
CYCLES = {
    "hour_of_day": np.timedelta64(1, "D"),
    "day_of_week": np.timedelta64(7, "D"),
    "day_of_year": np.timedelta64(365, "D"),
}

Array = NDArray[np.float64]
Clock = tuple[Times, Seconds, Rows]
Clocks = dict[tuple[bytes, bytes, int], Clock]
Source = str | Path | pl.DataFrame | Sequence[str | Path]


@dataclass(frozen=True)
class Coded:
    """A series with T targets and F further rows: times (T + F,) with their offsets; y (T, K) as in the file;
    in float32 the same scaled, z (T, K), both NaN where the file has no value; x (T, row) the rows with S = 1
    that a network reads; and k (T + F - 1, ·) the end of the rows of steps whose other values are forecasts,
    behind K of these: its last U numbers are what is known of the next step."""

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
        cls,
        file: SeriesFile,
        ends: Sequence[int],
        calendar: Sequence[str],
        steps: int,
        gaps: str = REFUSE,
        series: Sequence[str] = (),
        id: str | None = None,
        output: str = "point",
        holidays: NDArray[np.int64] | None = None,
        transforms: Sequence[str] = (),
    ) -> "Codec":
        """`ends`: where the training part of each series ends; `steps`: S; `series`: those that are known by
        name, in column `id`; `holidays`: None for none in the calendar; `transforms` of each target, or none.
        DataError where a column is constant in all training parts, but for targets that are 0 or 1."""
        training = {
            name: [getattr(s, name)[:end] for s, end in zip(file.series, ends, strict=True)] for name in KINDS
        }
        if file.static:
            fixed = zip(file.series, training["future"], strict=True)
            training["future"] = [_with_static(s, future) for s, future in fixed]
        names = {"target": file.targets, "past": file.past, "future": (*file.future, *file.static)}
        scalers = {"target": target_scaler(training["target"], file.targets, output, transforms)}
        scalers |= {kind: Scaler.fit(training[kind], names[kind]) for kind in KINDS[1:] if names[kind]}
        target, past, future = (np.isnan(np.concatenate(training[kind])).any(0) for kind in KINDS)
        flagged = np.concatenate([target, past, np.zeros(int(bool(series)), np.bool_), future]) & (
            gaps == MASK
        )
        return cls(
            file.targets,
            file.covariates,
            file.step,
            file.zone,
            tuple(calendar) if holidays is None else (*calendar, HOLIDAY),
            scalers,
            steps,
            gaps,
            flagged,
            tuple(series),
            id,
            np.empty(0, np.int64) if holidays is None else holidays,
        )

    def encode(self, series: Series, ahead: int) -> Coded:
        """`ahead`: steps past the last target for which rows are needed; the calendar is extended by so many
        where no covariates bound it."""
        return self.encode_each([series], ahead)[0]

    def encode_each(self, series: Sequence[Series], ahead: int) -> list[Coded]:
        """The same of several, whose common times are read once."""
        codec, clocks = self if self.steps == 1 else replace(self, steps=1), Clocks()
        return [codec._encoded(one, ahead, clocks) for one in series]

    def _encoded(self, series: Series, ahead: int, clocks: Clocks) -> Coded:
        times, offsets, known, rows = self.known_rows(series, ahead, clocks)
        T, K = series.target.shape
        x, _ = self.filled(known, np.zeros(len(self.flagged), np.float32))
        k = x[:rows, K:].copy()
        k[:, self.own - K : self.own - K + self.flags] = 0
        return Coded(
            series.name, times, offsets, series.target, *map(torch.from_numpy, (known[:T, :K], x[:T], k))
        )

    def known_rows(
        self, series: Series, ahead: int, clocks: Clocks | None = None
    ) -> tuple[Times, Seconds, Rows, int]:
        """The times of `encode` and their offsets, what is known of every step (max(T, R), known_width), and
        R, how many steps have all that is known of the steps ahead of them; of others it is NaN."""
        times, offsets, calendar = self._clock(series, ahead, {} if clocks is None else clocks)
        future = _with_static(series, series.future if self.varying else np.zeros((len(times), 0)))
        rows = len(calendar)
        f = np.stack([future[1 + s : 1 + s + rows] for s in range(self.steps)], axis=1)
        T = len(series.target)
        known = np.full((max(T, rows), self.known_width), np.nan, np.float32)
        known[:T, : self.own] = self.own_rows(series.target, series.past, [series.name] * T)
        future_columns = self.scaled("future", f).reshape(rows, self.steps * len(self.future))
        known[:rows, self.own :] = np.concatenate([calendar, future_columns], axis=1)
        return times, offsets, known, rows

    def _clock(self, series: Series, ahead: int, clocks: Clocks) -> Clock:
        """The times of `known_rows`, their offsets, and the calendar of the steps ahead of each row."""
        T = len(series.target)
        place = series.times.tobytes(), series.offsets.tobytes(), T
        if place not in clocks:
            times, offsets = series.times, series.offsets
            if not self.varying:
                times, offsets = self.continued(times[:T], offsets, ahead)
            rows = max(0, len(times) - self.steps)
            next_ = times[1 : 1 + rows]  # their offsets follow from the present ones, as in a stream
            calendar = self.calendar_rows(next_, self.offsets_after(next_, offsets[:rows]))
            clocks[place] = times, offsets, calendar
        return clocks[place]

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
        means = {kind: self.scalers[kind].center if kind in self.scalers else np.empty(0) for kind in KINDS}
        future, static = np.split(means["future"], [self.varying])
        steps = means["target"][None], means["past"][None], np.tile(future, (len(times), 1))
        series = Series("blank", times, offsets, *steps, static=static)
        return self.encode(series, ahead)


def _with_static(series: Series, future: Array) -> Array:
    """future (T, ·) with the values that do not change behind."""
    return np.concatenate([future, np.tile(series.static, (len(future), 1))], axis=1)


def calendar_names(file: SeriesFile, ends: Sequence[int]) -> tuple[str, ...]:
    """The features of cycles that the longest training part spans twice."""
    longest = max((s.times[:end] for s, end in zip(file.series, ends, strict=True)), key=len)
    names, _ = calendar_features(longest, file.step)
    return tuple(name for name in names if longest[-1] - longest[0] >= 2 * CYCLES[name.rpartition("_")[0]])


def read(
    source: Source,
    config: DataConfig,
    step: Step | None = None,
    texts: Collection[str] | None = None,
    fitted: bool = True,
) -> SeriesFile:
    """The series of one frame, or of one or several files with the same columns and step, which is `step`
    where a model has one and the times can have it; likewise the columns of `texts`. `fitted`: see Query."""
    sources = [source] if isinstance(source, str | Path | pl.DataFrame) else list(source)
    names = (
        "time",
        "id",
        "wide",
        "past",
        "future",
        "static",
        "zone",
        "date_format",
        "decimal",
        "no_header",
        "encoding",
        "missing",
        "group",
    )
    columns = {name: getattr(config, name) for name in names}
    query = Query(
        targets=config.target,
        texts=None if texts is None else tuple(texts),
        gaps=config.gaps != REFUSE,
        skip=config.skip_series,
        skip_wrong=config.skip_wrong,
        fitted=fitted,
        step=step,
        resample=None if config.resample is None else parse_step(config.resample),
        aggregate=config.aggregate,
        label=None
        if config.target
        else getattr(config, "truth", None),  # it is no target, where that is open
        **columns,
    )
    if len(sources) == 1:
        return read_series(sources[0], query)
    left_out = LeftOut(True, config.skip_series)
    files = left_out.each(map(str, sources), lambda path: read_series(path, query), UnusableError)
    return _joined(files, left_out)


def read_parts(
    sources: Sources, config: DataConfig, step: Step | None = None, texts: Collection[str] | None = None
) -> SeriesFile:
    """The series of all parts in one, with notes on what was left out; `step` and `texts` as of `read`. Those
    to train on have steps for each part of them, and, where some may be left out, other than equal values."""
    parts = {"validation": sources.validation, "test": sources.test}
    separate = {part: source for part, source in parts.items() if source is not None}
    whole = separate if config.group is None else parts
    shares = config.model_copy(update=dict.fromkeys(whole, 0.0))
    file = _trainable(read(sources.train, config, step, texts, fitted=False), shares)
    if config.group is not None:
        file = _in_groups(file, config.model_copy(update=dict.fromkeys(separate, 0.0)))
    series, notes, why = list(file.series), list(file.notes), dict(file.left_out)
    wrong = dict(file.wrong_rows)
    known = dict(file.texts)
    for part, source in separate.items():
        other = read(source, config, file.step, file.texts)
        known = _all_texts(known, other.texts)
        check_alike(other, file, f"the {part} files")
        series += [replace(one, part=part) for one in other.series]
        notes += [f"{part} files: {note}" for note in other.notes]
        wrong |= other.wrong_rows
        why |= {f"{name} ({part} files)": reason for name, reason in other.left_out.items()}
    file = replace(file, series=tuple(series), left_out=why, wrong_rows=wrong, texts=known)
    return replace(file, notes=(*notes, *file.told()))


def _in_groups(file: SeriesFile, config: DataConfig) -> SeriesFile:
    """With whole series as parts, all those of a group in one. DataError for fewer groups than parts."""
    names = [str(one.group) for one in file.series]
    _, *held = by_sequence(len(names), config.validation, config.test, 0, names)
    part = {int(i): name for name, at in zip(("validation", "test"), held, strict=True) for i in at}
    series = tuple(replace(one, part=part.get(i, "")) for i, one in enumerate(file.series))
    each = {name: {one.group for one in series if one.part == name} for name in ("", "validation", "test")}
    note = groups.sizes(config, {name or "train": frozenset(map(str, some)) for name, some in each.items()})
    return replace(file, series=series, notes=(*file.notes, *note))


def _all_texts(texts: Texts, more: Texts) -> dict[str, Mapping[float, str]]:
    """By column those of either."""
    return {column: {**known, **more[column]} for column, known in texts.items()}


def has_part(file: SeriesFile, config: DataConfig, part: str) -> bool:
    """Whether there is a validation or a test part, of its own series or of the others."""
    return any(series.part == part for series in file.series) or bool(getattr(config, part))


def check_alike(file: SeriesFile, trained: SeriesFile | Codec, name: str) -> None:
    """DataError where a file, called `name`, has other times or steps than what was trained on."""
    if file.zone != trained.zone:
        raise DataError(
            f"{name} have times {notation(file.zone)}; the model was trained on times "
            f"{notation(trained.zone)}; write them as the training had them"
        )
    if file.step != trained.step:
        raise DataError(
            f"{name} have a step of {file.step.name}; the model was trained on {trained.step.name}"
        )


def output_of(codec: SeriesCodec, kind: str, levels: tuple[float, ...], **how: bool) -> Output:
    """With the units of the scaled targets, where it must know them."""
    scale = tuple(codec.scalers["target"].scale.tolist()) if kind in SCALED else ()
    return Output(kind, levels, scale=scale, **how)


def checksum(file: SeriesFile) -> str:
    """SHA-256 of the columns' names, the times and the numbers, whatever the file's name and format."""
    columns = (file.targets, file.past, file.future, *([file.static] if file.static else []))
    digest = hashlib.sha256(repr((*columns, file.step, file.zone)).encode())
    for series in file.series:
        digest.update(repr((series.times.dtype.str, series.target.shape)).encode())
        digest.update((series.part if series.group is None else f"{series.part} of {series.group}").encode())
        digest.update(series.times.astype(np.int64).tobytes())
        static = [series.static] if len(series.static) else []
        for array in (series.target, series.past, series.future, *static):
            digest.update(np.where(np.isnan(array), np.nan, array).tobytes())
    return digest.hexdigest()


def _joined(files: dict[str, SeriesFile], left_out: LeftOut) -> SeriesFile:
    """All series of files, by path, in one, each named by its file too."""
    kinds = Counter((file.zone, file.targets, file.step) for file in files.values())
    kind = kinds.most_common(1)[0][0] if left_out.allowed else next(iter(kinds))
    reference = next(path for path, file in files.items() if (file.zone, file.targets, file.step) == kind)
    first = files[reference]

    def alike(path: str) -> SeriesFile:
        file = files[path]
        if file.zone != first.zone:
            raise DataError(
                f"{path}: times {notation(file.zone)}, but {reference}: {notation(first.zone)}; write them "
                f"alike, or name the zone ({option('zone', 'Europe/Berlin')})"
            )
        if (file.targets, file.step) != (first.targets, first.step):
            raise DataError(
                f"{path}: targets {listed(file.targets)} every {file.step.name}, but {reference}: "
                f"{listed(first.targets)} every {first.step.name}; give files of one kind"
            )
        if other := sorted(file.texts.keys() ^ first.texts.keys()):
            with_texts = path if other[0] in file.texts else reference
            raise DataError(
                f"{path}: column {shown(other[0])} holds texts in {with_texts} alone; write numbers or texts "
                "in all"
            )
        return file

    series, notes, why, known = list[Series](), list[str](), dict[str, str](), first.texts
    wrong = dict[str, str]()
    for path, file in left_out.each(files, alike).items():
        known = _all_texts(known, file.texts)
        stem = plain_name(Path(path)).stem
        names = {s.name: f"{stem} {s.name}" if file.several else stem for s in file.series}
        series += [replace(s, name=names[s.name]) for s in file.series]
        why |= {f"{stem} {name}": reason for name, reason in file.left_out.items()}
        notes += [f"{Path(path).name}: {note}" for note in file.notes]
        wrong |= file.wrong_rows
    why = left_out.why | why
    first = replace(first, notes=tuple(notes), left_out=why, wrong_rows=wrong)
    return replace(first, series=tuple(series), texts=known)


def _trainable(file: SeriesFile, config: DataConfig) -> SeriesFile:
    """Without the series that no training can use."""

    def check(series: Series) -> None:
        try:
            chronological(len(series.target), config.validation, config.test)
        except DataError as error:
            raise DataError(f"series {shown(series.name)}: {error}" if file.several else str(error)) from None
        least, most = (reduce(series.target) for reduce in (np.fmin.reduce, np.fmax.reduce))
        if config.skip_series and (least == most).all():
            raise DataError(
                f"constant, {', '.join(f'{value:g}' for value in least)} at every step; leave it out"
            )

    return usable(file, check, config.skip_series)


def usable(file: SeriesFile, check: Callable[[Series], object], skip: bool) -> SeriesFile:
    """Without the series that `check` refuses, where these may be left out: see LeftOut.each."""
    left_out = LeftOut(file.several, skip)
    places = {str(at): series for at, series in enumerate(file.series)}  # files may have series of one name
    kept = left_out.each(places, lambda at: check(places[at]))
    why = {places[at].name: reason for at, reason in left_out.why.items()}
    return replace(file, series=tuple(places[at] for at in kept), left_out={**file.left_out, **why})
