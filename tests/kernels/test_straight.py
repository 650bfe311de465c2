"""The short way of a step gives what the long way gives, and whoever needs more goes the long way."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from unrolled.kernels import running, straight
from unrolled.nn import GRU, LSTM, RNN

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
