"""The closed-form base on series whose best linear forecast is known."""

import itertools

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from unrolled.codecs.gaps import carried
from unrolled.tasks.forecast.direct import base
from unrolled.tasks.forecast.direct.base import framed, naives, natural_periods, simplex

FLOOR = 1e-3


def wave(T, period, seed=0):
    """A season of random values, repeated."""
    return np.resize(np.random.default_rng(seed).standard_normal(period), T)


def autoregression(T, seed):
    """y_t = 1.5 y_{t-1} - 0.8 y_{t-2} + e_t"""
    y = np.random.default_rng(seed).standard_normal(T)
    for t in range(2, T):
        y[t] += 1.5 * y[t - 1] - 0.8 * y[t - 2]
    return y


def fit(parts, horizon, length, periods, floor, frame=None):
    """Of windows that all of their values frame, where no `frame` is named."""
    return base.fit(parts, horizon, length, periods, floor, frame or length)


def forecasts(weights, series, floor=FLOOR, frame=None):
    """(N, H) from every origin with a window and H known values after it, and those values."""
    H, L = weights.shape
    windows = sliding_window_view(series, L + H)
    z, mean, spread = framed(windows[:, :L], floor, frame or L)
    return mean + spread * (z @ weights.T), windows[:, L:]


def rmse(weights, series, frame=None):
    forecast, y = forecasts(weights, series, frame=frame)
    return float(np.sqrt(np.mean((forecast - y) ** 2)))


def mix_alone(parts, horizon, length, periods):
    return base._mix(base._Windows.of(parts, horizon, length, FLOOR, length), periods)[2]


def share(fitted, *words):
    """The sum of the shares whose name has all the words."""
    return sum(a for name, a in zip(fitted.names, fitted.mix, strict=True) if all(w in name for w in words))


