"""Writes public series that statsmodels and sktime carry as CSV files with the columns time and value.

python -m peer_models.wheels FOLDER

sunspots       a year, 1700 to 2008
nile           the river's flow at Aswan, a year, 1871 to 1970
lynx           lynx trapped in Canada, a year, 1821 to 1934
airline        passengers of airlines, a month, 1949 to 1960
co2            at Mauna Loa, the mean of the weeks of a month, 1958 to 2001; the months without any, by a line
elnino         the temperature of the sea, a month, 1950 to 2010
unemployment   in the United States, a quarter, 1959 to 2009
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _yearly(name: str, year: str, value: str) -> Any:
    import statsmodels.api as sm

    frame = getattr(sm.datasets, name).load_pandas().data
    return frame[year].astype(int), frame[value]


def _sktime(folder: str) -> Any:
    """The package's own reader of data sets imports more than a file needs."""
    import importlib.resources

    import pandas

    data = importlib.resources.files("sktime") / "datasets" / "data" / folder / f"{folder}.csv"
    frame = pandas.read_csv(str(data))
    return frame.iloc[:, 0], frame.iloc[:, 1]


def _co2() -> Any:
    import statsmodels.api as sm

    monthly = sm.datasets.co2.load_pandas().data["co2"].resample("MS").mean().interpolate()
    return monthly.index.strftime("%Y-%m-%d"), monthly


def _elnino() -> Any:
    import statsmodels.api as sm

    table = sm.datasets.elnino.load_pandas().data.set_index("YEAR")
    months = [f"{int(year)}-{month:02}-01" for year in table.index for month in range(1, 13)]
    return months, table.to_numpy().reshape(-1)


def _unemployment() -> Any:
    import statsmodels.api as sm

    frame = sm.datasets.macrodata.load_pandas().data
    months = [
        f"{int(y)}-{3 * int(q) - 2:02}-01" for y, q in zip(frame["year"], frame["quarter"], strict=True)
    ]
    return months, frame["unemp"]


SERIES: dict[str, Callable[[], Any]] = {
    "sunspots": lambda: _yearly("sunspots", "YEAR", "SUNACTIVITY"),
    "nile": lambda: _yearly("nile", "year", "volume"),
    "lynx": lambda: _sktime("Lynx"),
    "airline": lambda: _sktime("Airline"),
    "co2": _co2,
    "elnino": _elnino,
    "unemployment": _unemployment,
}


def main(folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, series in SERIES.items():
        times, values = series()
        lines = [f"{time},{value!r}" for time, value in zip(times, map(float, values), strict=True)]
        (Path(folder) / f"{name}.csv").write_text("\n".join(["time,value", *lines, ""]))


if __name__ == "__main__":
    main(sys.argv[1])
