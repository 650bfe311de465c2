"""What users give of a series' next steps, as rows of numbers. A step is

    {"time": "2024-01-31 05:00", "sales": 3.0, "price": [2.5, 2.5]}      columns by their names

the targets and past covariates of that time, of each covariate that is known for the future its next S values
(or the one, where S is 1), and of each static one its value. Of a column with categories values are texts. Of
a model of targets alone a step may be a number, or K of them. The time may be left out where the model reads
no calendar; it then is one step after the last.
"""

import json
import math
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs.outcomes import first_wrong
from unrolled.codecs.series import NEVER, SeriesCodec
from unrolled.errors import DataError
from unrolled.files import numerals
from unrolled.files.cells import allow_gaps, is_missing, is_no_number
from unrolled.files.covariates import code
from unrolled.files.ids import id_of
from unrolled.files.instants import position
from unrolled.files.messages import listed, nearest, option, shown
from unrolled.files.time_parts import layout_of
from unrolled.files.zones import local_times, spelt

Array = NDArray[Any]

# Standard deviations. Sums and squares of such are numbers; beyond, a state could become NaN, and stay so.
FAR = 2.0**60


class Reader:
    """`time`: the name of the column of times in the training data, None where there was none; `gappy`:
    whether values may be missing, which are NaN then; `date_format`: of times that are texts (dates.py),
    `decimal`: mark of numbers that are (numerals.py); `output`: the kind that targets are outcomes of;
    `missing`: words that say that there is no number, beside the usual ones (cells.py)."""

    def __init__(
        self,
        codec: SeriesCodec,
        time: str | None,
        gappy: bool,
        date_format: str | None = None,
        decimal: str | None = None,
        output: str = "point",
        missing: Sequence[str] = (),
    ) -> None:
        self.codec, self.gappy, self.date_format, self.decimal = codec, gappy, date_format, decimal
        self.output, self.missing_words = output, tuple(missing)
        covariates = codec.covariates
        self.columns = (*codec.targets, *covariates.past, *covariates.future, *covariates.static)
        self.times = () if time is None else tuple(dict.fromkeys([time, "time"]))
        self.times = tuple(name for name in self.times if name not in self.columns)
        self.layout = layout_of([name.strip() for name in time.split(",")]) if time and "," in time else None
        if self.layout is not None:
            self.times = ("time",)
            self.layout = None if set(self.layout.columns) & {*self.columns, "time"} else self.layout
        self.alone = not (codec.past or codec.future or codec.calendar)

    def reading_gaps(self) -> "Reader":
        """The same that reads NaN where a value is missing."""
        other = copy(self)
        other.gappy = True
        return other

    def encode(self, chunk: Any, later: bool = False) -> Array:
        """Steps -> (T,) of codec.dtype, which may also be given; `later`: of a time that clocks show twice
        the second. DataError for what cannot be read."""
        if isinstance(chunk, np.ndarray) and chunk.dtype == self.codec.dtype:
            return chunk
        steps = list(chunk)
        codec, T = self.codec, len(steps)
        if not all(isinstance(step, Mapping) for step in steps):
            never = np.full(T, NEVER), np.zeros(T, np.int64)
            return self._packed(*never, self._numbers(steps), np.zeros((T, 0)), None)
        times, offsets = np.array([self._time(step, later) for step in steps], np.int64).reshape(T, 2).T
        target = [[self._value(step, name) for name in codec.targets] for step in steps]
        past = [[self._value(step, name) for name in codec.covariates.past] for step in steps]
        future = [self.future(step, codec.steps) for step in steps] if codec.future else None
        values = np.array(target, np.float64).reshape(T, len(codec.targets))
        columns = codec.covariates.past
        known = codec.covariates.numbers(columns, np.array(past, np.float64).reshape(T, len(columns)))
        name = codec.id
        names = [None if name is None else id_of(step, name) for step in steps]
        series = [None if one is None else str(one) for one in names]
        return self._packed(times, offsets, values, known, future, series)

    def future(self, step: Mapping[str, Any], steps: int) -> Array:
        """(steps, Q) of each covariate its values of so many steps, of static ones the one."""
        covariates, columns = self.codec.covariates, []
        for name in covariates.future:
            values = np.ravel(np.asarray(self._found(step, name), object))
            if len(values) != steps:
                raise DataError(
                    f"column {shown(name)}: wanted {steps} values, those of the steps to forecast, got "
                    f"{len(values)}; give them as a list, in lines of JSON: "
                    f"{{{json.dumps(name)}: [{', '.join(['…'] * min(steps, 3))}]}}"
                )
            columns.append([self._number(value, name) for value in values.tolist()])
        columns += [[self._value(step, name)] * steps for name in covariates.static]
        names = (*covariates.future, *covariates.static)
        return covariates.numbers(names, np.array(columns, np.float64).reshape(len(names), steps).T)

    def require_order(self, steps: Array, last: Array, offset: Array) -> tuple[Array, Array]:
        """steps (T, B) of codec.dtype after the times last (B,) with their offset (B,) -> those of the last
        of all. DataError where a step is left out."""
        for now, east in zip(steps["time"], steps["offset"], strict=True):
            wanted = self.codec.later(last)
            wrong = (now != wanted) & (now != NEVER) & (wanted != NEVER)
            if wrong.any():
                row = int(np.argmax(wrong))
                of = f"row {row}: " if len(last) > 1 else ""
                none = "None for what is missing, " if self.gappy else ""
                raise DataError(
                    f"{of}wanted the step of {self.spoken(wanted[row], offset[row])}, which follows "
                    f"{self.spoken(last[row], offset[row])} by {self.codec.step.name}, got "
                    f"{self.spoken(now[row], east[row])}; give every step once and in order, {none}or begin "
                    "anew"
                )
            offset = np.where(now == NEVER, offset, east)
            last = np.where(now == NEVER, wanted, now)
        return last, offset

    def _packed(
        self,
        times: Array,
        offsets: Array,
        target: Array,
        past: Array,
        future: Sequence[Array] | None,
        series: Sequence[str | None] | None = None,
    ) -> Array:
        self._require_outcomes(target)
        codec, T = self.codec, len(times)
        shape = (T, codec.steps, len(codec.future))
        ahead = np.zeros(shape) if future is None else np.array(future).reshape(shape)
        next_, east = codec.following(times, offsets) if codec.calendar else (times, offsets)
        known = codec.known(next_, east, ahead)
        x = np.concatenate([codec.own_rows(target, past, series or [None] * T), known], axis=1)
        far = np.abs(x) > FAR
        if far.any():
            name = codec.known_columns[int(np.argmax(far.any(0)))]
            raise DataError(
                f"column {shown(name)}: a value is too far from those of the training part; correct it"
            )
        return codec.packed(times, offsets, x)

    def _require_outcomes(self, target: Array) -> None:
        """target (T, K). DataError for a value that can be no outcome of the output."""
        if wrong := first_wrong(self.output, target):
            row, k, wanted = wrong
            of = f"step {row + 1} of {len(target)}: " if len(target) > 1 else ""
            raise DataError(
                f"{of}column {shown(self.codec.targets[k])}: wanted {wanted} "
                f"({option('output', self.output)}), got {target[row, k]:g}; correct it"
            )

    def _numbers(self, steps: Sequence[Any]) -> Array:
        """(T, K) of steps that are numbers."""
        K = len(self.codec.targets)
        if not self.alone or any(isinstance(step, Mapping) for step in steps):
            wanted = listed([*self.times[:1], *self.columns])
            raise DataError(f'wanted steps as {{"column": value, …}} with {wanted}, got {shown(steps[0])}')
        rows = [np.ravel(np.asarray(step, object)).tolist() for step in steps]
        for row in rows:
            if len(row) != K:
                raise DataError(f"wanted {K} numbers a step ({listed(self.codec.targets)}), got {len(row)}")
        numbers = [
            [self._number(value, name) for value, name in zip(row, self.columns, strict=True)] for row in rows
        ]
        return np.array(numbers, np.float64).reshape(len(rows), K)

    def _time(self, step: Mapping[str, Any], later: bool) -> tuple[int, int]:
        """The whole number of a step's time, NEVER where there is none, and its offset."""
        cell = next((step[name] for name in self.times if step.get(name) is not None), None)
        if cell is None and self.layout is not None and set(self.layout.columns) <= set(step):
            cell = self.layout.text(step)
        if cell is None:
            if self.codec.calendar:
                raise DataError(
                    f"a step has no {shown(self.times[0] if self.times else 'time')}; this model reads the "
                    "calendar, so give each step's time"
                )
            return NEVER, 0
        axis = self.codec.step
        time, offset = position(cell, axis, self.codec.zone, later, self.date_format)
        moments = self.codec.moments(np.array([time, *self.codec.later(np.array([time]))]))
        if not axis.fits(moments):
            month = "a time at one point of each month", ", which the next may not have"
            wanted, more = month if axis.unit == "month" else ("a day from Monday to Friday", "")
            raise DataError(
                f"wanted {wanted}, got {self.spoken(time, offset)}{more}; give times as the training had them"
            )
        return time, offset

    def _value(self, step: Mapping[str, Any], name: str) -> float:
        return self._number(self._found(step, name), name)

    def _found(self, step: Mapping[str, Any], name: str) -> Any:
        if name not in step:
            raise DataError(
                f"a step has no column {shown(name)}{nearest(name, list(map(str, step)))}; this model reads "
                f"{listed(self.columns)}"
            )
        return step[name]

    def missing(self, times: Array, offsets: Array, series: str | None = None) -> Array:
        """Times (T,) -> steps (T,) of codec.dtype of which nothing is known but these, and the series."""
        codec, T = self.codec, len(times)
        target, past = (np.full((T, len(names)), np.nan) for names in (codec.targets, codec.past))
        future = np.full((T, codec.steps, len(codec.future)), np.nan)
        return self._packed(times, offsets, target, past, list(future), [series] * T)

    def spoken(self, time: Any, offset: Any) -> str:
        """A time for a person."""
        codec, moment = self.codec, self.codec.moments(np.array([time], np.int64))
        offset = codec.offsets_after(moment, np.array([offset]))
        return spelt(local_times(codec.zone, moment, codec.step, offset)[0], int(offset[0]), codec.zone)

    def _number(self, value: Any, name: str) -> float:
        """NaN for a missing one where the model reads gaps, and of a column with categories the code of a
        text. DataError for one that it does not read, and for what is no number, or no text."""
        unknown = isinstance(value, float | np.floating) and bool(np.isnan(value))
        is_text = name in self.codec.covariates.categories
        if unknown or (is_missing(value) if is_text else is_no_number(value, self.missing_words)):
            if self.gappy:
                return math.nan
            raise DataError(
                f"column {shown(name)}: the value is missing, and this model was trained without gaps; fill "
                f"it, or {allow_gaps()}"
            )
        if is_text:
            return self._code(value, name)
        try:
            number = numerals.number(value, self.decimal) if isinstance(value, str) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = None
        if number is None or not math.isfinite(number):
            mark = "" if self.decimal is None else f" with a decimal {self.decimal}"
            raise DataError(f"column {shown(name)}: wanted a number{mark}, got {shown(value)}; correct it")
        return number

    @staticmethod
    def _code(value: Any, name: str) -> float:
        if not isinstance(value, str):
            raise DataError(
                f"column {shown(name)}: wanted a text, a category, got {shown(value)}; correct it"
            )
        return code(value)
