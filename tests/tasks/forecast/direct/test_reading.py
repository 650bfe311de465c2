"""Which members read windows."""

import numpy as np
import polars as pl
import pytest

from tests.tasks.forecast.cases import coded, direct_network, noisy, plan
from tests.tasks.forecast.test_estimator import no_pictures, same_weights  # noqa: F401
from unrolled import Forecaster
from unrolled.tasks.forecast.config import ForecastOptions
from unrolled.tasks.forecast.direct.reading import (
    FED_BACK,
    OF_CHANGES,
    SEGMENTS,
    STEPS,
    fed_back_kind,
    members_of,
)


@pytest.mark.parametrize(
    "season, window, segments, steps",
    [
        (1, 24, (24, 6), 24),  # without a season eight segments of six, or what the window holds
        (1, 100, (48, 6), 48),
        (4, 28, (16, 8), 28),  # a segment holds two seasons: four steps are too few
        (7, 49, (28, 7), 48),
        (11, 77, (44, 11), 48),
        (12, 84, (48, 12), 48),
        (24, 168, (96, 24), 48),
        (48, 336, (192, 24), 96),  # half a season
        (168, 1176, (336, 24), 200),
        (336, 1344, (336, 24), 200),
        (288, 1152, (336, 24), 200),
        (29, 116, (96, 24), 58),  # no part of it is a segment
        (24, 47, None, 47),  # less than two segments
        (12, 13, None, 13),
        (1, 2, None, 2),
    ],
)
def test_members(season, window, segments, steps):
    both = [(STEPS, steps, 1)] if segments is None else [(SEGMENTS, *segments), (STEPS, steps, 1)]
    for count in (1, 2, 5):
        assert members_of(count, window, season, 1000, None) == tuple((both * 5)[:count])
    net = direct_network(coded(noisy(60), steps=3)[0], members=both, window=window)
    assert [one.window for one in net.block.members] == [one[1] for one in both]


def test_of_many_steps_ahead_a_segment_is_said_at_once():
    """A day of hours, half a day of half-hours; without a season six steps."""
    for season, segment in ((24, 24), (48, 24), (1, 6)):
        for ahead, size in ((143, 1), (144, segment)):
            (member,) = (one for one in members_of(2, 400, season, 5000, None, ahead) if one[0] == STEPS)
            assert member[2] == size


def test_what_is_known_ahead_is_read_by_the_first_member():
    kinds = [
        [kind for kind, _, _ in members_of(n, 336, 24, 1000, FED_BACK, 24, known=True)] for n in (1, 2, 3)
    ]
    assert kinds == [[STEPS], [STEPS, SEGMENTS], [STEPS, SEGMENTS, FED_BACK]]


def test_one_member_learns_from_a_column_that_is_known_ahead():
    """Of a level that jumps by 6 where a column is 1, at random, the deviation is 2.4. Who knows that column
    of the first step ahead alone has errors hardly below that at the others."""
    jumps = pl.Series((np.random.default_rng(1).random(600) < 0.2).astype(float))
    frame = noisy(600).with_columns(pl.col("y") + 6 * jumps, jumps=jumps)
    options = {"horizon": 12, "members": 1, "steps": 200, "refit": False}
    run = Forecaster(target=["y"], future=["jumps"], **options).fit(frame)
    assert run.codec.reading.members[0][0] == STEPS
    assert run.evaluation.rmse("y", "model") < 1


def test_members_of_a_long_series_look_back_further():
    assert members_of(1, 336, 24, 3999, None) == ((SEGMENTS, 96, 24),)
    assert members_of(1, 336, 24, 4000, None) == ((SEGMENTS, 336, 24),)
    assert members_of(1, 168, 12, 4000, None) == ((SEGMENTS, 168, 12),)


def test_one_of_each_kind_where_none_are_counted():
    three = ((SEGMENTS, 96, 24), (STEPS, 48, 1), (FED_BACK, 48, 1))
    assert members_of(None, 168, 24, 1000, FED_BACK) == three
    assert members_of(4, 168, 24, 1000, FED_BACK) == (*three, three[0])
    assert members_of(None, 168, 24, 1000, None) == three[:2]


@pytest.mark.parametrize(
    "columns, parts, changes, kind",
    [
        ({}, 1, {}, FED_BACK),
        ({}, 1, {"level": 50}, OF_CHANGES),  # most of what varies lies between windows
        ({"future": ["f"]}, 1, {}, FED_BACK),
        ({"past": ["f"]}, 1, {}, None),  # it would have to know p of the steps on the way
        ({"targets": ["y", "f"]}, 1, {}, None),
        ({}, 2, {}, None),
        ({}, 1, {"output": "gaussian"}, None),
        ({}, 1, {"steps": 201}, None),
    ],
)
def test_where_forecasts_are_fed_back(columns, parts, changes, kind):
    steps = changes.get("steps", 3)
    codec, series, _ = coded(noisy(300, f=pl.col("y") * 2), steps=steps, **columns)
    part = series[0].y + changes.get("level", 0) * (np.arange(300) // 100)[:, None]
    options = ForecastOptions(output=changes.get("output", "point"))
    assert fed_back_kind(options, codec, [part] * parts, plan(window=48, steps=steps)) == kind
