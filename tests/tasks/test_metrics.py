"""Metrics against numbers worked out by hand."""

import numpy as np
import pytest

from unrolled.tasks import metrics

Y, F = np.array([1.0, -2.0, 0.0, 4.0]), np.array([2.0, -2.0, 0.0, 1.0])


def test_point_metrics():
    assert metrics.mae(Y, F) == 1  # 1, 0, 0, 3
    assert metrics.rmse(Y, F) == pytest.approx(np.sqrt(10 / 4))
    assert metrics.smape(Y, F) == pytest.approx((200 / 3 + 0 + 0 + 600 / 5) / 4)
    assert metrics.mase(Y, F, np.array(2.0)) == 0.5


@pytest.mark.parametrize("unit", [1e300, 1e-300])
def test_rmse_of_values_whose_squares_do_not_exist(unit: float):
    assert metrics.rmse(unit * Y, unit * F) / unit == pytest.approx(np.sqrt(10 / 4))


def test_smape_goes_from_0_to_200():
    assert metrics.smape(np.array([5.0]), np.array([-1.0])) == 200
    assert metrics.smape(np.array([0.0]), np.array([0.0])) == 0


def test_mase_beside_a_perfect_naive_is_nan():
    assert np.isnan(metrics.mase(Y, F, np.array(0.0)))


def test_measures_of_retail_by_hand():
    assert metrics.wape(Y, F) == pytest.approx(100 * 4 / 7)
    assert metrics.bias(Y, F) == -0.5 and metrics.relative_bias(Y, F) == pytest.approx(-100 * 2 / 7)
    assert metrics.bias(np.array([1.0]), np.array([3.0])) == 2, "above 0 where forecasts are too high"


@pytest.mark.parametrize("unit", [1, 1e200, 1e-200])
def test_measures_of_hydrology_by_hand(unit):
    y, f = unit * np.array([1.0, 2.0, 3.0, 6.0]), unit * np.array([2.0, 2.0, 4.0, 4.0])
    # Means 3 and 3; squares about them 14 and 4; products 2 + 1 + 0 + 3; squared errors 1 + 0 + 1 + 4.
    assert metrics.nse(y, f) == pytest.approx(1 - 6 / 14)
    r, alpha = 6 / np.sqrt(14 * 4), np.sqrt(4 / 14)
    parts = metrics.kge(y, f)
    assert [parts[f"kge_{name}"] for name in ("r", "alpha", "beta")] == pytest.approx([r, alpha, 1])
    assert parts["kge"] == pytest.approx(1 - np.hypot(r - 1, alpha - 1))
    assert metrics.kge(y, 2 * y)["kge"] == pytest.approx(1 - np.sqrt(2)), "α and β are 2"
    assert metrics.nse(y, y) == 1 and metrics.kge(y, y)["kge"] == pytest.approx(1)
    assert metrics.nse(y, np.full(4, y.mean())) == pytest.approx(0, abs=1e-12)


def test_what_would_be_divided_by_0_is_nan():
    # In float64 the mean of these is not 0.1.
    same, zeros, vary = np.full(3, 0.1), np.zeros(3), np.array([1.0, 2, 4])
    assert np.isnan(metrics.nse(same, vary)) and np.isnan(metrics.kge(same, vary)["kge"])
    assert np.isnan(metrics.kge(vary, same)["kge"]) and np.isfinite(metrics.nse(vary, same))
    assert np.isnan(metrics.kge(np.array([-1.0, 0, 1]), vary)["kge"])
    assert np.isnan(metrics.wape(zeros, vary)) and np.isnan(metrics.relative_bias(zeros, vary))
    assert metrics.bias(zeros, vary) == pytest.approx(7 / 3)


def test_naive_scale_pools_the_series_and_skips_short_ones():
    parts = [np.array([[1.0], [2], [5], [7]]), np.array([[0.0], [10]]), np.array([[0.0], [0], [1]])]
    # Lag 2: |5 - 1|, |7 - 2|; the second part is too short; |1 - 0|.
    assert metrics.naive_scale(parts, 2) == pytest.approx([10 / 3])


