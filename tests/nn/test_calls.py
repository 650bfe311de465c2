"""One way for every call: whatever the input, the gradients asked for and the mode, the same bits."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from unrolled.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

LAYERS = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
CELLS = {"rnn": RNNCell, "gru": GRUCell, "lstm": LSTMCell}
X = torch.randn(4, 2, 3)


def flat(result):
    y, state = result
    return [y, *(state if isinstance(state, tuple) else (state,))]


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_zeros_a_state_and_full_lengths_are_one_call(name, layers, directions):
    layer = LAYERS[name](3, 5, layers, bidirectional=directions > 1)
    zeros = tuple(torch.zeros(layers * directions, 2, 5) for _ in layer.kinds)
    wanted = flat(layer(X))
    for found in (layer(X, zeros if len(zeros) > 1 else zeros[0]), layer(X, lengths=[4, 4])):
        assert all(torch.equal(a, b) for a, b in zip(flat(found), wanted, strict=True))


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_one_call_are_layers_one_by_one(name, directions):
    torch.manual_seed(3)
    layer = LAYERS[name](3, (4, 6) if directions > 1 else 5, 3, bidirectional=directions > 1)
    x = X.clone().requires_grad_()
    own = list(layer.parameters())

    def gradients(states):
        outputs = layer(x, lengths=[4, 2], return_states=states)
        y, last = outputs[0], list(layer.named(outputs[1]).values())
        loss = (y * torch.arange(y.numel()).view_as(y)).sum() + sum((s**2).sum() for s in last)
        return [y, *last, *torch.autograd.grad(loss, [x, *own])]

    assert all(torch.equal(a, b) for a, b in zip(gradients(False), gradients(True), strict=True))


def test_an_option_that_is_set_later_counts_from_then_on():
    layer, x = LSTM(3, 5).double(), X.double().requires_grad_()

    def saved():
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            y = layer(x)[0]
        return sum(sizes), torch.autograd.grad((y**2).sum(), x)[0]

    every, gradient = saved()
    layer.keep_every = 4
    few, same = saved()
    assert few < every
    torch.testing.assert_close(same, gradient)


class Subclass(torch.Tensor):
    pass


UNUSUAL = {
    "a subclass": lambda x: x.as_subclass(Subclass),
    "a lazy minus": lambda x: torch._neg_view(x.neg()),
    "features not adjacent": lambda x: x.movedim(-1, 0).contiguous().movedim(0, -1),
    "rows turned over": lambda x: x.flip(1).flip(1),
    "one row for all": lambda x: x[:, :1].expand(-1, 2, -1),
    "no batch": lambda x: x[:, 0],
}


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual_inputs(case, gradient):
    layer, x = LSTM(3, 5), X.clone()
    unusual = UNUSUAL[case](x)
    plain = torch.empty_like(x[:, 0] if case == "no batch" else x).copy_(unusual)
    with torch.set_grad_enabled(gradient):
        found, wanted = layer(unusual)[0], layer(plain)[0]
    assert torch.equal(found.detach().as_subclass(torch.Tensor), wanted.detach())


@pytest.mark.parametrize("name", CELLS)
def test_unusual_states_and_inputs_of_cells(name):
    cell, x = CELLS[name](3, 5), torch.randn(6, 4).t()[:, ::2]  # (4, 3), neither dimension adjacent
    states = tuple(torch.randn(10, 4).t()[:, ::2] for _ in cell.cell.states)
    hx = states if len(states) > 1 else states[0]
    plain = tuple(s.contiguous() for s in states)
    found, wanted = cell(x, hx), cell(x.contiguous(), plain if len(plain) > 1 else plain[0])
    for a, b in zip(found, wanted, strict=True) if len(states) > 1 else [(found, wanted)]:
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_s_step_is_a_layer_s(name):
    torch.manual_seed(5)
    cell, layer = CELLS[name](3, 5), LAYERS[name](3, 5)
    layer.load_state_dict({f"{key}_l0": p for key, p in cell.state_dict().items()})
    x = torch.randn(4, 3, requires_grad=True)
    states = tuple(torch.randn(4, 5, requires_grad=True) for _ in cell.cell.states)
    leaves = [x, *states]
    stepped = cell(x, states if len(states) > 1 else states[0])
    _, *last = flat(
        layer(x.unsqueeze(0), tuple(s.unsqueeze(0) for s in states) if len(states) > 1 else states[0][None])
    )
    stepped = stepped if isinstance(stepped, tuple) else (stepped,)
    for a, b in zip(stepped, last, strict=True):
        assert torch.equal(a, b[0])
    got = torch.autograd.grad(sum((s**3).sum() for s in stepped), [*leaves, *cell.parameters()])
    want = torch.autograd.grad(sum((s**3).sum() for s in last), [*leaves, *layer.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))


class Watch(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.seen.append(str(function))
        return function(*args, **(kwargs or {}))


def test_a_mode_sees_the_operator():
    layer = GRU(3, 5)
    with torch.no_grad(), Watch() as watch:
        layer(X)
    assert "unrolled.recurrence.default" in watch.seen


def test_gradients_are_recorded_whatever_asks_for_them():
    layer, state = GRU(3, 5).requires_grad_(False), torch.randn(1, 2, 5)
    assert not layer(X, state)[0].requires_grad
    assert layer(X.clone().requires_grad_())[0].requires_grad
    assert layer(X, state.clone().requires_grad_())[0].requires_grad
    layer.bias_hh_l0.requires_grad_()
    assert layer(X, state)[0].requires_grad


@pytest.mark.parametrize("needs", [{"weight_hh_l0"}, {"x"}, {"c"}, {"x", "h", "bias_ih_l0"}])
def test_only_the_gradients_that_are_data_for_arrive(needs):
    layer = LSTM(3, 5).double()
    tensors = {"x": X.double(), "h": torch.randn(1, 2, 5).double(), "c": torch.randn(1, 2, 5).double()}
    every = tensors | dict(layer.named_parameters())

    def gradients(needs):
        for name, tensor in every.items():
            tensor.requires_grad_(name in needs)
            tensor.grad = None
        y, (_, c) = layer(tensors["x"], (tensors["h"], tensors["c"]))
        ((y**2).sum() + (c * 3).sum()).backward()
        return {name: tensor.grad for name, tensor in every.items() if tensor.grad is not None}

    all_of_them, some = gradients(every.keys()), gradients(needs)
    assert some.keys() == needs
    assert all(torch.equal(some[name], all_of_them[name]) for name in needs)


@torch.no_grad()
@pytest.mark.parametrize("backend", [None, "torch", "reference"])
def test_wrong_calls_are_refused_in_words(backend):
    layer = LSTM(3, 5, backend=backend)
    _, (h, c) = layer(X)
    for call, message in {
        lambda: layer(X.double()): "x is .*float64",
        lambda: layer(X[..., :2]): "2 features",
        lambda: layer(X, (h, c[:, :1])): r"c0 is .*\(1, 1, 5\); wanted .*2, 5\)",
        lambda: layer(X, (h, c[..., :4])): r"c0 is .*\(1, 2, 4\); wanted .*2, 5\)",
        lambda: layer(X, (h.double(), c)): "h0 is .*float64",
        lambda: layer(X, h): "wanted h",
        lambda: layer(X, (h, c, c)): "wanted h",
        lambda: layer(X, (h[0], c[0])): "wanted h",
        lambda: layer(X, (h, c.expand(3, 2, 5))): "wanted h",
    }.items():
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "state"])
@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_second_derivatives(name, given, batch_first):
    layer = LAYERS[name](3, 4, 2, batch_first=batch_first).double()
    x = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn(2, 2, 4, dtype=torch.float64, requires_grad=True) for _ in layer.kinds)

    def outputs(x, *state):
        hx = (state if len(state) > 1 else state[0]) if state else None
        return tuple(flat(layer(x, hx)))

    assert torch.autograd.gradgradcheck(outputs, (x, *state) if given else (x,))


def test_a_checkpointed_layer_gives_the_same_gradient():
    layer, x = GRU(3, 5), X.clone().requires_grad_()
    with torch.utils.checkpoint.set_checkpoint_early_stop(False):
        y = torch.utils.checkpoint.checkpoint(lambda x: layer(x)[0], x, use_reentrant=False)
    [found] = torch.autograd.grad(y.sum(), x)
    assert torch.equal(found, torch.autograd.grad(layer(x)[0].sum(), x)[0])


def test_weights_written_between_forward_and_backward_are_refused():
    layer = GRU(3, 5)
    y = layer(X)[0]
    with torch.no_grad():
        layer.weight_hh_l0.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
