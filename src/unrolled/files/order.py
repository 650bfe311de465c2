"""The times of each series of a table: in order, each once, on one step that all series share. What is not so
is an error that names the first rows and how many there are.

Times with an offset are ordered in UTC. Their steps are those of the local calendar where that makes them
regular steps of whole days, else those of UTC.
"""

from dataclasses import dataclass, replace

import numpy as np

from unrolled.errors import DataError
from unrolled.files import zones
from unrolled.files.messages import counted, option, shown
from unrolled.files.query import Query
from unrolled.files.steps import Positions, Step, Times, find_step
from unrolled.files.table import Table
from unrolled.files.times import Instants, naive, parse_instants

# A series may lack this many steps for each that it has. More is a wrong time, and would fill the memory.
MOST_MISSING = 100
# By so many microseconds clocks are set back.
MOST_SET_BACK = 3600 * 10**6


@dataclass(frozen=True)
class Ordered:
    """Of each series its rows in the order of time, their times, and their zone, which is the same for all;
    the step that they share, and notes."""

    origin: "Origin"
    times: dict[str, Instants]
    step: Step
    zone: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """The table of some series, its columns' roles, and the rows of each series in the order of the table."""

    table: Table
    roles: Query
    rows: dict[str, Positions]

    def of(self, name: str) -> str:
        """ " in series 'a'" where a table holds several."""
        return "" if self.roles.id is None else f" in series {shown(name)}"


def ordered_times(origin: Origin, zone: str | None) -> Ordered:
    """In the zone `zone` where one is named; without a time column the times are 0, 1, 2 …, and the order is
    that of the table. Rows that stand newest first are turned round.

    Raises DataError where a series has fewer than 2 rows, or times that go back, repeat, miss the step or
    leap far ahead, and where two series have different steps; ConfigError for a zone of times that have none.
    """
    for name, rows in origin.rows.items():
        if len(rows) < 2:
            raise DataError(
                f"{origin.table.name}, {origin.table.row(rows[0])}: the only row{origin.of(name)}; "
                "wanted 2 or more, add rows or leave it out"
            )
    if origin.roles.time is None:
        counted = {name: naive(np.arange(len(rows))) for name, rows in origin.rows.items()}
        return Ordered(origin, counted, Step(1, "number"), None, ())
    parsed = parse_instants(origin.table, origin.roles.time)
    origin, notes = _oldest_first(origin, parsed.times)
    instants = {name: _in_zone(origin, name, parsed, zone) for name in origin.rows}
    for name, one in instants.items():
        _check_order(origin, name, one)
    step = _step(list(instants.values()))
    times = {name: one.on(step) for name, one in instants.items()}
    for name, one in instants.items():
        _check_shared(origin, name, times, step)
        _check_regular(origin, name, one, step)
    return Ordered(origin, instants, step, next(iter(instants.values())).zone, notes)


def _oldest_first(origin: Origin, times: Times) -> tuple[Origin, tuple[str, ...]]:
    """The rows of every series turned round where most times of the table go back, and a note on that."""
    rises = np.concatenate([np.diff(times[rows].astype(np.int64)) for rows in origin.rows.values()])
    if 2 * (rises < 0).sum() <= len(rises):
        return origin, ()
    turned = {name: rows[::-1] for name, rows in origin.rows.items()}
    return replace(origin, rows=turned), ("the newest rows stand first; they are read in the order of time",)


def _in_zone(origin: Origin, name: str, parsed: Instants, zone: str | None) -> Instants:
    """The rows of a series; where a zone is named, with its offsets."""
    rows = origin.rows[name]
    times, offsets = parsed.times[rows], parsed.offsets[rows]
    if zone is None or times.dtype.kind == "i":
        return Instants(times, offsets, parsed.zone)
    if parsed.zone is not None:
        return Instants(times, zones.offsets(zone, times), zone)
    offsets, missing = zones.local_offsets(zone, times)
    if missing.any():
        row = int(rows[np.argmax(missing)])
        raise DataError(
            f"{origin.table.place(row, origin.roles.time or '')}: no clock of {zone} shows "
            f"{zones.spelt(times[np.argmax(missing)], 0, None)}; correct the time, or the zone"
        )
    return Instants(zones.shifted(times, -offsets), offsets, zone)


def _step(instants: list[Instants]) -> Step:
    if instants[0].zone is not None:
        local = find_step([one.local for one in instants])
        if local.is_days and all(local.regular(one.local) for one in instants):
            return replace(local, local=True)
    return find_step([one.times for one in instants])


def _check_order(origin: Origin, name: str, instants: Instants) -> None:
    rises = np.diff(instants.times.astype(np.int64))
    wrong = np.flatnonzero(rises <= 0)
    if not len(wrong):
        return
    i = int(wrong[0])
    complaint, remedy = f"comes after {instants.spoken(i)} of {{before}}", "sort the rows by time"
    if rises[i] == 0:
        complaint, remedy = "stands there again, as in {before}", "keep one row for each time"
    times = instants.times
    of_clocks = times.dtype.kind == "M" and (times != times.astype("datetime64[D]")).any()  # not days alone
    if instants.zone is None and of_clocks and -rises[i] <= MOST_SET_BACK:
        remedy += f", or name the zone ({option('zone', 'Europe/Berlin')}) if clocks were set back there"
    if origin.roles.id is None:
        remedy += f", or name the column that tells several series apart with {option('id')}"
    _refuse(origin, name, instants, i, complaint, np.flatnonzero(np.sign(rises) == np.sign(rises[i])), remedy)


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


def _check_regular(origin: Origin, name: str, instants: Instants, step: Step) -> None:
    times = instants.on(step)
    steps = np.diff(step.positions(times))
    odd = np.flatnonzero(steps % step.count)
    if len(odd):
        gap = replace(step, count=int(steps[odd[0]])).name
        remedy = "correct the times, resample the file, or count rows with time=rows"
        complaint = f"comes {gap} after {{before}}, where the step is {step.name}"
        _refuse(origin, name, instants, int(odd[0]), complaint, odd, remedy)
    if steps.sum() // step.count > (MOST_MISSING + 1) * len(times):
        i = int(np.argmax(steps))
        complaint = f"comes {counted(int(steps[i]) // step.count, 'step')} of {step.name} after {{before}}"
        remedy = "correct the time, or cut the series there"
        _refuse(origin, name, instants, i, complaint, np.array([i]), remedy)


def _refuse(
    origin: Origin, name: str, instants: Instants, i: int, complaint: str, like: Positions, remedy: str
) -> None:
    """Raises for the time after number i, whose row is {before} in `complaint`; `like` lists all like it."""
    rows = origin.rows[name]
    more = f" ({counted(len(like) - 1, 'more such row')})" if len(like) > 1 else ""
    raise DataError(
        f"{origin.table.place(rows[i + 1], origin.roles.time or '')}: {instants.spoken(i + 1)} "
        f"{complaint.format(before=origin.table.row(rows[i]))}{origin.of(name)}{more}; {remedy}"
    )
