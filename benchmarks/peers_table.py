"""The figures of benchmarks/peers.py, by unrolled's own measures, and their page.

A figure is the mean over the seeds of a forecaster that draws. `rmse_noise` is the margin of
docs/decisions/0145: a difference from unrolled's RMSE up to it is noise.
"""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from peer_models.job import Array, Job

from unrolled.bench import machine
from unrolled.tasks.evaluation import MODEL, plain
from unrolled.tasks.forecast.judging.backtest import Backtest
from unrolled.tasks.forecast.judging.evaluation import evaluate
from unrolled.tasks.forecast.paths import Forecast

UNROLLED, NAIVE = "unrolled", "persistence"
MEASURES = {"rmse": "RMSE", "mae": "MAE", "mase": "MASE"}
MODELS = Path(__file__).parent / "peer_models"
PACKAGES = ("statsforecast", "lightgbm", "neuralforecast", "statsmodels", "sktime")
Row = dict[str, Any]

PREAMBLE = """\
Made by `python benchmarks/peers.py`; nothing here is written by hand. Every forecaster reads the same values,
forecasts from the same origins and is judged by the same measures, on the test part that `unrolled train
forecast` keeps by default. unrolled has its default options; it and LightGBM train on the training part and
stop by the validation part, as do the GRU and the LSTM, which are neuralforecast's with its defaults. AutoETS
and AutoARIMA (statsforecast) are fitted once, on both parts, and moved on to each origin without another fit.
LightGBM has a model for each step ahead, on lags and the calendar. Figures of unrolled, the GRU and the LSTM
are means over the seeds.
"""


def figures(job: Job, forecasts: Mapping[str, Sequence[Array]], seeds: int) -> dict[str, Row]:
    """forecasts: name -> (N, H) of each seed, or one of all; unrolled's and persistence's are among them.
    -> name -> {"rmse", "mae", "mase", "rmse_noise", "rmse_range"}, unrolled's without the noise."""
    by_seed = [
        _judged(job, {name: each[seed % len(each)] for name, each in forecasts.items()})
        for seed in range(seeds)
    ]
    return {name: _mean([rows[name] for rows in by_seed]) for name in forecasts}


def _judged(job: Job, forecasts: Mapping[str, Array]) -> dict[str, Row]:
    points = {MODEL if name == UNROLLED else name: Forecast(f[..., None]) for name, f in forecasts.items()}
    scale = np.array([job.naive_scale])
    backtest = Backtest(
        names=(job.name,),
        series=np.zeros(len(job.origins), np.int64),
        origins=job.origins,
        stride=1,
        y=job.outcomes[..., None],
        forecasts={MODEL: points.pop(MODEL), **points},
        scale=scale[None],
        naive=NAIVE,
    )
    judged = evaluate(backtest, [job.name], (0.05, 0.5, 0.95), scale, np.ones(1), {})
    rows = {row["forecast"]: row for row in judged.rows}
    return {UNROLLED: rows.pop(MODEL), **rows}


def _mean(rows: Sequence[Row]) -> Row:
    names = [name for name in (*MEASURES, "rmse_noise") if name in rows[0]]
    means = {name: float(np.mean([row[name] for row in rows])) for name in names}
    errors = [row["rmse"] for row in rows]
    return means | {"rmse_range": [min(errors), max(errors)]}


def document(data: Sequence[Row], seeds: Sequence[int]) -> Row:
    """All that was measured, in plain values."""
    head = {"measured": time.strftime("%Y-%m-%d"), "machine": machine.describe().model_dump()}
    return dict(plain({**head, "peers": _versions(), "seeds": list(seeds), "data": list(data)}))


def _versions() -> dict[str, str]:
    """Of the peers' packages, as their environments have them."""
    texts = [(MODELS / f"{name}.txt").read_text() for name in ("statistical", "recurrent")]
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", "\n".join(texts), re.M))
    return {name: pinned[name] for name in PACKAGES}


