"""The receipt of a verification: a short text to keep beside the model. Its last line is the SHA-256 of all
lines above it, so that nobody changes it by accident:

    unrolled receipt 1
    task       language
    model      the fingerprint, SHA-256
    …
    sha256 …
"""

import hashlib
from pathlib import Path
from typing import Any

from unrolled.errors import RunError
from unrolled.export.verify import Verification, fingerprint
from unrolled.files import atomic, opening
from unrolled.kernels import _cpu
from unrolled.runs import environment
from unrolled.tasks import load

HEAD = "unrolled receipt 1"
LAST = "sha256 "
MODEL = "model      "
MOST_BYTES = 1 << 16


def as_json(found: Verification) -> dict[str, Any]:
    """All of it in plain values."""
    return {
        "task": found.task,
        "model": found.model,
        "data": found.data,
        "seed": found.seed,
        "kept": not found.broken,
        "left_out": found.left_out,
        "checks": [
            {
                "check": one.check,
                "sequences": one.sequences,
                "steps": one.steps,
                "equal": one.equal,
                "result": one.result,
            }
            for one in found.checks
        ],
    }


def text(found: Verification) -> str:
    """The receipt, its hash in the last line."""
    about = environment()
    versions = ", ".join(f"{name} {about[name]}" for name in ("unrolled", "python", "torch", "numpy"))
    wide = max(len(one.check) for one in found.checks)
    lines = [
        HEAD,
        f"task       {found.task}",
        MODEL + found.model,
        f"data       {found.data}",
        f"seed       {found.seed}",
        f"versions   {versions}",
        f"machine    {about['cpu']}, instruction set {_cpu.isa()}",
        "",
        f"{'check':{wide}}  sequences     steps  result",
        *(
            f"{one.check:{wide}}  {one.sequences:9}  {one.steps:8}  {' '.join(one.result.split())}"
            for one in found.checks
        ),
        "",
        f"verdict    {' '.join(found.verdict.split())}",
    ]
    whole = "\n".join(lines) + "\n"
    return f"{whole}{LAST}{_hash(whole)}\n"


def write(path: Path, found: Verification) -> None:
    """Whole or not at all."""
    atomic.write_text(path, text(found))


def check(path: Path, run: Path) -> str:
    """The verdict of a receipt. RunError unless it is whole, as it was written, and of the model in `run`."""
    try:
        given = opening.read_regular(path, MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise RunError(f"cannot read {path}: {why}; give what unrolled verify --out wrote") from None
    whole, mark, last = given.rpartition(LAST)
    lines = whole.splitlines()
    if not mark or not lines or lines[0] != HEAD:
        raise RunError(f"{path} is no receipt; give what unrolled verify --out wrote")
    if last != _hash(whole) + "\n":
        raise RunError(f"{path} was changed after it was written: its hash is another; verify anew")
    said = next((line.removeprefix(MODEL) for line in lines if line.startswith(MODEL)), "none")
    own = fingerprint(load(run))
    if said != own:
        raise RunError(f"{path} is of model {said:.16}…, {run} is {own:.16}…; verify this one itself")
    return next(line for line in reversed(lines) if line).removeprefix("verdict").strip()


def _hash(whole: str) -> str:
    return hashlib.sha256(whole.encode()).hexdigest()
