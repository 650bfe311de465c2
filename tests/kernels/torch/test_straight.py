"""The short way of a step gives what the long way gives, and whoever needs more goes the long way."""

import copy

import pytest
import torch
import torch.utils.checkpoint
from torch.utils._python_dispatch import TorchDispatchMode

from unrolled.kernels.torch import backends as running
from unrolled.kernels.torch import straight
from unrolled.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

LAYERS = {
    "rnn": lambda **o: RNN(3, 5, **o),
    "gru": lambda **o: GRU(3, 5, **o),
    "lstm": lambda **o: LSTM(3, 5, reverse=True, **o),
    "projected": lambda **o: LSTM(3, 5, proj_size=2, peephole=True, **o),
    "layer norm": lambda **o: GRU(3, 5, layer_norm=True, **o),
}


@pytest.fixture
def short(monkeypatch):
    """For each call whether it went the short way."""
    ways, function = [], running.straight

    def watched(*call):
        result = function(*call)
        ways.append(result is not None)
        return result

    monkeypatch.setattr(running, "straight", watched)
    return ways


def flat(result):
    y, state = result
    return [y, *(state if isinstance(state, tuple) else (state,))]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("T, B", [(1, 1), (1, 3), (6, 1), (5, 4)])
@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_both_ways_give_the_same_bits(short, name, T, B, batch_first):
    layer = LAYERS[name](batch_first=batch_first)
    x = torch.randn(T, B, 3).transpose(0, 1) if batch_first else torch.randn(T, B, 3)
    wanted = flat(layer(x))
    assert not short[-1], "weights that were never packed"
    found, state = flat(layer(x)), layer(x)[1]
    assert short[-1]
    for a, b in zip(found, wanted, strict=True):
        assert torch.equal(a, b) and a.shape == b.shape
        assert a.stride() == b.stride(), "dropout after it draws in the order of memory"
    wanted = flat(layer(x, lengths=[T] * B, hx=state))
    for a, b in zip(flat(layer(x, state)), wanted, strict=True):
        assert torch.equal(a, b)
    assert short[-1]


class Subclass(torch.Tensor):
    pass


def minus(x):
    """The same numbers, lazily negated."""
    return torch._neg_view(x.neg())


LONG = {  # what makes a call need the long way: the input
    "a subclass": lambda x: x.as_subclass(Subclass),
    "a lazy minus": minus,
    "features not adjacent": lambda x: x.movedim(-1, 0).contiguous().movedim(0, -1),
    "no batch": lambda x: x[:, 0],
}


@pytest.mark.parametrize("case", LONG)
@torch.no_grad()
def test_unusual_inputs_go_the_long_way(short, case):
    layer, x = LSTM(3, 5), torch.randn(4, 2, 3)
    layer(x)
    found, wanted = layer(LONG[case](x))[0], layer(x)[0]
    assert short[-2:] == [False, True]
    torch.testing.assert_close(
        found.as_subclass(torch.Tensor), wanted[:, 0] if case == "no batch" else wanted
    )


class Watch(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.seen.append(str(function))
        return function(*args, **(kwargs or {}))


def test_a_mode_sees_the_operator():
    layer, x = GRU(3, 5), torch.randn(4, 2, 3)
    with torch.no_grad():
        layer(x)
        with Watch() as watch:
            layer(x)
    assert "unrolled.recurrence.default" in watch.seen


def test_gradients_are_recorded_whatever_asks_for_them(short):
    layer, x = GRU(3, 5), torch.randn(4, 2, 3)
    state = torch.randn(1, 2, 5)
    layer(x)
    layer.requires_grad_(False)
    layer(x), layer(x, state)
    assert short[-2:] == [True, True]
    assert layer(x.clone().requires_grad_())[0].requires_grad
    assert layer(x, state.clone().requires_grad_())[0].requires_grad


@torch.no_grad()
def test_the_backend_is_asked_for_at_each_call(short, monkeypatch):
    layer, x = GRU(3, 5), torch.randn(4, 2, 3)
    layer(x), layer(x)
    assert short == [False, True]
    for value, wanted in (("reference", 2), ("", 3), ("cpu", 3)):
        monkeypatch.setenv("UNROLLED_BACKEND", value)
        layer(x)
        assert len(short) == wanted
    monkeypatch.delenv("UNROLLED_BACKEND")
    layer.backend = "torch"
    layer(x)
    assert len(short) == 3
    layer.backend, layer.zoneout = None, 0.5
    layer(x)
    assert len(short) == 3


@torch.no_grad()
def test_wrong_calls_are_refused_as_ever():
    layer, x = LSTM(3, 5), torch.randn(4, 2, 3)
    _, (h, c) = layer(x)
    for call, message in {
        lambda: layer(x.double()): "float64",
        lambda: layer(x[..., :2]): "2 features",
        lambda: layer(x, (h, c[:, :1])): r"\(1, 5\); wanted \(2, 5\)",
        lambda: layer(x, (h.double(), c)): "float64",
        lambda: layer(x, h): "wanted h",
        lambda: layer(x, (h, c, c)): "wanted h",
    }.items():
        with pytest.raises(ValueError, match=message):
            call()


@torch.no_grad()
def test_shared_zeros_stay_zero():
    layer = RNN(3, 5)
    layer(torch.randn(4, 2, 3))
    _, state = layer(torch.randn(1, 2, 3))
    state.fill_(7.0)
    layer(torch.randn(4, 60, 3))
    assert straight._shared and not any(zeros.any() for zeros in straight._shared.values())


# Trainings.

CELLS = {"rnn": RNNCell, "gru": GRUCell, "lstm": LSTMCell}


def learnt(layer, x, state, weights, **long):
    """Output, last states and the gradients of x, states and parameters of a random sum of all outputs."""
    x = x.clone().requires_grad_()
    state = None if state is None else tuple(s.clone().requires_grad_() for s in state)
    hx = state if state is None or len(state) > 1 else state[0]
    outputs = flat(layer(x, hx, **long))
    loss = sum((o * w).sum() for o, w in zip(outputs, weights, strict=True) if w is not None)
    leaves = [x, *(state or ()), *layer.parameters()]
    return outputs, torch.autograd.grad(loss, leaves)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "state"])
