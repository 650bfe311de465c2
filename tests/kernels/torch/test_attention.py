"""Attention against its equations in float64, its gradients, and laws bit by bit."""

import itertools
import math

import numpy as np
import pytest
import torch

from unrolled.kernels import _cpu
from unrolled.kernels.torch.attention import SCORES, attention, reference

from ..cases import assert_close, assert_same_bits

DTYPES = [torch.float32, torch.float64]
# N, S, T, D, H: odd on purpose; the last two go past a chain of 128 steps, and of 128 queries
SHAPES = [(1, 1, 1, 1, 1), (3, 4, 7, 5, 6), (2, 3, 33, 66, 17), (2, 2, 300, 9, 130), (2, 131, 140, 18, 7)]
each_kind = pytest.mark.parametrize("kind", SCORES)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def case(kind, N, S, T, D, H, dtype=torch.float64, seed=0):
    """[q, k, v] and, of additive, u; lengths: first T, then 0, the rest between."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    lengths = torch.randint(1, T + 1, (N,), generator=generator)
    lengths[0], lengths[1:2] = T, 0
    scale = D**-0.25 if kind == "dot" else 1
    tensors = [scale * normal(N, S, D), scale * normal(N, T, D), normal(N, T, H)]
    return tensors + ([normal(D)] if kind == "additive" else []), lengths


def run(kind, tensors, lengths, rows=None, function=attention):
    q, k, v, *u = tensors
    return function(kind, q, k, v, lengths, *u or [None], rows)


def gradients(kind, tensors, lengths, function=attention):
    """c, w and the gradient of each tensor, of a sum that weighs every number of c otherwise."""
    leaves = [t.clone().requires_grad_() for t in tensors]
    c, w = run(kind, leaves, lengths, function=function)
    weights = torch.linspace(-1, 2, c.shape[1] * c.shape[2], dtype=torch.float64).view(c.shape[1:]).to(c)
    return [c.detach(), w, *torch.autograd.grad((c * weights).sum(), leaves)]


def by_the_equation(kind, q, k, v, u=None):
    """(S, H) and (S, T) of one row: q (S, D), k (T, D), v (T, H)."""
    e = q @ k.T if kind == "dot" else np.tanh(q[:, None] + k) @ u
    power = np.exp(e - e.max(1, keepdims=True))
    w = power / power.sum(1, keepdims=True)
    return w @ v, w


@each_kind
@each_dtype
@pytest.mark.parametrize("shape", SHAPES)
def test_values_match_the_equation_in_float64(isa, kind, shape, dtype):
    tensors, lengths = case(kind, *shape, dtype)
    c, w = run(kind, tensors, lengths)
    for n, length in enumerate(lengths.tolist()):
        if not length:
            assert not c[n].any() and not w[n].any()
            continue
        q, k, v, *u = (t.double().numpy() for t in tensors)
        want = by_the_equation(kind, q[n], k[n, :length], v[n, :length], *u)
        for got, wanted in zip((c[n], w[n, :, :length]), want, strict=True):
            assert_close(got, torch.from_numpy(wanted), 64)  # D terms of size one in 16 chains or more
        assert not w[n, :, length:].any()


@each_kind
@each_dtype
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_match_the_reference_in_float64(isa, kind, shape, dtype):
    tensors, lengths = case(kind, *shape, dtype)
    got = gradients(kind, tensors, lengths)
    want = gradients(kind, [t.double() for t in tensors], lengths, reference)
    for g, w in zip(got, want, strict=True):
        assert_close(g, w, 128)


@each_kind
@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (3, 2, 4, 3, 2)])
def test_the_gradient_is_the_derivative(isa, kind, shape):
    tensors, lengths = case(kind, *shape)
    leaves = [t.requires_grad_() for t in tensors]
    assert torch.autograd.gradcheck(lambda *t: run(kind, t, lengths)[0], leaves)


@each_kind
def test_weights_have_no_gradient(kind):
    tensors, lengths = case(kind, 3, 2, 4, 3, 2)
    leaves = [t.requires_grad_() for t in tensors]
    for function in (attention, reference):
        c, w = run(kind, leaves, lengths, function=function)
        assert c.requires_grad and not w.requires_grad


@each_kind
@each_dtype
def test_padding_is_never_read_and_rows_are_independent(isa, kind, dtype):
    tensors, lengths = case(kind, 5, 4, 150, 37, 21, dtype)
    want = []
    for n, length in enumerate(lengths.tolist()):
        q, k, v, *u = tensors
        own = [q[n : n + 1], k[n : n + 1, :length], v[n : n + 1, :length], *u]
        want.append(gradients(kind, own, lengths[n : n + 1]))
    inside = (torch.arange(150) < lengths[:, None])[..., None]
    order = torch.tensor([3, 1, 4, 0, 2])
    for fill in (0.0, math.nan, 1e30):
        q, k, v, *u = tensors
        padded = [q[order], *(torch.where(inside, t, fill)[order] for t in (k, v)), *u]
        c, w, dq, dk, dv, *_ = gradients(kind, padded, lengths[order])
        for at, n in enumerate(order.tolist()):
            length = lengths[n]
            c_n, w_n, dq_n, dk_n, dv_n, *_ = want[n]
            own = c[at], w[at, :, :length], dq[at], dk[at, :length], dv[at, :length]
            assert_same_bits(own, [t[0] for t in (c_n, w_n, dq_n, dk_n, dv_n)])
            for beyond in (w[at, :, length:], dk[at, length:], dv[at, length:]):
                assert torch.equal(beyond, torch.zeros_like(beyond))


@each_kind
@each_dtype
def test_a_query_alone_and_by_rows_has_the_bits_of_the_batch(isa, kind, dtype):
    tensors, lengths = case(kind, 4, 5, 70, 19, 23, dtype)
    q, *memory = tensors
    c, w = run(kind, tensors, lengths)
    for s in range(5):
        assert_same_bits(run(kind, [q[:, s : s + 1], *memory], lengths), (c[:, s : s + 1], w[:, s : s + 1]))
    rows = torch.tensor([2, 0, 3, 3, 2, 1, 0])
    assert_same_bits(run(kind, [q[rows], *memory], lengths, rows), (c[rows], w[rows]))
    several, one = torch.tensor([1, 1, 1, 0, 2, 2, 0]), torch.tensor([0, 1, 4, 0, 3, 2, 2])  # as a beam reads
    hypotheses = q[several, one].unsqueeze(1)
    assert_same_bits(
        run(kind, [hypotheses, *memory], lengths, several),
        (c[several, one].unsqueeze(1), w[several, one].unsqueeze(1)),
    )
    assert_same_bits(run(kind, [q[:0], *memory], lengths, rows[:0]), (c[:0], w[:0]))
    swapped = run(kind, [q.flip(1), *memory], lengths)
    assert_same_bits([t.flip(1) for t in swapped], (c, w))


@each_kind
@each_dtype
def test_instruction_sets_and_threads_change_no_bit(kind, dtype, restore_isa):
    tensors, lengths = case(kind, 9, 150, 60, 67, 131, dtype)
    results, before = [], torch.get_num_threads()
    for isa, threads in itertools.product(_cpu.isas(), (1, 2, 5)):
        _cpu.use_isa(isa)
        torch.set_num_threads(threads)
        results.append(gradients(kind, tensors, lengths))
    torch.set_num_threads(before)
    for result in results[1:]:
        assert_same_bits(result, results[0])


@each_kind
def test_any_strides(kind):
    tensors, lengths = case(kind, 3, 4, 7, 5, 6)
    want = gradients(kind, tensors, lengths)
    time_first = [t.transpose(0, 1).contiguous().transpose(0, 1) if t.dim() == 3 else t for t in tensors]
    wide = [torch.stack([t, t], -1)[..., 0] for t in tensors]
    for other in (time_first, wide):
        assert_same_bits(run(kind, other, lengths), want[:2])
        leaves = [t.requires_grad_() for t in other]
        c, _ = run(kind, leaves, lengths)
        d = torch.linspace(-1, 2, 24, dtype=c.dtype).view(4, 6).expand_as(c)  # whose rows lie on one another
        assert_same_bits(torch.autograd.grad(c, leaves, d), want[2:])


@pytest.mark.parametrize(
    "sizes", [(0, 2, 3, 4, 5), (2, 0, 3, 4, 5), (2, 3, 0, 4, 5), (2, 3, 4, 0, 5), (2, 3, 4, 5, 0)]
)
@each_kind
def test_nothing_is_something_to_attend_to(kind, sizes):
    N, S, T, D, H = sizes
    shapes = ((N, S, D), (N, T, D), (N, T, H), *([(D,)] if kind == "additive" else []))
    c, w, *found = gradients(kind, [torch.ones(shape) for shape in shapes], torch.full((N,), T))
    assert torch.equal(c, torch.ones(N, S, H) if T else torch.zeros(N, S, H))
    assert torch.equal(w, torch.full((N, S, T), 1 / max(T, 1)))
    assert [tuple(t.shape) for t in found] == list(shapes)


def test_scores_of_any_size_neither_overflow_nor_vanish():
    one, v = torch.ones(1, 1, 1), torch.arange(1.0, 6).reshape(1, 5, 1)
    for scores, want in (
        ([-1e38, 0, 1e38, 1e38, -1e38], 3.5),
        ([-1e38] * 5, 3.0),
        ([-math.inf, -math.inf, 2, 2, -math.inf], 3.5),
        ([0, math.nan, 1, 2, 3], math.nan),
        ([0, math.inf, 1, 2, 3], math.nan),
        ([-math.inf] * 5, math.nan),
    ):
        k = torch.tensor(scores).reshape(1, 5, 1)
        c, w = attention("dot", one, k, v, torch.tensor([5]))
        torch.testing.assert_close(c.item(), want, rtol=0, atol=0, equal_nan=True)
        assert w.isnan().all() if math.isnan(want) else w.sum() == 1


def test_the_weights_of_a_million_steps_lose_nothing():
    T = 1_000_000
    q, k = torch.zeros(1, 1, 1), torch.zeros(1, T, 1)
    _, w = attention("dot", q, k, torch.ones(1, T, 1), torch.tensor([T]))
    assert torch.equal(w, torch.full_like(w, 1e-6))


@each_kind
def test_compiled_without_a_break_at_any_size(kind):
    def call(*tensors):
        *tensors, lengths = tensors
        c, w = run(kind, tensors, lengths)
        return c.square().sum((1, 2)) + w.sum((1, 2)), w

    compiled = torch.compile(call, fullgraph=True, dynamic=True, backend="aot_eager")
    for shape in ((3, 2, 4, 3, 2), (2, 5, 7, 4, 3)):
        tensors, lengths = case(kind, *shape)
        results = []
        for function in (call, compiled):
            leaves = [t.clone().requires_grad_() for t in tensors]
            loss, w = function(*leaves, lengths)
            results.append([loss, w, *torch.autograd.grad(loss.sum(), leaves)])
        assert_same_bits(*results)


def test_exported_with_rows():
    class Reader(torch.nn.Module):
        def forward(self, q, k, v, lengths, rows):
            return attention("dot", q, k, v, lengths, rows=rows)

    tensors, lengths = case("dot", 3, 2, 4, 3, 2)
    rows = torch.tensor([2, 0, 1])
    program = torch.export.export(Reader(), (*tensors, lengths, rows))
    assert "unrolled.attention.default" in {str(node.target) for node in program.graph.nodes}
    found = program.module()(*tensors, lengths, rows.flip(0))
    assert_same_bits(found, run("dot", tensors, lengths, rows.flip(0)))


@each_kind
def test_the_reference_runs_where_the_kernels_do_not(monkeypatch, kind):
    tensors, lengths = case(kind, 4, 3, 7, 5, 6)
    rows = torch.tensor([3, 3, 0, 1, 2])
    want = gradients(kind, tensors, lengths)
    by_rows = run(kind, [tensors[0][rows], *tensors[1:]], lengths, rows)
    monkeypatch.setenv("UNROLLED_BACKEND", "reference")
    inside = (torch.arange(7) < lengths[:, None])[..., None]
    q, k, v, *u = tensors
    padded = [q, *(torch.where(inside, t, math.nan) for t in (k, v)), *u]
    for got, wanted in zip(gradients(kind, padded, lengths), want, strict=True):
        assert_close(got, wanted, 64)
    for got, wanted in zip(run(kind, [q[rows], *padded[1:]], lengths, rows), by_rows, strict=True):
        assert_close(got, wanted, 64)


ROWS = torch.tensor([1, 0])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kind": "cosine"}, "attention 'cosine' without u; wanted dot without, or additive with u"),
        ({"kind": "additive"}, "attention 'additive' without u; wanted"),
        ({"u": torch.ones(3)}, "attention 'dot' with u; wanted"),
        ({"kind": "additive", "u": torch.ones(4)}, r"u is float32 \(4,\); wanted float32 \(3,\)"),
        ({"q": torch.ones(2, 3)}, r"q is float32 \(2, 3\); wanted float32 \(N, S, D\)"),
        ({"k": torch.ones(2, 5, 4)}, r"k is float32 \(2, 5, 4\); wanted float32 \(B, T, 3\)"),
        ({"v": torch.ones(2, 4, 4)}, r"v is float32 \(2, 4, 4\); wanted float32 \(2, 5, H\)"),
        ({"v": torch.ones(2, 5, 4).double()}, r"v is float64 \(2, 5, 4\); wanted float32"),
        ({"lengths": torch.tensor([1, 2, 3])}, r"lengths is int64 \(3,\); wanted int64 \(2,\)"),
        ({"lengths": torch.tensor([1, 6])}, "row 1 has length 6; wanted 0 to 5"),
        ({"q": torch.ones(3, 1, 3)}, "q has 3 rows and the memory 2; wanted as many, or rows"),
        ({"rows": ROWS.int()}, r"rows is int32 \(2,\); wanted int64 \(2,\)"),
        ({"rows": ROWS + 1}, r"rows\[0\] is 2; the memory has 2 rows, counted from 0"),
        ({"rows": ROWS - 1}, r"rows\[1\] is -1; the memory has 2 rows"),
        ({"rows": ROWS, "v": torch.ones(2, 5, 4).requires_grad_()}, "attention with rows has no gradient"),
    ],
)
def test_wrong_calls_are_refused(change, message):
    given = {
        "kind": "dot",
        "q": torch.ones(2, 1, 3),
        "k": torch.ones(2, 5, 3),
        "v": torch.ones(2, 5, 4),
        "lengths": torch.tensor([5, 2]),
    }
    with pytest.raises(ValueError, match=message) as refused:
        attention(**given | change)
    assert "\n" not in str(refused.value)
