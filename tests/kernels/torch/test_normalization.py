"""Softmax, log-softmax and layer norm: laws bit by bit, float64 oracles, edges; embedding at the end."""

import math

import pytest
import torch
from torch.nn import functional as own

from unrolled.kernels import _cpu
from unrolled.kernels.torch.embedding import embedding
from unrolled.kernels.torch.normalization import layer_norm, log_softmax, softmax

from ..cases import assert_close, assert_same_bits

DTYPES = [torch.float32, torch.float64]
WIDTHS = [1, 2, 7, 15, 16, 31, 32, 33, 65, 500, 10_007]
OPERATORS = {"softmax": softmax, "log_softmax": log_softmax, "layer_norm": layer_norm}
ORACLES = {
    "softmax": lambda x: own.softmax(x, -1),
    "log_softmax": lambda x: own.log_softmax(x, -1),
    "layer_norm": lambda x: own.layer_norm(x, x.shape[-1:]),
}


def drawn(*shape, dtype=torch.float64, seed=0, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(shape, generator=generator, dtype=torch.float64) + 0.3).to(dtype)


def run(function, x, *parameters):
    """The output and all gradients."""
    leaves = [t.detach().clone().requires_grad_() for t in (x, *parameters)]
    y = function(*leaves)
    return y.detach(), *torch.autograd.grad(y, leaves, drawn(*y.shape, seed=5).to(y))


@pytest.mark.parametrize("N", WIDTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPERATORS)
def test_values_and_gradients_match_float64(isa, name, dtype, N):
    x = drawn(3, N, dtype=dtype)
    got, want = run(OPERATORS[name], x), run(ORACLES[name], x.double())
    # N additions, in 32 or 16 chains and five folds, then a dozen operations; all of one sign at worst. Layer
    # norm's gradient of two numbers is a difference of equals, which eps alone keeps from zero.
    for g, w in zip(got, want, strict=True):
        assert_close(g, w, N / 16 + 40 if N != 2 else 1000)


