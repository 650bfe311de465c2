"""What a peer reads, a series with its parts and origins, and what it writes, forecasts from these origins.
This module needs numpy alone.

A job is a folder:

    job.json       the sizes, the ends of the parts, the origins, the names of the calendar's features
    series.csv     a row a step: actual (empty where none was observed), known, and the calendar's features

`known` is `actual` with the last value before it where one is missing. An origin is the last step that a
forecast may read, counted from 0; step h of it is the value at origin + h. Forecasts are a CSV file with the
columns series, origin, step, actual and forecast.
"""

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Steps = NDArray[np.int64]

DESCRIPTION, SERIES = "job.json", "series.csv"
COLUMNS = ("series", "origin", "step", "actual", "forecast")
SIZES = ("name", "horizon", "season", "window", "train_end", "validation_end", "naive_scale")


class JobError(Exception):
    """A file that is not what a job asks for, in one line."""


@dataclass(frozen=True)
class Job:
    """actual, known (T,), calendar (T, C) with its names (C,), origins (N,). Steps before `train_end` train,
    those before `validation_end` validate. `season` is 1 where there is none; `naive_scale` is the unit of
    MASE."""

    name: str
    horizon: int
    season: int
    window: int
    train_end: int
    validation_end: int
    naive_scale: float
    origins: Steps
    actual: Array
    known: Array
    calendar: Array
    calendar_names: tuple[str, ...]

    @property
    def outcomes(self) -> Array:
        """(N, H) what is to be forecast; NaN where nothing was observed."""
        return self.actual[self.targets]

    @property
    def targets(self) -> Steps:
        """(N, H) the steps that are to be forecast."""
        return np.asarray(self.origins[:, None] + np.arange(1, self.horizon + 1))

    def texts(self) -> dict[str, str]:
        """The files of the folder, by name."""
        sizes = {name: getattr(self, name) for name in SIZES}
        lists = {"calendar": list(self.calendar_names), "origins": self.origins.tolist()}
        rows = np.column_stack([self.actual, self.known, self.calendar]).tolist()
        lines = [",".join("" if value != value else repr(value) for value in row) for row in rows]
        head = ",".join(("actual", "known", *self.calendar_names))
        return {DESCRIPTION: json.dumps(sizes | lists) + "\n", SERIES: "\n".join([head, *lines, ""])}

    @classmethod
    def load(cls, folder: Path) -> "Job":
        about = json.loads((folder / DESCRIPTION).read_text())
        columns = np.genfromtxt(folder / SERIES, delimiter=",", skip_header=1, ndmin=2)
        return cls(
            **{name: about[name] for name in SIZES},
            origins=np.array(about["origins"], np.int64),
            actual=columns[:, 0],
            known=columns[:, 1],
            calendar=columns[:, 2:],
            calendar_names=tuple(about["calendar"]),
        )


def forecasts_text(job: Job, forecasts: Array) -> str:
    """forecasts (N, H) -> the CSV file. JobError where they are not of this shape, or not all finite."""
    wanted = job.targets.shape
    if forecasts.shape != wanted or not np.isfinite(forecasts).all():
        raise JobError(
            f"{job.name}: wanted finite forecasts {wanted}, got {forecasts.shape} or some not finite"
        )
    lines = [",".join(COLUMNS)]
    for origin, outcomes, row in zip(
        job.origins.tolist(), job.outcomes.tolist(), forecasts.tolist(), strict=True
    ):
        for step, (actual, forecast) in enumerate(zip(outcomes, row, strict=True), start=1):
            shown = "" if actual != actual else repr(actual)
            lines.append(f"{job.name},{origin},{step},{shown},{forecast!r}")
    return "\n".join([*lines, ""])


def read_forecasts(path: Path, job: Job) -> Array:
    """(N, H), in any order of rows. JobError where a row is missing, there twice, of another origin or
    outcome, or not finite."""
    wanted = {(origin, step) for origin in job.origins.tolist() for step in range(1, job.horizon + 1)}
    forecasts: dict[tuple[int, int], float] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            at = int(row["origin"]), int(row["step"])
            if at not in wanted or at in forecasts:
                raise JobError(f"{path}: origin {at[0]}, step {at[1]}: asked for once or not at all")
            _require_same(path, at, row["actual"], float(job.actual[sum(at)]))
            forecasts[at] = float(row["forecast"])
    if missing := wanted - forecasts.keys():
        raise JobError(
            f"{path}: {len(missing)} of {len(wanted)} forecasts are missing, such as {min(missing)}"
        )
    values = np.array([forecasts[at] for at in sorted(wanted)]).reshape(job.targets.shape)
    if not np.isfinite(values).all():
        raise JobError(f"{path}: {int((~np.isfinite(values)).sum())} forecasts are not finite numbers")
    return values[np.argsort(np.argsort(job.origins))]


def _require_same(path: Path, at: tuple[int, int], text: str, actual: float) -> None:
    value = float(text or "nan")
    if value != actual and not (np.isnan(value) and np.isnan(actual)):
        raise JobError(f"{path}: origin {at[0]}, step {at[1]}: the outcome is {actual!r}, here {text!r}")


def answer(forecasts: Callable[[str, Job, int], tuple[Array, list[str]]]) -> None:
    """What a peer does from NAME JOB OUT.csv SEED on its command line: `forecasts(name, job, seed)` (N, H) is
    written to the file, and beside it, as .json, remarks on how they came about."""
    name, folder, out, seed = sys.argv[1:]
    job = Job.load(Path(folder))
    values, remarks = forecasts(name, job, int(seed))
    Path(out).write_text(forecasts_text(job, values))
    Path(out).with_suffix(".json").write_text(json.dumps(remarks))
