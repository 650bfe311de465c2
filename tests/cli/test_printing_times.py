"""Times in files of text: as ISO 8601, with the offset where a column has a zone."""

from datetime import UTC, datetime

import polars as pl
import pytest

from unrolled.cli.printing import write_frame


@pytest.mark.parametrize(
    "zone, wanted", [(None, "2026-02-28T23:00:00"), ("Europe/Berlin", "2026-03-01T00:00:00+01:00")]
)
def test_times_keep_their_offset(zone, wanted, tmp_path):
    times = pl.Series("time", [datetime(2026, 2, 28, 23, tzinfo=UTC)]).dt.convert_time_zone("UTC")
    times = times.dt.replace_time_zone(None) if zone is None else times.dt.convert_time_zone(zone)
    for ending in (".csv", ".json"):
        write_frame(pl.DataFrame({"time": times, "y": [1.0]}), tmp_path / f"out{ending}")
        assert wanted in (tmp_path / f"out{ending}").read_text()
    write_frame(pl.DataFrame({"time": times}), tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet")["time"].dtype == pl.Datetime("us", zone)
