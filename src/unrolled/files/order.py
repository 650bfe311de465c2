"""The times of each series of a table: in order, each once, on one step that all series share. What is not so
is an error that names the first rows and how many there are.
"""

from dataclasses import dataclass, replace

import numpy as np

from unrolled.errors import DataError
from unrolled.files.roles import Roles
from unrolled.files.steps import Positions, Step, Times, find_step, spoken
from unrolled.files.table import Table
from unrolled.files.times import parse_times
from unrolled.files.wording import counted, shown

# A series may lack this many steps for each that it has. More is a wrong time, and would fill the memory.
MOST_MISSING = 100


@dataclass(frozen=True)
class Origin:
    """The table of some series, its columns' roles, and the rows of each series in the order of the table."""

    table: Table
    roles: Roles
    rows: dict[str, Positions]

    def of(self, name: str) -> str:
        """ " in series 'a'" where a table holds several."""
        return "" if self.roles.id is None else f" in series {shown(name)}"


def ordered_times(origin: Origin) -> tuple[dict[str, Times], Step]:
    """The times of each series, and the step that they share; without a time column 0, 1, 2 …

    Raises DataError where a series has fewer than 2 rows, or times that go back, repeat, miss the step or
    leap far ahead, and where two series have different steps.
    """
    for name, rows in origin.rows.items():
        if len(rows) < 2:
            raise DataError(
                f"{origin.table.name}, {origin.table.row(rows[0])}: the only row{origin.of(name)}; "
                "wanted 2 or more, add rows or leave it out"
            )
    if origin.roles.time is None:
        return {name: np.arange(len(rows)) for name, rows in origin.rows.items()}, Step(1, "number")
    parsed = parse_times(origin.table, origin.roles.time)
    times = {name: parsed[rows] for name, rows in origin.rows.items()}
    for name in times:
        _check_order(origin, name, times[name])
    step = find_step(list(times.values()))
    for name in times:
        _check_shared(origin, name, times, step)
        _check_regular(origin, name, times[name], step)
    return times, step


def _check_order(origin: Origin, name: str, times: Times) -> None:
    rises = np.diff(times.astype(np.int64))
    wrong = np.flatnonzero(rises <= 0)
    if not len(wrong):
        return
    i = int(wrong[0])
    said, remedy, like = f"comes after {spoken(times[i])} of {{before}}", "sort the rows by time", rises < 0
    if rises[i] == 0:
        said, remedy, like = "stands there again, as in {before}", "keep one row for each time", rises == 0
    if origin.roles.id is None:
        remedy += ", or name the id column if these are several series"
    _refuse(origin, name, times, i, said, np.flatnonzero(like), remedy)


def _check_shared(origin: Origin, name: str, times: dict[str, Times], step: Step) -> None:
    """A series too short to show its own step is measured by the others'."""

    def shows(name: str) -> bool:
        return bool((np.diff(step.positions(times[name])) == step.count).any())

    if len(times[name]) < 4 or shows(name):
        return
    other = next(filter(shows, times))
    raise DataError(
        f"{origin.table.name}: series {shown(other)} goes by {step.name}, series {shown(name)} by "
        f"{find_step([times[name]]).name}; put series of different steps into different files"
    )


def _check_regular(origin: Origin, name: str, times: Times, step: Step) -> None:
    steps = np.diff(step.positions(times))
    odd = np.flatnonzero(steps % step.count)
    if len(odd):
        gap = replace(step, count=int(steps[odd[0]])).name
        remedy = "correct the times, resample the file, or count rows with time=rows"
        said = f"comes {gap} after {{before}}, where the step is {step.name}"
        _refuse(origin, name, times, int(odd[0]), said, odd, remedy)
    if steps.sum() // step.count > (MOST_MISSING + 1) * len(times):
        i = int(np.argmax(steps))
        said = f"comes {counted(int(steps[i]) // step.count, 'step')} of {step.name} after {{before}}"
        _refuse(origin, name, times, i, said, np.array([i]), "correct the time, or cut the series there")


def _refuse(origin: Origin, name: str, times: Times, i: int, said: str, like: Positions, remedy: str) -> None:
    """Raises for the time after times[i], whose row is {before} in `said`; `like` lists all like it."""
    rows = origin.rows[name]
    more = f" ({counted(len(like) - 1, 'more such row')})" if len(like) > 1 else ""
    raise DataError(
        f"{origin.table.place(rows[i + 1], origin.roles.time or '')}: {spoken(times[i + 1])} "
        f"{said.format(before=origin.table.row(rows[i]))}{origin.of(name)}{more}; {remedy}"
    )
