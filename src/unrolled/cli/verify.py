"""`unrolled verify`: tries what a model promises, shows the receipt, and reads one back."""

from pathlib import Path

from unrolled.cli import printing
from unrolled.console import note, say
from unrolled.errors import ConfigError, DisagreementError


def run(run: Path, files: list[Path], sequences: int, seed: int, out: Path | None, json: bool) -> None:
    """Status 1, after all is shown, where a promise is broken."""
    from unrolled.export import receipt
    from unrolled.export.verify import verify

    found = verify(run, files or None, sequences=sequences, seed=seed)
    if out is not None:
        receipt.write(out, found)
        note(f"wrote the receipt to {out}")
    if json:
        printing.as_json(receipt.as_json(found))
    else:
        rows = receipt.as_json(found)["checks"]
        shown = ("check", "sequences", "steps", "result")
        printing.table([{key: row[key] for key in shown} for row in rows], f"{found.task}, {run}")
    if found.broken:
        raise DisagreementError(
            f"{run} does not keep what is promised: {', '.join(found.broken)}; report it with this table"
        )
    if not json:
        say(f"{receipt.KEPT[0].upper()}{receipt.KEPT[1:]}.")


def check(receipt_file: Path, run: Path, files: list[Path], out: Path | None, json: bool) -> None:
    """Whether the file is as it was written, and of this model; tries nothing."""
    from unrolled.export import receipt

    if files or out is not None:
        raise ConfigError("--check reads a receipt and tries nothing; leave out files and --out")
    verdict = receipt.check(receipt_file, run)
    if json:
        printing.as_json({"receipt": str(receipt_file), "verdict": verdict})
    else:
        say(f"{receipt_file} is whole and of this model: {verdict}")
    if verdict != receipt.KEPT:
        raise DisagreementError(f"{receipt_file} says so itself: {verdict}")
