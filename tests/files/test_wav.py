"""Log-mel features against their equations in plain loops, and the laws of their frames."""

import numpy as np
import pytest

from unrolled.errors import ConfigError
from unrolled.files.samples import Sound
from unrolled.files.wav import Audio, log_mel


def by_loops(s, rate, audio, least=1):
    """The equations of unrolled.files.wav, one value at a time."""
    W, V = round(rate * audio.frame_ms / 1000), round(rate * audio.hop_ms / 1000)
    K = 1
    while max(W, least) > K:
        K *= 2
    s = [*s, *[0.0] * (W - len(s))]
    high = audio.high_hz or rate / 2
    ends = [2595 * np.log10(1 + f / 700) for f in (audio.low_hz, high)]
    step = (ends[1] - ends[0]) / (audio.mels + 1)
    points = [700 * (10 ** ((ends[0] + n * step) / 2595) - 1) for n in range(audio.mels + 2)]
    x = np.zeros((1 + (len(s) - W) // V, audio.mels))
    n = np.arange(W)
    for i in range(len(x)):
        frame = np.array(s[i * V : i * V + W]) * (0.5 - 0.5 * np.cos(2 * np.pi * n / W))
        P = [abs(np.sum(frame * np.exp(-2j * np.pi * k * n / K))) ** 2 for k in range(K // 2 + 1)]
        for j in range(audio.mels):
            a, c, b = points[j : j + 3]
            energy = 0.0
            for k in range(K // 2 + 1):
                f = k * rate / K
                if a < f <= c:
                    energy += P[k] * (f - a) / (c - a)
                elif c < f < b:
                    energy += P[k] * (b - f) / (b - c)
            x[i, j] = np.log(max(energy, 1e-10))
    return x


@pytest.mark.parametrize(
    "S, rate, options, least",
    [
        (999, 8000, {}, 1),
        (3001, 11025, {"mels": 23, "frame_ms": 31.7, "hop_ms": 7.3}, 1),
        (77, 8000, {"mels": 13, "low_hz": 100.0, "high_hz": 3500.0}, 1),
        (1200, 44100, {"mels": 5, "frame_ms": 20, "hop_ms": 20}, 1),
        (130, 2000, {}, 128),  # 64 would leave bands without a frequency
    ],
)
def test_features_are_those_of_the_equations(S, rate, options, least):
    s = np.random.default_rng(S).normal(size=S) * np.linspace(0, 1, S)
    x = log_mel(Sound(rate, s), Audio(**options))
    assert x.dtype == np.float32
    # float32 keeps 24 bits of values of size 10; the sums before are float64
    np.testing.assert_allclose(x, by_loops(s, rate, Audio(**options), least), rtol=1e-6, atol=1e-6)


def test_a_tone_is_loudest_in_the_band_around_it():
    audio = Audio(mels=20)
    s = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    middle = 2595 * np.log10(1 + 1000 / 700) / (2595 * np.log10(1 + 4000 / 700) / 21)
    assert set(log_mel(Sound(8000, s), audio).argmax(1)) == {round(middle) - 1}


def test_silence_is_the_floor_and_a_short_recording_one_frame():
    x = log_mel(Sound(8000, np.zeros(3)), Audio())
    assert x.shape == (1, 40) and (x == np.float32(np.log(1e-10))).all()


@pytest.mark.parametrize("S, T", [(199, 1), (200, 1), (279, 1), (280, 2), (360, 3)])
def test_what_does_not_fill_a_frame_is_left_out(S, T):
    s = np.random.default_rng(0).normal(size=400)
    x = log_mel(Sound(8000, s[:S]), Audio())
    assert len(x) == T


def test_a_frame_has_the_same_bits_wherever_it_stands(monkeypatch):
    s = np.random.default_rng(1).normal(size=4000)
    whole = log_mel(Sound(8000, s), Audio())
    for first in (1, 5, len(whole) - 1):
        assert np.array_equal(log_mel(Sound(8000, s[first * 80 :]), Audio()), whole[first:])
        assert np.array_equal(log_mel(Sound(8000, s[: first * 80 + 200]), Audio()), whole[: first + 1])
    monkeypatch.setattr("unrolled.files.wav._AT_ONCE", 7 * 256)
    assert np.array_equal(log_mel(Sound(8000, s), Audio()), whole)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"frame_ms": 0}, "frame_ms: wanted 1 to 1000, got 0"),
        ({"hop_ms": float("nan")}, "hop_ms: wanted 0.1 to 1000, got nan"),
        ({"mels": 513}, "mels: wanted 1 to 512, got 513"),
        ({"low_hz": 500.0, "high_hz": 400.0}, "high_hz: wanted more than low_hz=500.0, got 400"),
        ({"high_hz": 4001.0}, "wanted a band below 4000 Hz, half of the rate, got 0 to 4001 Hz"),
        ({"low_hz": 4000.0}, "wanted a band below 4000 Hz"),
        (
            {"high_hz": 1e-3},
            "mels: 40 bands from 0 to 0.001 Hz are too narrow; wanted fewer, or",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(options, said):
    with pytest.raises(ConfigError) as error:
        log_mel(Sound(8000, np.ones(300)), Audio(**options))
    assert said in str(error.value) and "\n" not in str(error.value)
