"""The operators under autograd twice, torch.func, vmap, compile, export and torch's own check."""

import pytest
import torch
import torch._dynamo.testing

from unrolled.kernels import _cpu
from unrolled.kernels.torch import call as calls
from unrolled.kernels.torch.backends import by_kernel, described

from ..cases import CELLS, DIRECTIONS, assert_close, assert_same_bits, random_case, reference

SIZES = 4, 3, 2, 6  # T, B, I, H
SMOOTH = [name for name in CELLS if name != "relu"]  # finite differences want no kinks
SOME = ["sigmoid", "gru reset before", "lstm projected", "lstm coupled, peephole"]


def small(cell, **options):
    return random_case(CELLS[cell], *SIZES, torch.float64, **options)


def loss(case):
    def of(*tensors):
        return sum((o**3).sum() + o.sin().sum() for o in case.with_tensors(tensors).run())

    return of


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("cell", SMOOTH)
def test_first_derivatives_match_differences(cell, direction):
    case = small(cell, ragged=True, masked=True, reverse=DIRECTIONS[direction])
    leaves = case.leaves()
    assert torch.autograd.gradcheck(lambda *t: tuple(case.with_tensors(t).run()), leaves, fast_mode=True)


@pytest.mark.parametrize("cell", SMOOTH)
def test_second_derivatives_match_differences(cell):
    case = random_case(
        CELLS[cell], 2, 2, 2, 6, torch.float64, ragged=True, masked=True, reverse=(False, True)
    )
    leaves = case.leaves()
    assert torch.autograd.gradgradcheck(lambda *t: tuple(case.with_tensors(t).run()), leaves, fast_mode=True)


@pytest.mark.parametrize("cell", ["relu", *SOME])
def test_second_and_third_derivatives_match_the_reference(cell):
    case = small(cell, ragged=True)

    def deeper(function, times):
        leaves = case.leaves()
        value = sum((o**3).sum() + o.sin().sum() for o in case.with_tensors(leaves).run(function))
        for _ in range(times):
            gradients = torch.autograd.grad(value, leaves, create_graph=True, allow_unused=True)
            value = sum((g**2).sum() for g in gradients if g is not None)
        return torch.autograd.grad(value, leaves)

    for times in (1, 2):
        for got, want in zip(deeper(by_kernel, times), deeper(reference, times), strict=True):
            assert_close(got, want, 4000)  # some thousand operations on either side


def test_second_derivative_of_one_tensor_without_biases():
    case = small("gru", bias=False)
    x, *rest = case.tensors
    run = lambda x: case.with_tensors([x, *rest]).run()[0]  # noqa: E731
    assert torch.autograd.gradgradcheck(run, [x.requires_grad_()])


@pytest.mark.parametrize("cell", CELLS)
def test_torch_func_gives_the_gradients_of_autograd(cell):
    case = small(cell, ragged=True, reverse=(False, True))
    n = len(case.tensors)
    got = torch.func.grad(loss(case), argnums=tuple(range(n)))(*case.tensors)
    leaves = case.leaves()
    assert_same_bits(got, torch.autograd.grad(loss(case)(*leaves), leaves))


def test_hessian_through_torch_func_is_symmetric():
    case = small("lstm")
    x, *rest = case.tensors
    hessian = torch.func.jacrev(torch.func.jacrev(lambda x: loss(case)(x, *rest)))(x)
    hessian = hessian.reshape(x.numel(), x.numel())
    assert hessian.abs().max() > 0.01
    assert_close(hessian, hessian.T, 100)


@pytest.mark.parametrize("cell", SOME)
def test_gradients_for_each_example(cell):
    cases = [small(cell, seed=n, reverse=(False, True)) for n in range(3)]
    first = cases[0]
    weights = [name.startswith(("weight", "bias", "gain", "shift")) for name in first.names]
    arguments = [
        t if shared else torch.stack([c.tensors[k] for c in cases])
        for k, (t, shared) in enumerate(zip(first.tensors, weights, strict=True))
    ]
    gradient = torch.func.grad(loss(first), argnums=tuple(range(len(weights))))
    got = torch.func.vmap(gradient, in_dims=tuple(None if shared else 0 for shared in weights))(*arguments)
    for n in range(3):
        own = [t if shared else t[n] for t, shared in zip(arguments, weights, strict=True)]
        assert_same_bits([g[n] for g in got], gradient(*own))


