"""The table of backends: a named one runs or raises, an automatic choice can be asked for."""

import copy
import subprocess
import sys

import pytest
import torch

from tests.cells.cases import combinations
from unrolled.kernels import dispatch
from unrolled.kernels.torch import backends as runs
from unrolled.nn import GRU, LSTM, RNN, Recurrent

PLAIN = frozenset({"tanh"})
compiled = pytest.mark.skipif(dispatch.MISSING is not None, reason="the compiled kernels are missing")


def backends(*call):
    return {choice.backend: choice for choice in dispatch.explain(*call)}


@compiled
@pytest.mark.parametrize("dtype", sorted(dispatch.FLOATS))
def test_the_elman_cell_runs_compiled_on_a_cpu(dtype):
    rows = backends("rnn", "cpu", dtype, PLAIN | {"lengths", "empty"})
    assert [row.backend for row in rows.values() if row.chosen] == ["cpu"]
    assert rows["torch"] == ("torch", False, "does not compute empty", False)
    assert rows["reference"].available


@pytest.mark.parametrize(
    "call, chosen",
    [
        (("lstm", "cpu", "float32"), "cpu"),
        (("lstm", "cpu", "float32", frozenset({"cells_per_block"})), "cpu"),
        (("gru", "cpu", "float64", frozenset({"reset_after=False", "layer_norm", "zoneout"})), "cpu"),
        (("gru", "cpu", "float64", frozenset({"forward-mode derivatives"})), "cpu"),
        (("lstm", "cuda", "float16", frozenset({"proj_size", "lengths"})), "torch"),
        (("lstm", "cuda", "float32", frozenset({"peephole"})), "reference"),
        (("lstm", "cuda", "float32", frozenset({"states"})), "reference"),
        (("gru", "cuda", "float32"), "torch"),
        (("gru", "cuda", "float32", frozenset({"reset_after=False"})), "reference"),
        (("rnn", "cuda", "float32", PLAIN), "torch"),
        (("rnn", "cuda", "float32", frozenset({"sigmoid"})), "reference"),
        (("rnn", "cpu", "bfloat16", PLAIN), "reference"),
        (("rnn", "mps", "float32", PLAIN), "reference"),
        (("rnn", "cpu", "float32", PLAIN | {"zoneout", "keep_every"}), "cpu"),
        (("rnn", "cpu", "float32", frozenset({"softsign"})), "reference"),
    ],
)
def test_the_automatic_choice(call, chosen):
    assert [row.backend for row in dispatch.explain(*call) if row.chosen] == [chosen]


def test_every_reason_is_given_in_words():
    call = ("lstm", "meta", "int8", frozenset({"peephole", "zoneout"}))
    rows = backends(*call)
    assert rows["cpu"].reason == "runs on cpu, not on meta"
    assert rows["torch"].reason == "runs on cpu and cuda, not on meta"
    assert backends("lstm", "cpu", "int8")["torch"].reason == (
        "computes in bfloat16, float16, float32, float64, not in int8"
    )
    assert backends("lstm", "cpu", *call[2:])["torch"].reason.startswith("computes in")
    assert backends("lstm", "cpu", "float32", call[3])["torch"].reason == "does not compute peephole, zoneout"


@compiled
def test_every_combination_of_a_cell_s_options_runs_in_the_kernels():
    """As its reference does."""
    from unrolled.kernels.torch.native import DTYPES

    assert set(DTYPES.values()) == dispatch.FLOATS
    every = list(combinations())
    for cell in every:
        assert dispatch.choose(cell.name, "cpu", "float32", cell.wants).backend == "cpu", cell
        layer = Recurrent(cell, 3, 6, dtype=torch.float64, backend="cpu")
        x = torch.randn(4, 2, 3, dtype=torch.float64)
        torch.testing.assert_close(layer(x)[0], reference_twin(layer)(x)[0])
    assert {cell.name for cell in every} == dispatch.CELLS.keys()
    assert len([cell for cell in every if cell.name == "lstm"]) == 2**6 - 2**4


def reference_twin(layer):
    twin = copy.deepcopy(layer)
    twin.backend = "reference"
    return twin


X = torch.randn(4, 2, 3)


@pytest.mark.parametrize(
    "layer, call, reason",
    [
        (GRU(3, 5, dtype=torch.bfloat16, backend="cpu"), {}, "computes in float32, float64, not in bfloat16"),
        (LSTM(3, 5, peephole=True, backend="torch"), {}, "backend='torch'.*lstm.*peephole"),
        (GRU(3, 5, zoneout=0.1, backend="torch"), {}, "zoneout"),
        (LSTM(3, 5, backend="torch"), {"return_states": True}, "states"),
    ],
)
def test_a_named_backend_that_cannot_raises_with_the_reason(layer, call, reason):
    with pytest.raises(ValueError, match=reason):
        layer(X.to(layer.like().dtype), **call)


def test_the_environment_names_a_backend_and_the_layer_goes_before_it(monkeypatch):
    layer = LSTM(3, 6, layer_norm=True)
    monkeypatch.setenv("UNROLLED_BACKEND", "torch")
    with pytest.raises(ValueError, match="UNROLLED_BACKEND='torch' cannot run this lstm"):
        layer(X)
    layer.backend = "reference"
    layer(X)
    layer.backend = None
    monkeypatch.setenv("UNROLLED_BACKEND", "fast")
    with pytest.raises(ValueError, match="UNROLLED_BACKEND='fast' is unknown; choose one of cpu, torch"):
        layer(X)
    monkeypatch.setenv("UNROLLED_BACKEND", "")
    layer(X)


def test_a_named_backend_is_the_one_that_runs(monkeypatch):
    ran = []
    recording = {
        name: lambda plan, tensors, name=name, run=run: ran.append(name) or run(plan, tensors)
        for name, run in runs.RUNNERS.items()
    }
    monkeypatch.setattr(runs, "RUNNERS", recording)
    for backend in ("reference", "torch", *(["cpu"] if dispatch.MISSING is None else [])):
        ran.clear()
        RNN(3, 5, 2, bidirectional=True, backend=backend)(X)
        assert ran == [backend]


def python(code):
    return subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True)


WITHOUT_EXTENSION = """
import sys
sys.modules["unrolled.kernels._cpu"] = None
import torch
from unrolled.kernels import dispatch
from unrolled.nn import RNN, GRU
for layer in (RNN(3, 4), GRU(3, 4), RNN(3, 4)):
    layer(torch.randn(2, 2, 3))
print([c.backend for c in dispatch.explain("rnn", "cpu", "float32", frozenset({"tanh"})) if c.chosen])
try:
    RNN(3, 4, backend="cpu")(torch.randn(2, 2, 3))
except ValueError as error:
    print(error)
"""


def test_without_the_extension_everything_runs_and_says_so_once():
    result = python(WITHOUT_EXTENSION)
    assert result.returncode == 0, result.stderr
    chosen, refusal = result.stdout.splitlines()
    assert chosen == "['reference']"
    assert "backend='cpu' cannot run this rnn" in refusal and "missing" in refusal
    assert result.stderr.count("unrolled runs through its references") == 1


def test_the_table_is_read_without_torch():
    result = python(
        "import sys; from unrolled.kernels import dispatch;"
        "dispatch.explain('lstm', 'cuda', 'float32'); print('torch' in sys.modules)"
    )
    assert result.stdout == "False\n", result.stderr
