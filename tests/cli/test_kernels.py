"""`unrolled kernels`: the table as it is, and what it says of a call."""

import json

import pytest
import torch

from unrolled.cells import CELLS
from unrolled.cli import kernels
from unrolled.kernels import dispatch
from unrolled.kernels.torch import handover

from ..cells import cases
from .command import unrolled

compiled = pytest.mark.skipif(dispatch.MISSING is not None, reason="the compiled kernels are missing")


def found(*arguments: object) -> dict:
    answer = unrolled("kernels", "--json", *arguments)
    assert answer.status == 0, answer
    return json.loads(answer.out)


def test_the_words_are_those_of_the_cells_and_of_the_table() -> None:
    for cell, kind in CELLS.items():
        for word in (*kind.words(), *kernels.CALLS):
            plain, wants = (kernels.Call(cell, "cpu", "float32", options).wants for options in ((), (word,)))
            assert word in wants and (word not in plain or word == "tanh")
    assert {cell.name for cell in cases.CELLS.values()} == CELLS.keys()
    for row in dispatch.TABLE:
        if row.takes is not None:
            assert row.takes <= kernels._words(row.cell)


def test_the_whole_table_comes_out() -> None:
    table = found()["table"]
    assert len(table) == len(dispatch.TABLE)
    for shown, row in zip(table, dispatch.TABLE, strict=True):
        assert (shown["cell"], shown["backend"]) == (row.cell, row.backend)
        assert shown["takes"] == (None if row.takes is None else sorted(row.takes))
    text = unrolled("kernels").out
    assert all(f"{name} " in text for name in ("rnn", "lstm", "gru", "cpu", "torch", "reference"))


def test_what_accelerated_modules_leave_to_torch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "has_bfloat16", lambda: True)
    rows = found()["by_torch"]
    assert rows[0] == {
        "an accelerated": "layer or cell",
        "in": "float16, bfloat16",
        "torch's from": "any size",
    }
    assert {"lstm layer", "gru layer", "lstm cell in training"} <= {row["an accelerated"] for row in rows}
    assert "B × H 2,048" in unrolled("kernels").out
    monkeypatch.setattr(handover, "has_bfloat16", lambda: False)
    assert all("no bfloat16" in row["torch's from"] for row in found()["by_torch"][1:])


def test_without_a_call_plain_ones_of_every_cell_are_told() -> None:
    runs = {(call["cell"], call["device"]): call["runs"] for call in found()["calls"]}
    for (cell, device), backend in runs.items():
        plain = frozenset({"tanh"}) if cell == "rnn" else frozenset()
        assert backend == dispatch.choose(cell, device, "float32", plain).backend
    assert runs.keys() == {(cell, device) for cell in CELLS for device in ("cpu", "cuda")}


def test_a_call_is_told_with_every_reason() -> None:
    options = (
        "lstm",
        "--option",
        "peephole",
        "--lengths",
        "--device",
        "cuda",
        "--dtype",
        "float16",
    )
    (call,) = found(*options)["calls"]
    assert (call["options"], call["dtype"], call["runs"]) == (["peephole", "lengths"], "float16", "reference")
    reasons = {choice["backend"]: choice["reason"] for choice in call["choices"]}
    assert reasons["torch"] == "does not compute peephole" and reasons["reference"] is None
    text = unrolled("kernels", *options).out
    assert "a call in float16 with peephole, lengths" in text
    assert "torch: does not compute peephole" in text
    assert "computes besides" not in text  # the table is left out


def test_options_choose_the_cells_that_have_them() -> None:
    calls = found("--option", "layer_norm", "--device", "cpu")["calls"]
    assert [call["cell"] for call in calls] == [
        name for name, cell in CELLS.items() if "layer_norm" in cell.words()
    ]


@compiled
def test_a_nonlinearity_stands_for_tanh() -> None:
    (sigmoid,) = found("rnn", "--option", "sigmoid", "--device", "cpu")["calls"]
    assert sigmoid["runs"] == "cpu"
    assert {c["backend"]: c["reason"] for c in sigmoid["choices"]}["torch"] == "does not compute sigmoid"


def test_a_backend_that_the_environment_names_runs_or_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLLED_BACKEND", "torch")
    assert [call["runs"] for call in found("gru")["calls"]] == ["torch", "torch"]
    (call,) = found("gru", "--option", "zoneout", "--device", "cpu")["calls"]
    assert call["runs"] is None
    assert call["error"].startswith("UNROLLED_BACKEND='torch' cannot run this gru: does not compute zoneout")
    assert call["error"] in unrolled("kernels", "gru", "--option", "zoneout").out
    assert found()["backend"] == "torch"


@compiled
def test_the_machine_is_told() -> None:
    machine = found()
    assert machine["instruction_set"] in machine["instruction_sets"]
    assert machine["instruction_sets"][-1] == "portable" and machine["missing"] is None
    assert machine["threads"] == torch.get_num_threads()


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_without_the_kernels_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, json: tuple) -> None:
    monkeypatch.setattr(dispatch, "MISSING", "the compiled kernels are missing (no compiler)")
    answer = unrolled("kernels", "rnn", "--device", "cpu", *json)
    assert answer.status == 0 and answer.out.count("the compiled kernels are missing (no compiler)") == 2
    assert "reference" in answer.out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("ltsm",), f"cell ltsm is unknown; wanted one of {', '.join(CELLS)}; did you mean lstm?"),
        (("gru", "--option", "peephole"), "--option peephole is unknown; wanted one of"),
        (("--option", "zonout"), "did you mean zoneout?"),
        (
            ("--option", "peephole", "--option", "reset_after=False"),
            "no cell has peephole and reset_after=False",
        ),
        (("--option", "tanh", "--option", "relu"), "a cell has one"),
        (("--device", "gpu"), "--device gpu is unknown; wanted one of cpu, cuda"),
        (("--dtype", "float"), "--dtype float is unknown; wanted one of float32"),
    ],
)
def test_a_word_that_does_not_exist_is_refused(arguments: tuple, message: str) -> None:
    answer = unrolled("kernels", *arguments)
    assert answer.status == 2 and answer.out == ""
    assert message in answer.err and answer.err.count("\n") == 1
