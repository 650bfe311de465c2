"""A model in a process of its own, in which importing torch fails: python -m unrolled.export.isolated MODEL

Rows come in on standard input, a safetensors file of arrays "0", "1", … (T, …), or of their fields, "0 time",
"0 x"; out goes one of what `Model.outputs` gives for each, with the instruction set in its metadata.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import RunError, UnrolledError

FORBIDDEN = ("torch", "polars", "pydantic", "safetensors", "typer", "rich", "matplotlib")


class Refusing(MetaPathFinder):
    """Finds these modules first, and refuses them."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} is not here")
        return None


def outputs(model: Path, rows: Sequence[NDArray[Any]], isa: str) -> list[NDArray[Any]]:
    """What the model in `model` gives for `rows` without torch, on that instruction set. RunError, with what
    the process said last, where it gives nothing."""
    from unrolled.files import safetensors

    given = safetensors.dump(_in_fields(rows), {})
    command = [sys.executable, "-P", "-m", "unrolled.export.isolated", str(model)]
    made = subprocess.run(command, input=given, capture_output=True, env=os.environ | {"UNROLLED_ISA": isa})
    if made.returncode:
        last = made.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise RunError(f"the process without torch ended with status {made.returncode} and said: {last[0]}")
    arrays, about = safetensors.parse("what the process without torch wrote", made.stdout)
    if about["isa"] != isa:
        raise RunError(f"the process without torch ran on {about['isa']}; wanted {isa}")
    return [arrays[str(k)] for k in range(len(rows))]


def _in_fields(rows: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    arrays = {}
    for k, row in enumerate(rows):
        for field in row.dtype.names or ("",):
            arrays[f"{k} {field}".strip()] = row[field] if field else row
    return arrays


def _in_rows(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The reverse; fields in the order of their names."""
    rows: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in sorted(arrays.items()):
        row, _, field = name.partition(" ")
        rows.setdefault(row, {})[field] = array
    return {row: _whole(fields) for row, fields in rows.items()}


def _whole(fields: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    if "" in fields:
        return fields[""]
    first = next(iter(fields.values()))
    row = np.empty(len(first), [(name, array.dtype, array.shape[1:]) for name, array in fields.items()])
    for name, array in fields.items():
        row[name] = array
    return row


def main() -> None:
    sys.meta_path.insert(0, Refusing())
    from unrolled import runtime
    from unrolled.files import safetensors
    from unrolled.kernels import _cpu

    arrays, _ = safetensors.parse("standard input", sys.stdin.buffer.read())
    try:
        model = runtime.load(sys.argv[1])
    except UnrolledError as error:
        sys.exit(str(error))
    made = {name: model.outputs(row) for name, row in _in_rows(arrays).items()}
    sys.stdout.buffer.write(safetensors.dump(made, {"isa": _cpu.isa()}))


if __name__ == "__main__":
    main()
