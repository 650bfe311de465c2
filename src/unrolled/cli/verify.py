"""`unrolled verify`: tries what a model promises, shows the receipt, and reads one back."""

from pathlib import Path
from typing import Annotated

import typer

from unrolled.cli import printing
from unrolled.cli.shared import Files, Json, MostValues, RunFolder
from unrolled.console import note, say
from unrolled.errors import ConfigError, DisagreementError, RunError
from unrolled.files.messages import counted, listed


def verify(
    run: RunFolder,
    files: Files = None,
    sequences: Annotated[
        int, typer.Option(min=1, help="Try at most so many sequences; more prove more, and take longer.")
    ] = 64,
    seed: Annotated[
        int,
        typer.Option(
            min=0, help="Number that the choice of what is tried follows from; another one tries others."
        ),
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the receipt too: a short text of what was tried, for --check later."
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Try nothing: only see that this receipt is unchanged and of this model."
        ),
    ] = None,
    checksums: Annotated[
        bool,
        typer.Option(
            "--files",
            help="Try nothing: only see that each file of a run, an exported model or a snapshot is as it "
            "was written.",
            show_default=False,
        ),
    ] = False,
    most_values: MostValues = None,
    json: Json = False,
) -> None:
    """Prove that a model gives the same bits in batches, alone, in a stream and without torch."""
    if checksums:
        if files or out is not None or check is not None:
            raise ConfigError("--files tries nothing and writes nothing; leave out data, --out and --check")
        _check_files(run, json)
    elif check is not None:
        if files or out is not None:
            raise ConfigError("--check reads a receipt and tries nothing; leave out files and --out")
        _check_receipt(check, run, json)
    else:
        _verify(run, files, sequences, seed, out, json)


def _verify(
    run: Path, files: list[Path] | None, sequences: int, seed: int, out: Path | None, json: bool
) -> None:
    """Status 1, after all is shown, where a promise is broken."""
    from unrolled.export import receipt
    from unrolled.export.verify import verify

    verification = verify(run, files or None, sequences=sequences, seed=seed)
    if out is not None:
        receipt.write(out, verification)
        note(f"wrote the receipt to {out}")
    if json:
        printing.as_json(receipt.as_json(verification))
    else:
        rows = [
            {"check": one.check, "sequences": one.sequences, "steps": one.steps, "result": one.outcome}
            for one in verification.checks
        ]
        printing.table(rows, f"{verification.task}, {run}")
    if broken := verification.broken:
        raise DisagreementError(
            f"{run} does not keep what is promised: {', '.join(broken)}; report it with this table"
        )
    if not json:
        verdict = verification.verdict
        say(f"{verdict[0].upper()}{verdict[1:]}.")


def _check_receipt(path: Path, run: Path, json: bool) -> None:
    """Whether the receipt is as it was written, and of this model."""
    from unrolled.export import receipt
    from unrolled.export.verify import KEPT

    verdict = receipt.check(path, run)
    if json:
        printing.as_json({"receipt": str(path), "verdict": verdict})
    else:
        say(f"{path} is whole and of this model: {verdict}")
    if not verdict.startswith(KEPT):
        raise DisagreementError(f"{path} says so itself: {verdict}")


def _check_files(run: Path, json: bool) -> None:
    """Whether each file is as it was written. Status 1, after all is shown, where one is not."""
    from unrolled.export.files import check

    checks = check(run)
    if json:
        printing.as_json([row._asdict() for row in checks])
    else:
        printing.table([{"file": row.file, "result": row.result} for row in checks], str(run))
    if broken := [row.file for row in checks if not row.sound]:
        raise RunError(
            f"{run}: {len(broken)} of {counted(len(checks), 'file')} cannot be used: {listed(broken)}; "
            "restore them, or train anew"
        )
