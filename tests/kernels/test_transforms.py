"""The Elman operators under autograd twice, torch.func, vmap, compile, export and torch's own check."""

from dataclasses import replace

import pytest
import torch
import torch._dynamo.testing

from unrolled.kernels.elman import elman

from .cases import FUNCTIONS, Case, assert_close, assert_same_bits, random_case, reference

SIZES = 4, 3, 2, 5  # T, B, I, H
SMOOTH = ["tanh", "sigmoid"]  # finite differences want no kinks


def small(**options):
    return random_case(*SIZES, torch.float64, **options)


def loss(*tensors):
    y, h_last = elman(*tensors)
    return (y**3).sum() + h_last.sin().sum()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("nonlinearity", SMOOTH)
def test_first_and_second_derivatives_match_differences(nonlinearity, ragged, reverse):
    case = small(ragged=ragged, nonlinearity=nonlinearity, reverse=reverse)

    def run(*tensors):
        return replace(case, tensors=tensors).run(elman)

    leaves = [t.requires_grad_() for t in case.tensors]
    assert torch.autograd.gradcheck(run, leaves)
    assert torch.autograd.gradgradcheck(run, leaves)


@pytest.mark.parametrize("nonlinearity", FUNCTIONS)
def test_second_and_third_derivatives_match_the_reference(nonlinearity):
    case = small(ragged=True, nonlinearity=nonlinearity)

    def deeper(function, times):
        leaves = [t.detach().clone().requires_grad_() for t in case.tensors]
        y, h_last = replace(case, tensors=tuple(leaves)).run(function)
        value = (y**3).sum() + h_last.sin().sum()
        for _ in range(times):
            gradients = torch.autograd.grad(value, leaves, create_graph=True, allow_unused=True)
            value = sum((g**2).sum() for g in gradients if g is not None)
        return torch.autograd.grad(value, leaves)

    for times in (1, 2):
        for got, want in zip(deeper(elman, times), deeper(reference, times), strict=True):
            assert_close(got, want, 1000)  # some hundred operations on either side


def test_second_derivative_without_biases_and_of_one_tensor():
    x, h0, weight_ih, weight_hh, *_ = small().tensors

    def run(x):
        return elman(x, h0, weight_ih, weight_hh)

    assert torch.autograd.gradgradcheck(run, [x.requires_grad_()])


def test_torch_func_gives_the_gradients_of_autograd():
    case = small()
    got = torch.func.grad(loss, argnums=tuple(range(6)))(*case.tensors)
    leaves = [t.requires_grad_() for t in case.tensors]
    assert_same_bits(got, torch.autograd.grad(loss(*leaves), leaves))


def test_hessian_through_torch_func_is_symmetric():
    x, *rest = small().tensors
    hessian = torch.func.jacrev(torch.func.jacrev(lambda x: loss(x, *rest)))(x)
    hessian = hessian.reshape(x.numel(), x.numel())
    assert hessian.abs().max() > 0.01
    assert_close(hessian, hessian.T, 100)


def test_gradients_for_each_example():
    calls = [random_case(*SIZES, torch.float64, seed=n).tensors for n in range(3)]
    weights = calls[0][2:]
    x, h0 = (torch.stack([c[k] for c in calls]) for k in (0, 1))
    gradient = torch.func.grad(loss, argnums=(0, 2, 3, 4))
    got = torch.func.vmap(gradient, in_dims=(0, 0, *[None] * 4))(x, h0, *weights)
    want = [gradient(*call[:2], *weights) for call in calls]
    assert_same_bits(got, [torch.stack(parts) for parts in zip(*want, strict=True)])


