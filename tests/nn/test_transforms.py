"""What PyTorch does to modules: compile, export, vmap, functional calls, autocast, copies, pickles."""

import copy
import pickle

import pytest
import torch
from torch.func import functional_call, grad, jacfwd, jvp, stack_module_state, vmap
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from unrolled.kernels import dispatch
from unrolled.nn import GRU, LSTM, RNN, Stack

LAYERS = {
    "rnn": lambda: RNN(3, 5, 2, bidirectional=True),
    "lstm": lambda: LSTM(3, 5, peephole=True, proj_size=2, learn_initial_state=True),
    "gru": lambda: GRU(3, (4, 5), bidirectional=True, reset_after=False, zoneout=0.2),
    "stack": lambda: Stack([GRU(3, 3), RNN(3, 4, reverse=True)], residual=[True, False]),
}
LENGTHS = torch.tensor([4, 0, 2])


@pytest.fixture(params=LAYERS)
def layer(request):
    torch.manual_seed(0)
    return LAYERS[request.param]().eval()


def gradients(layer, y):
    weights = torch.linspace(-1, 2, y.numel()).view(y.shape)
    return torch.autograd.grad((weights * y).sum(), list(layer.parameters()))


def assert_close(found, wanted):
    """Float32; another order of the same few sums."""
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_compile_without_a_graph_break(layer):
    x = torch.randn(4, 3, 3)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    found, wanted = compiled(x, lengths=LENGTHS)[0], layer(x, lengths=LENGTHS)[0]
    assert_close([found, *gradients(layer, found)], [wanted, *gradients(layer, wanted)])


def test_compile_to_machine_code():
    layer, x = LSTM(3, 5, peephole=True).requires_grad_(False), torch.randn(2, 3, 3)
    assert_close([torch.compile(layer, fullgraph=True)(x)[0]], [layer(x)[0]])


def test_export_with_any_batch(layer):
    B = torch.export.Dim("B")
    program = torch.export.export(
        layer,
        (torch.randn(4, 3, 3),),
        {"lengths": LENGTHS},
        dynamic_shapes={"input": {1: B}, "lengths": {0: B}},
    )
    x, lengths = torch.randn(4, 7, 3), torch.tensor([4, 1, 0, 2, 3, 4, 2])
    assert_close([program.module()(x, lengths=lengths)[0]], [layer(x, lengths=lengths)[0]])


@pytest.mark.skipif(dispatch.MISSING is not None, reason="a reference is exported with its steps counted")
def test_export_of_a_compiled_layer_with_any_number_of_steps():
    layer, T = RNN(3, 5, 2, bidirectional=True), torch.export.Dim("T")
    x, lengths = torch.randn(9, 3, 3), torch.tensor([9, 0, 5])
    shapes = {"input": {0: T}, "lengths": None}
    program = torch.export.export(layer, (x[:4],), {"lengths": LENGTHS}, dynamic_shapes=shapes)
    assert torch.equal(program.module()(x, lengths=lengths)[0], layer(x, lengths=lengths)[0])


def test_packed_rows_compile_without_a_graph_break_and_are_exported(layer):
    packed = pack_sequence([torch.randn(n, 3) for n in (2, 5, 4)], enforce_sorted=False)
    more = pack_sequence([torch.randn(n, 3) for n in (1, 6, 1, 7)], enforce_sorted=False)

    class Packed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, *parts):
            y, last = self.layer(PackedSequence(*parts))
            return y.data, *(last.values() if isinstance(last, dict) else last)

    model = Packed()
    for fullgraph in (True, False):
        torch._dynamo.reset()
        compiled = torch.compile(model, fullgraph=fullgraph, backend="aot_eager")
        for rows in (packed, more):
            found, wanted = compiled(*rows), model(*rows)
            assert_close([*found, *gradients(layer, found[0])], [*wanted, *gradients(layer, wanted[0])])
    program = torch.export.export(model, tuple(packed)).module()
    assert_close(program(*packed), model(*packed))


def test_vmap_over_inputs_states_and_lengths(layer):
    x, lengths = torch.randn(5, 4, 3, 3), torch.randint(0, 5, (5, 3))
    state = {name: torch.randn(5, 3, size) for name, size in layer.state_sizes().items()}

    def run(x, state, lengths):
        return layer(x, state, lengths=lengths)[0]

    wanted = [run(a, {name: s[k] for name, s in state.items()}, lengths[k]) for k, a in enumerate(x)]
    assert_close(vmap(run)(x, state, lengths), wanted)


