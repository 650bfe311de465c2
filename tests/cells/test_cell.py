"""Sizes, first values and impossible options of the cells."""

import pytest
import torch

from unrolled.cells import GRU, LSTM, Elman

from .cases import CELLS


@pytest.mark.parametrize("name", CELLS)
def test_gates_count_the_rows_of_a_cell_without_blocks(name):
    cell = CELLS[name]
    if getattr(cell, "cells_per_block", 1) == 1:
        assert cell.shapes(5, 6, True)["weight_ih"] == (cell.gates * 6, 5)


def test_blocks_share_their_gates():
    shapes = LSTM(cells_per_block=3, peephole=True, layer_norm=True).shapes(5, 6, True)
    assert shapes["weight_ih"] == (3 * 2 + 6, 5)
    assert shapes["weight_hh"] == (3 * 2 + 6, 6)
    assert shapes["weight_peephole"] == (3, 6)
    assert shapes["gain_c"] == (6,)


def test_gains_start_at_one_and_shifts_at_zero_and_all_else_is_drawn():
    cell = LSTM(proj_size=2, peephole=True, layer_norm=True)
    p = {name: torch.full(shape, 9.0) for name, shape in cell.shapes(5, 6, True).items()}
    cell.initialise(p, 0.25)
    for name, values in p.items():
        if name.startswith(("gain", "shift")):
            assert torch.equal(values, torch.full_like(values, 1.0 if name.startswith("gain") else 0.0))
        else:
            assert values.abs().max() <= 0.25 and values.unique().numel() == values.numel()


@pytest.mark.parametrize("K", [1, 3])
def test_forget_bias_is_the_forget_gates_whole_bias_and_no_other(K):
    cell, plain = LSTM(cells_per_block=K, forget_bias=1.5), LSTM(cells_per_block=K)
    p, q = ({name: torch.empty(shape) for name, shape in c.shapes(5, 6, True).items()} for c in (cell, plain))
    for c, parameters in ((cell, p), (plain, q)):
        torch.manual_seed(3)
        c.initialise(parameters, 0.25)
    M = 6 // K
    total = p["bias_ih"] + p["bias_hh"]
    assert torch.equal(total[M : 2 * M], torch.full((M,), 1.5))
    for name in p:
        others = torch.ones(p[name].shape[0], dtype=torch.bool)
        others[M : 2 * M] = not name.startswith("bias")
        assert torch.equal(p[name][others], q[name][others]), name


IMPOSSIBLE = {
    "unknown nonlinearity": (lambda: Elman("softsign"), "softsign.*tanh, relu, sigmoid"),
    "forget bias of a coupled cell": (
        lambda: LSTM(coupled_input_forget=True, forget_bias=1.0),
        "forget_bias and coupled_input_forget",
    ),
    "forget bias without bias": (
        lambda: LSTM(forget_bias=1.0).shapes(5, 6, False),
        "forget_bias and bias=False",
    ),
    "projection as wide": (lambda: LSTM(proj_size=6).shapes(5, 6, True), "proj_size=6.*hidden_size=6"),
    "negative projection": (lambda: LSTM(proj_size=-1), "proj_size=-1"),
    "no cells in a block": (lambda: LSTM(cells_per_block=0), "cells_per_block=0"),
    "blocks that do not divide": (
        lambda: LSTM(cells_per_block=4).shapes(5, 6, True),
        "hidden_size=6.*cells_per_block=4.*choose 4",
    ),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_options_are_refused_by_name(case):
    build, message = IMPOSSIBLE[case]
    with pytest.raises(ValueError, match=message):
        build()


def test_wants_name_what_differs_from_the_plain_equations():
    assert LSTM().wants == GRU().wants == frozenset()
    assert LSTM(3, peephole=True, forget_bias=1.0).wants == {"proj_size", "peephole"}
    assert GRU(reset_after=False, layer_norm=True).wants == {"reset_after=False", "layer_norm"}
    assert Elman("relu").wants == {"relu"}
