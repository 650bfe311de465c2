"""The power spectrum against numpy's transform, and each frame alone."""

import numpy as np
import pytest

from unrolled.files.spectrum import power_spectrum


@pytest.mark.parametrize("W, K", [(1, 4), (3, 4), (8, 8), (5, 16), (200, 256), (1103, 2048), (1024, 1024)])
def test_it_is_numpys(W, K):
    s = np.random.default_rng(K).normal(size=(7, W)) * np.linspace(1, 9, W)
    wanted = np.abs(np.fft.rfft(s, K).T) ** 2
    # log2 K stages, each of an error of about one unit in the last place of the largest
    np.testing.assert_allclose(power_spectrum(s, K), wanted, rtol=0, atol=5e-16 * np.log2(K) * wanted.max())


def test_a_frame_has_the_same_bits_in_any_company():
    s = np.random.default_rng(0).normal(size=(37, 200))
    whole = power_spectrum(s, 256)
    for at in (slice(0, 1), slice(5, 8), slice(4, 37)):
        assert np.array_equal(power_spectrum(s[at], 256), whole[:, at])
