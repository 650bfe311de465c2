"""Series of one spread, of which some are forecast better than others."""

import numpy as np
import polars as pl
import pytest

from tests.tasks.forecast.test_estimator import no_pictures  # noqa: F401
from unrolled import Forecaster
from unrolled.tasks.forecast.direct.widths import widths

T = 600
NOISE = {"calm": 0.02, "middling": 0.2, "wild": 1.0}


def panel(last=1.0):
    """Sines with noise, brought to one deviation; the last fifth times `last`."""
    draws = np.random.default_rng(0)
    frames = []
    for name, noise in NOISE.items():
        y = np.sin(2 * np.pi * np.arange(T) / 12) + noise * draws.standard_normal(T)
        y = y / y.std() * np.where(np.arange(T) < 0.8 * T, 1, last)
        frames.append(pl.DataFrame({"who": [name] * T, "t": np.arange(T), "y": y}))
    return pl.concat(frames)


OPTIONS = {"id": "who", "time": "t", "target": "y", "horizon": 6, "season": 12, "hidden": 2, "steps": 2}
OPTIONS |= {"refit": False, "threads": 1}


@pytest.fixture(scope="module")
def forecaster():
    return Forecaster(**OPTIONS).fit(panel())


def test_intervals_are_as_wide_as_the_errors_of_their_series(forecaster):
    """Of one width for all, those of the calm series would hold everything."""
    series = forecaster.evaluation.series
    coverage = dict(series.select("series", "coverage model").iter_rows())
    for name in NOISE:
        assert coverage[name] == pytest.approx(0.9, abs=0.09), name
    calm, middling, wild, others = forecaster.network.p.widths.tolist()
    assert calm < 0.2 * middling and middling < 0.5 * wild and others == 1
    assert not forecaster.network.p.widths.requires_grad


def test_an_unknown_series_has_the_width_of_all_and_the_runtime_the_same_bits(forecaster):
    model, frame = forecaster.runtime(), panel().filter(who="calm")
    rows = [{"t": t, "y": y} for t, y in frame.select("t", "y").rows()]
    table = forecaster.predict().filter(series="calm")
    said = model.predict([[row | {"who": name} for row in rows] for name in ("calm", "new")])["quantiles"]
    for at, level in enumerate(model.block.output.levels):
        assert np.array_equal(table[f"q{level:g}"], said[0, :, 0, at])
    width = np.ptp(said[..., 0, :], axis=-1).mean(-1)
    assert width[0] < 0.3 * width[1]


def test_no_width_comes_from_the_test_part(forecaster):
    other = Forecaster(**OPTIONS).fit(panel(1e6))
    for name in ("widths", "offsets"):
        assert getattr(other.network.p, name).equal(getattr(forecaster.network.p, name))


def test_series_that_never_move_do_not_narrow_the_intervals_of_the_others(forecaster):
    """Two thirds of all scores would be 0, and the interval of 50 % a line."""
    flat = [pl.DataFrame({"who": [f"flat {k}"] * T, "t": np.arange(T), "y": [0.0] * T}) for k in range(6)]
    other = Forecaster(**OPTIONS).fit(pl.concat([panel(), *flat]))
    for name in NOISE:
        inner = [
            (table["q0.75"] - table["q0.25"]).mean()
            for table in (one.predict().filter(series=name) for one in (forecaster, other))
        ]
        assert inner[1] == pytest.approx(inner[0], rel=0.2), name
    still = other.predict().filter(series="flat 3")
    assert (still["q0.95"] - still["q0.05"]).max() < 0.2
    assert other.evaluation.series.filter(series="flat 3")["coverage model"].item() == 1


def test_widths_by_hand():
    """Errors of 1 and 4, whose geometric mean is 2; of one horizon half of the distance counts."""
    errors, numbers = np.array([0.5, 1.5, 4.0, 9.0]), np.array([0, 0, 1, 3])
    each_width = widths(errors, numbers, {0: 1.0, 1: 3.0, 3: 9.0}, 4)
    np.testing.assert_allclose(
        each_width, [0.5**0.5, 2**0.75, 1, 1]
    )  # no window of the third, and all others
    assert (widths(0 * errors, numbers, {0: 1.0, 1: 3.0}, 4) == 1).all()
    assert widths(np.array([0.0, 3.0]), np.array([0, 1]), {0: 9.0, 1: 9.0}, 3).tolist() == [0.05, 1, 1]
    assert widths(np.array([1e-9, 1e9]), np.array([0, 1]), {0: 99.0, 1: 99.0}, 3).tolist() == [0.05, 20, 1]


def test_a_distribution_has_no_widths():
    forecaster = Forecaster(**OPTIONS, output="gaussian", calibrate=True).fit(panel())
    assert forecaster.network.block.widths is None and forecaster.network.p.offsets.abs().sum() > 0
