"""Heads' operators under autograd twice, torch.func, vmap, compile, export and torch's own check."""

import pytest
import torch
import torch._dynamo.testing
from torch.nn import functional as own

from unrolled.kernels.torch import attention
from unrolled.kernels.torch import crf_reference as chain
from unrolled.kernels.torch.crf import log_likelihood
from unrolled.kernels.torch.embedding import embedding
from unrolled.kernels.torch.linear import linear
from unrolled.kernels.torch.normalization import layer_norm, log_softmax, softmax
from unrolled.kernels.torch.pooling import pooling, reference

from .cases import assert_same_bits

INDEX = torch.tensor([[1, 4, 1], [0, 6, 3]])


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, WEIGHT, BIAS, GAIN, SHIFT = (
    drawn(2, 3, 5),
    drawn(7, 5, seed=1),
    drawn(7, seed=2),
    drawn(5, seed=3),
    drawn(5, seed=4),
)
STEPS, TRANSITIONS = torch.tensor([3, 1]), drawn(5, 5, seed=5)
PATH = torch.tensor([[1, 4, 1], [0, 2, 3]])
KEYS, VALUES, READ = drawn(2, 4, 5, seed=10), drawn(2, 4, 3, seed=11), torch.tensor([2, 4])


def normalized(x):
    """By its equation: of torch's own layer norm (2.13) the third derivative is wrong."""
    d = x - x.mean(-1, keepdim=True)
    return d / (d.square().mean(-1, keepdim=True) + 1e-5).sqrt()


# name: (function, its differentiable tensors, the twin of torch)
CALLS = {
    "linear": (linear, (X, WEIGHT, BIAS), own.linear),
    "linear, no bias": (linear, (X, WEIGHT), own.linear),
    "linear, one row": (linear, (X[0, 0], WEIGHT, BIAS), own.linear),
    "softmax": (softmax, (X,), lambda x: own.softmax(x, -1)),
    "log_softmax": (log_softmax, (X,), lambda x: own.log_softmax(x, -1)),
    "layer_norm": (layer_norm, (X, GAIN, SHIFT), lambda x, g, s: normalized(x) * g + s),
    "layer_norm, gain": (layer_norm, (X, GAIN), lambda x, g: normalized(x) * g),
    "layer_norm, plain": (layer_norm, (X,), normalized),
    "crf": (
        lambda x, a, start, end: log_likelihood(x, (a, start, end), PATH, STEPS),
        (X, TRANSITIONS, GAIN, SHIFT),
        lambda x, a, start, end: (
            chain.score(x, a, start, end, STEPS, PATH) - chain.log_z(x, a, start, end, STEPS)
        ),
    ),
    **{
        f"pooling, {kind}": (
            lambda y, kind=kind: pooling(kind, y, STEPS),
            (X,),
            lambda y, kind=kind: reference(kind, y, STEPS),
        )
        for kind in ("mean", "max")
    },
    "pooling, attention": (
        lambda y, scores: pooling("attention", y, STEPS, scores),
        (X, X[..., 0]),
        lambda y, scores: reference("attention", y, STEPS, scores),
    ),
    "attention, dot": (
        lambda q, k, v: attention.attention("dot", q, k, v, READ)[0],
        (X, KEYS, VALUES),
        lambda q, k, v: attention.reference("dot", q, k, v, READ)[0],
    ),
    "attention, additive": (
        lambda q, k, v, u: attention.attention("additive", q, k, v, READ, u)[0],
        (X, KEYS, VALUES, GAIN),
        lambda q, k, v, u: attention.reference("additive", q, k, v, READ, u)[0],
    ),
    "embedding": (lambda t: embedding(INDEX, t), (WEIGHT,), lambda t: own.embedding(INDEX, t)),
    "embedding, padding": (lambda t: embedding(INDEX, t, 1), (WEIGHT,), lambda t: own.embedding(INDEX, t, 1)),
}
every_call = pytest.mark.parametrize("name", CALLS)


def leaves(tensors):
    return [t.clone().requires_grad_() for t in tensors]


@every_call
def test_first_and_second_derivatives_match_differences(name):
    function, tensors, _ = CALLS[name]
    if name != "embedding, padding":  # whose gradient is not the derivative
        assert torch.autograd.gradcheck(function, leaves(tensors))
    assert torch.autograd.gradgradcheck(function, leaves(tensors))


@every_call
@pytest.mark.parametrize("frozen", [0, 1, 2])
def test_derivatives_to_the_third_match_torch_also_with_frozen_tensors(name, frozen):
    function, tensors, twin = CALLS[name]

    def deeper(function):
        given = leaves(tensors)
        some = [t for n, t in enumerate(given) if n != frozen or len(given) == 1]
        inputs = [t if any(t is s for s in some) else t.detach() for t in given]
        value, found = function(*inputs).pow(3).sum(), []
        for _ in range(3):
            gradients = torch.autograd.grad(value, some, create_graph=True, materialize_grads=True)
            found += gradients
            value = sum((g**2).sum() for g in gradients)
        return found

    for got, want in zip(deeper(function), deeper(twin), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)  # thousands of roundings of 1e-16


@every_call
def test_torch_func_gives_the_gradients_of_autograd(name):
    function, tensors, _ = CALLS[name]
    places = tuple(range(len(tensors)))
    got = torch.func.grad(lambda *t: function(*t).pow(3).sum(), argnums=places)(*tensors)
    given = leaves(tensors)
    assert_same_bits(got, torch.autograd.grad(function(*given).pow(3).sum(), given))


