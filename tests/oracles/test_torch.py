"""Our layers, in float64 and float32, against torch.nn in float64: values, states and every gradient."""

import itertools

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import unrolled.nn

from .cases import TORCH, assert_close, call

SHAPES = [(1, 1, 1, 4), (5, 3, 4, 7), (9, 4, 17, 33), (3, 19, 70, 5)]  # T, B, I, H


def pair(kind, I, H, dtype, **options):
    """Ours in `dtype` and torch's in float64, with the same random weights."""
    name, own, _ = TORCH[kind]
    torch.manual_seed(I + H)
    theirs = getattr(torch.nn, name)(I, H, dtype=torch.float64, **own, **options)
    with torch.no_grad():
        for parameter in theirs.parameters():  # not symmetric about zero, and exact in float32
            parameter.copy_((1.3 * parameter + 0.1 * H**-0.5).float())
    ours = getattr(unrolled.nn, name)(I, H, dtype=dtype, **own, **options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def run_torch(theirs, x, hx, lengths):
    if lengths is None:
        return theirs(x, hx)
    y, state = theirs(pack_padded_sequence(x, lengths, enforce_sorted=False), hx)
    return pad_packed_sequence(y, total_length=len(x))[0], state


def results(layer, ours, x, state, lengths):
    """Values and gradients by name, of one random loss."""
    dtype = next(layer.parameters()).dtype
    leaves = {name: t.to(dtype).clone().requires_grad_() for name, t in ({"x": x} | state).items()}
    parts = [torch.stack([leaves[name] for name in state if name.endswith(f".{k}")]) for k in ours.kinds]
    hx = tuple(parts) if len(parts) > 1 else parts[0]
    if layer is ours:
        y, last = ours(leaves["x"], hx, lengths=lengths)
    else:
        y, last = run_torch(layer, leaves["x"], hx, lengths)
    found = {"y": y} | {f"last {name}": s for name, s in ours.named(last).items()}
    generator = torch.Generator().manual_seed(1)
    loss = sum((torch.randn(t.shape, generator=generator).to(dtype) * t).sum() for t in found.values())
    leaves |= dict(layer.named_parameters())
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    return found | {f"gradient of {name}": g for name, g in zip(leaves, gradients, strict=True)}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("num_layers, bidirectional", [(1, False), (2, False), (1, True), (2, True)])
@pytest.mark.parametrize("kind", TORCH)
def test_values_and_every_gradient(kind, num_layers, bidirectional, packed, dtype):
    for (T, B, I, H), bias in itertools.product(SHAPES, [True, False]):
        options = {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias}
        ours, theirs = pair(kind, I, H, dtype, **options)
        x, state, _ = call(ours, T, B)
        lengths = None
        if packed:  # none of torch.nn's rows may be empty
            lengths = torch.randint(1, T + 1, (B,))
            lengths[B // 2] = T
        wanted = results(theirs, ours, x, state, lengths)
        assert_close(results(ours, ours, x, state, lengths), wanted, num_layers * (T * B + I + 2 * H + 8))
