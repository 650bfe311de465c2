"""One channel of several, floats of two scales, and samples that are not finite."""

import numpy as np
import pytest

from unrolled.errors import DataError
from unrolled.files.samples import Frames, heard


def frames(values, floats=True):
    """In blocks of three."""
    values = np.atleast_2d(np.asarray(values, float).T).T
    blocks = [values[first : first + 3] for first in range(0, len(values), 3)]
    return Frames("a.wav", 8000, values.shape[1], len(values), lambda: iter(blocks), floats)


SEVERAL = np.random.default_rng(0).normal(size=(7, 3)) / 4


def test_the_mean_of_all_channels_or_one_of_them_is_heard():
    total = (SEVERAL[:, 0] + SEVERAL[:, 1] + SEVERAL[:, 2]) / 3
    assert np.array_equal(heard(frames(SEVERAL)).sound().samples, total)
    for channel in (1, 2, 3):
        sound = heard(frames(SEVERAL), str(channel)).sound()
        assert np.array_equal(sound.samples, SEVERAL[:, channel - 1])
        assert sound.notes == (f"with several channels, of which channel {channel} is heard (sound_channel)",)
    assert heard(frames(SEVERAL)).notes == (
        "with several channels, of which the mean is heard (sound_channel)",
    )
    assert heard(frames(SEVERAL[:, 0]), "1").notes == ()


def test_a_channel_that_there_is_not_is_refused():
    with pytest.raises(DataError) as error:
        heard(frames(SEVERAL), "4")
    assert str(error.value) == (
        "a.wav: sound_channel='4', and there are 3 channels; name one of them, or take their mean"
    )


def test_floats_on_the_scale_of_16_bits_are_divided_and_that_is_told():
    loud = heard(frames([1, -20000, 3, 4, 32768]))
    assert (loud.sound().samples * 32768).tolist() == [1, -20000, 3, 4, 32768]
    assert loud.notes == ("with floats beyond 8, read as whole numbers of 16 bits: divided by 32,768",)
    clipped = heard(frames([0.5, -7.9, 1]))
    assert clipped.sound().samples.tolist() == [0.5, -7.9, 1] and clipped.notes == ()
    assert heard(frames([100.0], floats=False)).notes == ()


def test_floats_of_no_known_scale_are_refused():
    with pytest.raises(DataError) as error:
        heard(frames([1, 2, 3, 4, 40000.5]))
    assert "a.wav: samples are floats up to 40000.5; wanted -1 to 1" in str(error.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_named_by_their_place(value):
    values = SEVERAL.copy()
    values[4, 1] = value
    with pytest.raises(DataError) as error:
        heard(frames(values)).sound()
    assert str(error.value) == f"a.wav: sample 5 is {value}; wanted finite ones, save the file again"


@pytest.mark.parametrize("rate", [999, 768_001])
def test_rates_that_no_recording_has_are_refused(rate):
    with pytest.raises(DataError, match=f"the rate is {rate:,} Hz; wanted 1,000 to 768,000"):
        Frames("a.wav", rate, 1, 1, lambda: iter([]))
