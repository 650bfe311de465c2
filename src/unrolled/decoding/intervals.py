"""Intervals that widen and narrow with the errors that came before: of one series, of each target by itself.

Quantiles stand in pairs, from without: the lowest and the highest level, the next two, …. Of a forecast with
the median m and the quantiles l, u of a pair, α of the probability outside of them, is told

    l' = l + (1 - θ) (m - l)      u' = u + (1 - θ) (m - u)      none nearer to m than those of pairs within
    θ = 1 at first
    θ ← θ exp(g (miss - α))       for each forecast whose whole horizon is known by now, in their order

`miss`: the share of that forecast's outcomes that were outside of what was told then; missing ones do not
count. In the long run as many are outside as should be, however the series changes. Of forecasts that overlap
in most of their steps a few tell what all do: one after every d steps counts, MOST of them in a horizon H.

    g = RATE d / (H + SLOW)       d ≥ ⌈H / MOST⌉, H at most. Whole horizons count alike, however many
                                  forecasts they hold; of short ones more are needed to tell anything

Source   Gibbs and Candès 2021, arXiv:2106.00170
Differs  the width is moved, not the level: it can grow beyond the largest error of the validation part

A stream keeps of each row, of the last W forecasts that count, which may wait for outcomes:

    series.theta  (K, P)            θ by now
    series.bounds (W, S, K, P, 2)   what was told of each, in scaled numbers
    series.inside (W, K, P)         how many outcomes were inside, and
    series.known  (W, K)            of how many

Shapes   quantiles (…, K, L), theta (…, K, P)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs.scaling import Scaler
from unrolled.kernels.numpy import heads
from unrolled.ops.state import STEPS, State

Array = NDArray[Any]

THETA, BOUNDS, INSIDE, KNOWN = "series.theta", "series.bounds", "series.inside", "series.known"

RATE, SLOW, MOST = 0.7, 4, 8
# θ stays within these: from the first it comes back in a few horizons, the second it needs where nothing
# moved in the validation part.
LEAST, FARTHEST = 0.1, 1000.0


def pairs_of(levels: Sequence[float]) -> list[tuple[float, float]]:
    """Of levels that rise, 0.5 among them, the pairs around it, the outermost first."""
    median = levels.index(0.5)
    return list(zip(levels[:median], levels[:median:-1], strict=False))


class Adaptive:
    """Of quantiles of `levels` (L,), 0.5 among them, of forecasts that are made every `stride` steps and
    reach `horizon` steps; `scaler` (K,): in what units they are scaled, of logarithms if they are."""

    def __init__(self, levels: Sequence[float], scaler: Scaler, horizon: int, stride: int = 1) -> None:
        self.scaler, self.horizon = scaler, horizon
        self.median, L = levels.index(0.5), len(levels)
        pairs = pairs_of(levels)
        self.pairs, self.outside = len(pairs), np.array([1 - (high - low) for low, high in pairs])
        self.every = -(-horizon // (MOST * stride))  # so many forecasts later one counts again
        self.slots = -(-horizon // (self.every * stride))  # of forecasts that wait for outcomes
        self.rate = RATE * min(self.every * stride, horizon) / (horizon + SLOW)
        self.sides = range(self.median - 1, -1, -1), range(self.median + 1, L)
        self.pair = [min(i, L - 1 - i, self.pairs - 1) for i in range(L)]  # by whose θ each level moves

    def start(self, *shape: int) -> Array:
        """θ of no experience (…, P)."""
        return np.ones((*shape, self.pairs))

    def adapted(self, quantiles: Array, theta: Array) -> Array:
        """What is told in place of the quantiles (…, K, L)."""
        after, middle = quantiles.copy(), quantiles[..., self.median]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for side, outer in zip(self.sides, (np.minimum, np.maximum), strict=True):
                last = middle
                for i in side:
                    moved = self._moved(quantiles[..., i], middle, 1 - theta[..., self.pair[i]])
                    last = after[..., i] = outer(last, moved)
        return after

    def _moved(self, q: Array, middle: Array, share: Array) -> Array:
        """q (…, K), moved to the middle by a share of its distance; where that is 0, the same bits."""
        curve = self.scaler.curve
        if curve is None:
            return np.asarray(q + share * (middle - q))
        from_, to = curve(q), curve(middle)
        return np.where(share == 0, q, curve.inverse(from_ + share * (to - from_)))

    def bounds(self, quantiles: Array) -> Array:
        """Of quantiles (…, K, L) those of each pair as scaled numbers, (…, K, P, 2)."""
        L = quantiles.shape[-1]
        sides = [np.stack([quantiles[..., i], quantiles[..., L - 1 - i]], -1) for i in range(self.pairs)]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            scaled = self.scaler.transform(np.moveaxis(np.stack(sides, -2), -3, -1))
            return np.nan_to_num(np.moveaxis(scaled, -1, -3)).astype(np.float32)

    @staticmethod
    def inside(bounds: Array, z: Array) -> Array:
        """Whether scaled outcomes z (…, K) are in each pair's bounds, (…, K, P); NaN is in none."""
        y = z[..., None]
        return np.asarray((bounds[..., 0] <= y) & (y <= bounds[..., 1]))

    def moved(self, theta: Array, inside: Array, known: Array) -> Array:
        """θ after one more forecast, of whose `known` outcomes (…, K) `inside` (…, K, P) were inside."""
        count = known[..., None]
        miss = 1 - inside / np.maximum(count, 1)
        moved = np.clip(theta * heads.exp(self.rate * (miss - self.outside)), LEAST, FARTHEST)
        return np.where(count > 0, moved, theta)

    def state(self, rows: int, S: int, K: int) -> State:
        """Of a stream before its first step."""
        P, W = self.pairs, self.slots
        bounds = np.zeros((rows, W, S, K, P, 2), np.float32)
        inside, known = np.zeros((rows, W, K, P), np.int64), np.zeros((rows, W, K), np.int64)
        return {THETA: self.start(rows, K), BOUNDS: bounds, INSIDE: inside, KNOWN: known}

    def follow(self, z: Array, quantiles: Array, state: Mapping[str, Array]) -> tuple[Array, State]:
        """What is told in place of the quantiles (T, B, S, K, L) of T more steps, whose scaled values are z
        (T, B, K), NaN where missing; and what of the state has changed, which also holds STEPS."""
        theta, after = state[THETA], {name: state[name].copy() for name in (BOUNDS, INSIDE, KNOWN)}
        thetas = np.empty((len(z), *theta.shape))
        for t in range(len(z)):
            steps = state[STEPS] + t
            theta = thetas[t] = self._met(z[t], steps, theta, after)
            begun = np.flatnonzero(steps % self.every == 0)
            if len(begun):
                at = begun, steps[begun] // self.every % self.slots
                after[BOUNDS][at] = self.bounds(self.adapted(quantiles[t, begun], theta[begun, None]))
                after[INSIDE][at] = after[KNOWN][at] = 0
        return self.adapted(quantiles, thetas[:, :, None]), after | {THETA: theta}

    def _met(self, z: Array, steps: Array, theta: Array, after: State) -> Array:
        """θ once the values z (B, K) have met the forecasts that wait for them, `steps` (B,) after the first
        of all; they are counted in `after`."""
        n, slots, rows = steps[:, None], np.arange(self.slots), np.arange(len(z))[:, None]
        latest = (n - 1) // self.every  # the number of the last one; in the slots stand those up to it
        age = n - (latest - (latest - slots) % self.slots) * self.every  # (B, W)
        waiting = (age <= self.horizon) & (age <= n)
        bounds = after[BOUNDS][rows, slots, np.minimum(age, self.horizon) - 1]
        counted = waiting[..., None] & ~np.isnan(z)[:, None]
        after[KNOWN] += counted
        after[INSIDE] += self.inside(bounds, z[:, None]) & counted[..., None]
        done = waiting & (age == self.horizon)  # one of each row at the most
        if not done.any():
            return theta
        inside = (after[INSIDE] * done[..., None, None]).sum(1)
        return self.moved(theta, inside, (after[KNOWN] * done[..., None]).sum(1))