@pytest.mark.parametrize("mapped", [(0,), (1,), (0, 1), (0, 6), (2,), (0, 3, 5), (6,)])
@pytest.mark.parametrize("dim", [0, -1])
def test_vmap_equals_calls_one_by_one(mapped, dim):
    """`mapped`: which of the tensors, lengths the seventh, have the mapped dimension."""
    cases = [small(ragged=True, seed=n) for n in range(3)]
    arguments = [(*case.tensors, case.lengths) for case in cases]
    stacked = [
        torch.stack([a[k] for a in arguments], dim) if k in mapped else arguments[0][k] for k in range(7)
    ]

    def run(*tensors):
        return Case(tensors[:6], tensors[6]).run(elman)

    dims = tuple(dim if k in mapped else None for k in range(7))
    got = torch.func.vmap(run, in_dims=dims)(*stacked)
    calls = [run(*(arguments[n if k in mapped else 0][k] for k in range(7))) for n in range(3)]
    assert_same_bits(got, [torch.stack(parts) for parts in zip(*calls, strict=True)])


def test_forward_mode_is_refused():
    x, *rest = small().tensors
    with torch.autograd.forward_ad.dual_level():
        elman(x, *rest)  # no tensor carries one
        dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
        with pytest.raises(NotImplementedError, match="no forward-mode derivative"):
            elman(dual, *rest)
    with pytest.raises(NotImplementedError):
        torch.func.jvp(lambda x: elman(x, *rest)[0], (x,), (torch.ones_like(x),))


def test_compiled_without_a_break_at_any_size():
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(lambda *t: elman(*t)[0] * 2, fullgraph=True, dynamic=True, backend=counter)
    for sizes in (SIZES, (6, 2, 2, 5), (9, 8, 2, 5)):
        leaves = [t.requires_grad_() for t in random_case(*sizes, torch.float64).tensors]
        got, want = compiled(*leaves), elman(*leaves)[0] * 2
        assert torch.equal(got, want)
        gradients = (torch.autograd.grad(o.square().sum(), leaves) for o in (got, want))
        assert_same_bits(*gradients)
    assert counter.frame_count == 1


class Layer(torch.nn.Module):
    """The operator with weights of its own."""

    def __init__(self, weights):
        super().__init__()
        self.weights = torch.nn.ParameterList([torch.nn.Parameter(w) for w in weights])

    def forward(self, x, h0, lengths):
        return elman(x, h0, *self.weights, lengths=lengths, reverse=True)


def test_exported_with_time_and_batch_left_open():
    x, h0, *weights = small().tensors
    layer = Layer(weights)
    T, B = torch.export.Dim("T", max=4096), torch.export.Dim("B", max=4096)
    shapes = {"x": {0: T, 1: B}, "h0": {0: B}, "lengths": {0: B}}
    program = torch.export.export(layer, (x, h0, torch.tensor([4, 1, 2])), dynamic_shapes=shapes)
    names = [str(node.target) for node in program.graph.nodes]
    assert "unrolled.elman.default" in names
    for sizes in ((7, 6, 2, 5), (2, 9, 2, 5)):
        x, h0, *_ = random_case(*sizes, torch.float64).tensors
        lengths = torch.randint(0, sizes[0] + 1, sizes[1:2])
        assert_same_bits(program.module()(x, h0, lengths), layer(x, h0, lengths))


def test_meta_tensors_get_shapes():
    tensors = [t.to("meta") for t in small().tensors]
    y, h_last = torch.ops.unrolled.elman(*tensors, None, "tanh", False)
    assert y.shape == (4, 3, 5)
    assert h_last.shape == (3, 5)


@pytest.mark.parametrize("needs_gradient", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
def test_torch_checks_the_operators(ragged, needs_gradient):
    case = small(ragged=ragged, nonlinearity="relu")
    tensors = [t.requires_grad_(needs_gradient) for t in case.tensors]
    torch.library.opcheck(torch.ops.unrolled.elman.default, (*tensors, case.lengths, "relu", True))
    y, h_last = (o.detach() for o in case.run(elman))
    dy, dh_last = (torch.randn_like(o).requires_grad_(needs_gradient) for o in (y, h_last))
    for wants in ((True, True), (False, False)):
        arguments = (*tensors, case.lengths, y, dy, dh_last, "relu", True, *wants)
        torch.library.opcheck(torch.ops.unrolled.elman_backward.default, arguments)
