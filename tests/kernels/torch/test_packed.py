"""Packed weights are kept while they are as they were, found by nobody else, and gone with them."""

import copy
import gc
import pickle
import threading

import pytest
import torch

from unrolled.kernels.torch import packed
from unrolled.nn import GRU, LSTM, RNN

X = torch.randn(3, 2, 4)


@pytest.fixture
def made(monkeypatch):
    """How many layers were packed so far, as a list that grows."""
    layers, pack = [], packed._pack
    monkeypatch.setattr(packed, "_pack", lambda *call: layers.append(call) or pack(*call))
    return layers


def run(layer, x=X):
    with torch.no_grad():
        return layer(x)[0]


@pytest.mark.parametrize("x", [X, X[:, 0]], ids=["straight", "long way"])
def test_weights_are_packed_once(made, x):
    layer = LSTM(4, 5)
    first = run(layer, x)
    assert len(made) == 1
    assert torch.equal(run(layer, x), first) and len(made) == 1


CHANGES = {
    "in place": lambda p: p.detach().mul_(2),
    "another tensor's memory": lambda p: setattr(p, "data", p.data * 2),
    "under no_grad": lambda p: torch.nn.init.normal_(p),
    "behind torch's back": lambda p: p.data.mul_(2),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("layer", [RNN(5, 5), GRU(5, 5), LSTM(5, 5)], ids=str)
def test_a_changed_weight_is_seen(layer, change):
    x = torch.randn(3, 2, 5)
    run(layer, x)
    CHANGES[change](layer.weight_hh_l0)
    twin = copy.deepcopy(layer)
    assert torch.equal(run(layer, x), run(twin, x))
    twin.backend = "reference"
    torch.testing.assert_close(run(layer, x), run(twin, x))


def test_a_square_weight_turned_over_in_its_own_memory_is_seen():
    layer = RNN(5, 5)
    x = torch.randn(3, 2, 5)
    run(layer, x)
    layer.weight_hh_l0.data = layer.weight_hh_l0.data.t()  # neither the address nor the version tells
    layer.backend = "reference"
    wanted = run(layer, x)
    layer.backend = None
    torch.testing.assert_close(run(layer, x), wanted)


def test_a_step_of_an_optimizer_is_seen():
    layer = GRU(4, 5)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    before = run(layer)
    layer(X)[0].sum().backward()
    optimizer.step()
    assert not torch.equal(run(layer), before)


def test_nothing_is_left_of_a_model_that_died():
    gc.collect()
    before = len(packed._entries)
    layer = LSTM(4, 5, 2, bidirectional=True)
    run(layer)
    layer(X)[0].sum().backward()
    assert len(packed._entries) == before + 4
    del layer
    gc.collect()
    assert len(packed._entries) == before


def test_weights_made_anew_at_each_call_leave_nothing():
    layer = torch.nn.utils.parametrizations.weight_norm(GRU(4, 5), "weight_hh_l0")
    gc.collect()
    before = len(packed._entries)
    for _ in range(3):
        layer(X)[0].sum().backward()
        run(layer)
    gc.collect()
    assert len(packed._entries) == before


def test_inference_tensors_are_never_kept(made):
    with torch.inference_mode():
        layer = RNN(4, 5)
        first = layer(X)[0]
        layer.weight_hh_l0.zero_()
        assert not torch.equal(layer(X)[0], first)
    assert len(made) == 2


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_have_packs_of_their_own(made, twin):
    layer = LSTM(4, 5)
    wanted = run(layer)
    other = twin(layer)
    assert torch.equal(run(other), wanted) and len(made) == 2
    assert layer.state_dict().keys() == other.state_dict().keys()


def test_the_same_weights_in_another_cell_are_other_packs():
    tanh, relu = RNN(4, 5), RNN(4, 5, nonlinearity="relu")
    relu._parameters.update(tanh._parameters)
    for layer in (tanh, relu, tanh):
        found = run(layer)
        layer.backend = "reference"
        torch.testing.assert_close(found, run(layer))
        layer.backend = None


def test_many_threads_share_a_model():
    layer = LSTM(4, 33)
    wanted, found = run(copy.deepcopy(layer)), []
    start = threading.Barrier(8)

    def call():
        start.wait()
        found.extend(run(layer) for _ in range(20))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 160 and all(torch.equal(y, wanted) for y in found)
