"""How the sequences of tasks with one answer each become the network's inputs. Needs no torch.

    numbers   x of recordings less their level (levels.py), where it is taken out; then
              m_f, s_f: mean and deviation of feature f over all known values of the training part; s_f = 1
              where the feature is constant; by sequence, the same again of each sequence's own z, whose
              deviation is LEAST_SPREAD at least
              z_tf = (x_tf - m_f) / s_f    where x_tf is known
              z_tf = z_{t-1,f}             where it is missing; 0, the mean, before the first known one
              w_tf = 1 where it is missing, else 0, for the features with missing values in training
    text      the numbers of its symbols, see tokenizers.py

For baselines a sequence is summed up in S numbers: of numbers, mean and deviation over time of each z_f where
it is known; of text, how often each of the first symbols of the vocabulary stands in it, as a share.

Shapes   numbers x (T, F) -> [z, w] (T, F + W) float32; text -> (T,) int64
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs import own_scales, padding
from unrolled.codecs.gaps import carried
from unrolled.codecs.heard import Heard
from unrolled.codecs.levels import Level
from unrolled.codecs.scaling import Scaler
from unrolled.codecs.tokenizers import TOKENIZERS, Tokenizer, fitted
from unrolled.codecs.unicode import NONE
from unrolled.errors import ConfigError, DataError
from unrolled.files.examples import Examples, Numbers
from unrolled.files.messages import counted, listed, nearest, option, shown
from unrolled.files.typed import shaped
from unrolled.files.vectors import Vectors, read_vectors

Array = NDArray[np.float64]
State = dict[str, NDArray[Any]]

LAST, LEVEL = "inputs.last", "inputs.level"

# So many symbols of a vocabulary sum a text up.
SUMMED = 256

# Summaries are of about size 1: what varies less does not vary.
ROUNDING = 1e-6

# So many features with missing values are named.
MOST_TOLD = 5

# Values that a running level or scale reads are no larger, in units of the least deviation: float32 holds
# what becomes of them.
MOST_CARRIED = 1e30

# Values that are turned to float64 at once while a scaler is fitted.
CHUNK = 2**22

# Steps of a sequence that are encoded at once.
AT_ONCE = 2**14


@dataclass(frozen=True)
class NumberInputs:
    """`flagged` (F,): which features have a channel w; `rate_hz` of recordings, None for others;
    `by_sequence`: whether each sequence has its own scale too, which only a whole one has; `by_steps`: or
    each step the one up to it; `level`: what is taken out of recordings first; `heard`: what those of the
    training were like."""

    features: tuple[str, ...]
    scaler: Scaler
    flagged: NDArray[np.bool_]
    rate_hz: int | None
    by_sequence: bool = False
    level: Level | None = None
    heard: Heard | None = None
    by_steps: bool = False
    summed: ClassVar[str] = "mean and deviation"

    @classmethod
    def fit(
        cls,
        data: Examples[Any, Any],
        by_sequence: bool = False,
        level: Level | None = None,
        by_steps: bool = False,
    ) -> Self:
        """DataError where a feature has no value at all, or none that float64 can scale."""
        inputs = data.inputs if level is None else _Levelled(data.inputs, level)
        heard = None if data.rate_hz is None else Heard.fit(data.inputs, level is not None)
        scaled = _moments(inputs, data.features)
        return cls(data.features, *scaled, data.rate_hz, by_sequence, level, heard, by_steps)

    @property
    def causal(self) -> bool:
        """Whether a step is read without those behind it."""
        return not (self.by_sequence or (self.level is not None and self.level.kind == "recording"))

    @property
    def running(self) -> Level | None:
        """The level that is carried from step to step."""
        return self.level if self.level is not None and self.level.kind == "running" else None

    @property
    def width(self) -> int:
        return len(self.features) + int(self.flagged.sum())

    def aligned(self, data: Examples[Any, Any]) -> Examples[Any, Any]:
        """`data` with the features that the model reads, in their order. DataError where it lacks one, or
        where its recordings have another rate."""
        if data.rate_hz != self.rate_hz:
            raise DataError(
                f"{data.places[0]}: the rate is {_rate(data.rate_hz)}; the model was trained on "
                f"{_rate(self.rate_hz)}; convert the recordings"
            )
        if data.features == self.features:
            return data
        if not data.named and len(data.features) > len(self.features):
            raise DataError(
                f"{data.places[0]}: wanted {counted(len(self.features), 'feature')} a step as in training, "
                f"got {len(data.features)} without names; give data of the same kind"
            )
        for name in self.features:
            if name not in data.features:
                got = (
                    f"columns {listed(data.features)}"
                    if data.features
                    else "texts (files in a list are Paths)"
                )
                raise DataError(
                    f"{data.places[0]}: the model reads feature {shown(name)}"
                    f"{nearest(name, data.features)}, got {got}; give data with the columns of the training"
                )
        return data.with_features(self.features)

    def encode(self, x: Numbers, place: str) -> NDArray[np.float32]:
        """x (T, F) -> (T, width). DataError as of `scaled`. Of a long sequence some steps at a time."""
        if self.by_sequence or len(x) <= AT_ONCE:
            return self.whole(self.scaled(x, place))
        peak, state = self._peak(x), self.start()
        rows = np.empty((len(x), self.width), np.float32)
        for n, part in enumerate(_parts(x)):
            first = n * AT_ONCE
            rows[first : first + len(part)], state = self.filled(self.scaled(part, place, first, peak), state)
        return rows

    def _peak(self, x: Numbers) -> Array | None:
        """What a whole recording is measured against."""
        if self.level is None or self.level.kind != "recording":
            return None
        peak = self.level.start()
        for part in _parts(x):
            _, peak = self.level(part, peak)
        return peak

    def scaled(self, x: Numbers, place: str, before: int = 0, peak: Array | None = None) -> Array:
        """x (T, F) -> z (T, F), NaN where it is missing; x itself where a running level is taken out first.
        DataError for a value that float32 cannot hold once it is scaled. Of a part of a sequence, with how
        many steps stand before it, and what all of it is measured against."""
        if self.running is not None:
            return self._within(np.asarray(x, np.float64), place, before)
        if self.level is not None:
            self._refuse(np.isinf(x), x, place, before)
        z = self._scaled(x, peak)
        if self.by_sequence:
            z = own_scales.of_whole(z)
        with np.errstate(over="ignore", invalid="ignore"):
            far = np.abs(z) > MOST_CARRIED if self.by_steps else np.isinf(z.astype(np.float32))
            self._refuse(far, x, place, before)
        return z

    def start(self, *rows: int) -> State:
        """What is carried, before the first step: of each feature the last known z (…, F), 0 where there was
        none; the running level (…, 1), and what own_scales.py has."""
        level = {} if self.running is None else {LEVEL: self.running.start(*rows)}
        scales = own_scales.start(*rows, len(self.features)) if self.by_steps else {}
        return {LAST: np.zeros((*rows, len(self.features)))} | level | scales

    def filled(self, z: Array, state: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.float32], State]:
        """What `scaled` gives (T, …, F), and what was carried before it -> [z, w] (T, …, width), and what is
        carried after it."""
        after: State = {}
        if self.running is not None:
            y, after[LEVEL] = self.running(z, state[LEVEL])
            z = self.scaler.transform(y)
        if self.by_steps:
            z, scales = own_scales.running(z, state)
            after |= scales
        missing = np.isnan(z)
        if missing.any():
            z = carried(z, missing, state[LAST])
        rows = np.concatenate([z, missing[..., self.flagged]], axis=-1, dtype=np.float32)
        return rows, {LAST: z[-1].copy() if len(z) else state[LAST]} | after

    def whole(self, z: Array) -> NDArray[np.float32]:
        """What `scaled` gives of a whole sequence (T, F) -> [z, w] (T, width)."""
        return self.filled(z, self.start())[0]

    def remarks(self, data: Examples[Any, Any]) -> list[str]:
        """What is odd about the features of a training part, a line each."""
        rows, missing = 0, np.zeros(len(self.features), np.int64)
        low, high = np.full(len(self.features), np.inf), np.full(len(self.features), -np.inf)
        for x in _chunks(data.inputs):
            rows, missing = rows + len(x), missing + np.isnan(x).sum(0)
            low, high = np.fmin(low, np.fmin.reduce(x)), np.fmax(high, np.fmax.reduce(x))
        lines = []
        slow = missing > rows / 2
        if slow.any():
            lines.append(
                f"at a lower rate than the rows: {self._shares(np.where(slow, rows - missing, 0) / rows)}; "
                "the last value is carried on, beside a mark of the rows without one"
            )
        if missing[~slow].any():
            lines.append(
                f"missing: {self._shares(np.where(slow, 0, missing) / rows)}; the value before is read "
                "there, beside a mark"
            )
        if (low == high).any():
            names = [name for name, same in zip(self.features, low == high, strict=True) if same]
            lines.append(f"the same at every step of the training part, so of no use: {listed(names)}")
        return lines

    def _shares(self, shares: Array) -> str:
        """Of the features (F,) that have one, the largest first: 50.0% of 'x', 1 column more."""
        some = [f for f in np.argsort(-shares, kind="stable") if shares[f]]
        named = [f"{shares[f]:.1%} of {shown(self.features[f])}" for f in some[:MOST_TOLD]]
        more = len(some) - MOST_TOLD
        return ", ".join([*named, *([f"{counted(more, 'column')} more"] if more > 0 else [])])

    def rows(self, data: Examples[Any, Any]) -> list[Array]:
        """(N,) of (T_i, F) z of each sequence. DataError as of `aligned` and `scaled`."""
        data = self.aligned(data)
        return [self.scaled(x, place) for x, place in zip(data.inputs, data.places, strict=True)]

    def padded(self, rows: Sequence[Array], fill: float) -> NDArray[np.float32]:
        """(B, T, width) of such rows, `fill` behind the shorter ones."""
        return padding.padded(list(map(self.whole, rows)), fill)

    def summaries(self, data: Examples[Any, Any]) -> Array:
        """(N, S). DataError as of `aligned`."""
        return np.stack([self.summary(x) for x in self.aligned(data).inputs])

    @property
    def sums(self) -> int:
        """S."""
        return 2 * len(self.features)

    def summary(self, x: Numbers) -> Array:
        """x (T, F) -> (2 F,) means, then deviations; 0 where no value is known."""
        z = self._scaled(x)
        known = ~np.isnan(z)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, z, 0).sum(0) / count
        return np.concatenate([mean, np.sqrt((np.where(known, z - mean, 0) ** 2).sum(0) / count)])

    def about(self) -> dict[str, Any]:
        own = {"features": list(self.features), "flagged": self.flagged.tolist(), "rate_hz": self.rate_hz}
        level: dict[str, Any] = {} if self.level is None else {"level": self.level.about()}
        level |= {} if self.heard is None else {"heard": self.heard.about()}
        level |= {"by_steps": True} if self.by_steps else {}
        return {"kind": "numbers"} | own | ({"by_sequence": True} if self.by_sequence else {}) | level

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {f"features.{name}": array for name, array in self.scaler.to_arrays().items()}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        scaler = Scaler.from_arrays({name: arrays[f"features.{name}"] for name in ("mean", "scale")})
        features, flagged = tuple(about["features"]), np.array(about["flagged"], np.bool_)
        shaped(scaler.mean, len(features))
        by_sequence, by_steps = (about.get(name, False) for name in ("by_sequence", "by_steps"))
        if type(by_sequence) is not bool or type(by_steps) is not bool or (by_sequence and by_steps):
            raise TypeError(f"by_sequence is {by_sequence!r:.40}, by_steps {by_steps!r:.40}")
        level = Level.restore(about["level"]) if "level" in about else None
        heard = Heard.restore(about["heard"], len(features)) if "heard" in about else None
        rate_hz = about["rate_hz"]
        return cls(
            features, scaler, shaped(flagged, len(features)), rate_hz, by_sequence, level, heard, by_steps
        )

    def _scaled(self, x: Numbers, peak: Array | None = None) -> Array:
        """Of one whole sequence, or with its `peak` of a part."""
        x = np.asarray(x, np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.level is not None:
                x = self.level(x, self.level.start() if peak is None else peak)[0]
            return self.scaler.transform(x)

    def _within(self, x: Array, place: str, before: int) -> Array:
        with np.errstate(invalid="ignore"):
            self._refuse(np.abs(x) > MOST_CARRIED * min(1.0, self.scaler.scale.min()), x, place, before)
        return x

    def _refuse(self, far: NDArray[np.bool_], x: Numbers, place: str, before: int) -> None:
        """DataError for the first value that is too far off."""
        if far.any():
            t, f = (int(at) for at in np.argwhere(far)[0])
            raise DataError(
                f"{place}, step {before + t + 1}, {shown(self.features[f])}: {x[t, f]:g} is too far from the "
                "values of the training part; correct it, or leave it empty if it is missing"
            )


def _parts(x: Numbers) -> list[Array]:
    """Some steps at a time."""
    return [x[first : first + AT_ONCE] for first in range(0, len(x), AT_ONCE)]


class _Levelled:
    """Whole recordings (T_i, F) without their level, each made when it is asked for."""

    def __init__(self, inputs: Sequence[Any], level: Level) -> None:
        self.inputs, self.level = inputs, level

    def __iter__(self) -> Iterator[Array]:
        return (self.level.whole(np.asarray(x, np.float64)) for x in self.inputs)


def _moments(inputs: Iterable[Any], features: Sequence[str]) -> tuple[Scaler, NDArray[np.bool_]]:
    """The scaler of all known values, and which features (F,) have missing ones."""
    F = len(features)
    rows, count, total = 0, np.zeros(F, np.int64), np.zeros(F)
    low, high = np.full(F, np.inf), np.full(F, -np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        for x in _chunks(inputs):
            rows, count, total = rows + len(x), count + (~np.isnan(x)).sum(0), total + np.nansum(x, 0)
            low, high = np.fmin(low, np.fmin.reduce(x)), np.fmax(high, np.fmax.reduce(x))
        for name, known in zip(features, count, strict=True):
            if not known:
                raise DataError(
                    f"column {shown(name)} holds no value in the training part; leave it out of "
                    f"{option('features')}"
                )
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


def _chunks(inputs: Iterable[Any]) -> Iterator[Array]:
    """The rows of all sequences in float64, some sequences at a time."""
    chunk: list[Any] = []
    size = 0
    for x in inputs:
        chunk.append(x)
        size += x.size
        if size >= CHUNK:
            yield np.concatenate(chunk, dtype=np.float64)
            chunk, size = [], 0
    if chunk:
        yield np.concatenate(chunk, dtype=np.float64)


@dataclass(frozen=True)
class TextInputs:
    """`tokens` names the tokenizer; `vectors` are for a new network alone, and are not kept."""

    tokens: str
    tokenizer: Tokenizer
    vectors: Vectors | None = None
    features: ClassVar[tuple[str, ...]] = ()
    summed: ClassVar[str] = "shares of symbols"

    @classmethod
    def fit(
        cls,
        data: Examples[Any, Any],
        kind: str,
        least_count: int | None = None,
        most_symbols: int | None = None,
        vectors: str | None = None,
        unicode: str = NONE,
    ) -> Self:
        """ConfigError where there are vectors, which are of words, and the symbols are none."""
        if vectors is not None and kind != "words":
            raise ConfigError(
                f"{option('vectors')} is for words, and the symbols are {kind}; set "
                f"{option('tokens', 'words')}, or leave it out"
            )
        tokenizer: Any = fitted(kind, data.inputs, least_count, most_symbols, unicode)
        known = None if vectors is None else set(tokenizer.vocabulary.symbols)
        return cls(kind, tokenizer, None if known is None else read_vectors(str(vectors), known))

    def aligned(self, data: Examples[Any, Any]) -> Examples[Any, Any]:
        """DataError where these are no texts."""
        if not data.is_text:
            raise DataError(
                f"{data.places[0]}: the model reads texts, got columns {listed(data.features)}; "
                "give files with a column of texts, as those of the training"
            )
        return data

    def encode(self, x: str, place: str) -> NDArray[np.int64]:
        """(T,) numbers of symbols. DataError where there are none."""
        numbers = self.tokenizer.encode(x)
        if not len(numbers):
            raise DataError(f"{place}: {shown(x)} holds no symbol; write a text, or leave it out")
        return numbers

    def rows(self, data: Examples[Any, Any]) -> list[NDArray[np.int64]]:
        """(N,) of (T_i,) numbers of symbols. DataError as of `aligned` and `encode`."""
        data = self.aligned(data)
        return [self.encode(x, place) for x, place in zip(data.inputs, data.places, strict=True)]

    def padded(self, rows: Sequence[NDArray[np.int64]], fill: float) -> NDArray[np.int64]:
        """(B, T) of such rows, behind the shorter ones the last symbol, or for 0 the first."""
        return padding.padded(rows, 0 if fill == 0 else self.tokenizer.size - 1)

    def summaries(self, data: Examples[Any, Any]) -> Array:
        """(N, S). DataError as of `aligned`."""
        return np.stack([self.summary(x) for x in self.aligned(data).inputs])

    @property
    def sums(self) -> int:
        """S."""
        return min(SUMMED, self.tokenizer.size)

    def summary(self, x: str) -> Array:
        """(S,) how often each of the first symbols stands in the text, as a share."""
        numbers, first = self.tokenizer.encode(x), self.sums
        return np.bincount(numbers[numbers < first], minlength=first) / max(1, len(numbers))

    def about(self) -> dict[str, Any]:
        return {"kind": "text", "tokens": self.tokens} | self.tokenizer.about()

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        return cls(about["tokens"], TOKENIZERS[about["tokens"]].restore(about))


Inputs = NumberInputs | TextInputs
INPUTS: dict[str, type[Inputs]] = {"numbers": NumberInputs, "text": TextInputs}


def restore_inputs(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Inputs:
    """What about() and arrays() described."""
    return INPUTS[about["kind"]].restore(about, arrays)


def spread(summaries: NDArray[Any]) -> Array:
    """(N, S) -> (S,) the deviation of each number; 1 where it varies by no more than rounding does."""
    deviation = summaries.std(0, dtype=np.float64)
    return np.where(deviation > ROUNDING, deviation, 1.0)


def _rate(rate_hz: int | None) -> str:
    return "that of no recording" if rate_hz is None else f"{rate_hz:,} Hz"
