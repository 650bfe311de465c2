"""Poolings over time against their equations in float64, their gradients, and laws bit by bit."""

import itertools
import math

import numpy as np
import pytest
import torch

from unrolled.kernels import _cpu
from unrolled.kernels.numpy import heads
from unrolled.kernels.torch.pooling import KINDS, pooling, reference

from ..cases import assert_close, assert_same_bits

DTYPES = [torch.float32, torch.float64]
SHAPES = [(1, 1, 1), (3, 7, 5), (2, 33, 17), (4, 9, 65)]
each_kind = pytest.mark.parametrize("kind", KINDS)


def case(kind, B, T, H, dtype=torch.float64, seed=0):
    """[y (B, T, H)] and, of attention, scores (B, T); lengths: first T, then 1, the rest between."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, T + 1, (B,), generator=generator)
    lengths[0], lengths[1:2] = T, 1
    tensors = [torch.randn(B, T, H, generator=generator, dtype=dtype) * torch.arange(1, H + 1, dtype=dtype)]
    if kind == "attention":
        tensors.append(3 * torch.randn(B, T, generator=generator, dtype=dtype))
    return tensors, lengths


def run(kind, tensors, lengths):
    y, *scores = tensors
    return pooling(kind, y, lengths, *scores)


def running(kind, tensors, before=None):
    """p (T, B, H) of numpy arrays and what is carried."""
    y, *scores = (np.moveaxis(t.numpy(), 0, 1) for t in tensors)
    return heads.pooling(kind, y, before, *scores)


def by_the_equation(kind, y, scores=None):
    """(H,) of one row y (T, H)."""
    if kind == "attention":
        e = np.exp(scores - scores.max())
        return (e / e.sum()) @ y
    return {"mean": y.mean, "max": y.max}[kind](0)


@each_kind
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_values_match_the_equation_in_float64(isa, kind, shape, dtype):
    tensors, lengths = case(kind, *shape, dtype)
    found, twin = run(kind, tensors, lengths), reference(kind, tensors[0], lengths, *tensors[1:])
    for b, length in enumerate(lengths.tolist()):
        own = [t[b, :length].double().numpy() for t in tensors]
        want = torch.from_numpy(by_the_equation(kind, *own))
        assert_close(found[b], want, 64 if dtype == torch.float64 else 2)  # sums are in double: one rounding
        assert_close(twin[b], want, 64 * shape[1])


@each_kind
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 4, 3)])
def test_first_and_second_derivatives_match_differences(isa, kind, shape):
    tensors, lengths = case(kind, *shape)
    leaves = [t.requires_grad_() for t in tensors]
    assert torch.autograd.gradcheck(lambda *t: run(kind, t, lengths), leaves)
    assert torch.autograd.gradgradcheck(lambda *t: run(kind, t, lengths), leaves)


@each_kind
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_match_the_reference_in_float64(isa, kind, shape, dtype):
    tensors, lengths = case(kind, *shape, dtype)
    d = torch.randn(shape[0], shape[2], generator=torch.Generator().manual_seed(9), dtype=torch.float64)

    def gradients(tensors, function):
        leaves = [t.clone().requires_grad_() for t in tensors]
        return torch.autograd.grad(function(leaves), leaves, d.to(leaves[0].dtype))

    got = gradients(tensors, lambda t: run(kind, t, lengths))
    want = gradients([t.double() for t in tensors], lambda t: reference(kind, t[0], lengths, *t[1:]))
    for g, w in zip(got, want, strict=True):
        assert_close(g, w, 64)


@each_kind
@pytest.mark.parametrize("dtype", DTYPES)
def test_padding_is_never_read_and_rows_are_independent(isa, kind, dtype):
    tensors, lengths = case(kind, 5, 13, 7, dtype)
    want, gradients = [], []
    for b, length in enumerate(lengths.tolist()):
        own = [t[b : b + 1, :length].clone().requires_grad_() for t in tensors]
        want.append(run(kind, own, lengths[b : b + 1])[0])
        gradients.append(torch.autograd.grad(want[-1].pow(3).sum(), own))
    inside = torch.arange(13) < lengths[:, None]
    for fill in (0.0, math.nan, 1e30):
        leaves = [
            torch.where(inside if t.dim() == 2 else inside[..., None], t, fill).requires_grad_()
            for t in tensors
        ]
        found = run(kind, leaves, lengths)
        assert torch.equal(found, torch.stack(want))
        for k, d in enumerate(torch.autograd.grad(found.pow(3).sum(), leaves)):
            for b, length in enumerate(lengths.tolist()):
                assert torch.equal(d[b, :length], gradients[b][k][0])
                assert not d[b, length:].any()


@each_kind
def test_any_strides(kind):
    tensors, lengths = case(kind, 3, 7, 5)
    want = run(kind, tensors, lengths)
    other = [t.transpose(0, 1).contiguous().transpose(0, 1) for t in tensors]
    assert torch.equal(run(kind, other, lengths), want)
    wide = [torch.stack([t, t], -1)[..., 0].requires_grad_() for t in tensors]
    found = run(kind, wide, lengths)
    assert torch.equal(found, want)
    leaves = [t.clone().requires_grad_() for t in tensors]
    assert_same_bits(
        torch.autograd.grad(found.pow(2).sum(), wide),
        torch.autograd.grad(run(kind, leaves, lengths).pow(2).sum(), leaves),
    )


@each_kind
@pytest.mark.parametrize("dtype", DTYPES)
def test_instruction_sets_and_threads_change_no_bit(kind, dtype, restore_isa):
    tensors, lengths = case(kind, 40, 230, 67, dtype)
    results, before = [], torch.get_num_threads()
    for isa, threads in itertools.product(_cpu.isas(), (1, 2, 5)):
        _cpu.use_isa(isa)
        torch.set_num_threads(threads)
        leaves = [t.clone().requires_grad_() for t in tensors]
        value = run(kind, leaves, lengths)
        every, carried = running(kind, tensors)
        results.append(
            [value, *torch.autograd.grad(value.pow(2).sum(), leaves)]
            + [torch.from_numpy(array) for array in (every, carried)]
        )
    torch.set_num_threads(before)
    for result in results[1:]:
        assert_same_bits(result, results[0])


@each_kind
@pytest.mark.parametrize("dtype", DTYPES)
def test_after_every_step_stands_what_the_row_would_be_if_it_ended_there(isa, kind, dtype):
    tensors, _ = case(kind, 3, 21, 9, dtype)
    every, carried = running(kind, tensors)
    for t in range(21):
        lengths = torch.full((3,), t + 1)
        assert torch.equal(torch.from_numpy(every[t]), run(kind, tensors, lengths))
    assert carried.dtype == np.float64 and carried.shape == (3, 11)


@each_kind
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_chunks_give_the_bits_of_the_whole(isa, kind, dtype):
    tensors, _ = case(kind, 2, 60, 11, dtype)
    want, last = running(kind, tensors)
    draw = np.random.default_rng(0)
    for _ in range(20):
        cuts = [0, *sorted(draw.integers(0, 61, 7)), 60]
        carried, parts = None, []
        for first, end in itertools.pairwise(cuts):
            part, carried = running(kind, [t[:, first:end] for t in tensors], carried)
            parts.append(part)
        assert np.array_equal(np.concatenate(parts), want) and np.array_equal(carried, last)


def test_scores_of_any_size_neither_overflow_nor_vanish():
    y = torch.arange(1.0, 6).reshape(1, 5, 1)
    for scores, want in (
        ([-1e38, 0, 1e38, 1e38, -1e38], 3.5),
        ([1e38, 0, 0, 0, -1e38], 1.0),
        ([-1e38] * 5, 3.0),
        ([-math.inf, -math.inf, 2, 2, -math.inf], 3.5),
    ):
        assert pooling("attention", y, torch.tensor([5]), torch.tensor([scores])).item() == want
    for wrong in (math.nan, math.inf):
        scores = torch.tensor([[0.0, wrong, 1, 2, 3]])
        assert pooling("attention", y, torch.tensor([5]), scores).isnan().all()
        assert pooling("attention", y, torch.tensor([1]), scores).item() == 1


def test_nan_in_a_step_reaches_the_result():
    y = torch.ones(1, 3, 4)
    y[0, 1, 2] = math.nan
    for kind in ("mean", "max"):
        assert pooling(kind, y, torch.tensor([3])).isnan().tolist() == [[False, False, True, False]]


def test_of_equal_steps_the_first_gets_the_gradient_of_max():
    y = torch.tensor([[[1.0], [4.0], [2.0], [4.0]]], requires_grad=True)
    (d,) = torch.autograd.grad(pooling("max", y, torch.tensor([4])).sum(), y)
    assert d.flatten().tolist() == [0, 1, 0, 0]


def test_a_mean_of_a_million_steps_loses_nothing():
    y = np.full((1_000_000, 1, 1), 0.1, np.float32)
    assert heads.pooling("mean", y)[0][-1, 0, 0] == np.float32(0.1)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda y, n, s: pooling("median", y, n), "pooling 'median' without scores; wanted"),
        (lambda y, n, s: pooling("attention", y, n), "pooling 'attention' without scores; wanted"),
        (lambda y, n, s: pooling("mean", y, n, s), "pooling 'mean' with scores; wanted"),
        (lambda y, n, s: pooling("mean", y[0], n), r"y is float32 \(5, 4\); wanted float32 \(B, T, H\)"),
        (lambda y, n, s: pooling("mean", y, n[:1]), r"lengths is int64 \(1,\); wanted int64 \(2,\)"),
        (
            lambda y, n, s: pooling("attention", y, n, s[:, 1:]),
            r"scores is float32 \(2, 4\); wanted float32 \(2, 5\)",
        ),
        (lambda y, n, s: pooling("mean", y, n + 4), "row 1 has length 6; wanted 0 to 5"),
        (
            lambda y, n, s: heads.pooling("mean", y.numpy(), np.zeros((2, 6))),
            r"before is float64 .*; wanted float64 \(5, 6\)",
        ),
        (lambda y, n, s: heads.pooling("median", y.numpy()), "pooling 'median' without scores; wanted mean"),
        (lambda y, n, s: heads.pooling("attention", y.numpy()), "pooling 'attention' without scores"),
    ],
)
def test_wrong_calls_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(2, 5, 4), torch.tensor([1, 2]), torch.ones(2, 5))


@each_kind
def test_the_reference_runs_where_the_kernels_do_not(monkeypatch, kind):
    tensors, lengths = case(kind, 3, 7, 5)
    want = run(kind, tensors, lengths)
    monkeypatch.setenv("UNROLLED_BACKEND", "reference")
    assert_close(run(kind, tensors, lengths), want, 64)
