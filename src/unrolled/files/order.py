"""The times of each series of a table: in order, each once, on one step that all series share. What is not so
is an error that names the first rows and how many there are.

Times with an offset are ordered in UTC. Their steps are those of the local calendar where that makes them
regular steps of whole days, else those of UTC.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files import zones
from unrolled.files.category_columns import Texts
from unrolled.files.left_out import LeftOut
from unrolled.files.messages import counted, option, shown
from unrolled.files.query import Query
from unrolled.files.roles import ROWS
from unrolled.files.steps import Positions, Step, Times, find_step, usual_step
from unrolled.files.table import Table
from unrolled.files.times import Instants, naive

# A series may lack this many steps for each that it has. More is a wrong time, and would fill the memory.
MOST_MISSING = 100
# By so many microseconds clocks are set back.
MOST_SET_BACK = 3600 * 10**6


@dataclass(frozen=True)
class Origin:
    """The table of some series, its columns' roles, the times of all its rows, None where they are counted,
    and of each series its rows, their values (rows, K + P + Q), NaN where a cell is missing, and its static
    values (Z,); `texts`: of columns of texts, whose values are codes (category_columns.py); `groups`: of each
    series, where they are asked for (grouping.py)."""

    table: Table
    roles: Query
    instants: Instants | None
    rows: dict[str, Positions]
    values: dict[str, NDArray[np.float64]]
    static: Mapping[str, NDArray[np.float64]]
    texts: Texts
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def several(self) -> bool:
        """Whether the table may hold several series."""
        return self.roles.id is not None or self.roles.wide is not None

    def of(self, name: str) -> str:
        """ " in series 'a'" where a table may hold several."""
        return f" in series {shown(name)}" if self.several else ""

    def columns(self, name: str) -> tuple[str, ...]:
        """(K + P + Q,) the columns of a series' values."""
        columns = self.roles.numbers
        return (name, *columns[1:]) if self.roles.wide == "columns" else columns


def oldest_first(origin: Origin) -> tuple[Origin, tuple[str, ...]]:
    """The rows of every series turned round where most of the times go back, and a note on that. Rows that
    are resampled may stand in any order: of them all must."""
    if origin.instants is None:
        return origin, ()
    times, back, on = origin.instants.times.astype(np.int64), 0, 0
    for rows in origin.rows.values():
        rises = np.diff(times[rows])
        back, on = back + int((rises < 0).sum()), on + int((rises > 0).sum())
    total = sum(max(0, len(rows) - 1) for rows in origin.rows.values())
    if 2 * back <= total or (on and origin.roles.resample is not None):
        return origin, ()
    turned = replace(
        origin,
        rows={name: each[::-1] for name, each in origin.rows.items()},
        values={name: each[::-1] for name, each in origin.values.items()},
    )
    return turned, ("the newest rows stand first; they are read in the order of time",)


def read_times(origin: Origin, zone: str | None, left_out: LeftOut) -> dict[str, Instants]:
    """The times of each series as they stand there; their zone is `zone` where one is named. Without a time
    column 0, 1, 2 …

    A series of fewer than 2 rows cannot be used.
    """
    parsed = origin.instants

    def times(name: str) -> Instants:
        rows = origin.rows[name]
        if len(rows) < 2:
            raise DataError(
                f"{origin.table.name}, {origin.table.row(rows[0])}: the only row{origin.of(name)}; "
                "wanted 2 or more, add rows"
            )
        return naive(np.arange(len(rows))) if parsed is None else _in_zone(origin, name, parsed, zone)

    return left_out.each(origin.rows, times)


def on_shared_step(
    origin: Origin, instants: dict[str, Instants], left_out: LeftOut
) -> tuple[dict[str, Instants], Step]:
    """The step of all series, or of most where some may be left out, and those that have it: of others times
    go back, repeat, or miss the step, or they have another."""
    if origin.roles.time is None:
        return instants, Step(1, "number")
    instants = left_out.each(instants, lambda name: _in_order(origin, name, instants))
    step = _step(list(instants.values()), origin.roles.step)
    if left_out.allowed and not all(step.regular(one.on(step)) for one in instants.values()):
        step = _most_frequent(list(instants.values()), origin.roles.step)
    times = {name: one.on(step) for name, one in instants.items()}

    checked = set[bytes]()  # many series have the same times

    def regular(name: str) -> Instants:
        if (here := times[name].tobytes()) not in checked:
            _check_shared(origin, name, times, step)
            _check_regular(origin, name, instants, step)
            checked.add(here)
        return instants[name]

    return left_out.each(instants, regular), step


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


