"""The commands that use a trained model."""

from pathlib import Path

from unrolled.cli import printing


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
