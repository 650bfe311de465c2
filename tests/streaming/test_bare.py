"""What the runtime needs: numpy and the kernels, and nothing that only a training machine has."""

import json
import subprocess
import sys

import numpy as np
import pytest

from unrolled.blocks.recurrent import Recurrent
from unrolled.export.isolated import FORBIDDEN
from unrolled.kernels import _cpu
from unrolled.ops.numpy import network
from unrolled.registry import TASKS, home

from ..cells import cases

MODULES = ("unrolled.runtime", *sorted({home(task.model)[0] for task in TASKS.values()}))


@pytest.mark.parametrize("module", MODULES)
def test_no_module_of_the_runtime_needs_more_than_numpy(module):
    code = (
        "import importlib, json, sys\n"
        "from unrolled.export.isolated import Refusing\n"
        "sys.meta_path.insert(0, Refusing())\n"
        f"importlib.import_module({module!r})\n"
        "import numpy\n"
        "own = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(json.dumps(sorted(own)))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert not set(json.loads(made.stdout)) & {*FORBIDDEN, "tokenizers", "onnx", "onnxruntime"}


CELLS = {name: cell for name, cell in cases.CELLS.items() if cell.block == 1}


def layers(kind, I, H, zoneout, dtype):
    """One layer of `kind` with random weights."""
    draw, cell = np.random.default_rng([I, H]), CELLS[kind]
    block = Recurrent(cell, I, H, zoneout=tuple(zoneout[: len(cell.states)]))
    shapes = block.shapes()
    return network(block, {name: draw.normal(0.1, H**-0.5, s).astype(dtype) for name, s in shapes.items()})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("zoneout", [[0.0, 0.0], [0.25, 0.1]])
@pytest.mark.parametrize(("I", "H"), [(1, 1), (5, 17), (17, 5), (33, 130)])
@pytest.mark.parametrize("kind", CELLS)
def test_a_step_has_the_bits_of_the_whole(kind, I, H, zoneout, dtype):
    H = max(H, CELLS[kind].state_sizes(H)[0] + 1) if "proj_size" in CELLS[kind].wants else H
    made = layers(kind, I, H, zoneout, dtype)
    x = np.random.default_rng(9).normal(size=(7, 6, I)).astype(dtype)
    start = {name: np.ascontiguousarray(s + np.arange(len(s))[:, None]) for name, s in made.start(6).items()}
    start = {name: s.astype(dtype) for name, s in start.items()}
    whole, last = made(x, start)
    for B in (1, 4, 6):
        state = {name: s[:B].copy() for name, s in start.items()}
        kept = {name: s.copy() for name, s in state.items()}
        found = []
        for t in range(len(x)):
            y, after = made(x[t : t + 1, :B], state)
            if t == 0:
                assert all(np.array_equal(state[name], kept[name]) for name in kept)
            state = after
            found.append(y.copy())
        assert np.array_equal(np.concatenate(found), whole[:, :B])
        assert all(np.array_equal(state[name], last[name][:B]) for name in last)


def test_a_step_on_another_instruction_set_has_the_same_bits():
    made, before = layers("lstm", 9, 31, [0.0, 0.0], "float32"), _cpu.isa()
    x = np.random.default_rng(2).normal(size=(1, 2, 9)).astype(np.float32)
    wanted, _ = made(x, made.start(2))
    try:
        for isa in _cpu.isas():
            _cpu.use_isa(isa)
            assert np.array_equal(made(x, made.start(2))[0], wanted)
    finally:
        _cpu.use_isa(before)
