"""The numpy functions: the bits of the torch operators, without torch."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from unrolled.kernels import _cpu
from unrolled.kernels.numpy import heads
from unrolled.kernels.torch import embedding, linear
from unrolled.kernels.torch import normalization as rows

DTYPES = [np.float32, np.float64]


def drawn(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "R, I, O", [(1, 1, 1), (5, 33, 67), (300, 600, 70), (2, 3, 10_007), (0, 3, 4), (3, 0, 4)]
)
def test_linear_has_the_bits_of_the_operator(isa, R, I, O, dtype, threads):
    x, weight, bias = (
        drawn(R, I, dtype=dtype),
        drawn(O, I, dtype=dtype, seed=1),
        drawn(O, dtype=dtype, seed=2),
    )
    tensors = [torch.from_numpy(a) for a in (x, weight, bias)]
    assert np.array_equal(heads.linear(x, weight, bias, threads), linear.linear(*tensors).numpy())
    assert np.array_equal(heads.linear(x, weight), linear.linear(*tensors[:2]).numpy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 33), (2, 3, 40), (7,), (0, 4), (4, 0), (3, 10_007)])
def test_rows_have_the_bits_of_the_operators(isa, shape, dtype):
    x, gain, shift = drawn(*shape, dtype=dtype), *(drawn(shape[-1], dtype=dtype, seed=s) for s in (1, 2))
    t, g, s = map(torch.from_numpy, (x, gain, shift))
    for threads in (1, 2):
        assert np.array_equal(heads.softmax(x, threads), rows.softmax(t).numpy())
        assert np.array_equal(heads.log_softmax(x, threads), rows.log_softmax(t).numpy())
        found = heads.layer_norm(x, gain, shift, 1e-3, threads)
        assert np.array_equal(found, rows.layer_norm(t, g, s, 1e-3).numpy())
    assert np.array_equal(heads.layer_norm(x), rows.layer_norm(t).numpy())


@pytest.mark.parametrize("dtype", DTYPES)
def test_logsumexp_is_numpys_and_does_not_see_what_cannot_be(isa, dtype):
    x = 9 * drawn(5, 3, 37, dtype=dtype)
    found = heads.logsumexp(x)
    assert found.shape == (5, 3) and found.dtype == dtype
    wanted = np.logaddexp.reduce(x.astype(np.float64), axis=-1)
    np.testing.assert_allclose(found, wanted, rtol=8 * np.finfo(dtype).eps)
    behind = np.concatenate([x, np.full((5, 3, 90), -np.inf, dtype)], -1)
    assert np.array_equal(heads.logsumexp(behind, 2), found)
    assert np.array_equal(heads.logsumexp(x[2:3, 1]), found[2:3, 1])
    never = np.full((1, 3), -np.inf, dtype)
    assert heads.logsumexp(never) == -np.inf and np.isnan(heads.logsumexp(-never))
    assert heads.logsumexp(np.empty((2, 0), dtype)).tolist() == [-np.inf, -np.inf]


def test_embedding_has_the_bits_of_the_operator():
    index, table = np.array([[1, 4, 0], [2, 2, 4]], np.uint8), drawn(5, 7)
    found = heads.embedding(index, table)
    assert np.array_equal(
        found, embedding.embedding(torch.from_numpy(index).long(), torch.from_numpy(table)).numpy()
    )


def test_any_strides_and_leading_dimensions():
    x, weight = drawn(6, 4, 5), drawn(7, 5)
    y = heads.linear(x, weight)
    assert y.shape == (6, 4, 7)
    assert np.array_equal(heads.linear(x[::2, 1], weight), y[::2, 1])
    assert np.array_equal(heads.linear(np.asfortranarray(x), np.asfortranarray(weight)), y)
    assert np.array_equal(heads.softmax(np.asfortranarray(x)), heads.softmax(x))


def test_a_linear_layer_keeps_what_it_packed():
    weight, bias, x = drawn(7, 5), drawn(7), drawn(3, 5)
    layer = heads.Linear(weight, bias)
    before = layer(x)
    weight *= 2
    bias += 1
    assert np.array_equal(layer(x), before)
    assert not np.array_equal(heads.Linear(weight, bias)(x), before)


@pytest.mark.skipif(len(_cpu.isas()) < 2, reason="one instruction set here")
def test_a_layer_follows_the_instruction_set_in_use(restore_isa):
    x, weight = drawn(3, 5), drawn(7, 5)
    layer, outputs = heads.Linear(weight), []
    for name in (*_cpu.isas(), *_cpu.isas()):
        _cpu.use_isa(name)
        outputs.append(layer(x))
    assert all(np.array_equal(y, outputs[0]) for y in outputs)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: heads.linear(drawn(3, 4), drawn(7, 5)),
            r"x is float64 \(3, 4\); wanted float64 \(\.\.\., 5\)",
        ),
        (lambda: heads.linear(drawn(3, 5), drawn(5)), r"weight is float64 \(5,\); wanted float64 \(O, I\)"),
        (
            lambda: heads.linear(drawn(3, 5), drawn(7, 5), drawn(5)),
            r"bias is float64 \(5,\); wanted float64 \(7,\)",
        ),
        (
            lambda: heads.linear(drawn(3, 5, dtype=np.float32), drawn(7, 5)),
            r"x is float32 \(3, 5\); wanted float64",
        ),
        (lambda: heads.softmax(np.arange(3)), r"x is int64 \(3,\); wanted float32 or float64"),
        (lambda: heads.softmax(np.array(1.0)), r"x is float64 \(\); wanted float64 \(\.\.\., N\)"),
        (lambda: heads.layer_norm(drawn(3, 5), drawn(4)), r"gain is float64 \(4,\); wanted float64 \(5,\)"),
        (lambda: heads.embedding(np.array([1.5]), drawn(3, 5)), "index is float64; wanted integers"),
    ],
)
def test_wrong_calls_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_index_outside_the_table_is_refused():
    with pytest.raises(IndexError, match="index 3 at place 1 is outside the table; it has 3 rows, 0 to 2"):
        heads.embedding(np.array([0, 3]), drawn(3, 5))


def test_importing_it_loads_no_torch():
    program = "import sys, unrolled.kernels.numpy.heads; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
