"""The plot of a detector shows its episodes at their times, whatever the times are."""

import numpy as np
import pytest
from matplotlib.dates import date2num

from unrolled.plots import detections, figures
from unrolled.plots.detections import Watched

HOURS = np.datetime64("2024-01-01", "us") + np.arange(50) * np.timedelta64(1, "h")


def watched(times, truth=None):
    values = np.sin(np.arange(len(times)))
    scores = np.where(np.arange(len(times)) < 3, np.nan, values)
    return Watched("load", "watts", times, values, scores, (np.array([10]), np.array([12])), truth)


def spans(axes):
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]


@pytest.mark.parametrize("times", [HOURS, np.arange(2000, 2050)])
def test_episodes_are_as_wide_as_their_steps(times, tmp_path):
    truth = np.array([11, 30]), np.array([11, 33])
    figure = detections.episodes([watched(times, truth), watched(times)], "title", 0.9)
    values, scores, second, _ = figure.axes
    half = (times[1] - times[0]) / 2
    begins, ends = times[[10, 11, 30]] - half, times[[12, 11, 33]] + half
    if times is HOURS:
        begins, ends = date2num(begins), date2num(ends)
    np.testing.assert_allclose(spans(values), np.column_stack([begins, ends]))
    assert len(spans(second)) == 1 and values.get_title("left") == "load" and values.get_ylabel() == "watts"
    assert [text.get_text() for text in values.get_legend().get_texts()] == [
        "episode of alarms",
        "known to be unusual",
    ]
    above = scores.lines[1].get_ydata()
    assert len(above) and (above > 0.9).all()
    assert all(path.stat().st_size > 1000 for path in figures.save(figure, tmp_path, "episodes"))


def test_one_step_is_drawn():
    detections.episodes(
        [Watched("a", "y", np.arange(1), np.zeros(1), np.zeros(1), (np.zeros(0, int),) * 2, None)], "", 1.0
    )