@pytest.mark.parametrize("T, B", [(1, 1), (6, 1), (5, 4)])
@pytest.mark.parametrize("name", LAYERS)
def test_both_ways_learn_the_same_bits(short, name, T, B, given, batch_first):
    layer = LAYERS[name](batch_first=batch_first)
    x = torch.randn(B, T, 3) if batch_first else torch.randn(T, B, 3)
    y, state = layer(x)
    state = tuple(map(torch.randn_like, state if isinstance(state, tuple) else (state,)))
    before = state if given else None
    n = len(state)
    for some in ((True, *[True] * n), (True, *[False] * n), (False, *[True] * n)):
        like = (y, *state)
        weights = [torch.randn_like(one) if there else None for one, there in zip(like, some, strict=True)]
        found = learnt(layer, x, before, weights)
        assert short[-1]
        wanted = learnt(layer, x, before, weights, lengths=[T] * B)
        for a, b in zip((*found[0], *found[1]), (*wanted[0], *wanted[1]), strict=True):
            assert torch.equal(a, b) and a.shape == b.shape


def test_weights_that_learn_are_packed_where_they_were(short):
    """The same layer object, new numbers: each step of an optimizer is seen by forward and backward."""
    layer, x = GRU(3, 5), torch.randn(4, 2, 3)
    layer(x)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    for _ in range(3):
        found = learnt(layer, x, None, [torch.ones(4, 2, 5), None])
        twin = copy.deepcopy(layer)
        twin.backend = "reference"
        wanted = learnt(twin, x, None, [torch.ones(4, 2, 5), None])
        for a, b in zip(found[1], wanted[1], strict=True):
            torch.testing.assert_close(a, b)
        optimizer.zero_grad()
        layer(x)[0].sum().backward()
        optimizer.step()
        assert short[-1]


def test_a_frozen_layer_hands_the_gradient_through(short):
    layer, x = LSTM(3, 5), torch.randn(4, 2, 3, requires_grad=True)
    layer(x)
    layer.requires_grad_(False)
    [short_way] = torch.autograd.grad(layer(x)[0].sum(), x)
    assert short[-1]
    [long_way] = torch.autograd.grad(layer(x, lengths=[4, 4])[0].sum(), x)
    assert torch.equal(short_way, long_way) and layer.weight_ih_l0.grad is None


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "state"])
@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_second_derivatives(short, name, given, batch_first):
    layer = LAYERS[name](batch_first=batch_first).double()
    x = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn(1, 2, 5, dtype=torch.float64, requires_grad=True) for _ in layer.kinds)
    layer(x)

    def outputs(x, *state):
        hx = (state if len(state) > 1 else state[0]) if state else None
        return tuple(flat(layer(x, hx)))

    assert torch.autograd.gradgradcheck(outputs, (x, *state) if given else (x,))
    assert short[-1]


def test_a_checkpointed_layer_keeps_nothing(short):
    layer, x = GRU(3, 5), torch.randn(4, 2, 3, requires_grad=True)
    layer(x)
    with torch.utils.checkpoint.set_checkpoint_early_stop(False):
        y = torch.utils.checkpoint.checkpoint(lambda x: layer(x)[0], x, use_reentrant=False)
    calls = len(short)
    [found] = torch.autograd.grad(y.sum(), x)
    assert len(short) == calls + 1 and short[-1]
    assert torch.equal(found, torch.autograd.grad(layer(x)[0].sum(), x)[0])


def test_weights_written_between_forward_and_backward_are_refused():
    layer, x = GRU(3, 5), torch.randn(4, 2, 3)
    layer(x)
    y = layer(x)[0]
    with torch.no_grad():
        layer.weight_hh_l0.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


# Steps.


@pytest.mark.parametrize("given", [False, True], ids=["zeros", "state"])
@pytest.mark.parametrize("name", CELLS)
@torch.no_grad()
def test_a_step_alone_gives_the_bits_of_the_long_way(monkeypatch, name, given):
    cell, x = CELLS[name](3, 5), torch.randn(4, 3)
    states = tuple(torch.randn(4, 5) for _ in cell.cell.states)
    hx = None if not given else states if len(states) > 1 else states[0]
    wanted = cell(x, hx)  # packs
    taken, function = [], running.step

    def watched(*call):
        taken.append(function(*call))
        return taken[-1]

    monkeypatch.setattr(running, "step", watched)
    for rows in (slice(None), slice(1, 2)):
        some = x[rows], None if hx is None else hx[rows] if len(states) == 1 else tuple(s[rows] for s in hx)
        found = cell(*some)
        assert taken[-1] is not None
        for a, b in zip(found, wanted, strict=True) if len(states) > 1 else [(found, wanted)]:
            assert torch.equal(a, b[rows])
    with torch.enable_grad():
        cell(x, hx)
    assert taken[-1] is None
