"""Detectors without torch: how unusual each step of a series is, by the forecast from the step before it.

    score   -ln p of the values that came, under their forecast, summed over the targets that have one
            with `smooth` N > 1 the mean of a step's and those before: of all up to N, then with a weight of
            1 / N for each new one
    rank    the share of the validation part's scores that are not lower: (1 + #{v ≥ score}) / (1 + n)
    alarm   whether the rank is `false_alarms` or less, or the lowest that n scores can give

p is a density in units of the series' usual spread: the geometric mean of the spreads of its windows so far.
So series of any size have scores of one kind, and a window that hardly varies has lower ones than a lively
one. (A recursive network has no windows: units of the deviation in the training part.) A missing value has no
score, nor have the first `warmup` steps of a series; both are NaN, and no alarm.

    state   the forecaster's, and of each row
            series.raw (K, R)     the raw forecast of the next step
            series.spread (K,)    the sum of the logarithms of the spreads of its windows
            series.smooth (2,)    the mean of its scores, and how many there were

Shapes   steps (T, B) of codec.dtype -> {"score": (T, B), "rank": (T, B), "alarm": (T, B)}
"""

from collections.abc import Mapping, Sequence
from operator import index
from typing import Any

import numpy as np

from unrolled.blocks.outputs import Output
from unrolled.decoding.distributions import distribution
from unrolled.kernels.numpy import heads
from unrolled.models.forecast import Runtime as Forecaster
from unrolled.models.model import CODEC, Answers
from unrolled.ops.state import STEPS, Array, State

SCORES = (
    "scores."  # begins the names of the codec's arrays of the validation part's, rising; the baselines' too
)
MODEL = SCORES + "model"
RAW, SPREAD, SMOOTH = "series.raw", "series.spread", "series.smooth"


def scores(
    output: Output, raw: Array, z: Array, behind: Array, warmup: int, total: Array
) -> tuple[Array, Array]:
    """Of T steps (T, B) the scores, from raw forecasts (T, B, K, R) of them and the scaled values z (T, B, K)
    that came, NaN where missing; `behind` (T, B): how many steps stand before each; `total` (B, K): the sum
    of the logarithms of the spreads of earlier windows, which is told after these steps too."""
    missing, counted = np.isnan(z), behind >= warmup
    usual = np.zeros(raw.shape[:-1])
    # A network may grow without bound; before the first step there is no window, and no spread.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if output.framed:
            logs = np.where(counted[..., None], heads.log(raw[..., -1].astype(np.float64)), 0.0)
            sums = np.cumsum(np.concatenate([total[None], logs]), 0)  # one after the other
            total, usual = sums[-1], sums[1:] / np.maximum(behind - warmup + 1, 1)[..., None]
        y = np.where(missing, 0.0, z.astype(np.float64))
        each = np.where(missing, 0.0, -distribution(output).log_density(raw, y) - usual)
    score = each[..., 0]
    for k in range(1, each.shape[-1]):
        score = score + each[..., k]
    return np.where(counted & ~missing.all(-1), score, np.nan), total


def smoothed(score: Array, smooth: int, before: Array) -> tuple[Array, Array]:
    """score (T, B) -> their means, NaN where a score is; `before` (B, 2): the mean of earlier ones and their
    number, which are told after these too."""
    means, after = score.copy(), before.copy()
    for b in range(score.shape[1]):
        mean, count = before[b].tolist()
        for t, one in enumerate(score[:, b].tolist()):
            if one == one:
                count += 1
                weight = 1 / min(count, smooth)
                mean = (1 - weight) * mean + weight * one
                means[t, b] = mean
        after[b] = mean, count
    return means, after


def ranks(score: Array, known: Array) -> Array:
    """score (…) among those `known` (n,), which rise."""
    above = len(known) - np.searchsorted(known, score)
    return np.where(np.isnan(score), np.nan, (1 + above) / (1 + len(known)))


def alarms(rank: Array, false_alarms: float, count: int) -> Array:
    """Of a rank (…) among `count` scores."""
    return np.asarray(rank <= max(false_alarms, 1 / (1 + count)))


class Runtime(Forecaster):
    """A forecaster one step ahead whose answers are of the step that has come."""

    compared = "score"
    adapts = False

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(
            about, {name: array for name, array in arrays.items() if not name.startswith(CODEC + SCORES)}
        )
        self.arrays[CODEC + MODEL] = self.known = arrays[CODEC + MODEL]
        how = about["answers"]
        self.warmup, self.smooth = index(how["warmup"]), index(how["smooth"])
        self.false_alarms = how["false_alarms"]
        rising = self.known.dtype == np.float64 and self.known.ndim == 1
        if not rising or not len(self.known) or not (np.diff(self.known) >= 0).all():
            raise ValueError(f"scores {self.known.dtype} {self.known.shape}; wanted rising ones")
        if min(self.warmup, self.smooth) < 1 or not 0 < self.false_alarms < 1:
            raise ValueError(f"warmup {self.warmup}, smooth {self.smooth}, {self.false_alarms!r:.20}")
        if self.codec.steps != 1:
            raise ValueError(f"forecasts of {self.codec.steps} steps; wanted 1")

    def start(self, rows: int) -> State:
        _, K, R = self.block.shape
        carried = {RAW: np.zeros((rows, K, R), self.network.dtype)}
        carried |= {SPREAD: np.zeros((rows, K)), SMOOTH: np.zeros((rows, 2))}
        return super().start(rows) | carried

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        answers, after = super().advance(steps, state)
        return self._judged(steps, answers["raw"], state, after)

    def follow(self, steps: Array, state: Mapping[str, Array], gaps: str) -> tuple[Answers, State]:
        answers, after = super().follow(steps, state, gaps)
        return self._judged(steps, answers["raw"], state, after)

    def predict(self, sequences: Sequence[Any]) -> list[Answers]:  # type: ignore[override]
        """The answers to each series, (T_i,) each."""
        return [
            {name: array[:, 0] for name, array in self.advance(steps[:, None], self.start(1))[0].items()}
            for steps in self.encoded(sequences, "series")
        ]

    def outputs(self, steps: Array) -> Array:
        return self.advance(steps[:, None], self.start(1))[0]["score"][:, 0]

    def record(self, answer: Answers) -> dict[str, Any]:
        return dict(answer)

    def nothing(self) -> Answers:
        return {"score": np.array(np.nan), "rank": np.array(np.nan), "alarm": np.array(False)}

    def _answers(self, raw: Array) -> Answers:
        return {"raw": raw}

    def _judged(
        self, steps: Array, raw: Array, state: Mapping[str, Array], after: State
    ) -> tuple[Answers, State]:
        """The answers to steps (T, B), after each of which the network says raw (T, B, 1, K, R)."""
        before = np.concatenate([state[RAW][None], raw[:, :, 0]])
        z, behind = steps["x"][..., : len(self.codec.targets)], state[STEPS] + np.arange(len(steps))[:, None]
        score, total = scores(self.block.output, before[:-1], z, behind, self.warmup, state[SPREAD])
        score, means = smoothed(score, self.smooth, state[SMOOTH])
        rank = ranks(score, self.known)
        answers = {"score": score, "rank": rank, "alarm": alarms(rank, self.false_alarms, len(self.known))}
        return answers, after | {RAW: before[-1].copy(), SPREAD: total.copy(), SMOOTH: means}
