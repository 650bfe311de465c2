"""The days that are holidays somewhere, from the library of that name, which is needed for that alone."""

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError
from unrolled.files.messages import counted, listed, option, shown
from unrolled.files.series import SeriesFile

YEARS_AHEAD = 30


def holidays_of(place: str, file: SeriesFile) -> NDArray[np.int64]:
    """Days since 1970, rising, from the year in which the first series begins to YEARS_AHEAD after the last
    one ends.

    ConfigError without the library, and for a place that it does not know; DataError where a step holds
    several days, or times are no dates.
    """
    if not file.step.within_day:
        raise DataError(
            f"{option('holidays', place)}: a step is {file.step.name}, and holidays are of days; wanted "
            f"times with a step of a day or less, leave {option('holidays')} out"
        )
    library, (country, _, part) = _library(place), place.upper().partition("-")
    countries: dict[str, list[str]] = library.list_supported_countries()
    if country not in countries:
        near = [code for code in sorted(countries) if code[:1] == country[:1]]
        some = f", or one of {listed(near)}" if near else ""
        raise ConfigError(
            f"{option('holidays', place)}: no holidays of {shown(country)} are known; wanted a country's "
            f"code, such as DE{some}, or that of a part of it, such as DE-BY"
        )
    parts = countries[country]
    if part and part not in parts:
        known = f"those of {country} are {listed(parts, 60)}" if parts else "it has none"
        raise ConfigError(
            f"{option('holidays', place)}: no part {shown(part)} of {country} is known; {known}"
        )
    locals_ = [file.local(series) for series in file.series]
    first, last = min(times[0] for times in locals_), max(times[-1] for times in locals_)
    years = range(_year(first), _year(last) + YEARS_AHEAD + 1)
    days = library.country_holidays(country, subdiv=part or None, years=years)
    return np.sort(np.array(list(days), "datetime64[D]").astype(np.int64))


def told(place: str, days: NDArray[np.int64], file: SeriesFile) -> str:
    """How many of the days are in the data."""
    every = np.zeros(len(days), np.bool_)
    for series in file.series:
        every |= np.isin(days, file.local(series).astype("datetime64[D]").astype(np.int64))
    return f"holidays: {counted(int(every.sum()), 'day')} of {place} in the data"


def _year(time: np.datetime64) -> int:
    return int(time.astype("datetime64[Y]").astype(np.int64)) + 1970


def _library(place: str) -> Any:
    try:
        return import_module("holidays")
    except ImportError:
        raise ConfigError(
            f"{option('holidays', place)} needs the library holidays, which is not installed; pip install "
            f"'unrolled[train]', or leave {option('holidays')} out"
        ) from None
