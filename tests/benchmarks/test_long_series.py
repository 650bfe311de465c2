"""The made series have the optimum that is printed: both algorithms, against all paths of a tiny chain."""

import itertools

import numpy as np

from tests.scripts import BENCHMARKS, script

long_series = script("long_series", BENCHMARKS)


def test_filtering_and_smoothing_are_those_of_all_paths(monkeypatch):
    """Of 2 sines with 2 phases over 5 steps, with changes and noise that leave much open."""
    for name, value in {"PERIODS": (3, 5), "PHASES": 2, "NOISE": 1.5, "STAY": 2}.items():
        monkeypatch.setattr(long_series, name, value)
    x, _ = long_series.series(np.random.default_rng(3), 5)
    states = [(k, p) for k in range(2) for p in range(2)]

    def weight(path):
        """Of the states so far and what was seen of them."""
        total = 1.0
        for t, (k, p) in enumerate(path):
            mean = np.sin(2 * np.pi * (t / (3, 5)[k] + p / 2))
            stays = t > 0 and path[t - 1] == (k, p)
            total *= (0.5 * stays + 0.5 / 4 if t else 1 / 4) * np.exp(-((x[t] - mean) ** 2) / (2 * 1.5**2))
        return total

    def likeliest(t, steps):
        p = [0.0, 0.0]
        for path in itertools.product(states, repeat=steps):
            p[path[t][0]] += weight(path)
        return int(np.argmax(p))

    filtering, smoothing = long_series.optimum(x)
    assert filtering.tolist() == [likeliest(t, t + 1) for t in range(5)]
    assert smoothing.tolist() == [likeliest(t, 5) for t in range(5)]


def test_a_table_has_each_step_of_each_series():
    lines = long_series.table(np.random.default_rng(0), 2, 300).splitlines()
    assert lines[0] == "id,t,x,tag" and len(lines) == 601
    assert {line.split(",")[3] for line in lines[1:]} == {"fast", "slow"}
