"""Series whose values are as odd as may be: a training and its forecasts stay numbers, without a warning."""

import numpy as np
import polars as pl
import pytest

from unrolled import Forecaster, tasks
from unrolled.tasks.forecast import pictures

T = 60
WAVE = np.sin(np.arange(T) / 2)
SMALL = {"target": "y", "time": "t", "id": "s", "horizon": 2, "hidden": 3, "steps": 4, "threads": 1}
SMALL |= {"refit": False, "season": 1}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(tasks.pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(pictures, "draw_evaluation", lambda *arguments: None)


def forecasts(*series, **options):
    """Each of its own series; a warning is an error."""
    frames = [
        pl.DataFrame({"t": range(T), "s": [name] * T, "y": y}) for name, y in zip("abc", series, strict=False)
    ]
    model = Forecaster(**SMALL | options).fit(pl.concat(frames).fill_nan(None))
    return model.predict()["forecast"].to_numpy().reshape(len(series), -1)


@pytest.mark.filterwarnings("error")
def test_series_that_are_constant_each_go_on_as_they_are():
    assert np.array_equal(forecasts(np.full(T, 1.0), np.full(T, 2.0)), [[1, 1], [2, 2]])


@pytest.mark.filterwarnings("error")
def test_a_series_without_a_value_in_its_training_part_harms_no_other():
    late = np.full(T, np.nan)
    late[-4:] = (1, 2, 1, 3)
    assert np.isfinite(forecasts(late, WAVE, gaps="mask")).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("exponent", [-1000, 1000])
def test_the_unit_of_a_series_moves_the_point(exponent):
    """Powers of two change no digit, and no square of theirs is a number."""
    found = forecasts(np.ldexp(WAVE, exponent), calibrate=False)
    assert np.array_equal(found, np.ldexp(forecasts(WAVE, calibrate=False), exponent))
