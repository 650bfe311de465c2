"""Sound at another rate: its equations in plain loops, sines on both sides of the band, any cut."""

import math

import numpy as np
import pytest

from unrolled.errors import DataError
from unrolled.files.sample_rate import Resampler, resampler

PAIRS = [(44100, 16000), (8000, 16000), (48000, 16000), (11025, 8000), (16000, 44100), (7993, 8009)]


def by_loops(s, from_hz, to_hz):
    """The equations of unrolled.files.sample_rate, one value at a time."""
    c = min(1, to_hz / from_hz)
    U, f = 64 / c, 0.475 * c
    y = []
    for n in range(math.ceil(len(s) * to_hz / from_hz)):
        u = n * from_hz / to_hz - np.arange(len(s))
        inside = np.abs(u) < U
        window = np.i0(10.06 * np.sqrt(1 - (u[inside] / U) ** 2)) / np.i0(10.06)
        y.append(np.sum(s[inside] * 2 * f * np.sinc(2 * f * u[inside]) * window))
    return np.array(y)


@pytest.mark.parametrize("from_hz, to_hz", PAIRS)
def test_samples_are_those_of_the_equations(from_hz, to_hz):
    s = np.random.default_rng(0).normal(size=301)
    y = Resampler(from_hz, to_hz).whole(s)
    np.testing.assert_allclose(y, by_loops(s, from_hz, to_hz), rtol=0, atol=1e-11)  # 128 sums of size 1


def cut(r, s, sizes):
    state, pieces, at = r.start(), [], 0
    while at < len(s):
        size = next(sizes)
        y, state = r(s[at : at + size], state)
        pieces.append(y)
        at += size
    return np.concatenate([*pieces, r.end(state)])


@pytest.mark.parametrize("from_hz, to_hz", PAIRS)
def test_any_cut_gives_the_bits_of_the_whole(from_hz, to_hz, monkeypatch):
    s, r = np.random.default_rng(1).normal(size=5003), resampler(from_hz, to_hz)
    whole = r.whole(s).tobytes()
    for size in (37, 160, 441, 4999):
        assert cut(r, s, iter([size] * 999)).tobytes() == whole
    assert cut(r, s, iter(np.random.default_rng(2).integers(0, 300, 9999))).tobytes() == whole
    assert cut(r, s[:400], iter([1] * 400)).tobytes() == r.whole(s[:400]).tobytes()
    monkeypatch.setattr("unrolled.files.sample_rate._AT_ONCE", 1000)
    assert r.whole(s).tobytes() == whole


def test_the_state_has_one_size_and_what_came_long_ago_changes_nothing():
    r, generator = Resampler(44100, 16000), np.random.default_rng(3)
    state, shapes = r.start(), set()
    for size in (0, 1, 700, 40_000):
        _, state = r(generator.normal(size=size), state)
        shapes.add(tuple((name, array.shape, array.dtype.str) for name, array in state.items()))
        assert (state["position"] >= 0).all() and state["position"][1] < 441 + 2 * r.D
    assert len(shapes) == 1
    # Whole periods later the same samples give the same bits.
    s, before = generator.normal(size=441 * 9), generator.normal(size=441 * 4)
    alone, after = r.whole(np.r_[np.zeros(441), s]), r.whole(np.r_[before, np.zeros(441), s])
    assert alone.tobytes()[160 * 8 :][80 * 8 :] == after.tobytes()[160 * 5 * 8 :][80 * 8 :]


@pytest.mark.parametrize("from_hz, to_hz", [(44100, 16000), (48000, 16000), (8000, 16000), (16000, 22050)])
def test_what_both_rates_hold_is_kept_and_what_the_lower_cannot_hold_is_gone(from_hz, to_hz):
    r, low = resampler(from_hz, to_hz), min(from_hz, to_hz)

    def middle(hz):
        y = r.whole(np.sin(2 * np.pi * hz * np.arange(9000) / from_hz + 0.3))
        n = np.arange(len(y))[len(y) // 4 : -len(y) // 4]
        return y[n], n

    for hz in np.linspace(0, 0.45 * low, 12):
        y, n = middle(hz)
        assert np.abs(y - np.sin(2 * np.pi * hz * n / to_hz + 0.3)).max() < 5e-5  # of amplitude and of time
    for hz in np.linspace(0.5 * low, 0.5 * from_hz, 12, endpoint=False) if low < from_hz else ():
        assert np.abs(middle(hz)[0]).max() < 1e-5


@pytest.mark.parametrize("S", [0, 1, 2, 3, 441])
def test_as_many_outputs_as_begin_within_the_recording(S):
    assert len(Resampler(44100, 16000).whole(np.ones(S))) == math.ceil(S * 160 / 441)
    assert len(Resampler(8000, 16000).whole(np.ones(S))) == 2 * S


def test_ratios_that_are_no_round_ones_are_refused():
    with pytest.raises(DataError) as error:
        Resampler(767_999, 768_000)
    assert "767,999 Hz" in str(error.value) and "convert it to a round rate first" in str(error.value)