def test_crps_by_hand():
    # Draws 0, 2, 4 and outcome 1: mean |x - y| = 5/3; mean |x - x'| over pairs = (2 + 2 + 4) / 3.
    found = metrics.crps(np.array([[4.0, 0.0, 2.0]]), np.array([1.0]))
    assert found == pytest.approx([5 / 3 - 8 / 3 / 2])


def test_crps_of_draws_is_unbiased():
    """Its mean over samples of three standard normal draws is that of the normal distribution at 0.3."""
    generator = np.random.default_rng(0)
    draws = generator.standard_normal((200_000, 3))
    z, below = 0.3, 0.617911422188953  # Φ(0.3)
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    wanted = z * (2 * below - 1) + 2 * density - 1 / np.sqrt(np.pi)
    # 200,000 scores with a standard deviation of about 0.45.
    assert metrics.crps(draws, np.full(200_000, z)).mean() == pytest.approx(wanted, abs=0.005)


def test_quantile_metrics():
    y = np.array([1.0, 5.0])
    q = np.array([[0.0, 3.0], [1.0, 4.0]])
    # Levels 0.2, 0.8: 0.2, 0.4 and 0.8, 0.8.
    assert metrics.pinball(y, q, (0.2, 0.8)) == pytest.approx((0.2 + 0.4 + 0.8 + 0.8) / 4)
    assert metrics.coverage(y, q[:, 0], q[:, 1]) == 0.5
    assert metrics.width(q[:, 0], q[:, 1]) == 3


def test_the_mean_runs_over_the_axis():
    y, f = np.zeros((2, 3, 1)), np.arange(6.0).reshape(2, 3, 1)
    assert metrics.mae(y, f, (0, 2)).tolist() == [1.5, 2.5, 3.5]
    assert metrics.rmse(y, f, (0, 2)) == pytest.approx(np.sqrt([4.5, 8.5, 14.5]))
    assert metrics.pinball(y, f[..., None], (0.5,), (0, 2)).tolist() == [0.75, 1.25, 1.75]
    y = np.random.default_rng(0).standard_normal((2, 3, 1))
    assert metrics.nse(y, f, (0, 2)) == pytest.approx(
        [float(metrics.nse(y[:, h], f[:, h])) for h in range(3)]
    )
    assert metrics.kge(y, f, (0, 2))["kge"] == pytest.approx(
        [float(metrics.kge(y[:, h], f[:, h])["kge"]) for h in range(3)]
    )


def test_what_was_not_observed_counts_nowhere():
    """As if it were not there; a forecast that is no number still is none."""
    draws = np.random.default_rng(0)
    y, f, q = draws.standard_normal((5, 3)), draws.standard_normal((5, 3)), draws.standard_normal((5, 3, 2))
    gone = draws.random((5, 3)) < 0.4
    gappy, there = np.where(gone, np.nan, y), ~gone
    scale = np.array([1.0, 2.0, 3.0])
    for name, more, own in [
        ("mae", (f,), (f[there],)),
        ("rmse", (f,), (f[there],)),
        ("smape", (f,), (f[there],)),
        ("wape", (f,), (f[there],)),
        ("bias", (f,), (f[there],)),
        ("relative_bias", (f,), (f[there],)),
        ("nse", (f,), (f[there],)),
        ("mase", (f, scale), (f[there], np.broadcast_to(scale, y.shape)[there])),
        ("pinball", (q, (0.2, 0.8)), (q[there], (0.2, 0.8))),
        ("coverage", (q[..., 0], q[..., 1]), (q[there][:, 0], q[there][:, 1])),
    ]:
        metric = getattr(metrics, name)
        assert metric(gappy, *more) == pytest.approx(metric(y[there], *own), rel=1e-12)
    assert metrics.kge(gappy, f)["kge"] == pytest.approx(metrics.kge(y[there], f[there])["kge"], rel=1e-12)
    by_column = metrics.mae(gappy, f, 0)
    assert by_column == pytest.approx([np.abs(y - f)[there[:, k], k].mean() for k in range(3)])
    assert np.isnan(metrics.mae(np.full(3, np.nan), f[0])) and np.isnan(
        metrics.rmse(y, np.where(gone, np.nan, f))
    )
    parts = [np.array([[1.0], [np.nan], [5], [7]]), np.array([[3.0], [2], [np.nan]])]
    assert metrics.naive_scale(parts, 1) == pytest.approx([(2 + 1) / 2])
