"""The rule by itself, and a stream's way of following it beside a backtest's."""

import itertools

import numpy as np
import pytest

from unrolled.codecs.scaling import Curve, Scaler
from unrolled.decoding.intervals import Adaptive, pairs_of
from unrolled.ops.state import STEPS
from unrolled.tasks.forecast.judging.adaptive import adaptive_quantiles
from unrolled.tasks.forecast.judging.backtest import Backtest, outcomes
from unrolled.tasks.forecast.paths import Forecast

LEVELS = 0.05, 0.25, 0.5, 0.75, 0.95


def test_levels_stand_in_pairs_around_the_median():
    assert pairs_of(LEVELS) == [(0.05, 0.95), (0.25, 0.75)]
    assert pairs_of((0.1, 0.4, 0.5, 0.9)) == [(0.1, 0.9)]
    assert pairs_of([0.1, 0.5, 0.8, 0.95]) == [(0.1, 0.95)]


def rule(levels=LEVELS, scaler=None, horizon=3, stride=1):
    return Adaptive(levels, scaler or Scaler.none(1), horizon, stride)


def test_each_pair_is_widened_from_the_median_and_none_crosses_another():
    q = np.array([[1.0, 3.0, 4.0, 4.5, 8.0]])
    quantiles = rule().adapted(q, np.array([[2.0, 0.5]]))
    np.testing.assert_allclose(quantiles, [[-2, 3.5, 4, 4.25, 12]])
    quantiles = rule().adapted(q, np.array([[0.5, 3.0]]))  # the inner pair reaches 1 and 5.5
    np.testing.assert_allclose(quantiles, [[1, 1, 4, 5.5, 6]])
    assert np.array_equal(rule().adapted(q / 3, np.ones((1, 2))), q / 3)
    lone = rule((0.1, 0.4, 0.5, 0.9)).adapted(np.array([[0.0, 3.0, 4.0, 5.0]]), np.array([[2.0]]))
    np.testing.assert_allclose(lone, [[-4, 2, 4, 6]])  # a level without another goes with the pair around it


def test_logarithms_are_widened_as_such():
    q = np.array([[1.0, 2.0, 4.0, 8.0, 32.0]])
    curve = Curve(np.zeros(1), np.full(1, 0.1), np.ones(1))
    logs = Scaler(np.zeros(1), np.ones(1), curve)
    quantiles = rule(scaler=logs).adapted(q, np.array([[2.0, 0.5]]))
    np.testing.assert_allclose(quantiles, [[4 / 16, 4 / 2**0.5, 4, 4 * 2**0.5, 4 * 64]])
    assert np.array_equal(rule(scaler=logs).adapted(q / 3, np.ones((1, 2))), q / 3)


def test_more_outside_than_should_be_widens_and_fewer_narrow():
    one, rate = rule(horizon=10), 0.7 * 2 / 14  # a forecast of ten steps counts every two
    inside, known = np.array([[3, 3]]), np.array([6])
    theta = one.moved(np.array([[1.0, 2.0]]), inside, known)
    np.testing.assert_allclose(theta, [[np.exp(rate * (0.5 - 0.1)), 2.0]])
    assert np.array_equal(one.moved(theta, inside * 0, known * 0), theta), "nothing known"
    for inside, end in ((0, 1000), (6, 0.1)):
        for _ in range(2000):
            theta = one.moved(theta, np.array([[inside, inside]]), known)
        np.testing.assert_allclose(theta, end)


def series(T, K, H, gone=0.0):
    """Scaled values (T, K), and quantiles (T, H, K, L) of each step's forecast."""
    draws = np.random.default_rng(H)
    z = draws.standard_normal((T, K)).astype(np.float32) * 2
    z[draws.random((T, K)) < gone] = np.nan
    return z, np.sort(draws.standard_normal((T, H, K, len(LEVELS))), -1)


@pytest.mark.parametrize("H", [1, 2, 7, 8, 9, 20, 33])
@pytest.mark.parametrize("gone", [0.0, 0.3])
def test_a_stream_follows_the_errors_as_a_backtest_does(H, gone):
    """Bit for bit; three rows beside each other, which began at other times, in chunks."""
    T, K, B = 230, 2, 3
    scaler = Scaler(np.array([3.0, -1.0]), np.array([0.3, 7.0]))
    follow, data = rule(scaler=scaler, horizon=H), [series(T - 5 * b, K, H, gone) for b in range(B)]
    wanted = []
    for z, q in data:
        origins = np.arange(len(z) - H)
        y = outcomes(scaler.inverse(z.astype(np.float64)), origins, H)
        model = {"model": Forecast(q[origins][..., 2], q[origins])}
        test = Backtest(("y",), 0 * origins, origins, 1, y, model, np.ones((1, K)), "persistence")
        wanted.append(adaptive_quantiles(test, LEVELS, scaler))
    state = follow.state(B, H, K) | {STEPS: np.zeros(B, np.int64)}
    at, quantiles = np.zeros(B, np.int64), [list[np.ndarray]() for _ in range(B)]
    for rows, size in itertools.chain([([0], 10), ([0, 1], 7)], [([0, 1, 2], 5)] * 42):
        before = {name: array[rows] for name, array in state.items()}
        z = np.stack([data[b][0][at[b] : at[b] + size] for b in rows], 1)
        q = np.stack([data[b][1][at[b] : at[b] + size] for b in rows], 1)
        parts, after = follow.follow(z, q, before)
        for place, b in enumerate(rows):
            quantiles[b].append(parts[:, place])
        for name, array in {**after, STEPS: before[STEPS] + size}.items():
            state[name][rows] = array
        at[rows] += size
    for parts, every_one in zip(quantiles, wanted, strict=True):
        stream = np.concatenate(parts)
        length = min(len(stream), len(every_one))
        assert length > 150 and np.array_equal(stream[:length], every_one[:length])
    assert (state["series.theta"] > 1).all(), "outcomes vary more than forecasts say"
