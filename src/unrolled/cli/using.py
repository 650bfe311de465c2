"""The commands that use a trained model, and the one that tells what computes it."""

from pathlib import Path

from unrolled.cli import printing

# What a plain layer of each cell asks for.
CELLS = {"elman": frozenset({"tanh"}), "lstm": frozenset[str](), "gru": frozenset[str]()}


def evaluate(run: Path, files: list[Path], json: bool) -> None:
    """On new files, or on the test part of the training files."""
    import unrolled

    found = unrolled.load(run).evaluate(files or None)
    if json:
        printing.as_json(found.json())
    else:
        printing.evaluation(found, ", ".join(map(str, files)) or "test part")


def predict(run: Path, files: list[Path], out: Path | None, json: bool) -> None:
    """What follows the end of the files."""
    import unrolled

    printing.frame(unrolled.load(run).predict(files or None), out, json)


def generate(
    run: Path, prime: Path | None, length: int, sample: bool, seed: int, out: Path | None, json: bool
) -> None:
    """The model's own continuation, from zeros or after the end of a file."""
    import unrolled

    printing.frame(unrolled.load(run).generate(length, prime=prime, sample=sample, seed=seed), out, json)


def kernels(json: bool) -> None:
    """A row for each cell and backend."""
    from unrolled.kernels import dispatch

    rows = [
        {"cell": cell, "device": device, **choice._asdict()}
        for cell, wants in CELLS.items()
        for device in ("cpu", "cuda")
        for choice in dispatch.explain(cell, device, "float32", wants)
    ]
    isas = _instruction_sets()
    if json:
        printing.as_json({"instruction_sets": isas, "table": rows})
    else:
        printing.table(rows, f"compiled kernels: {', '.join(isas) or dispatch.MISSING}")


def _instruction_sets() -> list[str]:
    """What this machine can run, the one in use first; none where the kernels are missing."""
    from unrolled.kernels import dispatch

    if dispatch.MISSING is not None:
        return []
    from unrolled.kernels import _cpu

    return [_cpu.isa(), *(name for name in _cpu.isas() if name != _cpu.isa())]
