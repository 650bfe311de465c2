"""Forecasters without torch: after each step of a series the next S. Equations: blocks/forecaster.py and
blocks/direct.py.

A recursive one carries its state over all that a stream has read; `predict` reads the last `window` steps
from the state that a series begins with. So a stream begun with those says what `predict` says, to the bit. A
direct one reads the last L steps, in a stream too, and of a shorter series what codecs/windows.py makes of
it.

    state   the network's, and of each row
            series.window (L, I)   direct: the last rows, as many as there are at the end, then
            series.steps  ()       how many steps there were
            series.next   (S, K)   the scaled forecasts after the last step, which `ahead` goes on from
            series.last   (K+P+Q,) the last known scaled values of all columns
            series.time   ()       where the last step stands, NEVER where no time was given
            series.offset ()       its offset from UTC in seconds
        and of a distribution what decoding/intervals.py keeps

Shapes   steps (T, B) of codec.dtype -> {"forecast": (T, B, S, K), "quantiles": (T, B, S, K, L)} in the units
         of the file, the second where the output is a distribution; "raw" (T, B, S, K, R) of the network; and
         in a stream, but for whole numbers, "adaptive" (T, B, S, K, L): the quantiles, wider or narrower by
         how the forecasts before were met
"""

from collections.abc import Mapping, Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.blocks.direct import Direct
from unrolled.blocks.forecaster import Forecaster
from unrolled.blocks.outputs import Output
from unrolled.codecs.gaps import FORWARD, MODEL, REFUSE
from unrolled.codecs.series import NEVER, SeriesCodec
from unrolled.codecs.windows import window_steps
from unrolled.decoding.distributions import distribution
from unrolled.decoding.feedback import fed_back
from unrolled.decoding.intervals import Adaptive
from unrolled.errors import ConfigError, DataError, TrainingError
from unrolled.files.ids import id_columns
from unrolled.files.messages import listed, option
from unrolled.models.model import Answers, Column, Model, codec_arrays
from unrolled.models.series import Reader
from unrolled.ops.state import STEPS, Array, State, joined, selected

WINDOW = "series.window"
TOGETHER = 1 << 22  # numbers of windows that are read at once


