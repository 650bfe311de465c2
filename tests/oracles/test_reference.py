"""The kernels, in float64 and float32, against the cells' references in float64: values, every step's states
and every gradient, of the cells that torch.nn lacks and of those that it has, with masks and without.
"""

import itertools

import pytest
import torch

from unrolled.kernels import dispatch

from .cases import (
    CELLS,
    WAYS,
    assert_close,
    build,
    call,
    everything,
    ragged,
    twin,
)

SHAPES = [(3, 2, 1, 1), (5, 3, 4, 7), (4, 2, 17, 35), (2, 18, 65, 5)]  # T, B, I, H
MASKS = {
    "zoneout in evaluation": ({"zoneout": 0.3}, False),
    "zoneout in training": ({"zoneout": 0.3}, True),
    "recurrent dropout": ({"recurrent_dropout": 0.4}, True),
    "variational dropout": ({"variational_dropout": 0.4}, True),
    "zoneout and recurrent dropout": ({"zoneout": 0.2, "recurrent_dropout": 0.3}, True),
    "few states kept": ({"zoneout": 0.2, "recurrent_dropout": 0.3, "keep_every": 2}, True),
}


def normalises(cell):
    return getattr(cell, "layer_norm", False)


def seeded(layer, *call):
    """Everything, under the masks that one seed draws."""
    torch.manual_seed(5)
    return everything(layer, *call)


def compare(reference, name, dtype, T, B, lengths):
    x, state, lengths = call(reference, T, B, lengths)
    found, wanted = (
        seeded(layer, x, state, lengths) for layer in (twin(reference, backend="cpu", dtype=dtype), reference)
    )
    terms = T * B + reference.input_size + 2 * max(reference.state_sizes().values()) + 8
    if normalises(reference.cell):
        terms *= 8  # a sum that is divided by its spread is wrong by as much more
    assert_close(found, wanted, terms)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("dtype", sorted(dispatch.FLOATS))
def test_every_cell_runs_compiled(name, dtype):
    cell = CELLS[name]
    asked = cell.wants | {"lengths", "zoneout", "recurrent_dropout", "empty"}
    asked |= {"states"} if len(cell.states) > 1 else set()
    assert dispatch.choose(cell.name, "cpu", dtype, frozenset(asked)).backend == "cpu"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CELLS)
def test_values_and_every_gradient(name, way, dtype):
    # One unit is its own mean: what a norm makes of the rounding is up to 1 / √1e-5 times as large.
    shapes = SHAPES[normalises(CELLS[name]) :]
    for (T, B, I, H), bias, some in itertools.product(shapes, [True, False], [False, True]):
        options = WAYS[way] | {"bias": bias, "dtype": torch.float64, "backend": "reference"}
        reference = build(CELLS[name], I, H, seed=T, **options)
        compare(reference, name, dtype, T, B, ragged(T, B) if some else None)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("name", CELLS)
def test_masks(name, masks, dtype):
    options, training = MASKS[masks]
    for (T, B, I, H), way in itertools.product(SHAPES[1:3], WAYS):
        layer = build(CELLS[name], I, H, dtype=torch.float64, backend="reference", **WAYS[way], **options)
        compare(layer.train(training), name, dtype, T, B, ragged(T, B))


@pytest.mark.parametrize("name", [name for name in CELLS if CELLS[name].name == "lstm"])
def test_zoneout_of_one_state_alone(name):
    for rates, training in itertools.product([(0.4, 0.0), (0.0, 0.4), (0.2, 0.6)], [True, False]):
        layer = build(CELLS[name], 4, 7, dtype=torch.float64, backend="reference", zoneout=rates)
        compare(layer.train(training), name, torch.float64, 5, 3, ragged(5, 3))