@pytest.mark.parametrize("mapped", [{"x"}, {"h"}, {"x", "h", "lengths"}, {"lengths"}, {"weight_hh", "x"}])
@pytest.mark.parametrize("dim", [0, -1])
@pytest.mark.parametrize("cell", SOME)
def test_vmap_equals_calls_one_by_one(cell, mapped, dim):
    cases = [small(cell, ragged=True, masked=True, seed=n) for n in range(3)]
    first = cases[0]
    names = [*first.names, "lengths"]
    arguments = [(*c.tensors, c.calls[0].lengths) for c in cases]
    stacked = [
        torch.stack([a[k] for a in arguments], dim) if name in mapped else arguments[0][k]
        for k, name in enumerate(names)
    ]

    def run(*tensors):
        return tuple(first.with_tensors(tensors[:-1]).change(lengths=tensors[-1]).run())

    dims = tuple(dim if name in mapped else None for name in names)
    got = torch.func.vmap(run, in_dims=dims)(*stacked)
    own = [[arguments[n if name in mapped else 0][k] for k, name in enumerate(names)] for n in range(3)]
    calls = [run(*tensors) for tensors in own]
    assert_same_bits(got, [torch.stack(parts) for parts in zip(*calls, strict=True)])


@pytest.mark.parametrize("cell", SOME)
def test_forward_mode_has_the_kernel_s_values_and_the_gradient_s_slopes(cell):
    case = small(cell, ragged=True, masked=True, reverse=(False, True))
    tangents = [torch.randn_like(t) for t in case.tensors]
    run = lambda *tensors: tuple(case.with_tensors(tensors).run())  # noqa: E731
    outputs, slopes = torch.func.jvp(run, tuple(case.tensors), tuple(tangents))
    assert_same_bits(outputs, case.run())
    u = [torch.randn_like(o) for o in outputs]
    gradients = torch.func.vjp(run, *case.tensors)[1](tuple(u))
    wanted = sum((g * t).sum() for g, t in zip(gradients, tangents, strict=True))
    assert_close(sum((a * s).sum() for a, s in zip(u, slopes, strict=True)), wanted, 1000)


@torch._dynamo.config.patch(
    specialize_int=True
)  # options that are no module's are numbers like T and B otherwise
@pytest.mark.parametrize("cell", CELLS)
def test_compiled_without_a_break_at_any_size(cell):
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    first = small(cell, ragged=True, reverse=(False, True))

    def run(*tensors):
        return first.with_tensors(tensors[:-1]).change(lengths=tensors[-1]).run()[0] * 2

    compiled = torch.compile(run, fullgraph=True, dynamic=True, backend=counter)
    for T, B in ((7, 5), (9, 11), (13, 8)):  # no size of a weight: equal sizes are taken for one
        case = random_case(CELLS[cell], T, B, *SIZES[2:], torch.float64, ragged=True, reverse=(False, True))
        leaves, lengths = case.leaves(), case.calls[0].lengths
        got, want = compiled(*leaves, lengths), run(*leaves, lengths)
        assert torch.equal(got, want)
        gradients = (torch.autograd.grad(o.square().sum(), leaves) for o in (got, want))
        assert_same_bits(*gradients)
    assert counter.frame_count == 1


class Layer(torch.nn.Module):
    """The operator with weights of its own."""

    def __init__(self, case):
        super().__init__()
        self.case, (call,) = case, case.calls
        self.weights = torch.nn.ParameterDict(call.parameters)

    def forward(self, x, state, lengths):
        return self.case.change(x=x, state=state, lengths=lengths, parameters=dict(self.weights)).run()


@pytest.mark.parametrize("cell", SOME)
def test_exported_with_time_and_batch_left_open(cell):
    (call,) = small(cell, reverse=(True,)).calls
    layer = Layer(small(cell, reverse=(True,)))
    T, B = torch.export.Dim("T", max=4096), torch.export.Dim("B", max=4096)
    shapes = {"x": {0: T, 1: B}, "state": tuple({0: B} for _ in call.state), "lengths": {0: B}}
    arguments = (call.x, call.state, torch.tensor([4, 1, 2]))
    program = torch.export.export(layer, arguments, dynamic_shapes=shapes)
    (text,) = [n.args[1] for n in program.graph.nodes if str(n.target) == "unrolled.recurrence.default"]
    assert calls.decode(text).form.cell == CELLS[cell] and not calls.decode(text).form.trace
    for T, B in ((7, 6), (2, 9)):
        (call,) = random_case(CELLS[cell], T, B, *SIZES[2:], torch.float64).calls
        lengths = torch.randint(0, T + 1, (B,))
        got = program.module()(call.x, call.state, lengths)
        assert_same_bits(got, layer(call.x, call.state, lengths))


def test_an_exported_program_can_be_trained():
    case = small("lstm")
    layer = Layer(case)
    (call,) = case.calls
    arguments = (call.x, call.state, torch.tensor([4, 1, 2]))
    program = torch.export.export(layer, arguments).module()
    gradients = [
        torch.autograd.grad(sum(o.sum() for o in run(*arguments)), list(run.parameters()))
        for run in (program, layer)
    ]
    assert_same_bits(*gradients)


