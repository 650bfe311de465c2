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
        ("mase", (f, scale), (f[there], np.broadcast_to(scale, y.shape)[there])),
        ("pinball", (q, (0.2, 0.8)), (q[there], (0.2, 0.8))),
        ("coverage", (q[..., 0], q[..., 1]), (q[there][:, 0], q[there][:, 1])),
    ]:
        metric = getattr(metrics, name)
        assert metric(gappy, *more) == pytest.approx(metric(y[there], *own), rel=1e-12)
    by_column = metrics.mae(gappy, f, 0)
    assert by_column == pytest.approx([np.abs(y - f)[there[:, k], k].mean() for k in range(3)])
    assert np.isnan(metrics.mae(np.full(3, np.nan), f[0])) and np.isnan(
        metrics.rmse(y, np.where(gone, np.nan, f))
    )
    parts = [np.array([[1.0], [np.nan], [5], [7]]), np.array([[3.0], [2], [np.nan]])]
    assert metrics.naive_scale(parts, 1) == pytest.approx([(2 + 1) / 2])
