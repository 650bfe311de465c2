"""The loop around a cell: what it returns for no steps, and that it writes to nothing."""

import pytest
import torch

from unrolled.cells import Call
from unrolled.cells.loop import unroll

from .cases import CELLS


def call(cell, T, B, **options):
    p = {name: torch.randn(shape) for name, shape in cell.shapes(4, 6, True).items()}
    state = tuple(torch.randn(B, size) for size in cell.state_sizes(6))
    return Call(cell, torch.randn(T, B, 4), state, p, **options)


@pytest.mark.parametrize("T, B", [(0, 3), (4, 0), (0, 0)])
@pytest.mark.parametrize("name", ["tanh", "lstm projected"])
def test_no_steps_or_no_rows(name, T, B):
    given = call(CELLS[name], T, B, return_states=True)
    result = unroll(given)
    assert [tuple(s.shape) for s in result.states] == [(T, B, s.shape[1]) for s in given.state]
    assert all(torch.equal(a, b) for a, b in zip(result.last, given.state, strict=True))


@pytest.mark.parametrize("name", CELLS)
def test_nothing_that_is_handed_in_is_written_to(name):
    given = call(CELLS[name], 3, 2, lengths=torch.tensor([3, 1]))
    before = [t.clone() for t in (given.x, *given.state, *given.parameters.values(), given.lengths)]
    unroll(given)
    after = [given.x, *given.state, *given.parameters.values(), given.lengths]
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_states_only_on_request():
    assert unroll(call(CELLS["lstm"], 3, 2)).states is None