@pytest.mark.parametrize("L, H, p", [(23, 9, 5), (31, 17, 7), (8, 3, 7)])
def test_every_naive_forecast_is_its_definition(L, H, p):
    y = np.random.default_rng(L).standard_normal(L)
    past = dict(zip(range(1 - L, 1), y, strict=True))  # past[0] is the last known value
    k = min(4, L // p)
    mean = {n: y[-n:].mean() for n in range(1, L + 1)}
    wanted = {"last value": [], "mean": [], f"drift ({p})": []}
    names = [f"seasonal naive ({p})", f"seasonal mean ({p})"]
    wanted |= {names[0]: [], f"{names[0]}, moved to the last value": []}
    if k > 1:
        wanted |= {f"{names[0]}, moved on by its last change": [], names[1]: []}
        wanted |= {f"{names[1]}, moved to the last season": []}
    for h in range(1, H + 1):
        s = -(-h // p)
        naive = past[h - p * s]
        values = [past[0], mean[L], past[0] + h * (past[0] - past[-p]) / p]
        values += [naive, naive + past[0] - past[-p]]
        if k > 1:
            average = np.mean([past[h - p * s - p * j] for j in range(k)])
            values += [naive + s * (mean[p] - y[-2 * p : -p].mean()), average]
            values += [average + mean[p] - mean[k * p]]
        for name, value in zip(wanted, values, strict=True):
            wanted[name].append(value)
    matrices = dict(naives(L, np.arange(1, H + 1), [p]))
    assert set(matrices) == set(wanted)
    for name, matrix in matrices.items():
        np.testing.assert_allclose(matrix @ y, wanted[name], atol=1e-12, err_msg=name)
        np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-12)


def test_the_naive_forecasts_without_a_period():
    y, h = np.random.default_rng(0).standard_normal(25), np.arange(1, 6)
    last, mean, recent, drift = (matrix @ y for _, matrix in naives(25, h, []))
    np.testing.assert_allclose(last, y[-1])
    np.testing.assert_allclose(mean, y.mean())
    np.testing.assert_allclose(recent, y[-6:].mean())
    np.testing.assert_allclose(drift, y[-1] + h * (y[-1] - y[-13]) / 12)


@pytest.mark.parametrize("seed", range(20))
def test_shares_are_the_best_of_the_simplex(seed):
    """Every face of the simplex is solved by itself, and the best of those with positive shares is taken."""
    J, generator = 5, np.random.default_rng(seed)
    root = generator.standard_normal((J + 1, J)) * generator.uniform(0.1, 3, J)
    errors, start, pull = root.T @ root, generator.dirichlet(np.ones(J)), generator.uniform(0, 0.2)

    def value(a):
        return a @ errors @ a + pull * np.sum((a - start) ** 2)

    best = np.inf
    for size in range(1, J + 1):
        for face in map(list, itertools.combinations(range(J), size)):
            system = np.ones((size + 1, size + 1))
            system[:size, :size] = errors[np.ix_(face, face)] + pull * np.eye(size)
            system[size, size] = 0
            a = np.zeros(J)
            a[face] = np.linalg.solve(system, np.append(pull * start[face], 1))[:size]
            if a.min() >= 0:
                best = min(best, value(a))
    a = simplex(errors, start, pull)
    assert a.min() >= 0 and np.isclose(a.sum(), 1)
    assert np.isclose(value(a), best, rtol=1e-8)


@pytest.mark.parametrize("frame", [1, 9, 40])
def test_a_window_is_framed_by_its_last_values(frame):
    """The frame alone has the mean 0 and the deviation 1; what stands before it is on the same scale."""
    windows = np.random.default_rng(0).standard_normal((3, 40)).cumsum(1) * 70 + 9
    z, mean, spread = framed(windows, 2.5, frame)
    np.testing.assert_allclose(mean[:, 0], windows[:, -frame:].mean(1))
    deviation = windows[:, -frame:].std(1)
    np.testing.assert_allclose(spread[:, 0], deviation if frame > 1 else 2.5)
    np.testing.assert_allclose(mean + spread * z, windows)


@pytest.mark.parametrize("frame", [7, 28])
def test_a_pure_season_is_repeated(frame):
    y = wave(230, 7)
    fitted = fit([y], 5, 28, [7], FLOOR, frame)
    assert share(fitted, "seasonal") > 0.999
    forecast, outcome = forecasts(fitted.weights, wave(300, 7)[30:], frame=frame)
    np.testing.assert_allclose(forecast, outcome, atol=1e-6)


def test_of_a_random_walk_the_last_value_is_all_that_is_known():
    y = np.random.default_rng(0).standard_normal(4000).cumsum()
    fitted = fit([y], 6, 24, [], FLOOR)
    fresh = np.random.default_rng(1).standard_normal(2000).cumsum()
    last = np.zeros_like(fitted.weights)
    last[:, -1] = 1
    assert rmse(fitted.weights, fresh) < 1.01 * rmse(last, fresh)


def test_a_line_goes_on():
    y = 40 - 0.3 * np.arange(200.0)
    for periods in ([], [7]):
        fitted = fit([y[:150]], 9, 28, periods, FLOOR)
        forecast, outcome = forecasts(fitted.weights, y)
        np.testing.assert_allclose(forecast, outcome, atol=1e-4)


@pytest.mark.parametrize("frame", [10, 24])
def test_an_autoregression_is_found(frame):
    fitted, fresh = fit([autoregression(3000, 0)], 4, 24, [], FLOOR, frame), autoregression(3000, 1)
    assert share(fitted, "autoregression") > 0.9
    # The variances of h steps ahead, Σ ψ_i² with ψ = 1, 1.5, 1.45, 0.975, are the least that is possible.
    least = np.sqrt(np.mean(np.cumsum(np.square([1, 1.5, 1.45, 0.975]))))
    assert rmse(fitted.weights, fresh, frame) < 1.1 * least


def test_a_ridge_finds_what_lies_further_back():
    """y_t = 0.9 y_{t-28} + e_t: neither naive forecasts of 7 nor autoregressions say so."""
    y = np.random.default_rng(0).standard_normal((2, 3000))
    for t in range(28, 3000):
        y[:, t] += 0.9 * y[:, t - 28]
    fitted = fit([y[0]], 5, 28, [7], FLOOR)
    assert fitted.strength is not None and "ridge on 28 values" in fitted.described()
    assert rmse(fitted.weights, y[1]) < 1.1 < 0.8 * rmse(mix_alone([y[0]], 5, 28, [7]), y[1])


def test_white_noise_gets_nothing_that_harms():
    y = np.random.default_rng(0).standard_normal(400)
    fitted = fit([y], 8, 24, [], FLOOR)
    fresh = np.random.default_rng(1).standard_normal(4000)
    mean = np.full_like(fitted.weights, 1 / 24)
    assert rmse(fitted.weights, fresh) < 1.05 * rmse(mean, fresh)


def test_few_windows_give_the_mix_alone():
    y = wave(80, 7) + 0.1 * np.random.default_rng(1).standard_normal(80)
    assert fit([y], 4, 21, [7], FLOOR).strength is None  # 56 windows


def test_scale_and_level_change_nothing():
    y = wave(800, 12) + autoregression(800, 1)
    one, other = fit([y], 7, 48, [12], FLOOR), fit([1000 * y + 5], 7, 48, [12], 1000 * FLOOR)
    assert one.strength == other.strength and share(one, "autoregression") > 0.5
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-9)


def test_series_of_all_scales_are_one_series():
    generator = np.random.default_rng(0)
    shape = 5 + wave(200, 8)
    one = [shape + 0.2 * generator.standard_normal(200) for _ in range(5)]
    scales = [1, 10, 100, 1_000, 100_000]
    # A spread's floor is one number: it is 0 here so that it is the same to all.
    same = fit(one, 6, 32, [8], 0.0)
    scaled = fit([s * y for s, y in zip(scales, one, strict=True)], 6, 32, [8], 0.0)
    np.testing.assert_allclose(scaled.weights, same.weights, atol=1e-9)
    assert share(same, "seasonal") + share(same, "autoregression") > 0.95