def test_an_ensemble_of_layers_by_vmap_over_parameters():
    members, x = [LSTM(3, 5, layer_norm=True) for _ in range(3)], torch.randn(4, 2, 3)
    found = vmap(lambda p: functional_call(members[0], p, (x,))[0])(stack_module_state(members)[0])
    assert_close(found, [member(x)[0] for member in members])


def test_gradients_for_each_row_by_vmap_of_grad(layer):
    p, x = {name: q.detach() for name, q in layer.named_parameters()}, torch.randn(3, 4, 3)

    def loss(p, row):
        return functional_call(layer, p, (row,))[0].square().sum()

    found = vmap(grad(loss), (None, 0))(p, x)
    for k, row in enumerate(x):
        wanted = torch.autograd.grad(layer(row)[0].square().sum(), list(layer.parameters()))
        assert_close([found[name][k] for name in p], wanted)


def test_gradients_for_each_row_with_a_length_of_its_own(layer):
    p = {name: q.detach() for name, q in layer.named_parameters()}
    x, lengths = torch.randn(3, 4, 2, 3), torch.tensor([[4, 1], [2, 0], [3, 3]])

    def loss(p, x, lengths):
        return functional_call(layer, p, (x,), {"lengths": lengths})[0].square().sum()

    found = vmap(grad(loss), (None, 0, 0))(p, x, lengths)
    for k, rows in enumerate(x):
        wanted = grad(loss)(p, rows, lengths[k])
        assert_close([found[name][k] for name in p], list(wanted.values()))


def test_forward_mode_agrees_with_backward(layer):
    p = {name: q.detach() for name, q in layer.named_parameters()}
    x, direction = torch.randn(4, 3, 3), {name: torch.randn_like(q) for name, q in p.items()}

    def loss(p):
        return functional_call(layer, p, (x,))[0].square().sum()

    slopes = grad(loss)(p)
    wanted = sum((slopes[name] * direction[name]).sum() for name in p)
    assert_close([jvp(loss, (p,), (direction,))[1]], [wanted])
    hessian = jacfwd(grad(lambda x: layer(x)[0].square().sum()))(x)
    assert_close([hessian], [torch.autograd.functional.hessian(lambda x: layer(x)[0].square().sum(), x)])


def test_autocast_leaves_the_recurrence_in_the_dtype_of_the_weights(layer):
    """Rounding what is carried at every step would compound: docs/decisions/0022."""
    x = torch.randn(4, 3, 3)
    wanted, half = layer(x)[0], layer(x.bfloat16().float())[0]
    further = layer(x, layer(x)[1])[0]
    with torch.autocast("cpu", torch.bfloat16):
        y, state = layer(x)
        assert y.dtype == torch.float32 and torch.equal(y, wanted)
        assert torch.equal(layer(x.bfloat16())[0], half)
        assert torch.equal(layer(x, state)[0], further) and not torch.equal(further, wanted)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_autocast_with_torch_s_operators_is_torch_s(name):
    ours = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}[name](3, 5, backend="torch")
    theirs = getattr(torch.nn, name)(3, 5)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(4, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(x)[0], theirs(x)[0])


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_and_pickles_are_twins_and_share_nothing(layer, twin):
    other, x = twin(layer), torch.randn(4, 3, 3)
    assert torch.equal(other(x, lengths=LENGTHS)[0], layer(x, lengths=LENGTHS)[0])
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert all(parameter.any() for name, parameter in layer.named_parameters() if "initial" not in name)


def test_a_parametrised_weight_is_read_anew_at_each_call():
    layer = torch.nn.utils.parametrizations.weight_norm(GRU(3, 5), "weight_hh_l0")
    x = torch.randn(4, 2, 3)
    before = layer(x)[0]
    with torch.no_grad():
        layer.parametrizations.weight_hh_l0.original0.mul_(2)
    assert not torch.equal(layer(x)[0], before)


def test_half_precision_and_other_devices_run_through_the_reference():
    layer = GRU(3, 5, device="meta", dtype=torch.bfloat16)
    y, _ = layer(torch.randn(4, 2, 3, device="meta", dtype=torch.bfloat16))
    assert y.shape == (4, 2, 5) and y.device.type == "meta"
    layer = RNN(3, 5).bfloat16()
    assert layer(torch.randn(4, 2, 3).bfloat16())[0].dtype == torch.bfloat16


def test_autocast_does_not_round_second_derivatives_of_the_kernel():
    layer, x = RNN(3, 4), torch.randn(5, 2, 3, requires_grad=True)

    def second(enabled):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            (first,) = torch.autograd.grad(layer(x)[0].square().sum(), x, create_graph=True)
            return torch.autograd.grad(first.square().sum(), x)[0]

    assert torch.equal(second(True), second(False))