@pytest.mark.parametrize("cell", CELLS)
def test_a_form_is_its_text(cell):
    plan, _ = described(small(cell, ragged=True, masked=True, reverse=(False, True)).calls)
    assert calls.decode(calls.encode(plan)).form == plan.form
    pull = calls.Pull(plan, ("y", "h"), ("x", "weights"))
    again = calls.decode_pull(calls.encode(pull))
    assert (again.plan.form, again.given, again.wanted) == (plan.form, pull.given, pull.wanted)


def test_meta_tensors_get_shapes():
    plan, tensors = described(small("lstm projected").calls)
    tensors = [t.to("meta") for t in tensors]
    y, h, c, every = torch.ops.unrolled.recurrence(tensors, calls.encode(plan))
    assert [o.shape for o in (y, h, c, every)] == [(4, 3, 3), (1, 3, 3), (1, 3, 6), (4, 3, 6)]


@pytest.mark.parametrize("needs_gradient", [False, True])
@pytest.mark.parametrize("cell", SOME)
def test_torch_checks_the_operators(cell, needs_gradient):
    plan, tensors = described(small(cell, reverse=(False, True)).calls)
    outputs = torch.ops.unrolled.recurrence(tensors, calls.encode(plan))
    tensors = [t.requires_grad_(needs_gradient) for t in tensors]
    torch.library.opcheck(torch.ops.unrolled.recurrence.default, (tensors, calls.encode(plan)))
    given = [torch.randn_like(o).requires_grad_(needs_gradient) for o in outputs]
    for wanted in (("x", "h0", "weights"), ("weights",)):
        pull = calls.Pull(plan, tuple(plan.results.at), wanted)
        arguments = ([*tensors, outputs[0], *given], calls.encode(pull))
        torch.library.opcheck(torch.ops.unrolled.recurrence_backward.default, arguments)


def test_calls_that_are_written_alike_may_be_of_other_dtypes():
    plan, tensors = described(small("gru").calls)
    tensors = [t.requires_grad_(t.is_floating_point()) for t in tensors]
    for dtype in (torch.float32, torch.float64, torch.float32):
        cast = [t.to(dtype) for t in tensors]
        y = torch.ops.unrolled.recurrence(cast, calls.encode(plan))[0]
        gradients = torch.autograd.grad(y.sum(), cast, allow_unused=True)
        assert {y.dtype, *(d.dtype for d in gradients if d is not None)} == {dtype}


def test_wrong_gradients_are_refused_by_the_operator_itself():
    plan, tensors = described(small("tanh").change(return_states=False).calls)
    y, h = torch.ops.unrolled.recurrence(tensors, calls.encode(plan))
    pull = calls.encode(calls.Pull(plan, ("y", "h"), ("x",)))
    for name, wrong in (("y", (y[..., 1:], y, h)), ("dy", (y, y[:, :2], h)), ("dh", (y, y, h[0, :1]))):
        with pytest.raises(ValueError, match=rf"^{name}\b.* is .*; wanted"):
            torch.ops.unrolled.recurrence_backward([*tensors, *wrong], pull)


READABLE = {
    "none": list,
    "no numbers": lambda: [torch.zeros(0, 3), torch.zeros(3, 0, dtype=torch.int64)],
    "weights": lambda: [torch.zeros(2, 3), *torch.nn.LSTM(3, 4).parameters()],
    "strides": lambda: [torch.zeros(4, 6)[::2, ::3], torch.zeros(()).expand(3), torch.zeros(2, 3).T],
}
UNREADABLE = {
    "a subclass": lambda: type("Other", (torch.Tensor,), {})(2),
    "meta": lambda: torch.zeros(2, device="meta"),
    "a lazy minus": lambda: torch._neg_view(torch.ones(2)),
    "a lazy zero": lambda: torch._efficientzerotensor(2),
    "sparse": lambda: torch.eye(2).to_sparse(),
    "without memory": lambda: _without_memory(),
}


def _without_memory():
    tensor = torch.zeros(3)
    tensor.untyped_storage().resize_(0)
    return tensor


@pytest.mark.parametrize("kind", READABLE)
def test_tensors_with_numbers_are_readable(kind):
    assert _cpu.readable(READABLE[kind]())


@pytest.mark.parametrize("kind", UNREADABLE)
def test_tensors_without_numbers_of_their_own_are_not_readable(kind):
    unreadable = UNREADABLE[kind]()
    assert not _cpu.readable([torch.zeros(2), unreadable]) and not _cpu.readable([unreadable])


def test_batches_are_not_readable():
    x, answers = torch.eye(3, requires_grad=True), []

    class Look(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, d):
            answers.append(_cpu.readable([d]))
            return d * 2

    torch.autograd.grad(Look.apply(x).sum(0), x, torch.eye(3), is_grads_batched=True)
    torch.func.vmap(lambda x: answers.append(_cpu.readable([x])) or x)(x)
    assert answers == [False, False]
