"""Rows at any times -> rows at regular ones: the rows of a series are put into bins of one step, each named
by the time at which it begins.

    mean, sum, min, max   of the values in a bin
    first, last           of them in the order of time, and of the file where times are equal

Of texts the last is taken. Missing cells are no values. A bin without a row, or a column without a value in
it, is a gap.

Bins of whole days, weeks and months are those of the local calendar where times have an offset from UTC;
shorter ones begin at whole ones of UTC. Where bins of single days leave out all week-ends, they are business
days.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files import zones
from unrolled.files.left_out import LeftOut
from unrolled.files.messages import counted, option
from unrolled.files.order import Origin, check_dense
from unrolled.files.steps import Positions, Step, business_days
from unrolled.files.times import Instants

Values = NDArray[np.float64]
Aggregate = Callable[[Values, Positions], Values]  # values (rows, C), begins (bins,) -> (bins, C)


def resampled(
    origin: Origin, times: Mapping[str, Instants], step: Step, aggregate: str, left_out: LeftOut
) -> tuple[Origin, dict[str, Instants], Step]:
    """One row for each bin that holds rows, with the place of the first of them, and the step of the bins.
    DataError where the times are of another kind than the step; a series that leaps far ahead cannot be
    used."""
    if origin.roles.time is None:
        raise DataError(
            f"{origin.table.name}: {option('resample', step.written)} puts times into steps, and there is no "
            f"column of them; name it with {option('time')}, or leave {option('resample')} out"
        )
    first = next(iter(times.values()))
    whole = first.times.dtype.kind == "i"
    if whole != (step.unit == "number"):
        wanted = "a number alone, such as 10" if whole else "a step of time, such as 1h"
        raise DataError(
            f"{origin.table.name}: {option('resample', step.written)}, but the times are "
            f"{'whole numbers' if whole else 'dates'}; wanted {wanted}"
        )
    step = replace(step, local=step.is_days and first.zone is not None)
    texts = [k for k, column in enumerate(origin.roles.numbers) if column in origin.texts]
    rows, values, binned = {}, {}, {}
    for name, one in times.items():
        on_axis = one.on(step)
        order = np.argsort(on_axis, kind="stable")
        bins, begins = np.unique(step.bins(on_axis[order]), return_index=True)
        firsts = order[begins]
        rows[name] = origin.rows[name][firsts]
        ordered = origin.values[name][order]
        values[name] = AGGREGATES[aggregate](ordered, begins)
        values[name][:, texts] = _last(ordered[:, texts], begins)
        binned[name] = _instants(bins, one.offsets[firsts], one.zone, step)
    asked = origin.roles.step
    if asked is None or asked.unit == "weekday":
        step = business_days([one.on(step) for one in binned.values()], step, known=asked is not None)
    after = replace(origin, rows=rows, values=values)
    return after, left_out.each(binned, lambda name: check_dense(after, name, binned[name], step)), step


def note(before: Mapping[str, Positions], after: Mapping[str, Positions], step: Step, aggregate: str) -> str:
    """What became of the rows of all series."""
    rows, bins = (sum(map(len, each.values())) for each in (before, after))
    partial = "; the first and the last step of a series may be of a part of their time alone"
    return (
        f"resampled: {counted(rows, 'row')} are {counted(bins, 'step')} of {step.name}, each the {aggregate} "
        f"of its rows{partial if aggregate == 'sum' else ''}"
    )


def _instants(bins: Positions, offsets: zones.Seconds, zone: str | None, step: Step) -> Instants:
    times = step.times(bins, np.zeros(1, "datetime64[us]"))
    return Instants(zones.shifted(times, -offsets) if step.local else times, offsets, zone)


def _sum(values: Values, begins: Positions) -> Values:
    known = ~np.isnan(values)
    sums = np.add.reduceat(np.where(known, values, 0), begins)
    return np.where(np.logical_or.reduceat(known, begins), sums, np.nan)


def _mean(values: Values, begins: Positions) -> Values:
    counts = np.add.reduceat((~np.isnan(values)).astype(np.float64), begins)
    return _sum(values, begins) / np.maximum(counts, 1)


def _first(values: Values, begins: Positions) -> Values:
    rows = np.arange(len(values))[:, None]
    at = np.minimum.reduceat(np.where(np.isnan(values), len(values) - 1, rows), begins)
    return _known(values, at, begins)


def _last(values: Values, begins: Positions) -> Values:
    rows = np.arange(len(values))[:, None]
    return _known(values, np.maximum.reduceat(np.where(np.isnan(values), 0, rows), begins), begins)


def _known(values: Values, at: Positions, begins: Positions) -> Values:
    """The values at rows (bins, C), where a bin has one."""
    some = np.logical_or.reduceat(~np.isnan(values), begins)
    return np.where(some, np.take_along_axis(values, at, 0), np.nan)


AGGREGATES: dict[str, Aggregate] = {
    "mean": _mean,
    "sum": _sum,
    "first": _first,
    "last": _last,
    "min": np.fmin.reduceat,
    "max": np.fmax.reduceat,
}
