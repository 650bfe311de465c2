"""Tables against metrics taken by hand, and the verdict in words."""

import json

import numpy as np
import pytest

from unrolled.tasks import metrics
from unrolled.tasks.forecast.backtest import Backtest
from unrolled.tasks.forecast.evaluation import ALL, evaluate, verdict
from unrolled.tasks.forecast.forecasting import Forecast

LEVELS = (0.1, 0.5, 0.9)
SCALE, DEVIATION = np.array([2.0, 0.5]), np.array([10.0, 0.1])


def random_backtest(N=6, H=3, K=2):
    generator = np.random.default_rng(0)
    y, point, other = generator.standard_normal((3, N, H, K))
    quantiles = np.sort(generator.standard_normal((N, H, K, 3)), axis=-1)
    forecasts = {"model": Forecast(point, quantiles, np.abs(other)), "persistence": Forecast(other)}
    return Backtest(np.zeros(N, int), np.arange(N), 1, y, forecasts)


def test_a_row_for_every_target_and_forecast():
    test = random_backtest()
    found = evaluate(test, ("a", "b"), LEVELS, SCALE, DEVIATION, {"season": 24})
    heads = [(row["target"], row["forecast"]) for row in found.table()]
    assert heads == [(t, f) for t in ("a", "b", ALL) for f in ("model", "persistence")]
    row = found.rows[2]  # b, model
    y, model = test.y[..., 1], test.forecasts["model"]
    f, q = model.point[..., 1], model.quantiles[:, :, 1]
    assert row["mae"] == metrics.mae(y, f) and row["rmse"] == metrics.rmse(y, f)
    assert row["smape"] == metrics.smape(y, f) and row["mase"] == pytest.approx(metrics.mae(y, f) / 0.5)
    assert row["crps"] == model.crps[..., 1].mean() and row["pinball"] == metrics.pinball(y, q, LEVELS)
    assert row["coverage"] == metrics.coverage(y, q[..., 0], q[..., 2])
    assert row["width"] == metrics.width(q[..., 0], q[..., 2])
    assert "crps" not in found.rows[3]


def test_all_targets_are_scaled_by_their_deviations():
    test = random_backtest()
    found = evaluate(test, ("a", "b"), LEVELS, SCALE, DEVIATION, {"season": 24})
    scaled = (test.y - test.forecasts["model"].point) / DEVIATION
    assert found.rmse(ALL, "model") == pytest.approx(np.sqrt((scaled**2).mean()))
    assert len(evaluate(random_backtest(K=1), ("a",), LEVELS, SCALE[:1], DEVIATION[:1], {}).rows) == 2


def test_by_step():
    test = random_backtest()
    found = evaluate(test, ("a", "b"), LEVELS, SCALE, DEVIATION, {"season": 24})
    error = test.y[..., 0] - test.forecasts["model"].point[..., 0]
    assert found.by_step[0]["rmse"] == pytest.approx(np.sqrt((error**2).mean(0)))
    assert all(len(row["coverage"]) == 3 for row in found.by_step if row["forecast"] == "model")


def test_json_has_no_nan():
    found = evaluate(random_backtest(), ("a", "b"), LEVELS, np.zeros(2), DEVIATION, {"season": 24})
    text = json.dumps(found.json(), allow_nan=False)
    assert json.loads(text)["table"][0]["mase"] is None
    assert (found.json()["origins"], found.json()["horizon"], found.json()["season"]) == (6, 3, 24)


def rows(**rmse):
    return [
        {"target": "y", "forecast": name.replace("_", " "), "rmse": value} for name, value in rmse.items()
    ]


def test_a_win_names_the_best_baseline():
    [sentence] = verdict(rows(model=3.0, persistence=5.0, seasonal_naive=4.0))
    assert sentence == "y: the model beats every baseline on RMSE, the best (seasonal naive) by 25.0 %"


def test_a_loss_is_said_in_words():
    [sentence] = verdict(rows(model=4.16, persistence=5.0, seasonal_naive=4.0))
    assert sentence.startswith("y: the model loses to seasonal naive by 4.0 % on RMSE")
    [sentence] = verdict(rows(model=6.0, persistence=5.0, drift=4.0))
    assert "to persistence by 20.0 % and to drift by 50.0 %" in sentence and "use drift" in sentence


def test_an_exact_baseline():
    [sentence] = verdict(rows(model=0.1, persistence=0.0))
    assert "loses to persistence by 0.1 against 0" in sentence


def test_forecasts_that_are_not_finite_never_win():
    [sentence] = verdict(rows(model=float("nan"), persistence=5.0))
    assert sentence == "y: the model's forecasts grow without bound when fed back; use persistence"


def test_outcomes_that_are_missing_are_left_out_and_counted():
    test = random_backtest()
    test.y[2, 1, 0] = test.y[:4, 2, 1] = np.nan
    found = evaluate(test, ("a", "b"), LEVELS, SCALE, DEVIATION, {"season": 24})
    error = (test.y - test.forecasts["model"].point)[..., 1]
    assert found.rmse("b", "model") == pytest.approx(np.sqrt(np.nanmean(error**2)))
    assert all(np.isfinite(value) for row in found.rows for value in row.values() if isinstance(value, float))
    assert found.json()["outcomes"] == 36 - 5 and found.json()["missing"] == 5
    assert found.verdict[-1] == "5 of 36 values to forecast are missing in the data; no figure counts them"
    assert "missing in the data" not in " ".join(
        evaluate(random_backtest(), ("a", "b"), LEVELS, SCALE, DEVIATION, {}).verdict
    )
