"""Recordings of several rates: which rate is taken, and what is told."""

import numpy as np
import pytest

from tests.files.test_riff import wav
from unrolled.files.recordings import Recordings
from unrolled.files.sample_rate import resampler
from unrolled.files.samples import Sound
from unrolled.files.sound import open_recording, read_sound
from unrolled.files.wav import Audio, features, log_mel


def written(folder, rates, channels=1):
    paths = [folder / f"{number}.wav" for number in range(len(rates))]
    for number, (path, rate) in enumerate(zip(paths, rates, strict=True)):
        values = np.random.default_rng(number).integers(-9999, 9999, 600)
        path.write_bytes(wav(values.astype("<i2").tobytes(), rate=rate, channels=channels))
    return paths


def read(paths, audio=Audio(mels=5), least=0.0):  # noqa: B008
    recordings = Recordings(audio, least)
    recordings.read([lambda path=path: path for path in paths])
    return recordings


@pytest.mark.parametrize(
    "rates, taken",
    [
        ([8000], 8000),
        ([16000, 8000], 8000),
        ([8000, 16000, 44100], 8000),
        ([8000] + [16000] * 18, 8000),
        ([8000] + [16000] * 19, 16000),  # one of twenty
        ([44100] + [16000] * 20, 16000),
    ],
)
def test_the_rate_is_the_lowest_but_for_a_few(tmp_path, rates, taken):
    paths = written(tmp_path, rates)
    recordings = read(paths)
    assert recordings.rate_hz == taken and recordings.wrong == {}
    for number, path in enumerate(paths):
        sound = read_sound(path)
        if sound.rate_hz != taken:
            sound = Sound(taken, resampler(sound.rate_hz, taken).whole(sound.samples))
        assert np.array_equal(recordings.inputs[number], log_mel(sound, Audio(mels=5)))


def test_other_rates_are_told_and_what_they_do_not_hold(tmp_path):
    paths = written(tmp_path, [16000, 44100, 8000])
    assert read(paths, Audio(mels=5, rate_hz=16000)).notes() == [
        f"recordings: 1 of 3 recorded at 44,100 Hz, read at 16,000 Hz; the first: {paths[1]}",
        "recordings: 1 of 3 recorded at 8,000 Hz, read at 16,000 Hz, with nothing above 4,000 Hz, where up "
        f"to 8,000 Hz is heard; the first: {paths[2]}",
    ]
    low = read(paths, Audio(mels=5, rate_hz=16000, high_hz=4000)).notes()
    assert low[1] == f"recordings: 1 of 3 recorded at 8,000 Hz, read at 16,000 Hz; the first: {paths[2]}"
    assert read(paths[:1], Audio(mels=5, rate_hz=44100)).notes() == [
        f"recordings: {paths[0]}: recorded at 16,000 Hz, read at 44,100 Hz, with nothing above 8,000 Hz, "
        "where up to 22,050 Hz is heard"
    ]


def test_what_is_odd_about_several_is_told_once_with_the_first(tmp_path):
    paths = written(tmp_path, [8000, 8000], channels=2)
    (note,) = read([tmp_path / "none.wav", *paths]).notes()
    assert note == (
        "recordings: 2 of 2 with several channels, of which the mean is heard (sound_channel); the first: "
        f"{paths[0]}"
    )


def test_the_quiet_upper_band_is_that_of_resampled_sound(tmp_path):
    """A tone at 3 kHz is as loud at 16 kHz as it was at 8 kHz, and above 4 kHz there is nothing."""
    tone = 16000 * np.sin(2 * np.pi * 3000 * np.arange(8000) / 8000)
    (tmp_path / "a.wav").write_bytes(wav(tone.astype("<i2").tobytes(), rate=8000))
    audio = Audio(mels=20, high_hz=4000)
    before = features(open_recording(tmp_path / "a.wav"), audio)[5:-5]
    after = features(open_recording(tmp_path / "a.wav"), Audio(mels=20, high_hz=4000, rate_hz=16000))[5:-5]
    loud = before.mean(0) > before.max() - 5
    # Twice as many samples: ln 4 more of power in each bin, of a transform of twice as many points.
    assert np.abs(after.mean(0) - before.mean(0) - np.log(4))[loud].max() < 0.05
    whole = features(open_recording(tmp_path / "a.wav"), Audio(mels=20, rate_hz=16000))[5:-5]
    assert whole.mean(0)[-4:].max() < whole.max() - 15


@pytest.mark.parametrize("frame_ms, hop_ms", [(25, 10), (10, 37), (200, 10), (5, 5)])
@pytest.mark.parametrize("rate", [8000, 11025])
def test_features_block_by_block_are_those_of_the_whole(tmp_path, monkeypatch, frame_ms, hop_ms, rate):
    (path,) = written(tmp_path, [8000])
    audio = Audio(mels=3, frame_ms=frame_ms, hop_ms=hop_ms, rate_hz=rate)
    sound = read_sound(path)
    if rate != 8000:
        sound = Sound(rate, resampler(8000, rate).whole(sound.samples))
    whole = log_mel(sound, audio)
    for size in (1, 77, 601):
        monkeypatch.setattr("unrolled.files.riff.AT_ONCE", size)
        assert features(open_recording(path), audio).tobytes() == whole.tobytes()
