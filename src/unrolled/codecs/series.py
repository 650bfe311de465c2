"""Series as the network reads them. Step t of a series becomes the row

    x_t = [z_t, p_t, m_t, k_t],   k_t = [g_{t+1}, …, g_{t+S}, f_{t+1}, …, f_{t+S}, n_{t+1}, …, n_{t+S}]

z_t are the scaled targets (K), p_t the scaled past covariates (P), both known at t; k_t is what is known of
the time to forecast: the calendar g (C), holidays among it, and the scaled known-future covariates f (Q),
static ones at their end, of all S steps that row t forecasts. m_t is 1 where a value of z_t or p_t is
missing, n likewise of f, for the columns that are flagged (filling.py); of others there is none.

What is known of a step is its row with NaN for what is missing, [z_t, p_t, g_{t+1}, …, f_{t+1}, …]: `filled`
makes x_t of it. A network that gives S steps at once reads of its window the rows with S = 1, and k_t of its
last step alone: `split` takes the two from x_t.

Everything is fitted on the training parts alone. This module needs numpy alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs.calendar import calendar_features
from unrolled.codecs.gaps import GAPS, REFUSE, ZERO, carried
from unrolled.codecs.scaling import Scaler
from unrolled.files import zones
from unrolled.files.covariates import Covariates
from unrolled.files.steps import Step, Times

KINDS = ("target", "past", "future")
HOLIDAY = "holiday"  # of the calendar: 1 on holidays, else 0
# A time that was not given. As an instant it is numpy's own for none.
NEVER = np.iinfo(np.int64).min

Array = NDArray[np.float64]
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class SeriesCodec:
    """How series become rows and forecasts become values. `calendar` are the names of the features in g;
    `steps` is S; `zone` is that of the times (zones.py); `gaps`: what stands for a missing value, `flagged`
    (K + P + Q,): which columns have flags; `holidays`: the days since 1970 that are such. Where series have
    `names`, a step's own values end with the number of its series among them, or how many they are, which
    stands for any other; column `id` of a step has the name."""

    targets: tuple[str, ...]
    covariates: Covariates
    step: Step
    zone: str | None
    calendar: tuple[str, ...]
    scalers: Mapping[str, Scaler]
    steps: int
    gaps: str
    flagged: NDArray[np.bool_]
    names: tuple[str, ...] = ()
    id: str | None = None
    holidays: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    @cached_property
    def past(self) -> tuple[str, ...]:
        """(P,) the names of the numbers that past covariates are."""
        return self.covariates.names(self.covariates.past)

    @cached_property
    def future(self) -> tuple[str, ...]:
        """(Q,) the names of those known for the future, static ones at the end."""
        return self.covariates.names((*self.covariates.future, *self.covariates.static))

    @cached_property
    def varying(self) -> int:
        """How many of Q are not static."""
        return len(self.covariates.names(self.covariates.future))

    @property
    def known_columns(self) -> tuple[str, ...]:
        """What the numbers of a step without flags are of."""
        at_present = (*self.targets, *self.past, *(("series",) if self.names else ()))
        return (*at_present, *self.calendar * self.steps, *self.future * self.steps)

    @cached_property
    def own(self) -> int:
        """K + P, the numbers that are known of a step when it has come, and that of its series."""
        return len(self.targets) + len(self.past) + bool(self.names)

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def own_rows(self, target: Array, past: Array, series: Sequence[str | None]) -> Rows:
        """target (T, K), past (T, P) as in the file, of series by these names (T,) -> (T, own)."""
        columns = [self.scaled("target", target), self.scaled("past", past)]
        if self.names:
            other = len(self.names)
            numbers = [other if name is None else self._numbers.get(name, other) for name in series]
            columns.append(np.array(numbers, np.float32)[:, None])
        return np.concatenate(columns, axis=1)

    @cached_property
    def known_width(self) -> int:
        """K + P + S (C + Q), the numbers of a step without flags."""
        return self.own + self.steps * (len(self.calendar) + len(self.future))

    @cached_property
    def flags(self) -> int:
        """The length of m."""
        return int(self.flagged[: self.own].sum())

    @cached_property
    def ahead(self) -> int:
        """U, what is known of one step ahead: its calendar, its covariates and their flags."""
        return len(self.calendar) + len(self.future) + int(self.flagged[self.own :].sum())

    @cached_property
    def row(self) -> int:
        """The length of a row with S = 1."""
        return self.own + self.flags + self.ahead

    def split(self, x: Any) -> tuple[Any, Any]:
        """x (N, width) -> (N, row), the same with S = 1, and what is known of the steps ahead (N, S, U)."""
        S, first = self.steps, self.own + self.flags
        sizes = len(self.calendar), len(self.future), int(self.flagged[self.own :].sum())
        ends = np.cumsum([first, *(S * size for size in sizes)])
        parts = [
            x[:, begin : begin + S * size].reshape(len(x), S, size)
            for begin, size in zip(ends[:-1], sizes, strict=True)
        ]
        ahead = np.concatenate(parts, -1)
        return np.concatenate([x[:, :first], ahead[:, 0]], -1), ahead

    @cached_property
    def width(self) -> int:
        """The length of a row."""
        return self.known_width + self.flags + self.steps * int(self.flagged[self.own :].sum())

    def scaled(self, kind: str, values: Array) -> Rows:
        """values (..., N) of that kind -> standard scores; infinite where float32 cannot hold them."""
        if kind not in self.scalers:  # there are none of that kind
            return np.asarray(values, np.float32)
        with np.errstate(over="ignore"):
            return np.asarray(self.scalers[kind].transform(values), np.float32)

    def known(self, times: Times, offsets: zones.Seconds, future: Array) -> Rows:
        """times (T,) of the steps t+1 with their offsets, future (T, S, Q) as in the file -> k
        (T, S (C + Q))."""
        f = self.scaled("future", future).reshape(len(times), self.steps * len(self.future))
        return np.concatenate([self.calendar_rows(times, offsets), f], axis=1) if self.calendar else f

    def calendar_rows(self, times: Times, offsets: zones.Seconds) -> Rows:
        """(T, S C) of the same."""
        if not self.calendar:
            return np.empty((len(times), 0), np.float32)
        each, offset_of = [times], [offsets]
        for _ in range(1, self.steps):
            later, offsets = self.following(each[-1].astype(np.int64), offsets)
            each.append(later)
            offset_of.append(offsets)
        local = zones.local_times(self.zone, np.concatenate(each), self.step, np.concatenate(offset_of))
        names, features = calendar_features(local, self.step)
        if HOLIDAY in self.calendar:
            days = local.astype("datetime64[D]").astype(np.int64)
            names, features = (*names, HOLIDAY), np.column_stack([features, np.isin(days, self.holidays)])
        if names != self.calendar:
            features = features[:, [names.index(name) for name in self.calendar]]
        C, T = len(self.calendar), len(times)
        g = features.astype(np.float32).reshape(self.steps, T, C).swapaxes(0, 1)
        return g.reshape(T, self.steps * C)

    def filled(
        self, x: Rows, last: Rows, gaps: str | None = None, instead: Rows | None = None
    ) -> tuple[Rows, Rows]:
        """x (T, …, known_width), NaN where a value is missing, and the last known values of all columns
        before it (…, K + P + Q), 0 where there is none -> the rows (T, …, width), and the last known after
        them. By the rule `gaps`, None for that of the codec; `instead` (T, …, K) stands for targets that are
        missing."""
        n, S, Q = self.own, self.steps, len(self.future)
        C = S * len(self.calendar)
        gaps = self.gaps if gaps is None else gaps
        if self.width == self.known_width and (gaps == REFUSE or not np.isnan(x).any()):
            known = x[-1:, ..., :n], x[-1:, ..., n + C : n + C + Q]
            return x, np.concatenate(known, axis=-1)[0] if len(x) else last
        if not len(x):
            return np.empty((*x.shape[:-1], self.width), np.float32), last
        gone = np.isnan(x)
        own, g, f = x[..., :n], x[..., n : n + C], x[..., n + C :].reshape(*x.shape[:-1], S, Q)
        m, gone = gone[..., :n], gone[..., n + C :].reshape(f.shape)
        f = f.copy()
        own, f[..., 0, :] = (
            carried(own, m, last[..., :n]),
            carried(f[..., 0, :], gone[..., 0, :], last[..., n:]),
        )
        for s in range(1, S):
            f[..., s, :] = np.where(gone[..., s, :], f[..., s - 1, :], f[..., s, :])
        last = np.concatenate([own[-1], f[-1, ..., 0, :]], axis=-1)
        if gaps == ZERO:
            own, varying = np.where(m, self._zero[:n], own), np.arange(Q) < self.varying
            f = np.where(gone & varying, self._zero[n:], f)
        if instead is not None:
            K = len(self.targets)
            own[..., :K] = np.where(m[..., :K], instead, own[..., :K])
        m, gone = m[..., self.flagged[:n]], gone[..., self.flagged[n:]]
        flat = (part.reshape(*x.shape[:-1], -1) for part in (f, gone))
        return np.concatenate([own, m, g, *flat], axis=-1, dtype=np.float32), last

    @cached_property
    def _zero(self) -> Rows:
        """(K + P + Q,) 0 in the unit of the file."""
        kinds = self.targets, self.past, self.future
        target, past, future = (
            self.scaled(kind, np.zeros(len(names))) for kind, names in zip(KINDS, kinds, strict=True)
        )
        return np.concatenate(
            [target, past, np.zeros(int(bool(self.names)), np.float32), future]
        )  # it is never missing

    def values(self, z: Any) -> Array:
        """z (..., K), an array or a tensor -> values in the units of the file."""
        return self.scalers["target"].inverse(np.asarray(z, np.float64))

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Of one step of a stream: "time", a whole number on the step's axis or NEVER, its "offset" from UTC,
        and "x", what is known of it."""
        return np.dtype([("time", np.int64), ("offset", np.int64), ("x", np.float32, (self.known_width,))])

    def packed(self, times: Times, offsets: zones.Seconds, x: Rows) -> NDArray[Any]:
        """times (T,), offsets (T,), x (T, known_width) -> (T,) of `dtype`."""
        steps = np.empty(len(x), self.dtype)
        steps["time"], steps["offset"], steps["x"] = times.astype(np.int64), offsets, x
        return steps

    def offsets_after(self, times: Times, last: zones.Seconds) -> zones.Seconds:
        """times (T,) that follow others, whose last offsets are `last` (T,) or () -> their offsets."""
        return zones.offsets_after(self.zone, times, self.step, last)

    def moments(self, times: NDArray[np.int64]) -> Times:
        """Whole numbers, none of them NEVER where there is a calendar, as times."""
        return times if self.step.unit == "number" else times.astype("datetime64[us]")

    def later(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of each whole number the time that follows, or NEVER of NEVER."""
        following = self.step.following(self.moments(times)).astype(np.int64)
        return np.where(times == NEVER, NEVER, following)

    def following(self, times: NDArray[np.int64], offsets: zones.Seconds) -> tuple[Times, zones.Seconds]:
        """Of whole numbers (T,), none of them NEVER where there is a calendar, the times that follow and
        their offsets."""
        later = self.moments(self.later(times))
        return later, self.offsets_after(later, offsets) if self.calendar else offsets

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the fit found, for a run folder."""
        kinds = self.scalers.items()
        return {
            f"{kind}.{name}": array for kind, scaler in kinds for name, array in scaler.to_arrays().items()
        }

    def about(self) -> dict[str, Any]:
        """What `arrays` does not hold, in plain values."""
        covariates = self.covariates
        names = {name: getattr(covariates, name) for name in ("past", "future", "static")}
        names |= {"targets": self.targets, "calendar": self.calendar}
        return {
            **{key: list(value) for key, value in names.items()},
            "categories": {column: list(texts) for column, texts in covariates.categories.items()},
            "holidays": self.holidays.astype("datetime64[D]").astype(str).tolist(),
            "step": asdict(self.step),
            "steps": self.steps,
            "zone": self.zone,
            "gaps": self.gaps,
            "flagged": self.flagged.tolist(),
            "series": list(self.names),
            "id": self.id,
        }

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The reverse of `about` and `arrays`. ValueError where the two do not fit."""
        grouped: dict[str, dict[str, NDArray[Any]]] = {}
        for name, array in arrays.items():
            kind, _, own = name.partition(".")
            grouped.setdefault(kind, {})[own] = array
        scalers = {kind: Scaler.from_arrays(own) for kind, own in grouped.items()}
        past, future, static = (tuple(map(str, about[key])) for key in ("past", "future", "static"))
        categories = {name: tuple(map(str, texts)) for name, texts in about["categories"].items()}
        codec = cls(
            targets=tuple(map(str, about["targets"])),
            covariates=Covariates(past, future, static, categories),
            calendar=tuple(map(str, about["calendar"])),
            step=Step(**about["step"]),
            zone=about["zone"],
            scalers=scalers,
            steps=about["steps"],
            gaps=about["gaps"],
            flagged=np.array(about["flagged"], np.bool_),
            names=tuple(map(str, about["series"])),
            id=about["id"],
            holidays=np.array(about["holidays"], "datetime64[D]").astype(np.int64),
        )
        codec._check()
        return codec

    def _check(self) -> None:
        sizes = dict(zip(KINDS, map(len, (self.targets, self.past, self.future)), strict=True))
        if {kind: len(scaler.mean) for kind, scaler in self.scalers.items()} != {
            kind: size for kind, size in sizes.items() if size
        }:
            raise ValueError(f"scalers of {', '.join(self.scalers)}")
        counts = all(type(n) is int and 0 < n < MOST[self.step.unit] for n in (self.step.count, self.steps))
        if not self.targets or not counts:
            raise ValueError(f"{self.steps!r:.20} steps of {self.step.count!r:.20} {self.step.unit!r:.20}")
        if self.zone not in (None, zones.OFFSETS):
            zones.find(self.zone)
        if self.gaps not in GAPS or self.flagged.shape != (sum(sizes.values()) + bool(self.names),):
            raise ValueError(f"gaps {self.gaps!r:.20}, flags {self.flagged.shape}")
        possible, _ = calendar_features(self.step.times(np.zeros(1, np.int64), _ORIGIN), self.step)
        if not set(self.calendar) <= {*possible, *([HOLIDAY] if self.step.within_day else [])}:
            raise ValueError(f"calendar {str(self.calendar)[:40]}")


MOST = {"number": 10**18, "microsecond": 10**18, "month": 10**5, "weekday": 10**6}  # units of a step
_ORIGIN = np.zeros(1, "datetime64[us]")
