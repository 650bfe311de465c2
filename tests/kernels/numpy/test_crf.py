"""The chain over tags on numpy arrays: the bits of the torch operators, the forward sums, wrong calls."""

import numpy as np
import pytest
import torch

from unrolled.kernels.numpy import crf
from unrolled.kernels.torch import crf as operators

from .test_heads import DTYPES, drawn


def case(B, T, K, dtype):
    x = drawn(B, T, K, dtype=dtype)
    a, start, end = (drawn(*shape, dtype=dtype, seed=s) for s, shape in enumerate(((K, K), (K,), (K,)), 1))
    a[0, -1] = -np.inf if K > 1 else 0
    return x, (a, start, end)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (2, 41, 17), (1, 9, 33), (0, 3, 4), (3, 0, 4)])
def test_paths_and_marginals_have_the_bits_of_the_operators(isa, shape, dtype, threads):
    x, scores = case(*shape, dtype)
    given = torch.from_numpy(x), tuple(map(torch.from_numpy, scores)), torch.full((shape[0],), shape[1])
    assert np.array_equal(crf.viterbi(x, scores, threads=threads), operators.viterbi(*given).numpy())
    assert np.array_equal(crf.marginals(x, scores, threads=threads), operators.marginals(*given).numpy())
    turned = np.asfortranarray(x)
    assert np.array_equal(crf.viterbi(turned, scores), crf.viterbi(x, scores))


@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_sums_over_the_paths_so_far_and_goes_on_from_itself(isa, dtype):
    x, (a, start, end) = case(2, 6, 5, dtype)
    alpha = crf.forward(x, (a, start, end))
    want = (start + x[:, 0]).astype(np.float64)
    for t in range(6):
        if t:
            want = np.logaddexp.reduce(want[:, :, None] + a, axis=1) + x[:, t]
        want -= want.max(1, keepdims=True)
        np.testing.assert_allclose(alpha[:, t], want, rtol=0, atol=64 * np.finfo(dtype).eps)
    for t in range(5):
        chain = np.concatenate([alpha[:, t : t + 1], x[:, t + 1 :]], 1)
        assert np.array_equal(crf.forward(chain, (a, 0 * start, end))[:, 1:], alpha[:, t + 1 :])


def test_wrong_calls_are_refused():
    x, (a, start, end) = case(2, 3, 4, np.float32)
    with pytest.raises(ValueError, match=r"x is float32 \(3, 4\); wanted float32 \(B, T, K\)"):
        crf.viterbi(x[0], (a, start, end))
    with pytest.raises(ValueError, match=r"transitions is float32 \(3, 4\); wanted float32 \(4, 4\)"):
        crf.marginals(x, (a[:3], start, end))
    with pytest.raises(ValueError, match=r"end is float32 \(3,\); wanted float32 \(4,\)"):
        crf.forward(x, (a, start, end[:3]))
    with pytest.raises(ValueError, match=r"start is float64 \(4,\); wanted float32"):
        crf.viterbi(x, (a, start.astype(np.float64), end))
