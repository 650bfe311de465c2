"""Attention on numpy arrays: the bits of the torch operator, wrong calls."""

import numpy as np
import pytest
import torch

from unrolled.kernels.numpy.heads import attention
from unrolled.kernels.torch.attention import SCORES
from unrolled.kernels.torch.attention import attention as operator

from .test_heads import DTYPES, drawn


def case(kind, N, S, B, T, D, H, dtype):
    arrays = [drawn(*shape, dtype=dtype, seed=s) for s, shape in enumerate(((N, S, D), (B, T, D), (B, T, H)))]
    lengths = np.random.default_rng(0).integers(0, T + 1, B)
    return [*arrays, lengths, drawn(D, dtype=dtype, seed=9) if kind == "additive" else None]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize(
    "sizes, rows",
    [
        ((3, 4, 3, 7, 5, 6), None),
        ((40, 5, 40, 60, 33, 17), None),
        ((5, 1, 2, 9, 3, 4), [1, 0, 0, 1, 1]),
        ((0, 1, 2, 9, 3, 4), []),
        ((2, 0, 2, 3, 4, 5), None),
    ],
)
def test_it_has_the_bits_of_the_operator(isa, kind, sizes, rows, dtype, threads):
    given = case(kind, *sizes, dtype)
    index = None if rows is None else np.array(rows, np.int32)
    tensors = [None if a is None else torch.from_numpy(a) for a in given]
    want = operator(kind, *tensors, None if rows is None else torch.tensor(rows, dtype=torch.int64))
    turned = [None if a is None else np.asfortranarray(a) for a in given]
    for arrays in (given, turned):
        for got, wanted in zip(attention(kind, *arrays, index, threads), want, strict=True):
            assert np.array_equal(got, wanted.numpy())


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kind": "cosine"}, "attention 'cosine' without u; wanted dot without, or additive with u"),
        ({"kind": "additive"}, "attention 'additive' without u"),
        ({"u": np.ones(3)}, "attention 'dot' with u"),
        ({"kind": "additive", "u": np.ones(4)}, r"u is float64 \(4,\); wanted float64 \(3,\)"),
        ({"q": np.ones((2, 3))}, r"q is float64 \(2, 3\); wanted float64 \(N, S, D\)"),
        ({"k": np.ones((2, 5, 4))}, r"k is float64 \(2, 5, 4\); wanted float64 \(B, T, 3\)"),
        ({"v": np.ones((2, 4, 4))}, r"v is float64 \(2, 4, 4\); wanted float64 \(2, 5, H\)"),
        ({"v": np.ones((2, 5, 4), np.float32)}, r"v is float32 \(2, 5, 4\); wanted float64"),
        ({"lengths": np.array([1.0, 2.0])}, r"lengths is float64; wanted integers"),
        ({"lengths": np.array([1, 6])}, "row 1 has length 6; wanted 0 to 5"),
        ({"q": np.ones((3, 1, 3))}, "q has 3 rows and the memory 2; wanted as many, or rows"),
        ({"rows": np.array([1])}, r"rows is int64 \(1,\); wanted int64 \(2,\)"),
        ({"rows": np.array([1, 2])}, r"rows\[1\] is 2; the memory has 2 rows, counted from 0"),
    ],
)
def test_wrong_calls_are_refused(change, message):
    given = {
        "kind": "dot",
        "q": np.ones((2, 1, 3)),
        "k": np.ones((2, 5, 3)),
        "v": np.ones((2, 5, 4)),
        "lengths": np.array([5, 2]),
    }
    with pytest.raises(ValueError, match=message):
        attention(**given | change)
