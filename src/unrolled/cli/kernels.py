"""`unrolled kernels`: the table in kernels/dispatch.py, and what it says of a call."""

import difflib
import os
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import typer

from unrolled.cells import CELLS
from unrolled.cli import printing
from unrolled.cli.shared import Json
from unrolled.console import say
from unrolled.errors import ConfigError
from unrolled.kernels import dispatch

# What a call of any cell may want; what a cell may, its options say (Cell.words).
CALLS = (
    "lengths",
    "states",
    "zoneout",
    "recurrent_dropout",
    "keep_every",
    "empty",
    "forward-mode derivatives",
)
DEVICES = ("cpu", "cuda", "mps", "xpu", "meta")
DTYPES = ("float32", "float64", "float16", "bfloat16")


class Call(NamedTuple):
    """A call, as the command line describes it."""

    cell: str
    device: str
    dtype: str
    options: tuple[str, ...]

    @property
    def wants(self) -> frozenset[str]:
        """What a backend must compute beyond the plain equations."""
        kind = CELLS[self.cell]
        words = kind.words()
        options = {name: value for word in self.options for name, value in words.get(word, {}).items()}
        return kind(**options).wants | (set(self.options) - words.keys())

    def runs(self) -> tuple[str | None, str]:
        """The backend, UNROLLED_BACKEND heeded, or None and why it would raise."""
        try:
            return dispatch.choose(self.cell, self.device, self.dtype, self.wants).backend, ""
        except ValueError as error:
            return None, str(error)

    def choices(self) -> list[dispatch.Choice]:
        return dispatch.explain(self.cell, self.device, self.dtype, self.wants)


def kernels(
    cell: Annotated[
        str | None,
        typer.Argument(
            metavar="[CELL]", help=f"Cell to ask about: {', '.join(CELLS)}; without, all of them."
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD",
            help="What the call needs beyond the plain cell: peephole, zoneout …; few backends have all.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="Device that the call runs on: cpu, cuda …; without, these two."),
    ] = None,
    dtype: Annotated[
        str,
        typer.Option(
            metavar="DTYPE", help="Type of the numbers: float32, float64, bfloat16 …; few backends have all."
        ),
    ] = "float32",
    lengths: Annotated[
        bool,
        typer.Option(
            "--lengths", help="The call has rows of different lengths, which not every backend takes."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """List what computes each cell on this machine, and what runs a given call and why."""
    options = tuple(dict.fromkeys([*(option or []), *(["lengths"] if lengths else [])]))
    calls = list(_calls(cell, options, device, dtype))
    machine = _machine()
    from unrolled.kernels.torch import handover

    if json:
        table = [_row_as_json(row) for row in dispatch.TABLE]
        calls_json = [_call_as_json(call) for call in calls]
        printing.as_json({**machine, "table": table, "calls": calls_json, "by_torch": handover.rules()})
        return
    any_call = cell is None and device is None and not options and dtype == DTYPES[0]
    for name, text in _in_words(machine):
        say(f"{name:<16} {text}")
    if any_call:
        say("")
        printing.table([_shown(row) for row in dispatch.TABLE], "the table; the first row that can, runs")
    _print_calls(calls)
    if any_call:
        say("")
        title = "what an accelerated module of torch.nn leaves to torch, in its sizes"
        printing.table(handover.rules(), title)


def _calls(cell: str | None, options: tuple[str, ...], device: str | None, dtype: str) -> Iterator[Call]:
    """One for each cell and device that was not named. ConfigError for a word that does not exist."""
    cells = [_known("cell", cell, CELLS)] if cell else [c for c in CELLS if set(options) <= _words(c)]
    everything = set[str]().union(*map(_words, CELLS))
    for option in options:
        _known("--option", option, sorted(_words(cell) if cell else everything))
    if not cells:
        raise ConfigError(f"no cell has {' and '.join(options)} together; name one: `unrolled kernels CELL`")
    for choices in (one.choices for cell in CELLS.values() for one in cell.options()):
        if len(set(choices) & set(options)) > 1:
            raise ConfigError(f"--option names several of {', '.join(choices)}; a cell has one")
    devices = [_known("--device", device, DEVICES)] if device else ["cpu", "cuda"]
    _known("--dtype", dtype, DTYPES)
    for name in cells:
        for where in devices:
            yield Call(name, where, dtype, options)


def _words(cell: str) -> set[str]:
    return {*CELLS[cell].words(), *CALLS}


def _known(option: str, word: str, words: Any) -> str:
    if word not in words:
        near = difflib.get_close_matches(word, words, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{option} {word} is unknown; wanted one of {', '.join(words)}{hint}")
    return word


def _machine() -> dict[str, Any]:
    """What kernels run on here; None where there are none."""
    here: dict[str, Any] = {"instruction_set": None, "instruction_sets": [], "missing": dispatch.MISSING}
    if dispatch.MISSING is None:
        from unrolled.kernels import _cpu

        try:
            here |= {"instruction_set": _cpu.isa(), "instruction_sets": _cpu.isas()}
        except ValueError as error:  # UNROLLED_ISA names none
            raise ConfigError(str(error)) from error
    import torch

    return here | {"threads": torch.get_num_threads(), "backend": os.environ.get(dispatch.VARIABLE) or None}


def _in_words(machine: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if machine["missing"] is not None:
        yield "kernels", machine["missing"]
    else:
        sets = ", ".join(machine["instruction_sets"])
        yield "instruction set", f"{machine['instruction_set']} of {sets} (UNROLLED_ISA names one)"
    yield "threads", f"{machine['threads']} (torch.set_num_threads, OMP_NUM_THREADS)"
    yield "backend", f"{machine['backend'] or 'the best that can'} ({dispatch.VARIABLE} names one)"


def _row_as_json(row: dispatch.Row) -> dict[str, Any]:
    """None says: any."""
    sets = {name: getattr(row, name) for name in ("devices", "dtypes", "automatic", "takes")}
    lists = {name: None if words is None else sorted(words) for name, words in sets.items()}
    return {"cell": row.cell, "backend": row.backend, **lists}


def _shown(row: dispatch.Row) -> dict[str, str]:
    sets = {
        "devices": row.devices,
        "unasked on": row.automatic,
        "dtypes": row.dtypes,
        "computes besides the plain equations": row.takes,
    }
    texts = {name: "any" if words is None else ", ".join(sorted(words)) for name, words in sets.items()}
    return {"cell": "any" if row.cell == "*" else row.cell, "backend": row.backend, **texts}


def _call_as_json(call: Call) -> dict[str, Any]:
    runs, error = call.runs()
    choices = [
        {"backend": c.backend, "available": c.available, "reason": c.reason or None} for c in call.choices()
    ]
    result = {"runs": runs, "error": error or None, "choices": choices}
    return call._asdict() | {"options": list(call.options)} | result


def _print_calls(calls: Sequence[Call]) -> None:
    with_options = f" with {', '.join(calls[0].options)}" if calls[0].options else ""
    say("")
    rows, errors = [], []
    for call in calls:
        runs, error = call.runs()
        others = [choice for choice in call.choices() if choice.backend != runs]
        rows.append(
            {
                "cell": call.cell,
                "device": call.device,
                "runs": runs or "raises",
                "could, if named": ", ".join(choice.backend for choice in others if choice.available),
                "could not": "; ".join(f"{c.backend}: {c.reason}" for c in others if not c.available),
            }
        )
        errors += [error] if error else []
    printing.table(rows, f"a call in {calls[0].dtype}{with_options}")
    if errors:
        say(*errors)
