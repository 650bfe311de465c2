"""The compiled module and the registry say the same of every cell: name, parameters and their shapes."""

import numpy as np
import pytest
import torch

from unrolled.cells import Call
from unrolled.cells.loop import unroll
from unrolled.kernels import dispatch

from .cases import CELLS, combinations

pytestmark = pytest.mark.skipif(dispatch.MISSING is not None, reason="the compiled kernels are missing")
T, B, I, H = 2, 3, 5, 12


def recurrence(cell, names):
    from unrolled.kernels import _cpu

    sizes = (I, H, cell.state_sizes(H)[0])
    return _cpu.Recurrence(cell.kernel, "float32", cell.block, list(names), [sizes], [False])


def run(cell, shapes):
    """The compiled y (T, B, …) for random asymmetric weights, and the reference's."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(T, B, I)).astype(np.float32)
    weights = {name: rng.normal(0.2, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    y = np.empty((T, B, cell.state_sizes(H)[0]), np.float32)
    recurrence(cell, shapes).forward(weights=list(weights.values()), x=x, y=y, threads=1)
    state = tuple(torch.zeros(B, size) for size in cell.state_sizes(H))
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    return y, unroll(Call(cell, torch.from_numpy(x), state, tensors)).y.numpy()


@pytest.mark.parametrize("bias", [True, False])
def test_every_combination_of_options_is_compiled_with_the_parameters_that_the_registry_names(bias):
    for cell in combinations():
        if bias or not hasattr(cell, "forget_bias") or cell.forget_bias is None:
            y, wanted = run(cell, cell.shapes(I, H, bias))
            # Two steps in float32; what a norm makes of the rounding is several times as large.
            np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=2e-5, err_msg=str(cell))


@pytest.mark.parametrize("name", CELLS)
def test_every_other_shape_is_refused_by_name(name):
    cell = CELLS[name]
    shapes = cell.shapes(I, H, True)
    for parameter, shape in shapes.items():
        for k in range(len(shape)):
            wrong = shapes | {parameter: tuple(n + (k == at) for at, n in enumerate(shape))}
            with pytest.raises(ValueError, match=parameter):
                run(cell, wrong)


@pytest.mark.parametrize("name", CELLS)
def test_a_missing_or_a_foreign_parameter_is_refused_by_name(name):
    cell = CELLS[name]
    shapes = cell.shapes(I, H, True)
    for parameter in shapes:
        if not parameter.startswith(("bias", "shift")):
            told = r"gain_c|shift_c" if parameter == "gain_c" else parameter  # no shift without its gain
            with pytest.raises(ValueError, match=told):
                recurrence(cell, [other for other in shapes if other != parameter])
    foreign = "weight_peephole" if "weight_peephole" not in shapes else "weight_xy"
    with pytest.raises(ValueError, match=foreign):
        recurrence(cell, [*shapes, foreign])
