"""The network of forecasters that give all steps at once. It reads windows, each by its own frame: of a
target's values z (L,) the mean and the spread of the last `frame`, or fixed ones,

    u = (z - mean) / spread                  spread: the deviation, or its floor where that is larger
    b = B u                                  the base (S,), linear and fitted in closed form
    ŷ = output(b + Σ_k share_k (W_k h_k + c_k))      h_k: the state of member k after the window

(of what is no location, such as a scale, the members' mean). W_k and c_k are zero at first: an untrained
network is its base. What fits B and the shares: tasks/forecast/direct/. Every target is read by the same
members, beside all else that is known.

Of counts nothing is subtracted, and the window's mean multiplies what is said, ŷ a logarithm of a mean:

    u = z / spread                           spread: the mean, or its floor, one count in a frame
    ŷ = output(ln spread + ln g(B u) + Σ_k share_k (W_k h_k + c_k))
    g(b) = (b + √(b² + 4 ε²)) / 2            above 0, about b where b is larger than ε, and ε where b is 0
    ε = 0.05 + floor / (2 spread)            so that a window of zeros stands for half a count in a frame

Zeros and ones are read as they are, by a spread of 1, and ŷ are log odds:

    ŷ = output(ln g(B u) - ln g(1 - B u) + Σ_k share_k (W_k h_k + c_k))      ε = 0.02
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from unrolled.blocks.block import Block
from unrolled.blocks.forecaster import Forecaster
from unrolled.blocks.leaves import Embedding, Linear, Parameter
from unrolled.blocks.ops import Array, Carried, Ops, State
from unrolled.blocks.outputs import Output
from unrolled.blocks.recurrent import Recurrent

# What a window's frame tells the members: its spread and its mean, beside those of training.
ABOUT = 2


class Row(NamedTuple):
    """What the numbers of a row are: those of the K targets, `beside` them all else that is known at its
    step, and `ahead` numbers that are known of the next."""

    targets: int
    beside: int
    ahead: int

    @property
    def read(self) -> int:
        """How many a member reads of a row, for one target."""
        return 1 + self.beside + self.ahead


class Seen(NamedTuple):
    """What a member sees of N windows: rows (N, L, I), about (N, A) of their frames and their series, ahead
    (N, S, U) and base (N, S) of the steps to forecast; z (N, L, 1) and frame, mean and spread (N, 1), where
    there is one target."""

    rows: Array
    about: Array
    ahead: Array
    base: Array
    z: Array
    frame: tuple[Array, Array]


@dataclass(frozen=True)
class Segments(Block):
    """The last `window` rows of a window, each `segment` of them one step; the state after them says all S
    steps at once: -> (N, S R).

    Source   segments as steps: Lin et al. 2023, arXiv:2308.11200
    """

    layer: Recurrent
    head: Linear
    window: int
    segment: int
    dropout: float = 0.0

    @classmethod
    def of(cls, layer: Recurrent, outputs: int, window: int, segment: int, dropout: float) -> "Segments":
        return cls(layer, Linear(layer.output_size, outputs, zero=True), window, segment, dropout)

    def rules(self) -> Iterator[tuple[object, str]]:
        yield self.layer.causal, "forecasts would depend on the steps to come"
        whole = self.window % self.segment == 0
        yield whole, f"a window of {self.window} steps in segments of {self.segment}"

    def fits(self, row: Row, about: int, steps: int, size: int) -> bool:
        inputs = self.segment * row.read + about
        return self.layer.input_size == inputs and self.head.outputs == steps * size

    def __call__(self, ops: Ops, p: Any, seen: Seen) -> Array:
        size = self.segment * seen.rows.shape[-1]
        segments = seen.rows[:, -self.window :].reshape(len(seen.rows), self.window // self.segment, size)
        y, _ = self.layer(ops, p.layer, _with(ops, ops.sequence(segments), seen.about))
        h, _ = ops.pooling("last", self.layer.output_size, y, None, None, None, True)
        return self.head(ops, p.head, ops.dropout(h, self.dropout))


@dataclass(frozen=True)
class Steps(Block):
    """The last `window` rows of a window step by step; from the state after them a second layer reads the
    steps to forecast, what is known of each and its base, and says one `segment` of them after the other:
    -> (N, S, R). A last segment that is not whole reads its last step again."""

    layer: Recurrent
    decoder: Recurrent
    head: Linear
    window: int
    dropout: float = 0.0
    segment: int = 1

    @classmethod
    def of(
        cls, layer: Recurrent, row: Row, size: int, window: int, dropout: float, segment: int = 1
    ) -> "Steps":
        about = layer.input_size - row.read
        decoder = replace(layer, input_size=segment * (row.ahead + 1) + about)
        head = Linear(decoder.output_size, segment * size, zero=True)
        return cls(layer, decoder, head, window, dropout, segment)

    def rules(self) -> Iterator[tuple[object, str]]:
        yield self.layer.causal and self.decoder.causal, "forecasts would depend on the steps to come"
        alike = self.layer.state_sizes == self.decoder.state_sizes
        yield alike, f"states {self.layer.state_sizes} go on as {self.decoder.state_sizes}"

    def fits(self, row: Row, about: int, steps: int, size: int) -> bool:
        sizes = self.layer.input_size, self.decoder.input_size, self.head.outputs
        ahead = self.segment * (row.ahead + 1)
        return sizes == (row.read + about, ahead + about, self.segment * size)

    def __call__(self, ops: Ops, p: Any, seen: Seen) -> Array:
        rows = ops.sequence(seen.rows[:, -self.window :])
        _, state = self.layer(ops, p.layer, _with(ops, rows, seen.about))
        ahead = ops.concat(seen.ahead, seen.base[..., None])
        N, S, _ = ahead.shape
        segments = -(-S // self.segment)
        if S % self.segment:
            ahead = ahead[:, [min(s, S - 1) for s in range(segments * self.segment)]]
        ahead = ops.sequence(ahead.reshape(N, segments, -1))
        y, _ = self.decoder(ops, p.decoder, _with(ops, ahead, seen.about), state)
        raw = ops.by_rows(self.head(ops, p.head, ops.dropout(y, self.dropout)))
        return raw.reshape(N, segments * self.segment, -1)[:, :S]


@dataclass(frozen=True)
class FedBack(Block):
    """The last `window` rows of a window step by step, by the scale of the series; after the last each
    forecast is read as the next value: -> (N, S), in the units of the frame and less the base.

        z_{t+1} = z_t + W h_t        h of z - a, where `relative` a is the first z of the window
    """

    layer: Recurrent
    head: Linear
    window: int
    relative: bool

    @classmethod
    def of(cls, layer: Recurrent, window: int, relative: bool) -> "FedBack":
        return cls(layer, Linear(layer.output_size, 1, zero=True), window, relative)

    def rules(self) -> Iterator[tuple[object, str]]:
        yield self.layer.causal, "forecasts would depend on the steps to come"

    def fits(self, row: Row, about: int, steps: int, size: int) -> bool:
        return (self.layer.input_size, self.head.outputs, size, row.targets) == (row.read, 1, 1, 1)

    def after(self, ops: Ops, p: Any, seen: Seen) -> tuple[Array, State]:
        """(N, W, 1) the value after each row of the window, and the state."""
        return self._next(ops, p, seen, seen.z[:, -self.window :], seen.rows[:, -self.window :, 1:])

    def __call__(self, ops: Ops, p: Any, seen: Seen) -> Array:
        values, state = self.after(ops, p, seen)
        z, beside = [values[:, -1:]], seen.rows.shape[-1] - 1 - seen.ahead.shape[-1]
        none = 0 * seen.rows[:, -1:, 1 : 1 + beside]
        for s in range(1, seen.ahead.shape[1]):
            rest = ops.concat(none, seen.ahead[:, s : s + 1])
            value, state = self._next(ops, p, seen, z[-1], rest, state)
            z.append(value)
        mean, spread = seen.frame
        return (ops.concat(*z)[:, 0] - mean) / spread - seen.base

    def _next(
        self, ops: Ops, p: Any, seen: Seen, z: Array, rest: Array, state: Carried = None
    ) -> tuple[Array, State]:
        from_first = z - seen.z[:, -self.window, None] if self.relative else z
        h, state = self.layer(ops, p.layer, ops.sequence(ops.concat(from_first, rest)), state)
        return z + ops.by_rows(self.head(ops, p.head, h)), state


Member = Segments | Steps | FedBack


def _with(ops: Ops, x: Array, about: Array) -> Array:
    """A sequence with the same numbers at each step too."""
    return ops.concat(x, ops.at_each_step(about, x))


@dataclass(frozen=True)
class Direct(Forecaster):
    """Windows x (N, L, I), ahead (N, S, U) -> raw numbers with their frames (N, S, K, R). `base` holds a map
    for each target, or one for all; where rows tell the number of a series in place `series`, one for each
    and one for all others, as `identity` holds what members are told of each; before the first step of a
    series stand its own again, in whole periods of `period`; of each target, `references` are the floor of
    the spread, the mean and the deviation of its logarithm, and those of the means, or of counts of the
    deviations in units of the spread; `offsets` of a calibrated output (outputs.py), those of points times
    one of `widths` for each base, where each series has its own; `fixed` (·, 2): mean and spread of the frame
    of each series and of all others, or of all, where there is one: a spread of 0 is none."""

    members: tuple[Segments | Steps | FedBack, ...]
    base: tuple[Linear, ...]
    shares: Parameter
    offsets: Parameter | None
    output: Output
    steps: int
    frame: int
    period: int
    row: tuple[int, ...]
    references: tuple[tuple[float, ...], ...]
    series: int | None = None
    fixed: Parameter | None = None
    widths: Parameter | None = None
    identity: Embedding | None = None

    def rules(self) -> Iterator[tuple[object, str]]:
        yield len(self.row) == 3 and all(type(n) is int and n >= 0 for n in self.row), f"a row of {self.row}"
        K, L = self.layout.targets, self.window
        yield (
            K > 0 and self.output.framed != self.output.is_discrete,
            f"{K} targets, of an output {self.output}",
        )
        yield (
            self.frame <= L and all(one.window <= L for one in self.members),
            f"a window of {L} steps is read",
        )
        maps = (Linear(L, self.steps, bias=False, zero=True),)
        count = len(self.base) if self.series is not None else K if len(self.base) > 1 else 1
        yield self.base == maps * count, f"the base is {self.base!s:.80}"
        named = self.series is None or (K == 1 <= self.series <= 1 + self.layout.beside)
        yield named, f"the number of a series in place {self.series}"
        if self.identity is not None:
            wanted = Embedding(count, self.identity.size, scale=0.0)
            yield self.series is not None and self.identity == wanted, f"identities {self.identity}"
        yield self.shares == Parameter((len(self.members),)), f"shares {self.shares}"
        frames = len(self.base) if self.series is not None else 1
        yield self.fixed in (None, Parameter((frames, 2))), f"fixed frames {self.fixed}"
        offsets = Parameter((self.steps, K, len(self.output.levels))) if self.output.calibrated else None
        yield self.offsets == offsets, f"offsets {self.offsets}"
        wide = self.widths is None or (
            self.widths == Parameter((len(self.base),)) and self.series is not None
        )
        scored = self.output.calibrated and self.output.kind == "point"
        yield wide and (scored or self.widths is None), f"widths {self.widths}"
        fits = len(self.references) == K and all(len(one) == 5 for one in self.references)
        yield fits and all(map(math.isfinite, itertools.chain(*self.references))), "references"
        yield all(min(one[0], one[2], one[4]) > 0 for one in self.references), "references of no scale"
        ones = self.output.kind != "bernoulli" or all(one[0] == 1 for one in self.references)
        yield ones, "references of zeros and ones, whose spread is 1"
        for one in self.members:
            fits = one.fits(self.layout, self.about, self.steps, self.output.size)
            yield fits, f"a member {one!s:.80}"

    @property
    def taught(self) -> Output:
        """What `each` is of."""
        return replace(self.output, calibrated=False)

    @property
    def layout(self) -> Row:
        return Row(*self.row)

    @property
    def about(self) -> int:
        """A, how many numbers members are told beside each step."""
        return ABOUT + (self.identity.size if self.identity is not None else 0)

    @property
    def inputs(self) -> int:
        return sum(self.row) + (self.series is not None)

    @property
    def window(self) -> int:
        """L."""
        return self.base[0].inputs

    @property
    def numbers(self) -> int:
        """How many are read of a window, by the base and by the members, of each target by itself."""
        return self.window * self.inputs + self._longest * self.layout.targets * self.layout.read

    @property
    def _longest(self) -> int:
        return max(one.window for one in self.members)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.steps, self.row[0], self.output.width

    def start(self, ops: Ops, p: Any, rows: int) -> State:
        """Nothing is carried: a window is all that a forecast reads."""
        return {}

    def each(self, ops: Ops, p: Any, x: Array, ahead: Array) -> list[Array]:
        """What the base says alone, and each member with it; not calibrated."""
        base, raws, frame = self._said(ops, p, x, ahead)
        return [self._framed(ops, self.output.moved(ops, raw, base), frame) for raw in (raws[0] * 0, *raws)]

    def lessons(self, ops: Ops, p: Any, x: Array, ahead: Array) -> list[Array]:
        """What each member is trained by: what it says with the base, as `each` has it, or of one that feeds
        back the value after each row of its window (N, W, K, R)."""
        seen, base, frame = self._seen(ops, p, x, ahead)
        raws = []
        for one, q in zip(self.members, p.members, strict=True):
            if isinstance(one, FedBack):
                mean, spread = frame
                raw = ((one.after(ops, q, seen)[0] - mean[:, None]) / spread[:, None])[..., None]
            else:
                raw = self.output.moved(ops, self._of_targets(one(ops, q, seen), base), base)
            raws.append(self._framed(ops, raw, frame))
        return raws

    def __call__(self, ops: Ops, p: Any, x: Array, ahead: Array) -> Array:
        base, raws, frame = self._said(ops, p, x, ahead)
        m, shared = self.output.location, [raw * p.shares[k] for k, raw in enumerate(raws)]
        location: Array = sum(shared[1:], shared[0])
        mean: Array = sum(raws[1:], raws[0]) / len(raws)
        parts = [mean[..., :m], location[..., m : m + 1], mean[..., m + 1 :]]
        raw = location if self.output.size == 1 else ops.concat(*parts)
        raw = self.output.moved(ops, raw, base)
        if self.offsets is not None:
            raw = ops.concat(raw, raw[..., :1] * 0 + self._offsets(ops, p, x))
        return self._framed(ops, raw, frame)

    def _framed(self, ops: Ops, raw: Array, frame: tuple[Array, Array]) -> Array:
        return ops.framed(raw, *frame) if self.output.framed else raw

    def _said(
        self, ops: Ops, p: Any, x: Array, ahead: Array
    ) -> tuple[Array, list[Array], tuple[Array, Array]]:
        """The base (N, S, K), what each member adds to it (N, S, K, R), and the frames' means and
        spreads (N, K)."""
        seen, base, frame = self._seen(ops, p, x, ahead)
        raws = [one(ops, q, seen) for one, q in zip(self.members, p.members, strict=True)]
        return base, [self._of_targets(raw, base) for raw in raws], frame

    def _of_targets(self, raw: Array, base: Array) -> Array:
        """What a member says (N K, S R), as (N, S, K, R)."""
        N, S, K = base.shape
        return raw.reshape(N, K, S, -1).swapaxes(1, 2)

    def _seen(self, ops: Ops, p: Any, x: Array, ahead: Array) -> tuple[Seen, Array, tuple[Array, Array]]:
        """What members see, each target by itself, the base (N, S, K), and the frames."""
        K, N, S = self.row[0], len(x), self.steps
        z, rest, number = x[..., :K], x[..., K:], None
        if self.series is not None:
            number, at = x[:, -1, self.series], self.series
            rest = ops.concat(x[..., K:at], x[..., at + 1 :])
        mean, spread, about = ops.frame(z[:, -self.frame :], self.references, self.output.is_discrete)
        if self.fixed is not None:
            mean, spread = ops.fixed(p.fixed, number, mean, spread)
        u = ((z - mean[:, None]) / spread[:, None]).swapaxes(1, 2)  # (N, K, L)
        base = self._base(ops, p, u, number)
        if self.output.is_count:
            base = ops.log_rate(base, spread, self.references)
        elif self.output.is_discrete:
            base = ops.log_odds(base)
        end = slice(-self._longest, None)
        rows = ops.concat(u[..., end].reshape(N * K, -1, 1), ops.for_each(rest[:, end], K))
        about = about.reshape(N * K, -1)
        if self.identity is not None:
            about = ops.concat(about, ops.of_number(p.identity, number))
        seen = Seen(rows, about, ops.for_each(ahead, K), base.reshape(N * K, S), z, (mean, spread))
        if self.output.is_count:
            base = base + ops.log(spread)[..., None]
        return seen, base.swapaxes(1, 2), (mean, spread)

    def _offsets(self, ops: Ops, p: Any, x: Array) -> Array:
        if self.widths is None:
            return p.offsets
        return p.offsets * ops.numbered(p.widths, x[:, -1, self.series])[:, None, None, None]

    def _base(self, ops: Ops, p: Any, u: Array, number: Array) -> Array:
        """(N, K, S); number (N,) of each window's series."""
        if number is not None:
            return ops.by_number(p.base, u, number)
        if len(self.base) == 1:
            return self.base[0](ops, p.base[0], u)
        each = [one(ops, q, u[:, k]) for k, (one, q) in enumerate(zip(self.base, p.base, strict=True))]
        return ops.concat(*each).reshape(len(u), len(each), self.steps)