def is_clear(row: Row, ours: Row) -> bool:
    """Whether an RMSE differs from unrolled's by more than what is noise."""
    noise = row["rmse_noise"]  # None: infinite, there are too few origins
    return noise is not None and abs(row["rmse"] - ours["rmse"]) > noise


def markdown(measured: Row) -> str:
    data = measured["data"]
    others = list(dict.fromkeys(name for one in data for name in one["forecasts"] if name != UNROLLED))
    versions = ", ".join(f"{name} {version}" for name, version in measured["peers"].items())
    seeds = ", ".join(map(str, measured["seeds"]))
    head = (
        f"{measured['measured']}, {measured['machine']['cpu']}, one thread each; {versions}; seeds {seeds}."
    )
    parts = ["# unrolled beside other forecasters", head, PREAMBLE.strip(), "## Won and lost"]
    parts += [
        "Series in which unrolled's RMSE is lower or higher; clearly: by more than what is noise.",
        _standing(data, others),
    ]
    parts += [_losses(data)]
    for measure, title in MEASURES.items():
        parts += [f"## {title}", "The lowest is bold.", _table(data, others, measure)]
    return (
        "\n\n".join([*parts, "## Minutes", _minutes(data), "## Series", _series(data), *_remarks(data)])
        + "\n"
    )


def _standing(data: Sequence[Row], others: Sequence[str]) -> str:
    rows = []
    for name in others:
        pairs = [(f[name], f[UNROLLED]) for one in data if name in (f := one["forecasts"])]
        won = [is_clear(*pair) for pair in pairs if pair[1]["rmse"] < pair[0]["rmse"]]
        lost = [is_clear(*pair) for pair in pairs if pair[1]["rmse"] > pair[0]["rmse"]]
        rows.append([name, len(won), sum(won), len(lost), sum(lost)])
    return _lines(["unrolled beside", "lower", "clearly", "higher", "clearly"], rows)


def _losses(data: Sequence[Row]) -> str:
    lines = []
    for one in data:
        ours = one["forecasts"][UNROLLED]
        lost = [
            f"{name} by {_percent(ours['rmse'], row['rmse'])}"
            f"{'' if is_clear(row, ours) else ' (within noise)'}"
            for name, row in one["forecasts"].items()
            if ours["rmse"] > row["rmse"]
        ]
        lines += [f"- {one['name']}: to {', '.join(lost)}"] if lost else []
    return "\n".join(["unrolled loses:", "", *lines]) if lines else "unrolled loses to none."


def _percent(error: float, other: float) -> str:
    return f"{100 * (error / other - 1):.1f} %" if other else f"{error:.4g} against 0"


def _table(data: Sequence[Row], others: Sequence[str], measure: str) -> str:
    rows = []
    for one in data:
        values = [one["forecasts"].get(name, {}).get(measure) for name in (UNROLLED, *others)]
        least = min((value for value in values if value is not None), default=None)
        rows.append([one["name"], *(_figure(value, value == least) for value in values)])
    return _lines(["series", UNROLLED, *others], rows)


def _figure(value: float | None, bold: bool) -> str:
    if value is None:
        return "–"
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"**{shown}**" if bold else shown


def _minutes(data: Sequence[Row]) -> str:
    names = list(dict.fromkeys(n for one in data for n, row in one["forecasts"].items() if "minutes" in row))
    rows = [
        [one["name"], *(f"{row['minutes']:.1f}" if (row := one["forecasts"].get(n)) else "–" for n in names)]
        for one in data
    ]
    return _lines(["series", *names], rows)


def _series(data: Sequence[Row]) -> str:
    names = [name for name in data[0] if name not in ("name", "forecasts")]
    return _lines(["series", *names], [[one["name"], *(one[name] for name in names)] for one in data])


def _remarks(data: Sequence[Row]) -> list[str]:
    lines = [
        f"- {one['name']}, {name}: {'; '.join(row['remarks'])}"
        for one in data
        for name, row in one["forecasts"].items()
        if row.get("remarks")
    ]
    return ["## Remarks", "\n".join(lines)] if lines else []


def _lines(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in cells)