def test_of_many_series_each_counts_alike():
    """29 short series repeat, a long one is a random walk: it has most of the windows, and a thirtieth of
    the weight."""
    generator = np.random.default_rng(0)
    short = [wave(50, 5, i) + 0.3 * generator.standard_normal(50) for i in range(29)]
    walk = generator.standard_normal(3000).cumsum()
    many, few = fit([*short, walk], 5, 20, [5], FLOOR), fit([*short[1:], walk], 5, 20, [5], FLOOR)
    seasonal = [share(fitted, "seasonal") + share(fitted, "changes over 5") for fitted in (many, few)]
    assert seasonal[0] > 0.95 > 0.8 > seasonal[1]


def test_windows_of_every_phase_are_seen():
    """A stride of 24 would see one phase of the day alone."""
    begin = base._thinned(np.arange(24 * 200), 1 / 24)
    assert len(begin) == 200 and (np.diff(begin) > 0).all()
    assert len(np.unique(begin % 24)) == 24


@pytest.mark.parametrize("floor", [0.0, FLOOR])
def test_a_constant_gives_itself(floor):
    weights = fit([np.full(100, 3.0)], 5, 24, [7], floor).weights
    forecast, _ = forecasts(weights, np.full(40, 3.0), floor)
    np.testing.assert_allclose(forecast, 3.0)


def test_without_a_window_the_last_value_and_the_season_share():
    fitted = fit([np.arange(10.0)], 5, 12, [5], FLOOR)
    assert fitted.described() == "0.50 last value + 0.50 seasonal naive (5)"
    assert fit([np.arange(10.0)], 5, 12, [], FLOOR).described() == "1.00 last value"


def test_missing_values():
    """Judged where values are missing as they were in training. Carried values as targets would give 0.26."""
    generator = np.random.default_rng(0)

    def with_gaps(y):
        return np.where(generator.random(len(y)) < 0.2, np.nan, y)

    y, fresh = (wave(T, 7) + 0.1 * generator.standard_normal(T) for T in (1200, 4000))
    y = with_gaps(y)
    y[:9] = np.nan
    weights = fit([y, np.full(50, np.nan)], 8, 28, [7], FLOOR).weights
    gaps = with_gaps(fresh)
    filled = carried(gaps, np.isnan(gaps), np.array(0.0))
    z, mean, spread = framed(sliding_window_view(filled, 28)[:-8], FLOOR, 28)
    error = mean + spread * (z @ weights.T) - sliding_window_view(fresh, 8)[28:]
    assert np.sqrt(np.mean(error**2)) < 0.24


def test_a_long_gap_leaves_windows_out():
    y = wave(400, 7)
    y[100:300] = np.nan  # as a target or a value, a line of 200 equal values
    assert share(fit([y], 5, 28, [7], FLOOR), "seasonal") > 0.98


def test_targets_of_the_steps_behind_a_cut_choose_no_strength(monkeypatch):
    """A window less than a horizon before the cut has targets behind it."""
    monkeypatch.setattr(base, "CUTS", (0.5, 1.0))
    generator, place = np.random.default_rng(0), np.arange(200) / 200
    x = generator.standard_normal((200, 3))
    y = x @ generator.standard_normal((3, 2)) + generator.standard_normal((200, 2))
    windows = base._Windows(x, y, place, np.full(200, 0.1), 200)
    wanted = base._strength(x, y, windows)
    y[(place > 0.4) & (place < 0.5)] = 1e9
    assert base._strength(x, y, windows) == wanted is not None


def test_natural_periods():
    y = wave(1000, 24) + 0.1 * np.random.default_rng(0).standard_normal(1000)
    assert natural_periods([y], [24, 168], 24, 24) == (24, 168)  # a week repeats as the day does
    assert natural_periods([y], [24, 168], 24, 300) == (24,)  # 2 · 168 + 300 > 0.6 · 1,000
    assert natural_periods([y], [7, 365], 1, 10) == ()
    walk = np.random.default_rng(0).standard_normal(1000).cumsum()
    assert natural_periods([walk], [24, 168], 1, 24) == ()
    assert natural_periods([np.full(100, 2.0)], [7], 1, 5) == ()
    # The large series, a random walk, does not hide what the small ones repeat.
    assert natural_periods([1e5 * walk, y, y], [24], 1, 24) == (24,)


@pytest.mark.parametrize(
    "periods, horizon, longest, wanted",
    [
        ((24, 168), 24, 10_000, 672),  # four weeks
        ((24,), 24, 10_000, 336),  # the ridge's fourteen days
        ((24,), 24, 1_000, 168),  # seven days
        ((3,), 24, 1_000, 24),
        ((24, 168), 24, 1_000, 169),  # one week and a value
        ((12,), 12, 100, 24),  # whole seasons of a third
        ((24, 40), 10, 100, 41),  # more than a third
        ((24, 60), 10, 100, 25),  # 60 is left out
        ((), 10, 1_000, 24),
        ((), 10, 50, 13),
        ((7,), 10, 12, 2),
    ],
)
def test_lengths(periods, horizon, longest, wanted):
    assert base.length(periods, horizon, longest) == wanted
