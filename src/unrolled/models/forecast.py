"""Forecasters without torch: after each step of a series the next S. Equations: blocks/forecaster.py.

A stream carries its state over all that it has read; `predict` reads the last `window` steps from the state
that a series begins with. So a stream begun with those says what `predict` says, to the bit.

    state   the network's, and of each row
            series.next   (S, K)   the scaled forecasts after the last step, which `ahead` goes on from
            series.last   (K+P+Q,) the last known scaled values of all columns
            series.time   ()       where the last step stands, NEVER where no time was given
            series.offset ()       its offset from UTC in seconds

Shapes   steps (T, B) of codec.dtype -> {"forecast": (T, B, S, K), "quantiles": (T, B, S, K, L)} in the units
         of the file, the second where the output is a distribution; "raw" (T, B, S, K, R) of the network
"""

from collections.abc import Mapping, Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.blocks.forecaster import Forecaster
from unrolled.blocks.outputs import Output
from unrolled.codecs.gaps import FORWARD, MODEL, REFUSE
from unrolled.codecs.series import NEVER, SeriesCodec
from unrolled.decoding.distributions import distribution
from unrolled.decoding.feedback import fed_back
from unrolled.errors import ConfigError, DataError, TrainingError
from unrolled.files.messages import listed, option
from unrolled.models.model import Answers, Column, Model, codec_arrays
from unrolled.models.series import Reader
from unrolled.ops.state import STEPS, Array, State


class Runtime(Model):
    """Steps are those of a series, as models/series.py reads them."""

    kind = Forecaster
    block: Forecaster
    compared = "raw"

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(about, arrays)
        how = about["answers"]
        self.codec = codec = SeriesCodec.restore(about["codec"], codec_arrays(arrays))
        notation = how.get("date_format"), how.get("decimal")
        self.reader = Reader(codec, how["time"], codec.gaps != REFUSE, *notation)
        self.window = index(how["window"])
        wanted = codec.width, codec.steps, len(codec.targets)
        sizes = self.block.layer.input_size, *self.block.shape[:2]
        if sizes != wanted or self.window < 1:
            raise ValueError(f"a network of {sizes}, wanted {wanted}; window {self.window}")

    def start(self, rows: int) -> State:
        S, K, _ = self.block.shape
        return self.network.start(rows) | {
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
        return self._answers(raw), after

    def follow(self, steps: Array, state: Mapping[str, Array], gaps: str) -> tuple[Answers, State]:
        """`advance` with steps (T, B) whose order is known; `gaps` says what stands for missing values, as
        for streams (gaps.py)."""
        time, offset = steps["time"][-1], steps["offset"][-1]
        timed = time != NEVER
        if not timed.all():
            time = np.where(timed, time, self.codec.later(state["series.time"]))
            offset = np.where(timed, offset, state["series.offset"])
        raw, after = self._filled(steps, state, gaps)
        return self._answers(raw), after | {"series.time": time, "series.offset": offset}

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
        start = self.start(len(windows)) | {"series.last": np.stack(last)}
        raw, after = self._read(np.stack(windows, 1), start)
        if horizon is not None and (horizon < 1 or horizon > self.codec.steps):
            return {"forecast": self.ahead(after, horizon, known)}
        return answers(self.codec, self.block.output, raw[-1, :, :horizon])

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
            check_finite(row, "forecast")
        return values

    def columns(self) -> Mapping[str, Column]:
        """The time, or the columns of its parts, optional where there is no calendar, and those of
        numbers."""
        layout = self.reader.layout
        optional = Column(numbers=False, optional=layout is not None or not self.codec.calendar)
        parts = () if layout is None else layout.columns
        times = dict.fromkeys((*self.reader.times[:1], *parts), optional)
        numbers = Column(decimal=self.reader.decimal, truths=True)
        return times | dict.fromkeys(self.reader.columns, numbers)

    def record(self, answer: Answers) -> dict[str, Any]:
        """{target: {"forecast": …, "q0.05": …}}, each a number, or S of them."""
        said = {"forecast": answer["forecast"]}
        output = self.block.output
        for at, level in enumerate(output.levels if output.is_distribution else ()):
            said[f"q{level:g}"] = answer["quantiles"][..., at]
        first = 0 if self.codec.steps == 1 else slice(None)
        targets = enumerate(self.codec.targets)
        return {name: {key: array[first, k] for key, array in said.items()} for k, name in targets}

    def outputs(self, steps: Array) -> Array:
        return self._read(steps[:, None], self.start(1))[0][:, 0]

    def _window(self, series: Any) -> tuple[Array, Array]:
        """The last `window` steps, and the last known values before them, which gaps may ask for."""
        if len(series) < self.window:
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

    @property
    def _feeds_back(self) -> bool:
        return self.codec.steps == 1 and not self.codec.past

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
                check_finite(state["series.next"][:, 0], "forecast that stands for a missing value")
                raw, state = self._step(step[None], state, FORWARD, state["series.next"][None, :, 0])
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
            raw, after = self.network(x, state)
        following = self.block.output.point(raw[-1]) if len(x) else state["series.next"]
        return raw, {**state, **after, "series.next": following.copy()}

    def _fed_back(
        self, state: Mapping[str, Array], horizon: int, known: Sequence[Mapping[str, Any]] | None
    ) -> Array:
        """(rows, horizon, K) in scaled numbers."""
        future = self._known(len(state["series.time"]), horizon - 1, known)

        def advance(h: int, value: Array, state: Mapping[str, Array]) -> tuple[Array, Mapping[str, Array]]:
            time = self.codec.later(state["series.time"])  # of `value`
            following, offset = self.codec.following(time, state["series.offset"])
            k = self.codec.known(following, offset, future[:, h : h + 1])
            x = np.concatenate([value, k], -1)[None]
            _, after = self._step(x, state, self.codec.gaps)
            return after["series.next"][:, 0], after | {"series.time": time, "series.offset": offset}

        first: Array = state["series.next"][:, 0]
        values = fed_back(first, state, horizon, advance)
        return np.stack(values, 1)

    def _known(self, rows: int, steps: int, known: Sequence[Mapping[str, Any]] | None) -> Array:
        """(rows, steps, Q)."""
        if not self.codec.future:
            return np.zeros((rows, steps, 0))
        if known is None or len(known) != rows:
            raise DataError(
                f"wanted {listed(self.codec.future)} of {steps} more steps for each of {rows} rows, got "
                f"{0 if known is None else len(known)}; give them as `known`"
            )
        return np.stack([self.reader.future(row, steps) for row in known])


def answers(codec: SeriesCodec, output: Output, raw: Array, levels: Sequence[float] | None = None) -> Answers:
    """raw (..., S, K, R) -> "forecast" (..., S, K) and, of a distribution, "quantiles" (..., S, K, L) of
    `levels`, or those of the output."""
    with np.errstate(over="ignore", invalid="ignore"):  # a network may grow without bound
        forecasts = {"forecast": codec.values(output.point(raw))}
        if output.is_distribution:
            scaled = np.moveaxis(
                distribution(output).quantiles(raw, np.array(levels or output.levels)), -1, 0
            )
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


def check_finite(values: NDArray[np.float64], what: str) -> None:
    """values (H, K). TrainingError where one is not finite."""
    if not np.isfinite(values).all():
        step = 1 + int(np.argmin(np.isfinite(values).all(1)))
        raise TrainingError(
            f"the {what} is not finite from step {step} on: fed back, it grows without bound; ask for fewer "
            f"steps, or train anew, longer or with a lower {option('learning_rate')}"
        )
