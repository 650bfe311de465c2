"""`unrolled verify`: tries what a model promises, shows the receipt, and reads one back."""

from pathlib import Path

from unrolled.cli import printing
from unrolled.console import note, say
from unrolled.errors import ConfigError, DisagreementError, RunError
from unrolled.files.messages import counted, listed


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
        say(f"{found.verdict[0].upper()}{found.verdict[1:]}.")


def check(receipt_file: Path, run: Path, files: list[Path], out: Path | None, json: bool) -> None:
    """Whether the file is as it was written, and of this model; tries nothing."""
    from unrolled.export import receipt
    from unrolled.export.verify import KEPT

    if files or out is not None:
        raise ConfigError("--check reads a receipt and tries nothing; leave out files and --out")
    verdict = receipt.check(receipt_file, run)
    if json:
        printing.as_json({"receipt": str(receipt_file), "verdict": verdict})
    else:
        say(f"{receipt_file} is whole and of this model: {verdict}")
    if not verdict.startswith(KEPT):
        raise DisagreementError(f"{receipt_file} says so itself: {verdict}")


def files(run: Path, receipt_file: Path | None, others: list[Path], out: Path | None, json: bool) -> None:
    """Whether each file is as it was written. Status 1, after all is shown, where one is not."""
    from unrolled.export.files import check

    if others or out is not None or receipt_file is not None:
        raise ConfigError("--files tries nothing and writes nothing; leave out data, --out and --check")
    found = check(run)
    if json:
        printing.as_json([one._asdict() for one in found])
    else:
        printing.table([{"file": one.file, "result": one.result} for one in found], str(run))
    if broken := [one.file for one in found if not one.sound]:
        raise RunError(
            f"{run}: {len(broken)} of {counted(len(found), 'file')} cannot be used: {listed(broken)}; "
            "restore them, or train anew"
        )
