"""Naive2 against the competition's steps, written out for one origin after another."""

import numpy as np
import pytest

from unrolled.tasks.forecast.judging import naive2 as module
from unrolled.tasks.forecast.judging.naive2 import naive2


def by_the_book(y, horizon, season):
    """As the competition's code in R has it, of one history."""
    L, centred = len(y), y - y.mean()
    r = np.array([(centred[k:] * centred[:-k]).sum() for k in range(1, season + 1)]) / (centred**2).sum()
    limit = 1.645 / np.sqrt(L) * np.sqrt(np.cumsum([1, *(2 * r**2)]))
    factors = np.ones(season)
    if 3 * season <= L and abs(r[season - 1]) > limit[season - 1]:
        ratios = [[] for _ in range(season)]
        for t in range(season // 2, L - season // 2):
            around = y[t - season // 2 : t + season // 2 + 1].copy()
            if season % 2 == 0:
                around[[0, -1]] /= 2
            ratios[t % season].append(y[t] / (around.sum() / season))
        factors = np.array([np.mean(each) for each in ratios])
        factors /= factors.mean()
    ahead = (L - 1 + np.arange(1, horizon + 1)) % season
    return y[-1] / factors[(L - 1) % season] * factors[ahead]


@pytest.mark.parametrize("season", [2, 4, 7])
@pytest.mark.parametrize("together", [1, 2**22])
def test_every_origin_is_as_if_it_were_alone(season, together, monkeypatch):
    monkeypatch.setattr(module, "TOGETHER", together)
    random, T = np.random.default_rng(season), 70
    level, phase = np.linspace(50, 90, T), np.arange(T) % season
    wave = level * (1 + 0.3 * (phase == 1)) + random.standard_normal(T)
    y = np.stack([wave, 50 + random.standard_normal(T)], 1)  # one with a season and one without
    origins = np.array([2 * season, 3 * season - 2, 3 * season - 1, 3 * season, 40, 51, 60])
    seasonal = naive2(y, origins, 9, season)
    for n, o in enumerate(origins):
        for k in range(2):
            assert seasonal[n, :, k] == pytest.approx(by_the_book(y[: o + 1, k], 9, season), rel=1e-9)
    assert np.ptp(seasonal[-1, :, 0]) > 5 and np.ptp(seasonal[-1, :, 1]) < 5


def test_nothing_after_the_origin_is_read():
    y = 5 + np.sin(np.arange(60.0))[:, None]
    spoilt = np.where(np.arange(60)[:, None] > 40, 1e9, y)
    for o in (10, 30, 40):
        assert np.array_equal(naive2(y, np.array([o]), 6, 6), naive2(spoilt, np.array([o]), 6, 6))
