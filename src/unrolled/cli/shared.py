"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", metavar="RUN", help="Folder to make (runs/TASK-FILE).")]
OutFile = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="CSV, Parquet or JSON file to write; text as it is."),
]
