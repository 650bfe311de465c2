"""Scores and episodes as tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.files.series import SeriesFile
from unrolled.tasks.detect.episodes import Flags, joined
from unrolled.tasks.forecast.judging.origins import times_of

Array = NDArray[np.float64]


def listed_steps(
    file: SeriesFile,
    first: Sequence[int],
    score: Sequence[Array],
    rank: Sequence[Array],
    alarms: Sequence[Flags],
) -> pl.DataFrame:
    """A row for every series and step from its `first` on: columns "series" (where there are several),
    "time", each target by its name, "score" and "rank", null where there is none, and "alarm"."""
    frames = []
    for k, (series, begin) in enumerate(zip(file.series, first, strict=True)):
        T = len(series.target)
        names = pl.Series([series.name] * (T - begin), dtype=pl.String)
        columns: dict[str, Any] = {"series": names} if len(file.series) > 1 else {}
        columns |= {"time": times_of(file, series)[begin:]}
        columns |= {name: series.target[begin:, at] for at, name in enumerate(file.targets)}
        columns |= {"score": score[k][begin:], "rank": rank[k][begin:], "alarm": alarms[k][begin:]}
        frames.append(pl.DataFrame(columns))
    return pl.concat(frames).with_columns(pl.col("score", "rank", *file.targets).fill_nan(None))


def listed_episodes(
    file: SeriesFile, score: Sequence[Array], rank: Sequence[Array], alarms: Sequence[Flags], join: int
) -> pl.DataFrame:
    """A row for every episode: columns "series" (where there are several), "begin", "end", "steps" and
    "alarms" in it, "peak", the time of its highest "score", and "rank"."""
    frames = []
    for k, series in enumerate(file.series):
        begins, ends = joined(alarms[k], join)
        pairs = list(zip(begins.tolist(), ends.tolist(), strict=True))
        peaks = np.array(
            [begin + int(np.nanargmax(score[k][begin : end + 1])) for begin, end in pairs], np.int64
        )
        times = times_of(file, series)
        columns: dict[str, Any] = {"series": pl.Series([series.name] * len(pairs), dtype=pl.String)}
        columns |= {"begin": times.gather(begins), "end": times.gather(ends), "steps": ends - begins + 1}
        columns |= {
            "alarms": np.array([int(alarms[k][begin : end + 1].sum()) for begin, end in pairs], np.int64),
            "peak": times.gather(peaks),
            "score": score[k][peaks],
            "rank": rank[k][peaks],
        }
        frames.append(pl.DataFrame(columns))
    every = pl.concat(frames)
    return every if len(file.series) > 1 else every.drop("series")
