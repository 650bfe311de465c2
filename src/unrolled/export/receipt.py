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


def as_json(verification: Verification) -> dict[str, Any]:
    """All of it in plain values."""
    v, columns = verification, ("check", "sequences", "steps", "equal", "result")
    checks = [{name: getattr(check, name) for name in columns} for check in v.checks]
    about = {"task": v.task, "model": v.model, "data": v.data, "seed": v.seed}
    return {**about, "kept": not v.broken, "left_out": v.left_out, "checks": checks}


def text(verification: Verification) -> str:
    """The receipt, its hash in the last line."""
    about = environment()
    versions = ", ".join(f"{name} {about[name]}" for name in ("unrolled", "python", "torch", "numpy"))
    checks = verification.checks
    wide = max(len(check.check) for check in checks)
    lines = [
        HEAD,
        f"task       {verification.task}",
        MODEL + verification.model,
        f"data       {verification.data}",
        f"seed       {verification.seed}",
        f"versions   {versions}",
        f"machine    {about['cpu']}, instruction set {_cpu.isa()}",
        "",
        f"{'check':{wide}}  sequences     steps  result",
        *(f"{c.check:{wide}}  {c.sequences:9}  {c.steps:8}  {' '.join(c.result.split())}" for c in checks),
        "",
        f"verdict    {' '.join(verification.verdict.split())}",
    ]
    signed = "\n".join(lines) + "\n"
    return f"{signed}{LAST}{_hash(signed)}\n"


def write(path: Path, verification: Verification) -> None:
    """Whole or not at all."""
    atomic.write_text(path, text(verification))


def check(path: Path, run: Path) -> str:
    """The verdict of a receipt. RunError unless it is whole, as it was written, and of the model in `run`."""
    try:
        receipt = opening.read_regular(path, MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise RunError(f"cannot read {path}: {why}; give what unrolled verify --out wrote") from None
    signed, mark, last = receipt.rpartition(LAST)
    lines = signed.splitlines()
    if not mark or not lines or lines[0] != HEAD:
        raise RunError(f"{path} is no receipt; give what unrolled verify --out wrote")
    if last != _hash(signed) + "\n":
        raise RunError(f"{path} was changed after it was written: its hash is another; verify anew")
    verified = next((line.removeprefix(MODEL) for line in lines if line.startswith(MODEL)), "none")
    model = fingerprint(load(run))
    if verified != model:
        raise RunError(f"{path} is of model {verified:.16}…, {run} is {model:.16}…; verify this one itself")
    return next(line for line in reversed(lines) if line).removeprefix("verdict").strip()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