class Runtime(Model):
    """Steps are those of a series, as models/series.py reads them."""

    kind = Forecaster
    block: Any  # a Forecaster
    compared = "raw"
    adapts = True  # whether a stream's intervals follow the errors

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(about, arrays)
        how = about["answers"]
        self.codec = codec = SeriesCodec.restore(about["codec"], codec_arrays(arrays))
        notation = how.get("date_format"), how.get("decimal")
        kind, missing = self.block.output.kind, tuple(map(str, how.get("missing", ())))
        self.reader = Reader(codec, how["time"], codec.gaps != REFUSE, *notation, kind, missing)
        self.window = index(how["window"])
        direct = isinstance(self.block, Direct)
        wanted = [codec.row if direct else codec.width, codec.steps, len(codec.targets)]
        sizes = [self.block.inputs, *self.block.shape[:2]]
        windows = self.block.window if direct else self.window
        if direct:
            sizes, wanted = [*sizes, self.block.layout.ahead], [*wanted, codec.ahead]
        if sizes != wanted or not 1 <= self.window == windows:
            raise ValueError(f"a network of {sizes}, wanted {wanted}; window {self.window}")
        output = self.block.output
        self.intervals = (
            Adaptive(output.levels, codec.scalers["target"], codec.steps)
            if self.adapts and output.is_distribution and not output.is_discrete
            else None
        )

    def start(self, rows: int) -> State:
        S, K, _ = self.block.shape
        return self._start(rows) | ({} if self.intervals is None else self.intervals.state(rows, S, K))

    def _start(self, rows: int) -> State:
        """Of what needs no intervals that follow the errors."""
        S, K, _ = self.block.shape
        if isinstance(self.block, Direct):
            window = np.zeros((rows, self.window, self.codec.row), np.float32)
            carried: State = {WINDOW: window, STEPS: np.zeros(rows, np.int64)}
        else:
            carried = self.network.start(rows)
        return carried | {
            "series.next": np.zeros((rows, S, K), self.network.dtype),
            "series.last": np.zeros((rows, len(self.codec.flagged)), np.float32),
            "series.time": np.full(rows, NEVER),
            "series.offset": np.zeros(rows, np.int64),
        }

    def encode(self, chunk: Any) -> Array:
        return self.reader.encode(chunk)

    def encode_each(self, chunks: Sequence[Any]) -> list[Array]:
        """All rows' steps at once."""
        if not chunks or any(isinstance(chunk, np.ndarray) for chunk in chunks):
            return super().encode_each(chunks)
        rows = [list(chunk) for chunk in chunks]
        ends = np.cumsum([len(row) for row in rows])
        return np.split(self.encode([step for row in rows for step in row]), ends[:-1])

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        raw, after = self._read(steps, state)
        return self._answered(steps, raw, state, after)

    def follow(self, steps: Array, state: Mapping[str, Array], gaps: str) -> tuple[Answers, State]:
        """`advance` with steps (T, B) whose order is known; `gaps` says what stands for missing values, as
        for streams (gaps.py)."""
        time, offset = steps["time"][-1], steps["offset"][-1]
        timed = time != NEVER
        if not timed.all():
            time = np.where(timed, time, self.codec.later(state["series.time"]))
            offset = np.where(timed, offset, state["series.offset"])
        raw, after = self._filled(steps, state, gaps)
        return self._answered(steps, raw, state, after | {"series.time": time, "series.offset": offset})

    def predict(
        self,
        sequences: Sequence[Any],
        horizon: int | None = None,
        known: Sequence[Mapping[str, Any]] | None = None,
    ) -> Answers:
        """What follows each series: {"forecast": (N, H, K), "quantiles": (N, H, K, L)}, H = S or `horizon`.
        Beyond S the forecasts alone, fed back as `ahead` says; their distribution is drawn, and needs torch.

        DataError for a series shorter than the window.
        """
        if not len(sequences):
            return {}
        windows, last = zip(*map(self._window, sequences), strict=True)
        raw, after = self._after(windows, np.stack(last))
        if horizon is not None and (horizon < 1 or horizon > self.codec.steps):
            return {"forecast": self.ahead(after, horizon, known)}
        return answers(self.codec, self.block.output, raw[:, :horizon])

    def ahead(
        self, state: Mapping[str, Array], horizon: int, known: Sequence[Mapping[str, Any]] | None = None
    ) -> Array:
        """(rows, horizon, K) the forecasts that follow the last step, each fed back for the next where they
        are more than S. The state stays as it is.

        `known`: for each row, of every covariate that is known for the future the horizon - 1 values that
        follow those that the last step gave. ConfigError where the model cannot reach so far.
        """
        codec = self.codec
        check_reach("horizon", horizon, None if self._feeds_back else codec.steps, codec.past)
        if not state[STEPS].all():
            raise DataError("a row has read no step yet; feed its history first")
        scaled = state["series.next"][:, :horizon]
        if horizon > codec.steps:
            scaled = self._fed_back(state, horizon, known)
        values = codec.values(scaled)
        for row in values:
            check_finite(row, "forecast", horizon > codec.steps)
        return values

    def columns(self) -> Mapping[str, Column]:
        """The time, or the columns of its parts, optional where there is no calendar, and those of numbers
        and of categories."""
        layout = self.reader.layout
        optional = Column(numbers=False, optional=layout is not None or not self.codec.calendar)
        parts = () if layout is None else layout.columns
        times = dict.fromkeys((*self.reader.times[:1], *parts), optional)
        numbers = Column(decimal=self.reader.decimal, truths=True, missing=self.reader.missing_words)
        named = self.codec.id if self.codec.names else None
        parts_of_name = () if named is None else (named, *id_columns(named))
        names = dict.fromkeys(parts_of_name, Column(numbers=False, optional=True))
        texts = dict.fromkeys(self.codec.covariates.categories, Column(categories=True))
        return times | names | dict.fromkeys(self.reader.columns, numbers) | texts

    def record(self, answer: Answers) -> dict[str, Any]:
        """{target: {"forecast": …, "q0.05": …}}, each a number, or S of them; adaptive quantiles where there
        are some."""
        said = {"forecast": answer["forecast"]}
        if self.block.output.is_distribution:
            quantiles = answer["adaptive" if "adaptive" in answer else "quantiles"]
            levels = enumerate(self.block.output.levels)
            said |= {f"q{level:g}": quantiles[..., at] for at, level in levels}
        first = 0 if self.codec.steps == 1 else slice(None)
        targets = enumerate(self.codec.targets)
        return {name: {key: array[first, k] for key, array in said.items()} for k, name in targets}

    def nothing(self) -> Answers:
        """Of one step, the answer without a forecast."""
        S, K, _ = self.block.shape
        levels = len(self.block.output.levels)
        return {"forecast": np.full((S, K), np.nan), "quantiles": np.full((S, K, levels), np.nan)}

    def outputs(self, steps: Array) -> Array:
        return self._read(steps[:, None], self.start(1))[0][:, 0]

    def _window(self, series: Any) -> tuple[Array, Array]:
        """The last `window` steps, and the last known values before them, which gaps may ask for."""
        short = isinstance(self.block, Direct) or self.block.output.is_discrete
        if len(series) < (1 if short else self.window):
            raise DataError(
                f"a series has {len(series)} steps; this model reads the last {self.window} (window); give "
                "more history, or stream it"
            )
        none = np.zeros(len(self.codec.flagged), np.float32)
        if self.codec.gaps == REFUSE:
            return self.encode(series[-self.window :]), none
        steps = self.encode(series)
        before, window = steps[: -self.window], steps[-self.window :]
        return window, self.codec.filled(before["x"], none)[1]

    def _after(self, windows: Sequence[Array], last: Array) -> tuple[Array, State]:
        """raw (N, S, K, R) and the state after each of N windows; `last` (N, K + P + Q) before them."""
        state = self._start(len(windows)) | {"series.last": last}
        lengths = [len(window) for window in windows]
        raw, parts = np.empty((len(windows), *self.block.shape), self.network.dtype), []
        order = [np.flatnonzero(np.equal(lengths, length)) for length in sorted(set(lengths))]
        for rows in order:
            steps = np.stack([windows[int(row)] for row in rows], 1)
            before = selected(state, rows)
            if isinstance(self.block, Direct):
                before, steps = self._remembered(steps[:-1], before), steps[-1:]
            one, after = self._read(steps, before)
            raw[rows] = one[-1]
            parts.append(after)
        return raw, selected(joined(parts), np.argsort(np.concatenate(order)))

    def _remembered(self, steps: Array, state: State) -> State:
        """After steps (T, B) whose forecasts are not wanted."""
        time, offset = self.reader.require_order(steps, state["series.time"], state["series.offset"])
        x, last = self.codec.filled(np.ascontiguousarray(steps["x"]), state["series.last"], self.codec.gaps)
        rows = np.concatenate([state[WINDOW], self._split(x)[0]], 1)[:, -self.window :]
        known = {WINDOW: rows, STEPS: state[STEPS] + len(steps), "series.last": last}
        return state | known | {"series.time": time, "series.offset": offset}

    @property
    def _feeds_back(self) -> bool:
        return not isinstance(self.block, Direct) and not self.codec.past

    def _answered(
        self, steps: Array, raw: Array, state: Mapping[str, Array], after: State
    ) -> tuple[Answers, State]:
        """The answers to steps (T, B), and the state after them with what intervals follow."""
        said = self._answers(raw)
        if self.intervals is not None:
            z = steps["x"][..., : len(self.codec.targets)]
            said["adaptive"], followed = self.intervals.follow(z, said["quantiles"], state)
            after = after | followed
        return said, after

    def _answers(self, raw: Array) -> Answers:
        return answers(self.codec, self.block.output, raw) | {"raw": raw}

    def _read(self, steps: Array, state: Mapping[str, Array]) -> tuple[Array, State]:
        """raw (T, B, S, K, R) and the state after the last step."""
        time, offset = self.reader.require_order(steps, state["series.time"], state["series.offset"])
        raw, after = self._filled(steps, state, self.codec.gaps)
        return raw, after | {"series.time": time, "series.offset": offset}

    def _filled(self, steps: Array, state: Mapping[str, Array], gaps: str) -> tuple[Array, State]:
        """The same, but for times."""
        x = np.ascontiguousarray(steps["x"])
        if gaps == MODEL and np.isnan(x[..., : len(self.codec.targets)]).any():
            raws = []
            for step in x:
                check_finite(state["series.next"][:, 0], "forecast that stands for a missing value", True)
                instead = self.block.output.fed(state["series.next"][None, :, 0])
                raw, state = self._step(step[None], state, FORWARD, instead)
                raws.append(raw)
            return np.concatenate(raws), dict(state)
        return self._step(x, state, FORWARD if gaps == MODEL else gaps)

    def _step(
        self, x: Array, state: Mapping[str, Array], gaps: str, instead: Array | None = None
    ) -> tuple[Array, State]:
        rows, last = self.codec.filled(x, state["series.last"], gaps, instead)
        raw, after = self._forward(rows, state)
        return raw, after | {"series.last": last}

    def _forward(self, x: Array, state: Mapping[str, Array]) -> tuple[Array, State]:
        """x (T, B, I) -> raw, and the state, which stands where it stood."""
        with np.errstate(over="ignore", invalid="ignore"):  # a network may grow without bound
            raw, after = (self._windowed if isinstance(self.block, Direct) else self.network)(x, state)
        following = distribution(self.block.output).point(raw[-1]) if len(x) else state["series.next"]
        return raw, {**state, **after, "series.next": following.copy()}

    def _windowed(self, x: Array, state: Mapping[str, Array]) -> tuple[Array, State]:
        """The same of a network that reads windows: one that ends with each step."""
        T, B, _ = x.shape
        narrow, ahead = self._split(x)
        rows, steps, L = np.concatenate([state[WINDOW], narrow], 1), state[STEPS], self.window
        had = np.minimum(steps, L)  # of these the windows count, whose last steps are
        last = (had + np.arange(T)[:, None]).reshape(-1)
        row = np.tile(np.arange(B), T)
        raw = np.empty((T * B, *self.block.shape), self.network.dtype)
        for part in pieces(T * B, max(1, TOGETHER // self.block.numbers)):
            of = row[part, None]
            at = window_steps(last[part], L, self.block.period) + (L - had)[of]
            raw[part] = self.network(rows[of, at], ahead[part])
        return raw.reshape(T, B, *raw.shape[1:]), {WINDOW: rows[:, T:], STEPS: steps + T}

    def _split(self, x: Array) -> tuple[Array, Array]:
        """x (T, B, width) -> the rows (B, T, row) and what is known ahead of each (T B, S, U)."""
        T, B, width = x.shape
        rows, ahead = self.codec.split(x.reshape(T * B, width))
        return rows.reshape(T, B, self.codec.row).swapaxes(0, 1), ahead

    def _fed_back(
        self, state: Mapping[str, Array], horizon: int, known: Sequence[Mapping[str, Any]] | None
    ) -> Array:
        """(rows, horizon, K) in scaled numbers."""
        future = self._known(len(state["series.time"]), horizon - 1, known)

        def advance(h: int, value: Array, state: Mapping[str, Array]) -> tuple[Array, Mapping[str, Array]]:
            time = self.codec.later(state["series.time"])  # of `value`
            following, offset = self.codec.following(time, state["series.offset"])
            k = self.codec.known(following, offset, future[:, h : h + 1])
            x = np.concatenate([self.block.output.fed(value), k], -1)[None]
            _, after = self._step(x, state, self.codec.gaps)
            return after["series.next"][:, 0], after | {"series.time": time, "series.offset": offset}

        first: Array = state["series.next"][:, 0]
        values = fed_back(first, state, horizon, advance)
        return np.stack(values, 1)

    def _known(self, rows: int, steps: int, known: Sequence[Mapping[str, Any]] | None) -> Array:
        """(rows, steps, Q)."""
        names = (*self.codec.covariates.future, *self.codec.covariates.static)
        if not names:
            return np.zeros((rows, steps, 0))
        if known is None or len(known) != rows:
            raise DataError(
                f"wanted {listed(names)} of {steps} more steps for each of {rows} rows, got "
                f"{0 if known is None else len(known)}; give them as `known`"
            )
        return np.stack([self.reader.future(row, steps) for row in known])


def pieces(count: int, size: int) -> list[slice]:
    return [slice(first, first + size) for first in range(0, count, size)]


def answers(codec: SeriesCodec, output: Output, raw: Array, levels: Sequence[float] | None = None) -> Answers:
    """raw (..., S, K, R) -> "forecast" (..., S, K) and, of a distribution, "quantiles" (..., S, K, L) of
    `levels`, or those of the output."""
    with np.errstate(over="ignore", invalid="ignore"):  # a network may grow without bound
        said = distribution(output)
        forecasts = {"forecast": codec.values(said.point(raw))}
        if output.is_distribution:
            scaled = np.moveaxis(said.quantiles(raw, np.array(levels or output.levels)), -1, 0)
            forecasts["quantiles"] = np.moveaxis(codec.values(scaled), 0, -1)
    return forecasts


def check_reach(name: str, wanted: int, most: int | None, past: Sequence[str]) -> None:
    """ConfigError where more steps are wanted than the model can know enough for."""
    if wanted < 1:
        raise ConfigError(f"{option(name)}: wanted 1 or more, got {wanted}")
    if most is None or wanted <= most:
        return
    reason = f"a model of {option('strategy', 'direct')} gives the steps that it was trained for"
    if past:
        reason = f"the past columns ({listed(past)}) of the steps on the way are not known"
    more = f", or train with a larger {option('horizon')}" if name == "horizon" else ""
    raise ConfigError(f"{option(name, wanted)}: {reason}; ask for {most} or fewer{more}")


def check_finite(values: NDArray[np.float64], what: str, fed_back: bool) -> None:
    """values (H, K). TrainingError where one is not finite; `fed_back`: whether one follows from another."""
    if not np.isfinite(values).all():
        step = 1 + int(np.argmin(np.isfinite(values).all(1)))
        why = ": fed back, it grows without bound; ask for fewer steps, or" if fed_back else ";"
        raise TrainingError(
            f"the {what} is not finite from step {step} on{why} train anew, longer or with a lower "
            f"{option('learning_rate')}"
        )
