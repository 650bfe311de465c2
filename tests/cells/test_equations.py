"""Every cell's reference against NumPy in float64: values, every state, and the gradient of everything."""

import numpy as np
import pytest
import torch

from unrolled.cells import Call, Masks
from unrolled.cells.loop import unroll

from . import oracle
from .cases import CELLS, options

TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}  # float64, five steps of sums of about ten terms
T, B, I, H = 5, 3, 4, 6


def random_call(cell, bias, seed=0):
    """Arrays of one call: parameters, x and state, all random and asymmetric."""
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(0.3, 0.7, shape) for name, shape in cell.shapes(I, H, bias).items()}
    arrays["x"] = rng.normal(-0.2, 1.0, (T, B, I))
    for name, size in zip(cell.states, cell.state_sizes(H), strict=True):
        arrays[name] = rng.normal(0.4, 0.6, (B, size))
    return arrays


def masks_for(cell, kind, rng):
    sizes = cell.state_sizes(H)
    if kind == "zoneout in evaluation":
        return None, [0.3, 0.15][: len(sizes)]
    if kind == "zoneout in training":
        return None, [rng.random((T, B, size)) < 0.4 for size in sizes]
    return rng.choice([0.0, 1.6], (T, B, sizes[0])), None


def compare(cell, bias, lengths, reverse, recurrent=None, zoneout=None):
    arrays = random_call(cell, bias)
    weights = [np.random.default_rng(7).normal(size=(T + 1, B, size)) for size in cell.state_sizes(H)]

    def scalar(arrays):
        state = tuple(arrays[name] for name in cell.states)
        every, last = oracle.run(
            cell.name, options(cell), arrays["x"], state, arrays, lengths, reverse, recurrent, zoneout
        )
        return sum((w[:T] * e).sum() + (w[T] * s).sum() for w, e, s in zip(weights, every, last, strict=True))

    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}
    result = unroll(
        Call(
            cell,
            tensors["x"],
            tuple(tensors[name] for name in cell.states),
            {name: tensors[name] for name in cell.shapes(I, H, bias)},
            None if lengths is None else torch.tensor(lengths),
            Masks(
                None if recurrent is None else torch.tensor(recurrent),
                None
                if zoneout is None
                else tuple(z if isinstance(z, float) else torch.tensor(z) for z in zoneout),
            ),
            reverse,
            return_states=True,
        )
    )
    state = tuple(arrays[name] for name in cell.states)
    every, last = oracle.run(
        cell.name, options(cell), arrays["x"], state, arrays, lengths, reverse, recurrent, zoneout
    )
    assert result.y is result.states[0]
    for found, wanted in zip([*result.states, *result.last], [*every, *last], strict=True):
        np.testing.assert_allclose(found.detach().numpy(), wanted.real, **TOLERANCE)
    loss = sum(
        (torch.tensor(w[:T]) * e).sum() + (torch.tensor(w[T]) * s).sum()
        for w, e, s in zip(weights, result.states, result.last, strict=True)
    )
    loss.backward()
    for name, wanted in oracle.gradients(scalar, arrays).items():
        np.testing.assert_allclose(tensors[name].grad.numpy(), wanted, err_msg=name, **TOLERANCE)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_values_and_every_gradient(name, bias):
    compare(CELLS[name], bias, None, False)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_lengths_in_either_direction(name, reverse):
    compare(CELLS[name], True, [T, 0, 2], reverse)


@pytest.mark.parametrize("kind", ["zoneout in evaluation", "zoneout in training", "recurrent dropout"])
@pytest.mark.parametrize("name", CELLS)
def test_masks(name, kind):
    recurrent, zoneout = masks_for(CELLS[name], kind, np.random.default_rng(3))
    compare(CELLS[name], True, [4, T, 1], True, recurrent, zoneout)


@pytest.mark.parametrize("name", CELLS)
def test_first_and_second_derivatives_agree_with_differences(name):
    cell = CELLS[name]
    arrays = random_call(cell, True, seed=5)
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays.values()]
    lengths = torch.tensor([2, 0, 1])

    def f(*tensors):
        given = dict(zip(arrays, tensors, strict=True))
        p = {name: given[name] for name in cell.shapes(I, H, True)}
        state = tuple(given[name] for name in cell.states)
        result = unroll(Call(cell, given["x"][:2], state, p, lengths, return_states=True))
        return (*result.states, *result.last)

    assert torch.autograd.gradcheck(f, tensors, fast_mode=True)
    assert torch.autograd.gradgradcheck(f, tensors, fast_mode=True)
