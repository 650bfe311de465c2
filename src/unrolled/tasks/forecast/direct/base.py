"""The closed-form base of a forecast: one linear map of the window, for each channel by its own.

    z    = (y_{o-L+1} … y_o - mean) / max(sd, floor)         the window, framed by its own mean and deviation
    f    = (B + R) z                                         the next H values, framed likewise
    B    = Σ_j a_j N_j      a ≥ 0, Σ a = 1                   a mix of naive forecasts
    R z  = what the mix leaves, by a ridge on the last W values of z

By the mean, of counts, zeros and ones: it is subtracted, and divides where it is larger than the floor; both
in one map, of the window in units of its spread, whose rows sum to 1.

Each naive forecast is a matrix N_j (H, L) whose rows sum to 1, but for two autoregressions, fed back. From
the last known value y_o, for h = 1 … H, a period p, s = ⌈h/p⌉ and mean_k, the mean of the last k values:

    last value                       y_o
    mean                             mean_L
    drift                            y_o + h (y_o - y_{o-p}) / p
    seasonal naive                   y_{o+h-ps}
    …, moved to the last value       … + y_o - y_{o-p}
    …, moved on by its last change   … + s (mean_p - mean of the p before)
    seasonal mean                    the mean of the phase's last k = min(4, ⌊L/p⌋) values
    …, moved to the last season      … + mean_p - mean_{kp}

and without a period the last value, mean_L, mean_{L/4}, and drift over L/2 values.

Shapes   parts (T_i,) -> weights B + R (H, L)
Source   docs/decisions/0161
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from unrolled.codecs.gaps import carried
from unrolled.tasks.baselines import LEAST_CORRELATION, autocorrelation

Array = NDArray[np.float64]
Naive = tuple[str, Array]

# A period is taken where two of it and a horizon are at most this share of the longest part.
MOST_OF_A_PART = 0.6
# A window holds so many seasons of the longest period and so many values, and never more than that.
SEASONS, LEAST_WINDOW, LONGEST_WINDOW = 4, 24, 2_100
# A ridge reads so many seasons, of a series of LONG values more, and never more values than MOST_READ.
READ_SEASONS, READ_SEASONS_OF_LONG, LONG, MOST_READ = 7, 14, 4_000, 720
# A fit looks at about so many windows; a ridge needs so many.
MOST_WINDOWS, LEAST_FOR_RIDGE = 4_000, 60
# Where bases are only compared, less is enough.
QUICK_WINDOWS, QUICK_READ = 1_000, 168
# Fewer windows than so many times the naive forecasts do not tell their shares.
FEW_WINDOWS = 3
# An autoregression reads at most so many values, and does not multiply them by more.
MOST_LAGS, MOST_GROWTH = 60, 20.0
# Of so many series each counts alike, however long.
MANY = 30
# Of counts in units of their mean, the variance that comes on top of that of a Poisson distribution.
LEAST_VARIANCE = 0.1
# Strengths of the ridge, in shares of the mean square of what it reads, and the cuts that choose one.
STRENGTHS = tuple(10 ** (e / 2) for e in range(-6, 5))
CUTS = (1 / 2, 2 / 3, 5 / 6, 1.0)


@dataclass(frozen=True)
class Base:
    """`weights` (H, L) map a framed window to the framed forecast. `names` and `mix` (J,) are the naive
    forecasts in it and their shares; `strength` is the ridge's, None where there is none, `read` the number
    of values that it reads."""

    weights: Array
    names: tuple[str, ...]
    mix: Array
    strength: float | None
    read: int

    def described(self) -> str:
        """ "0.55 seasonal naive (24) + 0.30 last value + 0.15 mean + ridge on 336 values": shares from
        0.01."""
        order = np.argsort(-self.mix, kind="stable")
        shares = [f"{self.mix[j]:.2f} {self.names[j]}" for j in order if self.mix[j] >= 0.01]
        return " + ".join(shares if self.strength is None else [*shares, f"ridge on {self.read} values"])


def natural_periods(
    parts: Sequence[Array], candidates: Sequence[int], season: int, horizon: int
) -> tuple[int, ...]:
    """The found season, if it is one, and those of `candidates` after which the changes of the series repeat,
    each series by its own scale."""
    most = int((MOST_OF_A_PART * max(map(len, parts)) - horizon) // 2)
    parts = [_near_one(part) for part in parts]
    spreads = [_spread_of_changes(part) for part in parts]
    scaled = [part[:, None] / s for part, s in zip(parts, spreads, strict=True) if s > 0]
    correlation = autocorrelation(scaled) if scaled else np.zeros(1)
    repeated = [
        p
        for p in candidates
        if 1 < p <= most and p < len(correlation) and correlation[p] >= LEAST_CORRELATION
    ]
    return tuple(dict.fromkeys([season, *repeated] if season > 1 else repeated))


def _near_one(part: Array) -> Array:
    """By a power of two, so that no square is infinite."""
    _, exponent = np.frexp(np.fmax.reduce(np.abs(part), initial=0.0))
    return np.asarray(np.ldexp(part, -exponent))


def _spread_of_changes(part: Array) -> float:
    changes = np.diff(part)
    known = changes[~np.isnan(changes)]
    return float(np.std(known)) if len(known) else 0.0


def length(periods: Sequence[int], horizon: int, longest: int) -> int:
    """L of the windows of a fit, where `longest` is the length of the longest part: four seasons of the
    longest period, or what the ridge reads, in whole seasons and at most a third of the part. A period that
    does not fit into it is left out by `fit`."""
    most = max(2, min(LONGEST_WINDOW, (longest - horizon) // 3))
    # One season and a value must fit; of a short part they may be more than a third.
    fitting = [p for p in periods if p < max(most, min(LONGEST_WINDOW, (longest - horizon) // 2))]
    if not fitting:
        return min(LEAST_WINDOW, most)
    p = max(fitting)
    return max(p + 1, min(max(SEASONS * p, _read(fitting, longest), LEAST_WINDOW), most) // p * p)


def _read(periods: Sequence[int], longest: int) -> int:
    """How many values the ridge reads, of a window that is long enough."""
    if not periods:
        return LEAST_WINDOW
    seasons = READ_SEASONS_OF_LONG if longest >= LONG else READ_SEASONS
    return min(seasons * periods[0], MOST_READ)


def framed(
    windows: Array, floor: float, frame: int, fixed: Array | None = None, by_mean: bool = False
) -> tuple[Array, Array, Array]:
    """windows (N, L) -> z (N, L), and the mean (N, 1) and spread (N, 1) of the last `frame`, or the `fixed`
    ones (N, 2), where that spread is not 0; `by_mean`: the mean is the spread."""
    mean = windows[:, -frame:].mean(1, keepdims=True)
    z = windows - mean
    spread = mean if by_mean else np.sqrt((z[:, -frame:] ** 2).mean(1, keepdims=True))
    spread = np.maximum(spread, floor)
    spread[spread == 0] = 1
    if fixed is not None:
        known = fixed[:, 1:] > 0
        mean, spread = np.where(known, fixed[:, :1], mean), np.where(known, fixed[:, 1:], spread)
        z = windows - mean
    return z / spread, mean, spread


def fit(
    parts: Sequence[Array],
    horizon: int,
    length: int,
    periods: Sequence[int],
    floor: float,
    frame: int,
    fixed: Array | None = None,
    quick: bool = False,
    by_mean: bool = False,
) -> Base:
    """parts (T_i,), the training parts of one channel; `periods` as natural_periods gives them, the season
    first; floor: the least deviation that a window is divided by; frame: of so many last values of a window
    the mean and the deviation frame it, but for parts with a frame that is `fixed` (N, 2); quick: of fewer
    windows, with a ridge on fewer values.

    NaN is missing: the last known value stands in its place. A window is left out of whose values more than a
    half is missing, or any target; where few remain, more than half of its targets. Deterministic.
    """
    periods = [p for p in periods if p < length]
    most = QUICK_WINDOWS if quick else MOST_WINDOWS
    windows = _Windows.of(parts, horizon, length, floor, frame, fixed, most, by_mean)
    names, mix, weights = _mix(windows, periods)
    read = min(_read(periods, max(map(len, parts))), length, QUICK_READ if quick else MOST_READ)
    strength = None
    if windows.possible >= LEAST_FOR_RIDGE:
        x, rest = windows.z[:, -read:], windows.y - windows.z @ weights.T
        strength = _strength(x, rest, windows)
        if strength is not None:
            (coefficients,) = _ridges(x, rest, [strength])
            weights[:, -read:] += coefficients.T
    if by_mean:
        weights[:, -frame:] += (1 - weights.sum(1, keepdims=True)) / frame
    return Base(weights, names, mix, strength, read)


def naives(length: int, ahead: NDArray[np.int64], periods: Sequence[int]) -> list[Naive]:
    """ahead (S,), steps from 1 -> the name and the matrix (S, length) of every naive forecast."""
    value = np.eye(length)[::-1]  # value[l] reads y_{o-l}
    last = np.repeat(value[:1], len(ahead), axis=0)
    constants = [("last value", last), ("mean", _constant(value, length, ahead))]
    if periods:
        return constants + [naive for p in periods for naive in _seasonal(value, ahead, p)]
    if length < 8:
        return constants
    mean = f"mean of the last {length // 4}", _constant(value, length // 4, ahead)
    return [*constants, mean, _drift(value, ahead, length // 2)]


def _constant(value: Array, count: int, ahead: NDArray[np.int64]) -> Array:
    return np.repeat(value[:count].mean(0)[None], len(ahead), axis=0)


def _drift(value: Array, ahead: NDArray[np.int64], steps: int) -> Naive:
    return f"drift ({steps})", value[0] + ahead[:, None] / steps * (value[0] - value[steps])


def _seasonal(value: Array, ahead: NDArray[np.int64], p: int) -> Iterator[Naive]:
    length, seasons = len(value), -(-ahead // p)
    lag, level = p * seasons - ahead, value[:p].mean(0)
    naive, count = value[lag], min(SEASONS, length // p)
    yield f"seasonal naive ({p})", naive
    yield f"seasonal naive ({p}), moved to the last value", naive + value[0] - value[p]
    if 2 * p <= length:
        change = level - value[p : 2 * p].mean(0)
        yield f"seasonal naive ({p}), moved on by its last change", naive + seasons[:, None] * change
        average = value[lag + p * np.arange(count)[:, None]].mean(0)
        yield f"seasonal mean ({p})", average
        moved = average + level - value[: count * p].mean(0)
        yield f"seasonal mean ({p}), moved to the last season", moved
    yield _drift(value, ahead, p)


def autoregressions(windows: "_Windows", periods: Sequence[int]) -> list[Naive]:
    """Of the values and, with a season, of the changes over it: what is to be added to the last value, or
    that of a season before, by a ridge on one step ahead, which is then fed back for the next. Each is left
    out whose ridge is, or which grows without bound."""
    L = windows.z.shape[1]
    season = periods[0] if periods else 1
    p = min(2 * season if season > 1 else LEAST_WINDOW, MOST_LAGS, L - season, windows.possible // 8)
    if p < 1 or windows.possible < LEAST_FOR_RIDGE:
        return []
    lags = [1, season] if season > 1 else [1]
    fits = ((lag, _autoregression(windows, lag, p)) for lag in lags)
    of = {lag: f" of changes over {lag}" if lag > 1 else "" for lag in lags}
    return [(f"autoregression ({p}){of[lag]}", matrix) for lag, matrix in fits if matrix is not None]


def _autoregression(windows: "_Windows", lag: int, p: int) -> Array | None:
    """(H, L), None for none; `lag` 1: of values, else of changes over so many steps."""
    z, L = windows.z, windows.z.shape[1]
    read = z[:, -p:] if lag == 1 else z[:, -p:] - z[:, -p - lag : L - lag]
    target = windows.y[:, :1] - z[:, L - lag, None]
    strength = _strength(read, target, windows)
    if strength is None:
        return None
    (coefficients,) = _ridges(read, target, [strength])
    rows = list(np.eye(L))  # what each value is of the window's
    for _ in range(windows.y.shape[1]):
        near = np.stack(rows[-p:])
        if lag > 1:
            near = near - np.stack(rows[-p - lag : -lag])
        rows.append(rows[-lag] + coefficients[:, 0] @ near)
    matrix = np.stack(rows[L:])
    return matrix if np.abs(matrix).sum(1).max() < MOST_GROWTH else None


@dataclass(frozen=True)
class _Windows:
    """z (N, L), y (N, H), framed and, where windows weigh unequally, times the root of their weight; place
    (N,) 0 … 1, where in its series the window stands; reach (N,), the horizon in that unit; of `possible`
    windows."""

    z: Array
    y: Array
    place: Array
    reach: Array
    possible: int

    @classmethod
    def of(
        cls,
        parts: Sequence[Array],
        horizon: int,
        length: int,
        floor: float,
        frame: int,
        fixed: Array | None = None,
        most: int = MOST_WINDOWS,
        by_mean: bool = False,
    ) -> "_Windows":
        both = length + horizon
        for known in (1.0, 0.5):
            begins = [_begins(part, length, horizon, known) for part in parts]
            if (possible := sum(map(len, begins))) >= LEAST_FOR_RIDGE:
                break
        share = most / max(possible, 1)
        rows, places, reaches, roots, of = [np.empty((0, both))], [], [], [], list[int]()
        for number, (part, begin) in enumerate(zip(parts, begins, strict=True)):
            if not len(begin):
                continue
            filled, chosen = carried(part, np.isnan(part), np.array(np.nan)), _thinned(begin, share)
            rows.append(sliding_window_view(filled, both)[chosen])
            of += [number] * len(chosen)
            steps = len(part) - both + 1
            places.append(chosen / steps)
            reaches.append(np.full(len(chosen), horizon / steps))
            roots.append(np.full(len(chosen), len(chosen) ** -0.5 if len(parts) >= MANY else 1.0))
        windows = np.concatenate(rows)
        fixed = None if fixed is None else fixed[np.array(of, np.int64)]
        z, mean, spread = framed(windows[:, :length], floor, frame, fixed, by_mean)
        y = (windows[:, length:] - mean) / spread
        place, reach, root = (np.concatenate([np.empty(0), *a]) for a in (places, reaches, roots))
        if by_mean:  # in units of the spread, of c counts, outcomes vary by 1 / c and more
            root = root / np.sqrt(floor * frame / spread[:, 0] + LEAST_VARIANCE)
        if len(parts) >= MANY or by_mean:
            z, y = z * root[:, None], y * root[:, None]
        return cls(z, y, place, reach, possible)


def _begins(part: Array, length: int, horizon: int, share: float) -> NDArray[np.int64]:
    """Where windows may begin: the first value is known or carried, and half of the window is known, and
    that share of its targets."""
    if len(part) < length + horizon:
        return np.empty(0, np.int64)
    known = ~np.isnan(part)
    if known.all():
        return np.arange(len(part) - length - horizon + 1)
    counts = np.concatenate([[0], np.cumsum(known)])
    begin = np.arange(len(part) - length - horizon + 1)
    inside = counts[begin + length] - counts[begin]
    after = counts[begin + length + horizon] - counts[begin + length]
    chosen = begin[(counts[begin + 1] > 0) & (2 * inside >= length) & (after >= share * horizon)]
    return np.asarray(chosen)


def _thinned(begin: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """That share of them, drawn: a fixed stride could see the same phases of a season alone."""
    if share >= 1:
        return begin
    chosen = np.random.default_rng(0).choice(len(begin), math.ceil(share * len(begin)), replace=False)
    return begin[np.sort(chosen)]


def _mix(windows: _Windows, periods: Sequence[int]) -> tuple[tuple[str, ...], Array, Array]:
    """(names, shares (J,), weights (H, L)). The fewer the windows, the more the shares are pulled to equal
    ones of the last value and the seasonal naive."""
    H, L = windows.y.shape[1], windows.z.shape[1]
    named = naives(L, np.arange(1, H + 1), periods)
    named += autoregressions(windows, periods)
    names, matrices = tuple(name for name, _ in named), np.stack([matrix for _, matrix in named])
    J = len(names)
    start = np.isin(np.arange(J), (0, 2) if periods else (0,)).astype(np.float64)
    start /= start.sum()
    squares, products = windows.z.T @ windows.z, windows.y.T @ windows.z
    flat = matrices.reshape(J, -1)
    cross = flat @ products.ravel()
    errors = (matrices @ squares).reshape(J, -1) @ flat.T - cross - cross[:, None] + (windows.y**2).sum()
    doubt = min(1.0, FEW_WINDOWS * J / max(windows.possible, 1))
    pull = doubt**2 * max(float(errors.diagonal().min()), 0.0)
    mix = simplex(errors, start, pull) if windows.possible else start
    return names, mix, np.tensordot(mix, matrices, 1)


def simplex(errors: Array, start: Array, pull: float) -> Array:
    """The a (J,) with a ≥ 0 and Σ a = 1 of the least a' errors a + pull |a - start|², by an active set: the
    equations are solved over the shares that may differ from 0; a share that would fall below 0 is taken out,
    and one that would lower the sum is taken in."""
    J = len(start)
    scale = max(float(np.abs(errors).max()), np.finfo(np.float64).tiny)
    pull = pull / scale + 1e-10
    A, b = (errors + errors.T) / (2 * scale) + pull * np.eye(J), pull * start
    a, free = start.copy(), start > 0
    for _ in range(100 * J):
        index = np.flatnonzero(free)
        n = len(index)
        system = np.block([[A[np.ix_(index, index)], np.ones((n, 1))], [np.ones((1, n)), np.zeros((1, 1))]])
        wanted = np.linalg.solve(system, np.append(b[index], 1.0))[:n]
        if wanted.min() < 0:
            falling = wanted < 0
            now = a[index]
            steps = now[falling] / (now[falling] - wanted[falling])
            a[index] = now + steps.min() * (wanted - now)
            out = index[falling][steps.argmin()]
            a[out], free[out] = 0.0, False
            continue
        a[index] = wanted
        slope = A @ a - b
        lower = slope - slope[index].mean()
        lower[free] = 0
        if lower.min() >= -1e-12:
            break
        free[lower.argmin()] = True
    return np.asarray(a / a.sum())


def _strength(x: Array, rest: Array, windows: _Windows) -> float | None:
    """The largest strength within half a standard error of the best by expanding cuts in time, None for no
    ridge. Within a whole one, the rule of the source, the errors on series held out were larger."""
    shares = []
    for cut, end in itertools.pairwise(CUTS):
        before = windows.place + windows.reach <= cut
        after = (windows.place >= cut) & (windows.place < end)
        if not before.any() or not (total := float((rest[after] ** 2).sum())):
            continue
        fits = _ridges(x[before], rest[before], STRENGTHS)
        shares.append([float(((rest[after] - x[after] @ w) ** 2).sum()) / total for w in fits])
    if not shares:
        return None
    errors = np.column_stack([shares, np.ones(len(shares))])
    mean = errors.mean(0)
    best = int(mean.argmin())
    error = float(np.std(errors[:, best], ddof=1)) / math.sqrt(len(errors)) if len(errors) > 1 else 0.0
    strongest = int(np.flatnonzero(mean <= mean[best] + error / 2)[-1])
    return (*STRENGTHS, None)[strongest]


def _ridges(x: Array, y: Array, strengths: Sequence[float]) -> Iterator[Array]:
    """x (N, W), y (N, H) -> (W, H) for each strength."""
    squares, products = x.T @ x, x.T @ y
    unit = max(float(squares.trace()) / len(squares), np.finfo(np.float64).tiny)
    for strength in strengths:
        yield np.asarray(np.linalg.solve(squares + strength * unit * np.eye(len(squares)), products))
