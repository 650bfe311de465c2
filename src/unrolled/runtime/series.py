"""What users give of a series' next steps, as rows of numbers. A step is

    {"time": "2024-01-31 05:00", "sales": 3.0, "price": [2.5, 2.5]}      columns by their names

the targets and past covariates of that time, and of each covariate that is known for the future its next S
values (or the one, where S is 1). Of a model of targets alone a step may be a number, or K of them. The time
may be left out where the model reads no calendar; it then is one step after the last.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.batching.filling import REFUSE
from unrolled.batching.series import NEVER, SeriesCodec
from unrolled.errors import DataError
from unrolled.files.cells import MISSING, allow_gaps
from unrolled.files.instants import position
from unrolled.files.steps import spoken
from unrolled.files.wording import listed, nearest, shown

Array = NDArray[Any]


class Reader:
    """`time`: the name of the column of times in the training data, None where there was none."""

    def __init__(self, codec: SeriesCodec, time: str | None) -> None:
        self.codec = codec
        self.columns = (*codec.targets, *codec.past, *codec.future)
        self.times = () if time is None else tuple(dict.fromkeys([time, "time"]))
        self.times = tuple(name for name in self.times if name not in self.columns)
        self.alone = not (codec.past or codec.future or codec.calendar)

    def encode(self, chunk: Any) -> Array:
        """Steps -> (T,) of codec.dtype, which may also be given. DataError for what cannot be read."""
        if isinstance(chunk, np.ndarray) and chunk.dtype == self.codec.dtype:
            return chunk
        steps = list(chunk)
        codec, T = self.codec, len(steps)
        if not all(isinstance(one, Mapping) for one in steps):
            return self._packed(np.full(T, NEVER), self._numbers(steps), np.zeros((T, 0)), None)
        times = np.array([self._time(one) for one in steps], np.int64)
        target = [[self._value(one, name) for name in codec.targets] for one in steps]
        past = [[self._value(one, name) for name in codec.past] for one in steps]
        future = [self.future(one, codec.steps) for one in steps] if codec.future else None
        sizes = len(codec.targets), len(codec.past)
        values, covariates = (
            np.array(found, np.float64).reshape(T, size)
            for found, size in zip((target, past), sizes, strict=True)
        )
        return self._packed(times, values, covariates, future)

    def future(self, given: Mapping[str, Any], steps: int) -> Array:
        """(steps, Q) of each covariate its values of so many steps."""
        columns = []
        for name in self.codec.future:
            values = np.ravel(np.asarray(self._found(given, name), object))
            if len(values) != steps:
                raise DataError(
                    f"column {shown(name)}: wanted {steps} values, those of the steps to forecast, got "
                    f"{len(values)}"
                )
            columns.append([self._number(value, name) for value in values.tolist()])
        return np.array(columns, np.float64).T

    def require_order(self, times: Array, last: Array) -> Array:
        """times (T, B) after last (B,) -> (B,) the last of all. DataError where a step is left out."""
        for now in times:
            wanted = self.codec.later(last)
            wrong = (now != wanted) & (now != NEVER) & (wanted != NEVER)
            if wrong.any():
                row = int(np.argmax(wrong))
                of = f"row {row}: " if len(last) > 1 else ""
                raise DataError(
                    f"{of}wanted the step of {self._spoken(wanted[row])}, which follows "
                    f"{self._spoken(last[row])} by {self.codec.step.name}, got {self._spoken(now[row])}; "
                    "give every step once and in order, or begin anew"
                )
            last = np.where(now == NEVER, wanted, now)
        return last

    def _packed(self, times: Array, target: Array, past: Array, future: Sequence[Array] | None) -> Array:
        codec, T = self.codec, len(times)
        shape = (T, codec.steps, len(codec.future))
        ahead = np.zeros(shape) if future is None else np.array(future).reshape(shape)
        known = codec.known(codec.moments(codec.later(times)), ahead)
        parts = codec.scaled("target", target), codec.scaled("past", past), known
        x = np.concatenate(parts, axis=1)
        if np.isinf(x).any():
            names = (*codec.targets, *codec.past, *codec.calendar, *codec.future * codec.steps)
            name = names[int(np.argmax(np.isinf(x).any(0)))]
            raise DataError(
                f"column {shown(name)}: a value is too far from those of the training part; correct it"
            )
        return codec.packed(times, x)

    def _numbers(self, steps: Sequence[Any]) -> Array:
        """(T, K) of steps that are numbers."""
        K = len(self.codec.targets)
        if not self.alone or any(isinstance(one, Mapping) for one in steps):
            wanted = listed([*self.times[:1], *self.columns])
            raise DataError(f'wanted steps as {{"column": value, …}} with {wanted}, got {shown(steps[0])}')
        rows = [np.ravel(np.asarray(one, object)).tolist() for one in steps]
        for row in rows:
            if len(row) != K:
                raise DataError(f"wanted {K} numbers a step ({listed(self.codec.targets)}), got {len(row)}")
        found = [
            [self._number(value, name) for value, name in zip(row, self.columns, strict=True)] for row in rows
        ]
        return np.array(found, np.float64).reshape(len(rows), K)

    def _time(self, step: Mapping[str, Any]) -> int:
        """The whole number of a step's time, NEVER where there is none."""
        given = next((step[name] for name in self.times if step.get(name) is not None), None)
        if given is None:
            if self.codec.calendar:
                raise DataError(
                    f"a step has no {shown(self.times[0] if self.times else 'time')}; this model reads the "
                    "calendar, so give each step's time"
                )
            return NEVER
        time, axis = position(given, self.codec.step), self.codec.step
        if axis.unit == "month":
            moments = np.array([time, *self.codec.later(np.array([time]))]).astype("datetime64[us]")
            months = axis.positions(moments)
            if months[1] - months[0] != axis.count:
                raise DataError(
                    f"wanted a time at one point of each month, got {self._spoken(time)}, which the next "
                    "may not have; give times as the training had them"
                )
        return time

    def _value(self, step: Mapping[str, Any], name: str) -> float:
        return self._number(self._found(step, name), name)

    def _found(self, step: Mapping[str, Any], name: str) -> Any:
        if name not in step:
            raise DataError(
                f"a step has no column {shown(name)}{nearest(name, list(map(str, step)))}; this model reads "
                f"{listed(self.columns)}"
            )
        return step[name]

    def _spoken(self, time: Any) -> str:
        return spoken(np.int64(time) if self.codec.step.unit == "number" else np.datetime64(int(time), "us"))

    def _number(self, value: Any, name: str) -> float:
        """NaN for a missing one where the model reads gaps. DataError for one that it does not read, and for
        what is no number."""
        if is_missing(value):
            if self.codec.gaps != REFUSE:
                return math.nan
            raise DataError(
                f"column {shown(name)}: the value is missing, and this model was trained without gaps; fill "
                f"it, or {allow_gaps()}"
            )
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise DataError(f"column {shown(name)}: wanted a number, got {shown(value)}; correct it")
        return number


def is_missing(value: Any) -> bool:
    """None, NaN, or a cell without a value."""
    if isinstance(value, str):
        return value.strip().lower() in MISSING
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))