@pytest.mark.parametrize("given", ["gain", "shift", "both"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gain_and_shift(isa, dtype, given):
    x, gain, shift = (
        drawn(300, 37, dtype=dtype),
        drawn(37, dtype=dtype, seed=1),
        drawn(37, dtype=dtype, seed=2),
    )
    parameters = {"gain": {"gain": gain}, "shift": {"shift": shift}, "both": {"gain": gain, "shift": shift}}[
        given
    ]

    def ours(x, *values):
        return layer_norm(x, eps=1e-3, **dict(zip(parameters, values, strict=True)))

    def theirs(x, *values):
        named = dict(zip(parameters, values, strict=True))
        return own.layer_norm(x, (37,), named.get("gain"), named.get("shift"), eps=1e-3)

    got = run(ours, x, *parameters.values())
    want = run(theirs, x.double(), *(p.double() for p in parameters.values()))
    for g, w in zip(got, want, strict=True):
        assert_close(g, w, 300 + 40)  # sums over 300 rows


@pytest.mark.parametrize("name", OPERATORS)
def test_a_row_is_the_same_in_any_batch_and_order(name):
    for seed in range(100):
        torch.manual_seed(seed)
        R, N = (int(n) for n in torch.randint(1, 257, (2,)))
        x, dy = torch.randn(R, N), torch.randn(R, N)
        places = torch.randperm(R)[: int(torch.randint(1, R + 1, ()))]

        def both(x, dy):
            x = x.clone().requires_grad_()
            y = OPERATORS[name](x)
            return y, torch.autograd.grad(y, x, dy)[0]

        assert_same_bits(both(x[places], dy[places]), [t[places] for t in both(x, dy)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPERATORS)
def test_instruction_sets_agree_in_every_bit(name, dtype, restore_isa):
    for N in WIDTHS:
        x, gain = drawn(270, N, dtype=dtype, seed=N), drawn(N, dtype=dtype, seed=1)
        parameters, results = [gain, gain + 1] if name == "layer_norm" else [], []
        for isa in _cpu.isas():
            _cpu.use_isa(isa)
            results.append(run(OPERATORS[name], x, *parameters))
        for result in results[1:]:
            assert_same_bits(result, results[0])


@pytest.mark.parametrize("name", OPERATORS)
def test_threads_change_no_bit(name):
    x, gain = drawn(600, 900, dtype=torch.float32), drawn(900, dtype=torch.float32, seed=1)
    parameters, results = [gain, gain + 1] if name == "layer_norm" else [], []
    before = torch.get_num_threads()
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        results.append(run(OPERATORS[name], x, *parameters))
    torch.set_num_threads(before)
    for result in results[1:]:
        assert_same_bits(result, results[0])


@pytest.mark.parametrize("function", [softmax, log_softmax])
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_of_any_size(isa, dtype, function):
    big, inf, nan = torch.finfo(dtype).max, math.inf, math.nan
    rows = [
        [big, big, -big],
        [-big, -big, -big],
        [1.0, -inf, 2.0],
        [-inf, -inf, -inf],
        [inf, 1.0, 2.0],
        [inf, -inf, inf],
        [nan, 1.0, 2.0],
        [1.0, 2.0, nan],
        [-0.0, 0.0, 1e-40],
        [1e4, 0.0, -1e4],
    ]
    x = torch.tensor(rows, dtype=dtype)
    # the wide twin's limits lie elsewhere, so torch's own answer in the same dtype
    want = (own.softmax if function is softmax else own.log_softmax)(x, -1)
    torch.testing.assert_close(function(x), want, rtol=8 * torch.finfo(dtype).eps, atol=0, equal_nan=True)


def test_layer_norm_of_equal_and_of_large_numbers(isa):
    equal = torch.full((2, 33), 7.25)
    assert not layer_norm(equal).any()
    large = 1e6 + drawn(4, 100, dtype=torch.float64)
    assert_close(layer_norm(large), own.layer_norm(large, (100,)), 1e8)  # a millionth of x is its deviation


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (2, 0, 3)])
def test_empty_sizes(name, shape):
    y, dx = run(OPERATORS[name], torch.zeros(shape))
    assert y.shape == dx.shape == shape


@pytest.mark.parametrize("name", OPERATORS)
def test_any_leading_dimensions_and_strides(name):
    function, x = OPERATORS[name], drawn(12, 9)
    y = function(x)
    assert torch.equal(function(x.view(2, 3, 2, 9)), y.view(2, 3, 2, 9))
    assert torch.equal(function(x[4]), y[4])
    assert torch.equal(function(x.T.contiguous().T), y)
    assert torch.equal(function(x[::3]), y[::3])
    got, want = (torch.autograd.grad(function(leaf), leaf, drawn(9, 12).T)[0] for leaf in
                 (x.T.contiguous().T.requires_grad_(), x.clone().requires_grad_()))  # fmt: skip
    assert torch.equal(got, want)


def test_wrong_gain_is_refused():
    with pytest.raises(ValueError, match=r"gain is float32 \(4,\); wanted float32 \(5,\)"):
        layer_norm(torch.zeros(2, 5), torch.zeros(4))
    with pytest.raises(ValueError, match=r"shift is float64 \(5,\); wanted float32"):
        layer_norm(torch.zeros(2, 5), None, torch.zeros(5, dtype=torch.float64))


@pytest.mark.parametrize("N", [1, 7, 33, 300])
@pytest.mark.parametrize("dtype", DTYPES)
def test_embedding_and_its_gradient(isa, dtype, N):
    table, index = drawn(11, N, dtype=dtype), torch.randint(0, 11, (40, 3), generator=torch.Generator())
    assert torch.equal(embedding(index, table), table[index])
    _, got = run(lambda t: embedding(index, t, 4), table)
    want = torch.zeros(11, N, dtype=torch.float64)
    want.index_add_(0, index.flatten(), drawn(40 * 3, N, seed=5).to(dtype).double())
    want[4] = 0
    assert_close(got, want, 40)  # about eleven additions a row, forty at most


def test_embedding_gradient_knows_no_threads_or_instruction_sets(restore_isa):
    table, index = drawn(50, 700, dtype=torch.float32), torch.randint(0, 50, (2000,))
    before, results = torch.get_num_threads(), []
    for isa in _cpu.isas():
        for threads in (1, 2, 5):
            _cpu.use_isa(isa)
            torch.set_num_threads(threads)
            results.append(run(lambda t: embedding(index, t), table))
    torch.set_num_threads(before)
    for result in results[1:]:
        assert_same_bits(result, results[0])


@pytest.mark.parametrize(
    "index", [torch.tensor(3), torch.zeros(0, dtype=torch.int64), torch.tensor([[1, 2]]).int()]
)
def test_embedding_of_any_index(index):
    table = drawn(5, 3)
    assert torch.equal(embedding(index, table), table[index.long()])
    assert torch.equal(embedding(index, table.T.contiguous().T), table[index.long()])


@pytest.mark.parametrize("wrong", [-1, 5, 2**40])
def test_an_index_outside_the_table_is_refused(wrong):
    with pytest.raises(
        IndexError, match=f"index {wrong} at place 1 is outside the table; it has 5 rows, 0 to 4"
    ):
        embedding(torch.tensor([2, wrong]), drawn(5, 3))


def test_an_index_of_floats_is_refused():
    with pytest.raises(ValueError, match=r"index is torch.float32; wanted int64 or int32"):
        embedding(torch.zeros(3), drawn(5, 3))
