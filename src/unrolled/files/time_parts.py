"""Times whose parts stand in several columns: year, month, day, hour …, or a date and a clock.

Several columns are named in one word, "year,month,day", in any order. This module needs no library.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

# What a column is by its name, in any case. Short names are no parts of a time unless they are named as such:
# "min" may be a minimum.
_NAMES = {
    "year": ("year", "yr"),
    "quarter": ("quarter", "qtr"),
    "month": ("month", "mnth"),
    "day": ("day",),
    "hour": ("hour", "hr"),
    "minute": ("minute",),
    "second": ("second",),
}
_SHORT = {"month": ("mon", "mo", "mm"), "day": ("dd", "dom"), "hour": ("hh", "h"), "minute": ("min", "mi")}
_SHORT |= {"year": ("yyyy",), "second": ("sec", "ss", "s")}

# The parts of a time, and how they make a text that dates.py reads. A part that has no name of these is a
# date, and the next a clock.
_LAYOUTS = {
    ("year", "quarter"): "{}-Q{}",
    ("year", "month"): "{}-{}",
    ("year", "month", "day"): "{}-{}-{}",
    ("year", "month", "day", "hour"): "{}-{}-{} {}:00",
    ("year", "month", "day", "hour", "minute"): "{}-{}-{} {}:{}",
    ("year", "month", "day", "hour", "minute", "second"): "{}-{}-{} {}:{}:{}",
    ("year", "month", "day", "clock"): "{}-{}-{} {}",
    ("date", "hour"): "{} {}:00",
    ("date", "hour", "minute"): "{} {}:{}",
    ("date", "hour", "minute", "second"): "{} {}:{}:{}",
    ("date", "clock"): "{} {}",
}


class Layout(NamedTuple):
    """`columns` in the order of the `pattern`, whose {} they fill, numbers with two digits or more."""

    columns: tuple[str, ...]
    pattern: str

    @property
    def name(self) -> str:
        return ",".join(self.columns)

    def text(self, cells: Mapping[str, Any]) -> str:
        return self.pattern.format(*(str(cells[column]).strip().zfill(2) for column in self.columns))


def layout_of(columns: Sequence[str]) -> Layout | None:
    """Of columns that are named as the parts of a time; None where they make none."""
    roles: dict[str, str] = {}
    for column in columns:
        role = _role(column, _NAMES) or _role(column, _SHORT) or ("clock" if "date" in roles else "date")
        if role in roles:
            return None
        roles[role] = column
    if "date" in roles and "year" in roles:
        roles = {"clock" if role == "date" else role: column for role, column in roles.items()}
    return _layout(roles)


def find_layout(columns: Sequence[str]) -> Layout | None:
    """The most exact time that columns with the full names of its parts make: a year and a month at least."""
    roles = {role: column for column in reversed(columns) if (role := _role(column, _NAMES))}
    wanted = [parts for parts in _LAYOUTS if parts[0] == "year" and set(parts) <= set(roles)]
    return _layout({role: roles[role] for role in max(wanted, key=len)}) if wanted else None


def _layout(roles: Mapping[str, str]) -> Layout | None:
    parts = next((parts for parts in _LAYOUTS if set(parts) == set(roles)), None)
    return None if parts is None else Layout(tuple(roles[part] for part in parts), _LAYOUTS[parts])


def _role(column: str, names: Mapping[str, Sequence[str]]) -> str | None:
    return next((role for role, usual in names.items() if column.casefold() in usual), None)
