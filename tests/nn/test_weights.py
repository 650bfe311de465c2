"""What is packed of weights is kept while they are as they were, by their module alone, and goes with it."""

import copy
import gc
import pickle
import threading
import weakref

import pytest
import torch

from unrolled.cells import Call, Elman
from unrolled.kernels.torch import native
from unrolled.kernels.torch.backends import by_kernel
from unrolled.nn import GRU, LSTM, RNN, LSTMCell

X = torch.randn(3, 2, 4)


@pytest.fixture
def made(monkeypatch):
    """The compiled objects made so far, as a list of weak references that grows."""
    objects, make = [], native._compiled

    def making(*call):
        compiled = make(*call)
        objects.append(weakref.ref(compiled))
        return compiled

    monkeypatch.setattr(native, "_compiled", making)
    return objects


def run(layer, x=X):
    with torch.no_grad():
        return layer(x)[0]


def test_weights_have_one_compiled_object_whatever_the_call(made):
    layer = LSTM(4, 5, 2)
    first = run(layer)
    layer(X, tuple(torch.zeros(2, 2, 5) for _ in range(2)))[0].sum().backward()
    layer(X, lengths=[3, 1])
    assert torch.equal(run(layer), first) and len(made) == 1


def test_layers_run_one_by_one_have_one_each(made):
    layer = LSTM(5, 5, 3, merge="sum", bidirectional=True)
    for _ in range(2):
        run(layer, torch.randn(3, 2, 5))
    assert len(made) == 3


def test_a_square_weight_turned_over_in_its_own_memory_is_seen():
    layer = RNN(4, 4)
    before = run(layer)
    with torch.no_grad():
        layer.weight_hh_l0.t_()
    after = run(layer)
    assert not torch.equal(after, before)
    layer.backend = "reference"
    torch.testing.assert_close(run(layer), after)


def test_nothing_is_left_of_a_model_that_died(made):
    layer = LSTM(4, 5, 2, bidirectional=True)
    run(layer)
    layer(X)[0].sum().backward()
    del layer
    gc.collect()
    assert made and all(compiled() is None for compiled in made)


def test_what_a_call_without_a_module_packs_goes_with_the_weights(made):
    def weights(layer):
        return [p.detach() for p in layer.parameters()]

    def run(tensors):
        names = "weight_ih", "weight_hh", "bias_ih", "bias_hh"
        parameters = dict(zip(names, tensors, strict=True))
        return by_kernel([Call(Elman(), X, (torch.zeros(2, 5),), parameters)]).y

    own = weights(RNN(4, 5))
    first = run(own)
    own[1][2, 3] += 1
    assert not torch.equal(run(own), first) and len(made) == 1
    del own
    run(weights(RNN(4, 5)))  # forgets what died, as each new one does
    gc.collect()
    assert made[0]() is None


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
@pytest.mark.parametrize("kind", [LSTM, LSTMCell])
def test_copies_have_packs_of_their_own(made, twin, kind):
    layer, x = kind(4, 5), X if kind is LSTM else X[0]
    wanted = run(layer, x)
    other = twin(layer)
    assert torch.equal(run(other, x), wanted) and len(made) == 2
    assert layer.state_dict().keys() == other.state_dict().keys()


def test_the_same_weights_in_another_cell_are_other_packs():
    tanh, relu = RNN(4, 5), RNN(4, 5, nonlinearity="relu")
    relu._parameters.update(tanh._parameters)
    for layer in (tanh, relu, tanh):
        found = run(layer)
        layer.backend = "reference"
        torch.testing.assert_close(found, run(layer))
        layer.backend = None


def test_a_changed_dtype_is_another_packing():
    layer = GRU(4, 5)
    run(layer)
    want = run(copy.deepcopy(layer).double(), X.double())
    assert torch.equal(run(layer.double(), X.double()), want)
    torch.testing.assert_close(run(layer.float()).double(), want, atol=1e-5, rtol=1e-5)


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
