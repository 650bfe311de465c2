"""Cells, calls and everything that a call gives: what the oracles in this folder are held against."""

import torch

from unrolled.cells import GRU, LSTM, Cell, Elman
from unrolled.nn import Recurrent

from ..cells import cases

CELLS: dict[str, Cell] = cases.CELLS | {
    "lstm projected, peephole": LSTM(3, peephole=True),
    "lstm coupled, layer norm": LSTM(coupled_input_forget=True, layer_norm=True),
    "lstm everything but blocks": LSTM(3, peephole=True, coupled_input_forget=True, layer_norm=True),
    "lstm blocks, coupled": LSTM(cells_per_block=2, coupled_input_forget=True),
    "lstm blocks, projected": LSTM(3, cells_per_block=2),
    "lstm blocks, layer norm": LSTM(cells_per_block=2, layer_norm=True),
}
TORCH = {  # what torch.nn has too: its layer, its options and our cell
    "tanh": ("RNN", {}, Elman()),
    "relu": ("RNN", {"nonlinearity": "relu"}, Elman("relu")),
    "gru": ("GRU", {}, GRU()),
    "lstm": ("LSTM", {}, LSTM()),
    "lstm projected": ("LSTM", {"proj_size": 3}, LSTM(3)),
}
WAYS = {"forward": {}, "reverse": {"reverse": True}, "both": {"bidirectional": True}}


def fitting(cell, H):
    """The next number of units that the cell can have."""
    K, P = getattr(cell, "cells_per_block", 1), getattr(cell, "proj_size", 0)
    return max(-(-H // K), -(-(P + 1) // K)) * K


def build(cell, I, H, seed=0, **options):
    """A layer with random weights, none zero and no two alike, of a size that neither fades nor saturates."""
    layer = Recurrent(cell, I, fitting(cell, H), **options)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            scale = 1.0 if name.startswith("gain") else H**-0.5
            parameter.copy_(
                (torch.randn(parameter.shape) * 0.7 + 0.2) * scale
            )  # exact in float32 and float64
    return layer


def twin(layer, **changes):
    """The same weights in a layer with other options."""
    o = layer
    options = {
        "num_layers": o.num_layers,
        "bias": o.bias,
        "bidirectional": o.bidirectional,
        "reverse": o.reverse,
        "zoneout": o.zoneout,
        "recurrent_dropout": o.recurrent_dropout,
        "variational_dropout": o.variational_dropout,
        "keep_every": o.keep_every,
    }
    other = Recurrent(o.cell, o.input_size, o.hidden_size, **(options | changes))
    other.load_state_dict(layer.state_dict())
    return other.train(layer.training)


def call(layer, T, B, lengths=None, seed=0):
    """x (T, B, I) and a state, in float64 and of numbers that float32 has too."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator).double()

    state = {name: normal(B, size) for name, size in layer.state_sizes().items()}
    return normal(T, B, layer.input_size), state, lengths


def ragged(T, B):
    """Lengths (B,) of which one is T and, with two rows or more, one is 0."""
    lengths = torch.randint(0, T + 1, (B,), generator=torch.Generator().manual_seed(T * B))
    lengths[0] = 0
    lengths[B // 2] = T
    return lengths


def outputs(layer, x, state, lengths):
    """y, last states and every step's, by name."""
    y, last, states = layer(x, state, lengths=lengths, return_states=True)
    named = {"y": y} | {f"last {name}": s for name, s in layer.named(last).items()}
    return named | {f"every {name}": s for name, s in states.items()}


def everything(layer, x, state, lengths):
    """Values, and the gradients of x, initial state and every parameter, of one random loss over them."""
    dtype = layer.like().dtype
    leaves = {"x": x.to(dtype)} | {f"first {name}": s.to(dtype) for name, s in state.items()}
    leaves = {name: leaf.clone().requires_grad_() for name, leaf in leaves.items()}
    found = outputs(layer, leaves["x"], {name: leaves[f"first {name}"] for name in state}, lengths)
    generator = torch.Generator().manual_seed(1)
    weights = {name: torch.randn(t.shape, generator=generator) for name, t in found.items()}
    loss = sum((weights[name].to(dtype) * t).sum() for name, t in found.items())
    leaves |= dict(layer.named_parameters())
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return found | {f"gradient of {name}": g for name, g in zip(leaves, gradients, strict=True)}


def assert_close(found, wanted, terms):
    """Rounding of `terms` operations, each of the size of the largest number, all in one direction."""
    assert found.keys() == wanted.keys()
    for name, want in wanted.items():
        got = found[name]
        assert got.shape == want.shape, name
        if want.numel() == 0:
            continue
        allowed = terms * torch.finfo(got.dtype).eps * max(1.0, want.abs().max().item())
        error = (got.double() - want.double()).abs().max().item()
        assert error <= allowed, f"{name}: {error:.3g} > {allowed:.3g}"