def _step(instants: list[Instants], wanted: Step | None) -> Step:
    if wanted is not None and _shows(instants, wanted):
        return wanted
    if instants[0].zone is not None:
        local = find_step([one.local for one in instants])
        if local.is_days and all(local.regular(one.local) for one in instants):
            return replace(local, local=True)
    return find_step([one.times for one in instants])


def _most_frequent(instants: list[Instants], wanted: Step | None) -> Step:
    """The step that most series have, each by itself; the first of several."""
    return Counter(_step([one], wanted) for one in instants).most_common(1)[0][0]


def _shows(instants: list[Instants], step: Step) -> bool:
    """Whether all times are regular on the step, and two are one of it apart."""
    if (instants[0].times.dtype.kind == "i") != (step.unit == "number"):
        return False
    if step.local and instants[0].zone is None:
        return False
    times = [one.on(step) for one in instants]
    apart = any((np.diff(step.positions(each)) == step.count).any() for each in times)
    return apart and all(map(step.regular, times))


def _in_order(origin: Origin, name: str, every: dict[str, Instants]) -> Instants:
    instants = every[name]
    rises = np.diff(instants.times.astype(np.int64))
    wrong = np.flatnonzero(rises <= 0)
    if not len(wrong):
        return instants
    i = int(wrong[0])
    complaint, remedy = f"comes after {instants.spoken(i)} of {{before}}", "sort the rows by time"
    if rises[i] == 0:
        complaint = "stands there again, as in {before}"
        remedy = f"keep one row for each time{_resample(every, ', or the mean of those in one step ({})')}"
    times = instants.times
    of_clocks = times.dtype.kind == "M" and (times != times.astype("datetime64[D]")).any()  # not days alone
    if instants.zone is None and of_clocks and -rises[i] <= MOST_SET_BACK:
        remedy += f", or name the zone ({option('zone', 'Europe/Berlin')}) if clocks were set back there"
    if not origin.several:
        remedy += f", or name the column that tells several series apart with {option('id')}"
    raise _refusal(
        origin, name, instants, i, complaint, np.flatnonzero(np.sign(rises) == np.sign(rises[i])), remedy
    )


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


def _check_regular(origin: Origin, name: str, every: dict[str, Instants], step: Step) -> None:
    instants = every[name]
    times = instants.on(step)
    if not step.fits(times):
        raise DataError(
            f"{origin.table.name}: the times{origin.of(name)} are not all of one step of {step.name}, as "
            f"those of others; correct them{_resample(every, ', or take the mean of those in one step ({})')}"
        )
    steps = np.diff(step.positions(times))
    odd = np.flatnonzero(steps % step.count)
    if len(odd):
        gap = replace(step, count=int(steps[odd[0]])).name
        remedy = (
            f"correct the times{_resample(every, ', take the mean of those in one step ({})')}, or count "
            f"rows ({option('time', ROWS)})"
        )
        complaint = f"comes {gap} after {{before}}, where the step is {step.name}"
        raise _refusal(origin, name, instants, int(odd[0]), complaint, odd, remedy)
    check_dense(origin, name, instants, step)


def check_dense(origin: Origin, name: str, instants: Instants, step: Step) -> Instants:
    """The times; DataError where they leap far ahead."""
    steps = np.diff(step.positions(instants.on(step)))
    if steps.sum() // step.count > (MOST_MISSING + 1) * len(instants.times):
        i = int(np.argmax(steps))
        complaint = f"comes {counted(int(steps[i]) // step.count, 'step')} of {step.name} after {{before}}"
        remedy = "correct the time, or cut the series there"
        if origin.roles.resample is not None:
            remedy += f", or name a longer step ({option('resample')})"
        raise _refusal(origin, name, instants, i, complaint, np.array([i]), remedy)
    return instants


def _resample(instants: dict[str, Instants], remedy: str) -> str:
    """`remedy` with the option that resamples to a usual step; "" where there is none to name."""
    step = usual_step([one.times for one in instants.values()])
    return "" if step is None else remedy.format(option("resample", step.written))


def _refusal(
    origin: Origin, name: str, instants: Instants, i: int, complaint: str, like: Positions, remedy: str
) -> DataError:
    """Of the time after number i, whose row is {before} in `complaint`; `like` lists all like it."""
    rows = origin.rows[name]
    more = f" ({counted(len(like) - 1, 'more such row')})" if len(like) > 1 else ""
    return DataError(
        f"{origin.table.place(rows[i + 1], origin.roles.time or '')}: {instants.spoken(i + 1)} "
        f"{complaint.format(before=origin.table.row(rows[i]))}{origin.of(name)}{more}; {remedy}"
    )
