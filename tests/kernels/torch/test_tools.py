"""Torch's own tools on every kind of module: jit.trace, batches of gradients, forward mode, swaps."""

import pytest
import torch
from torch import nn as own
from torch.autograd import forward_ad
from torch.autograd.functional import hessian, jacobian
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from unrolled import nn

LENGTHS = torch.tensor([5, 3, 4])
PATH = torch.tensor([[1, 0, 2, 1, 1], [2, 2, 0, 0, 0], [0, 1, 2, 0, 0]])


class Reading(own.Module):
    """Attention over what it reads."""

    def __init__(self, kind):
        super().__init__()
        self.attention = nn.Attention(kind, 3, 3, 4)

    def forward(self, x):
        return self.attention(x[:, :2], self.attention.keys(x), x, LENGTHS)[0]


class Likelihood(own.Module):
    """A CRF of three tags, which are the features."""

    def __init__(self):
        super().__init__()
        self.crf = nn.CRF(3)
        for p in self.crf.parameters():
            own.init.normal_(p)

    def forward(self, x):
        return self.crf(x, PATH, LENGTHS)


class Ragged(own.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x, lengths=LENGTHS)[0]


class Packed(Ragged):
    """Packs by itself, for torch's packing has no forward-mode derivative and no vmap."""

    def forward(self, x):
        places = torch.arange(15).view(3, 5, 1)
        place, *rest = pack_padded_sequence(places, LENGTHS, batch_first=True, enforce_sorted=False)
        return self.layer(PackedSequence(x.flatten(0, 1)[place[:, 0]], *rest))[0].data


HEADS = {
    "linear": lambda: nn.Linear(3, 4),
    "linear without bias": lambda: nn.Linear(3, 4, bias=False),
    "softmax": nn.Softmax,
    "log_softmax": nn.LogSoftmax,
    "layer_norm": lambda: nn.LayerNorm(3),
    "attention, dot": lambda: Reading("dot"),
    "attention, additive": lambda: Reading("additive"),
    "crf": Likelihood,
}
LAYERS = {
    "RNN": lambda: nn.RNN(3, 4, batch_first=True),
    "LSTM": lambda: nn.LSTM(3, 4, batch_first=True),
    "GRU in both directions, two layers": lambda: nn.GRU(3, 4, 2, batch_first=True, bidirectional=True),
    "LSTM, all options": lambda: nn.LSTM(
        3, 4, proj_size=2, peephole=True, layer_norm=True, learn_initial_state=True, batch_first=True
    ),
    "GRU with lengths": lambda: Ragged(nn.GRU(3, 4, batch_first=True)),
    "LSTM, packed": lambda: Packed(nn.LSTM(3, 4, batch_first=True)),
}
CELLS = {
    "RNNCell": lambda: nn.RNNCell(3, 4),
    "LSTMCell": lambda: nn.LSTMCell(3, 4),
    "GRUCell": lambda: nn.GRUCell(3, 4),
}
MODULES = HEADS | LAYERS | CELLS
every_module = pytest.mark.parametrize("name", MODULES)


def made(name, training=True):
    """The module, in float64, and its input."""
    torch.manual_seed(0)
    module = MODULES[name]().double().train(training)
    return module, torch.randn(3, 3).double() if name in CELLS else torch.randn(3, 5, 3).double()


def first(result):
    return result[0] if isinstance(result, tuple) else result


@every_module
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("recording", [True, False], ids=["gradients", "none"])
def test_a_trace_has_the_results_and_the_gradients(name, training, recording):
    module, x = made(name, training)
    with torch.set_grad_enabled(recording):
        traced = torch.jit.trace(module, (x,))
    other = torch.randn_like(x)
    assert torch.equal(first(traced(other)), first(module(other)))
    leaves = [other.requires_grad_(), *module.parameters()]
    found, wanted = (
        torch.autograd.grad(first(run(other)).pow(2).sum(), leaves, allow_unused=True)
        for run in (traced, module)
    )
    for f, w in zip(found, wanted, strict=True):
        assert (f is None) == (w is None) and (f is None or torch.equal(f, w))


@every_module
def test_a_trace_that_fails_leaves_the_tracer_as_it_was(name):
    """A function has no parameters, so torch refuses those of the module."""
    module, x = made(name)
    if any(p.requires_grad for p in module.parameters()):
        with pytest.raises(RuntimeError, match="Cannot insert a Tensor that requires grad"):
            torch.jit.trace(lambda x: module(x), (x,))
    torch.jit.trace(own.LSTM(3, 4), (torch.randn(5, 3, 3),))
    torch.jit.trace(module, (x,))


@every_module
def test_a_batch_of_gradients_is_the_gradients_one_by_one(name):
    module, x = made(name)
    x.requires_grad_()
    y = first(module(x))
    several = torch.randn(4, *y.shape, dtype=y.dtype)
    leaves = [x, *module.parameters()]
    options = {"retain_graph": True, "allow_unused": True}
    found = torch.autograd.grad(y, leaves, several, is_grads_batched=True, **options)
    each = [torch.autograd.grad(y, leaves, one, **options) for one in several]
    for f, *own_ones in zip(found, *each, strict=True):
        assert f is None if own_ones[0] is None else torch.equal(f, torch.stack(own_ones))


@every_module
def test_a_vectorized_jacobian_and_hessian_are_those_row_by_row(name):
    module, x = made(name)
    run = lambda x: first(module(x))  # noqa: E731
    assert torch.equal(jacobian(run, x, vectorize=True), jacobian(run, x))
    loss = lambda x: run(x).pow(3).sum()  # noqa: E731
    torch.testing.assert_close(hessian(loss, x, vectorize=True), hessian(loss, x))


@every_module
def test_every_order_of_torch_func_gives_one_hessian(name):
    module, x = made(name)
    loss = lambda x: first(module(x)).pow(3).sum()  # noqa: E731
    wanted = hessian(loss, x)
    for outer in (torch.func.jacrev, torch.func.jacfwd):
        for inner in (torch.func.jacrev, torch.func.jacfwd):
            torch.testing.assert_close(outer(inner(loss))(x), wanted)


@every_module
def test_forward_mode_has_the_bits_of_the_kernel(name):
    module, x = made(name)
    run, tangent = lambda x: first(module(x)), torch.randn_like(x)
    wanted = (jacobian(run, x).flatten(-x.dim()) * tangent.flatten()).sum(-1)
    y, slope = torch.func.jvp(run, (x,), (tangent,))
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(run(forward_ad.make_dual(x, tangent)))
    for value, found in ((y, slope), (dual.primal, dual.tangent)):
        assert torch.equal(value, run(x))
        torch.testing.assert_close(found, wanted)


@every_module
def test_forward_mode_over_backward_is_a_product_with_the_hessian(name):
    module, x = made(name)
    loss = lambda x: first(module(x)).pow(3).sum()  # noqa: E731
    tangent, leaf = torch.randn_like(x), x.clone().requires_grad_()
    with forward_ad.dual_level():
        value = loss(forward_ad.make_dual(leaf, tangent))
        (gradient,) = torch.autograd.grad(value, leaf)
        found = forward_ad.unpack_dual(gradient).tangent
    torch.testing.assert_close(found, (hessian(loss, x).flatten(x.dim()) * tangent.flatten()).sum(-1))


@every_module
def test_parameters_may_be_swapped(name):
    module, x = made(name)
    module.float()
    first(module(x.float()))
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        module.double()
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
    assert first(module(x)).dtype == torch.float64
