"""A model in a process of its own, in which importing torch fails: python -m unrolled.export.isolated MODEL

Rows (T, …) come in on standard input, a .npz file; out goes one of what `Model.outputs` gives for each, and
of the instruction set that it ran on. Rows (S,) of 16 bits are samples: of them what is compared after each
frame (T, …), as a stream gives it.
"""

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import RunError, UnrolledError

Array = NDArray[Any]
FORBIDDEN = ("torch", "polars", "pydantic", "safetensors", "typer", "rich", "matplotlib")

CHUNKS = (1, 7, 160, 4001, 0, 33)  # sizes of those in which samples come


class Refusing(MetaPathFinder):
    """Finds these modules first, and refuses them."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} is not here")
        return None


def outputs(model: Path, rows: Sequence[Array], isa: str) -> list[Array]:
    """What the model in `model` gives for `rows` without torch, on that instruction set. RunError, with what
    the process said last, where it gives nothing."""
    command = [sys.executable, "-P", "-m", "unrolled.export.isolated", str(model)]
    variables = os.environ | {"UNROLLED_ISA": isa}
    child = subprocess.run(command, input=_dump(rows), capture_output=True, env=variables)
    if child.returncode:
        last = child.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise RunError(f"the process without torch ended with status {child.returncode} and said: {last[0]}")
    *answers, ran_on = _load(child.stdout)
    if str(ran_on) != isa:
        raise RunError(f"the process without torch ran on {ran_on}; wanted {isa}")
    return answers


def _dump(arrays: Sequence[Array]) -> bytes:
    memory = io.BytesIO()
    np.savez(memory, *arrays)
    return memory.getvalue()


def _load(data: bytes) -> list[Array]:
    with np.load(io.BytesIO(data)) as arrays:
        return [arrays[f"arr_{k}"] for k in range(len(arrays.files))]


def _heard(model: Any, samples: Array) -> Array:
    stream, chunks, at = model.stream(), list[dict[str, Array]](), 0
    while at < len(samples):
        size = CHUNKS[len(chunks) % len(CHUNKS)]
        chunks.append(stream.feed(samples[at : at + size]))
        at += size
    return np.concatenate([one[model.compared] for one in [*chunks, stream.finish()]])


def main() -> None:
    sys.meta_path.insert(0, Refusing())
    from unrolled import runtime
    from unrolled.kernels import _cpu

    try:
        model = runtime.load(sys.argv[1])
    except UnrolledError as error:
        sys.exit(str(error))
    rows = _load(sys.stdin.buffer.read())
    answers = [_heard(model, row) if row.dtype == np.int16 else model.outputs(row) for row in rows]
    sys.stdout.buffer.write(_dump([*answers, np.array(_cpu.isa())]))


if __name__ == "__main__":
    main()