@every_call
@pytest.mark.parametrize("mapped", [(0,), (1,), (0, 1), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("dim", [0, -1])
def test_vmap_equals_calls_one_by_one(name, mapped, dim):
    function, tensors, _ = CALLS[name]
    mapped = [n for n in mapped if n < len(tensors)] or [0]
    several = [torch.stack([t, 2 * t, t - 1], dim) if n in mapped else t for n, t in enumerate(tensors)]
    dims = tuple(dim if n in mapped else None for n in range(len(tensors)))
    for run in (function, torch.func.grad(lambda *t: function(*t).pow(3).sum())):
        got = torch.func.vmap(run, in_dims=dims)(*several)
        ones = [
            run(*(t.select(dim, k) if n in mapped else t for n, t in enumerate(several))) for k in range(3)
        ]
        assert torch.equal(got, torch.stack(ones))


def test_vmap_over_indices():
    got = torch.func.vmap(lambda i: embedding(i, WEIGHT), in_dims=1)(INDEX)
    assert torch.equal(got, WEIGHT[INDEX.T])
    got = torch.func.vmap(torch.func.vmap(lambda i: embedding(i, WEIGHT)))(INDEX)
    assert torch.equal(got, WEIGHT[INDEX])


class Model(torch.nn.Module):
    """All operators, one after the other, with weights of its own."""

    def __init__(self):
        super().__init__()
        table = drawn(7, 5, seed=6)
        self.weights = torch.nn.ParameterList(
            [torch.nn.Parameter(w.clone()) for w in (table, GAIN, SHIFT, WEIGHT, BIAS)]
        )

    def forward(self, index):
        table, gain, shift, weight, bias = self.weights
        x = layer_norm(embedding(index, table, 1), gain, shift, 1e-4)
        return log_softmax(linear(x, weight, bias)) + softmax(x).sum(-1, keepdim=True)


def test_compiled_without_a_break_at_any_size():
    model, counter = Model(), torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend=counter)
    for sizes in ((2, 3), (5, 4), (3, 9)):
        index = torch.randint(0, 7, sizes)
        got, want = compiled(index), model(index)
        assert torch.equal(got, want)
        weights = list(model.parameters())
        gradients = (torch.autograd.grad(o.square().sum(), weights) for o in (got, want))
        assert_same_bits(*gradients)
    assert counter.frame_count == 1


def test_exported_with_sizes_left_open():
    model = Model()
    sizes = {0: torch.export.Dim("B", max=4096), 1: torch.export.Dim("T", max=4096)}
    program = torch.export.export(model, (INDEX,), dynamic_shapes=(sizes,))
    names = {str(node.target) for node in program.graph.nodes}
    operators = ("embedding", "layer_norm", "linear", "log_softmax", "softmax")
    assert {f"unrolled.{operator}.default" for operator in operators} <= names
    for B, T in ((4, 5), (1, 2)):
        index = torch.randint(0, 7, (B, T))
        assert torch.equal(program.module()(index), model(index))


@pytest.mark.parametrize("needs_gradient", [False, True])
def test_torch_checks_the_operators(needs_gradient):
    """Form and tensors of each operator, as the functions hand them over."""
    x, weight, bias, gain, shift = (
        t.clone().requires_grad_(needs_gradient) for t in (X, WEIGHT, BIAS, GAIN, SHIFT)
    )
    dy = drawn(2, 3, 7, seed=8).requires_grad_(needs_gradient)
    y = X.softmax(-1).requires_grad_(needs_gradient)
    eps = (1e-5).hex()
    chain = "x transitions start end lengths"
    calls = {
        "linear": ([x, weight, bias], "x weight bias||"),
        "linear_backward": ([dy, x, weight], "dy x weight||dx d_weight d_bias"),
        "softmax": ([x], "x||"),
        "softmax_backward": ([x, y], "dy y||dx"),
        "log_softmax": ([x], "x||"),
        "log_softmax_backward": ([x, y], "dy y||dx"),
        "layer_norm": ([x, gain, shift], f"x gain shift|{eps}|"),
        "layer_norm_backward": ([x, x, gain], f"dy x gain|{eps}|dx d_gain d_shift"),
        "crf": ([x, TRANSITIONS, gain, shift, STEPS, PATH], f"{chain} path||"),
        "crf_backward": (
            [drawn(2), drawn(2, 3, 10), x, TRANSITIONS, gain, shift, STEPS],
            f"d_log_z tape {chain}||dx d_transitions d_start d_end",
        ),
        "pooling": ([x, x[..., 0], STEPS], "y scores lengths|attention|"),
        "pooling_backward": ([drawn(2, 5), drawn(2, 7), x, STEPS], "d_last after y lengths|max|dy"),
        "attention": ([x, KEYS, VALUES, gain, READ], "q k v u lengths|additive|"),
        "attention_backward": (
            [X[..., :3], X[..., :4], x, KEYS, VALUES, READ],
            "dc w q k v lengths|dot|dq dk dv",
        ),
        "embedding": ([weight, INDEX], "table index|-1|"),
        "embedding_backward": ([x, weight.detach(), INDEX], "dy table index|-1|d_table"),
    }
    for name, arguments in calls.items():
        torch.library.opcheck(getattr(torch.ops.unrolled, name).default, arguments)
