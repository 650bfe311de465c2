"""The series that ships with the package."""

from unrolled.data import sunspots
from unrolled.files.query import Query
from unrolled.files.series import read_series
from unrolled.files.steps import Step


def test_the_figures_are_the_published_ones_of_the_first_version():
    file = read_series(sunspots(), Query(targets=()))
    assert (file.time, file.targets, file.step) == ("year", ("sunspots",), Step(1, "number"))
    series = file.series[0]
    assert series.times.tolist() == list(range(1700, 2009))
    values = dict(zip(series.times.tolist(), series.target[:, 0].tolist(), strict=True))
    # The maximum of cycle 19 (269.3 since the revision of 2015), the first year, the last, one without spots.
    assert (values[1957], values[1700], values[2008], values[1711]) == (190.2, 5, 2.9, 0)
    assert max(values.values()) == 190.2
    assert sunspots().with_name("README.md").read_text().startswith("# Data that ship with the package")
