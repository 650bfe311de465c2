"""A cell registers once: what is derived from its options, and that nothing of it needs torch."""

import inspect
import subprocess
import sys

import pytest
import torch

from unrolled import nn
from unrolled.cells import CELLS, LSTM
from unrolled.cells.registry import read_cell, write_cell
from unrolled.nn.layers import LAYERS, STEPS

from .cases import CELLS as CASES
from .cases import combinations


def test_the_registry_and_what_runs_without_torch_load_no_torch():
    code = (
        "import sys; import unrolled.cells, unrolled.runtime, unrolled.kernels.dispatch as d;"
        "from unrolled.cells import CELLS;"
        "[list(c.constants(c.shapes(3, 6, True), 6)) for kind in CELLS.values() for c in [kind()]];"
        "d.explain('lstm', 'cpu', 'float32'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("table", [LAYERS, STEPS], ids=["layers", "steps"])
def test_every_cell_is_a_layer_and_a_step_with_its_options(table):
    assert table.keys() == CELLS.keys()
    for name, module in table.items():
        taken = inspect.signature(module).parameters
        for option in CELLS[name].options():
            assert taken[option.name].default == option.default
            assert f"{option.name} " in module.__doc__ and option.meaning in module.__doc__
            for value in option.others:
                made = module(3, 6, **{option.name: value})
                assert getattr(made.cell, option.name) == value
        assert module.__name__ in nn.__all__ and getattr(nn, module.__name__) is module


def test_a_cell_in_plain_values_is_read_back():
    for cell in combinations():
        name, options = write_cell(cell)
        assert read_cell(name, options) == cell
    assert write_cell(LSTM(peephole=1, forget_bias=2)) == ("lstm", {"peephole": True, "forget_bias": 2.0})
    assert write_cell(LSTM()) == ("lstm", {})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gur", {}, f"no cell 'gur'; wanted one of {', '.join(CELLS)}"),
        (["lstm"], {}, "no cell"),
        ("gru", {"peephole": True}, "gru has no option 'peephole'; it has reset_after, layer_norm"),
        ("lstm", {"peephole": 1}, "peephole of lstm is 1; wanted bool"),
        ("lstm", {"proj_size": True}, "proj_size of lstm is True; wanted int"),
        ("lstm", {"cells_per_block": 2.0}, "wanted int"),
        ("lstm", {"cells_per_block": 0}, "cells_per_block=0: wanted 1 or more"),
        ("lstm", {"forget_bias": "1"}, "wanted float"),
        ("rnn", {"nonlinearity": "tan"}, "nonlinearity='tan' is unknown; choose one of tanh, relu, sigmoid"),
    ],
)
def test_plain_values_that_are_no_cell_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        read_cell(name, options)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_sizes_are_measured_and_every_other_shape_is_refused(name, bias):
    cell, H = CASES[name], 12
    shapes = cell.shapes(5, H, bias)
    assert cell.measure(shapes) == (5, H, cell.state_sizes(H)[0])
    for parameter, shape in shapes.items():
        for k in range(len(shape)):
            wrong = shapes | {parameter: tuple(n + 1 if k == at else n for at, n in enumerate(shape))}
            if (parameter, k) != ("weight_ih", 1):  # which tells I
                with pytest.raises(ValueError, match=r"wants|multiple|smaller"):
                    cell.measure(wrong)
        rest = {other: s for other, s in shapes.items() if other != parameter}
        if not parameter.startswith(("bias", "shift")):
            with pytest.raises(ValueError, match=rf"{parameter} missing|wanted weight_ih"):
                cell.measure(rest)
    with pytest.raises(ValueError, match="weight_xy is no parameter of this"):
        cell.measure(shapes | {"weight_xy": (3,)})


def test_first_values_are_said_without_drawing():
    cell = LSTM(layer_norm=True, cells_per_block=2, forget_bias=1.5)
    p = {name: torch.empty(shape) for name, shape in cell.shapes(5, 6, True).items()}
    cell.initialise(p, 0.25)
    said = list(cell.constants(p, 6))
    assert {name for name, *_ in said} == {"gain_ih", "gain_hh", "gain_c", "shift_c", "bias_ih", "bias_hh"}
    for name, rows, value in said:
        assert (p[name][rows] == value).all()
