"""The table of backends: a named one runs or raises, an automatic choice can be asked for."""

import subprocess
import sys

import pytest
import torch

from unrolled.kernels import dispatch
from unrolled.kernels.elman import DTYPES, NONLINEARITIES, supports
from unrolled.nn import GRU, LSTM, RNN

PLAIN = frozenset({"tanh"})
compiled = pytest.mark.skipif(dispatch.MISSING is not None, reason="the compiled kernels are missing")


def backends(*call):
    return {choice.backend: choice for choice in dispatch.explain(*call)}


@compiled
@pytest.mark.parametrize("dtype", dispatch.FLOATS)
def test_the_elman_cell_runs_compiled_on_a_cpu(dtype):
    rows = backends("elman", "cpu", dtype, PLAIN | {"lengths", "empty"})
    assert [row.backend for row in rows.values() if row.chosen] == ["cpu"]
    assert rows["torch"] == ("torch", False, "does not compute empty", False)
    assert rows["reference"].available


@pytest.mark.parametrize(
    "call, chosen",
    [
        (("lstm", "cpu", "float32"), "reference"),
        (("lstm", "cuda", "float16", frozenset({"proj_size", "lengths"})), "torch"),
        (("lstm", "cuda", "float32", frozenset({"peephole"})), "reference"),
        (("lstm", "cuda", "float32", frozenset({"states"})), "reference"),
        (("gru", "cuda", "float32"), "torch"),
        (("gru", "cuda", "float32", frozenset({"reset_after=False"})), "reference"),
        (("elman", "cuda", "float32", PLAIN), "torch"),
        (("elman", "cuda", "float32", frozenset({"sigmoid"})), "reference"),
        (("elman", "cpu", "bfloat16", PLAIN), "reference"),
        (("elman", "mps", "float32", PLAIN), "reference"),
        (("elman", "cpu", "float32", PLAIN | {"zoneout"}), "reference"),
    ],
)
def test_the_automatic_choice(call, chosen):
    assert [row.backend for row in dispatch.explain(*call) if row.chosen] == [chosen]


def test_every_reason_is_given_in_words():
    call = ("lstm", "meta", "int8", frozenset({"peephole", "zoneout"}))
    rows = backends(*call)
    assert rows["cpu"].reason == "has no kernel for lstm"
    assert rows["torch"].reason == "runs on cpu and cuda, not on meta"
    assert backends("lstm", "cpu", "int8")["torch"].reason == (
        "computes in bfloat16, float16, float32, float64, not in int8"
    )
    assert backends("lstm", "cpu", *call[2:])["torch"].reason.startswith("computes in")
    assert backends("lstm", "cpu", "float32", call[3])["torch"].reason == "does not compute peephole, zoneout"


@compiled
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", "sigmoid", "softsign"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_table_and_the_kernel_agree(nonlinearity, dtype):
    name = str(dtype).removeprefix("torch.")
    row = backends("elman", "cpu", name, frozenset({nonlinearity}))["cpu"]
    assert row.available == (supports("cpu", dtype, nonlinearity) is None)
    assert set(DTYPES.values()) == dispatch.FLOATS and len(NONLINEARITIES) == 3


X = torch.randn(4, 2, 3)


@pytest.mark.parametrize(
    "layer, call, reason",
    [
        (LSTM(3, 5, backend="cpu"), {}, "backend='cpu'.*lstm.*no kernel"),
        (LSTM(3, 5, peephole=True, backend="torch"), {}, "backend='torch'.*lstm.*peephole"),
        (GRU(3, 5, zoneout=0.1, backend="torch"), {}, "zoneout"),
        (LSTM(3, 5, backend="torch"), {"return_states": True}, "states"),
    ],
)
def test_a_named_backend_that_cannot_raises_with_the_reason(layer, call, reason):
    with pytest.raises(ValueError, match=reason):
        layer(X, **call)


def test_the_environment_names_a_backend_and_the_layer_goes_before_it(monkeypatch):
    layer = LSTM(3, 5)
    monkeypatch.setenv("UNROLLED_BACKEND", "cpu")
    with pytest.raises(ValueError, match="UNROLLED_BACKEND='cpu' cannot run this lstm"):
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
    rows = [
        row._replace(run=lambda call, row=row: ran.append(row.backend) or row.run(call))
        for row in dispatch.TABLE
    ]
    monkeypatch.setattr(dispatch, "TABLE", rows)
    for backend in ("reference", "torch", *(["cpu"] if dispatch.MISSING is None else [])):
        ran.clear()
        RNN(3, 5, 2, bidirectional=True, backend=backend)(X)
        assert ran == [backend] * 4


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
print([c.backend for c in dispatch.explain("elman", "cpu", "float32", frozenset({"tanh"})) if c.chosen])
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
    assert "backend='cpu' cannot run this elman" in refusal and "missing" in refusal
    assert result.stderr.count("unrolled runs through its references") == 1


def test_the_table_is_read_without_torch():
    result = python(
        "import sys; from unrolled.kernels import dispatch;"
        "dispatch.explain('lstm', 'cuda', 'float32'); print('torch' in sys.modules)"
    )
    assert result.stdout == "False\n", result.stderr
