"""Tables against metrics taken by hand, and the verdict in words."""

import json

import numpy as np
import pytest

from unrolled.tasks import metrics
from unrolled.tasks.forecast.judging.backtest import Backtest
from unrolled.tasks.forecast.judging.evaluation import ALL, evaluate, verdict
from unrolled.tasks.forecast.paths import Forecast

LEVELS = (0.1, 0.5, 0.9)
SCALE, DEVIATION = np.array([2.0, 0.5]), np.array([10.0, 0.1])


def random_backtest(N=6, H=3, K=2):
    generator = np.random.default_rng(0)
    y, point, other = generator.standard_normal((3, N, H, K))
    quantiles = np.sort(generator.standard_normal((N, H, K, 3)), axis=-1)
    forecasts = {"model": Forecast(point, quantiles, np.abs(other)), "persistence": Forecast(other)}
    return Backtest(
        ("s",), np.zeros(N, int), np.arange(N), 1, y, forecasts, np.full((1, K), 0.5), "persistence"
    )


def test_a_row_for_every_target_and_forecast():
    test = random_backtest()
    judged = evaluate(test, ("a", "b"), LEVELS, SCALE, DEVIATION, {"season": 24})
    heads = [(row["target"], row["forecast"]) for row in judged.table()]
    assert heads == [(t, f) for t in ("a", "b", ALL) for f in ("model", "persistence")]
    assert judged.table()[0]["coverage of 80 %"] == judged.rows[0]["coverage"]
    row = judged.rows[2]  # b, model
    y, model = test.y[..., 1], test.forecasts["model"]
    f, q = model.point[..., 1], model.quantiles[:, :, 1]
    assert row["mae"] == metrics.mae(y, f) and row["rmse"] == metrics.rmse(y, f)
    assert row["smape"] == metrics.smape(y, f) and row["mase"] == pytest.approx(metrics.mae(y, f) / 0.5)
    assert row["crps"] == model.crps[..., 1].mean() and row["pinball"] == metrics.pinball(y, q, LEVELS)
    assert row["coverage"] == metrics.coverage(y, q[..., 0], q[..., 2])
    assert row["width"] == metrics.width(q[..., 0], q[..., 2])
    assert "crps" not in judged.rows[3]
    assert row["wape"] == metrics.wape(y, f) and row["bias"] == metrics.bias(y, f)
    assert row["nse"] == metrics.nse(y, f) and row["kge_alpha"] == metrics.kge(y, f)["kge_alpha"]
    shown = judged.table()[2]
    assert shown["bias %"] == round(row["relative_bias"], 3) and shown["kge"] == round(row["kge"], 3)
    assert not shown.keys() & {"relative_bias", "kge_r", "coverage_noise"}
    assert "wape" not in judged.rows[-1], "targets of several units do not add up"


def test_all_targets_are_scaled_by_their_deviations():
    test = random_backtest()
    judged = evaluate(test, ("a", "b"), LEVELS, SCALE, DEVIATION, {"season": 24})
    scaled = (test.y - test.forecasts["model"].point) / DEVIATION
    assert judged.rmse(ALL, "model") == pytest.approx(np.sqrt((scaled**2).mean()))
    assert len(evaluate(random_backtest(K=1), ("a",), LEVELS, SCALE[:1], DEVIATION[:1], {}).rows) == 2


def test_by_step():
    test = random_backtest()
    judged = evaluate(test, ("a", "b"), LEVELS, SCALE, DEVIATION, {"season": 24})
    error = test.y[..., 0] - test.forecasts["model"].point[..., 0]
    assert judged.by_step[0]["rmse"] == pytest.approx(np.sqrt((error**2).mean(0)))
    assert all(len(row["coverage"]) == 3 for row in judged.by_step if row["forecast"] == "model")


def test_json_has_no_nan():
    judged = evaluate(random_backtest(), ("a", "b"), LEVELS, np.zeros(2), DEVIATION, {"season": 24})
    text = json.dumps(judged.json(), allow_nan=False)
    assert json.loads(text)["table"][0]["mase"] is None
    assert (judged.json()["origins"], judged.json()["horizon"], judged.json()["season"]) == (6, 3, 24)


def test_what_the_outcomes_do_not_admit_is_said():
    test = random_backtest(K=1)
    test.y[:] = 0
    judged = evaluate(test, ("a",), LEVELS, SCALE[:1], DEVIATION[:1], {})
    assert judged.verdict[2:4] == [
        "a: WAPE and relative bias do not exist: all outcomes are 0",
        "a: NSE and KGE do not exist: all outcomes are the same",
    ]
    assert judged.json()["table"][0]["nse"] is None and "kge" in judged.json()["table"][0]
    assert "exist" not in " ".join(
        evaluate(random_backtest(K=1), ("a",), LEVELS, SCALE[:1], DEVIATION[:1], {}).verdict
    )


def test_the_competitions_figure_over_series():
    """OWA: of two series the means of sMAPE and of MASE, each over that of Naive2."""
    y = np.array([[10.0, 20], [100, 400]])[..., None]
    model, naive2, other = y * 1.1, y * [[[1.2], [1.2]], [[1.4], [1.4]]], y * 1.3
    forecasts = {"model": model, "seasonal naive": other, "naive2": naive2}
    test = Backtest(
        ("a", "b"),
        np.array([0, 1]),
        np.array([5, 5]),
        1,
        y,
        {name: Forecast(f) for name, f in forecasts.items()},
        np.array([[2.0], [50]]),
        "seasonal naive",
    )
    judged = evaluate(test, ("y",), LEVELS, SCALE[:1], DEVIATION[:1], {})

    def smape(share):
        return 200 * share / (2 + share)

    mase = (15 / 2 + 250 / 50) / 2  # of an error as large as the outcomes
    beside = (smape(0.2) + smape(0.4)) / 2, (15 / 2 * 0.2 + 250 / 50 * 0.4) / 2
    owa = {row["forecast"]: row["owa"] for row in judged.rows}
    assert owa["model"] == pytest.approx((smape(0.1) / beside[0] + 0.1 * mase / beside[1]) / 2)
    assert judged.verdict[1].endswith(f", its OWA {owa['model']:.3g}, where Naive2 has 1")
    assert owa["naive2"] == 1 and owa["seasonal naive"] > owa["model"]
    assert judged.rows[0]["mean smape"] == pytest.approx(smape(0.1))
    assert judged.series["smape model"].to_list() == pytest.approx([smape(0.1)] * 2)


def said(noise=0.1, **rmse):
    """The first sentence of the verdict on such errors."""
    rows = [
        {"target": "y", "forecast": name.replace("_", " "), "rmse": value, "rmse_noise": noise}
        for name, value in rmse.items()
    ]
    about = {"origins": 9, "series": 1, "stride": 2, "horizon": 4, "naive": "persistence"}
    sentence, last = verdict(rows, about)
    assert last == "judged 4 steps ahead from 9 origins, one of every 2 that are possible"
    return sentence


def test_a_win_names_the_best_baseline():
    sentence = said(model=3.0, persistence=5.0, seasonal_naive=4.0)
    assert sentence == "y: the model beats every baseline on RMSE, the best (seasonal naive) by 25.0 %"


def test_a_loss_is_said_in_words():
    sentence = said(model=4.16, persistence=5.0, seasonal_naive=4.0)
    assert sentence.startswith("y: the model loses to seasonal naive by 4.0 % on RMSE")
    sentence = said(model=6.0, persistence=5.0, drift=4.0)
    assert "to persistence by 20.0 % and to drift by 50.0 %" in sentence and "use drift" in sentence


def test_an_exact_baseline():
    assert "loses to persistence by 0.1 against 0" in said(model=0.1, persistence=0.0, noise=0.05)


@pytest.mark.parametrize("model", [0.95, 1.05])
def test_what_is_within_the_noise_is_neither_won_nor_lost(model):
    sentence = said(model=model, mean=1.0, drift=2.0)
    assert sentence == (
        "y: no clear difference between the model and the best baseline, mean: "
        f"RMSE {model} against 1; up to 0.1 is noise"
    )
    assert said(model=model, mean=1.0, noise=np.inf).startswith("y: too few origins to compare the model")


def test_forecasts_that_are_not_finite_never_win():
    sentence = said(model=float("nan"), persistence=5.0)
    assert sentence == "y: the model's forecasts grow without bound when fed back; use persistence"


def test_intervals_are_judged_beside_what_they_should_hold():
    row = {"target": "y", "forecast": "model", "rmse": 1.0, "coverage_noise": 0.04}
    other = {"target": "y", "forecast": "mean", "rmse": 2.0, "rmse_noise": 0.1}
    about = {"origins": 9, "series": 1, "stride": 1, "horizon": 4, "naive": "mean", "nominal_coverage": 0.9}
    about["middle_coverage"] = {}
    for coverage, wanted in (
        (0.715, "71.5 % of the outcomes are in the 90 % interval: it is too narrow (± 4.0 % is noise)"),
        (0.99, "99.0 % of the outcomes are in the 90 % interval: it is too wide (± 4.0 % is noise)"),
        (0.87, "87.0 % of the outcomes are in the 90 % interval, as many as should be (± 4.0 % is noise)"),
    ):
        assert verdict([row | {"coverage": coverage}, other], about)[1] == f"y: {wanted}"


def test_every_interval_is_told_beside_what_it_would_be_had_it_followed_the_errors():
    """Of two targets, whose outermost and middle interval hold other shares; of the adaptive ones only those
    origins count that have some."""
    levels = 0.05, 0.25, 0.5, 0.75, 0.95
    y = np.random.default_rng(0).standard_normal((200, 3, 2))
    q = np.broadcast_to([-1.645, -0.5, 0, 0.5, 1.645], (*y.shape, 5))
    adaptive = 2 * q
    adaptive[:50] = np.nan
    forecasts = {"model": Forecast(0 * y, q, np.abs(y)), "persistence": Forecast(0 * y)}
    at = np.zeros(200, int), np.arange(200)
    test = Backtest(("s",), *at, 1, y, forecasts, np.ones((1, 2)), "persistence", adaptive)
    judged = evaluate(test, ("a", "b"), levels, SCALE, DEVIATION, {})
    for k, row in enumerate(judged.rows[::2]):
        z = np.abs(y[..., k] if k < 2 else y)
        assert row["coverage"] == pytest.approx((z < 1.645).mean())
        assert row["coverage_0.5"] == pytest.approx((z < 0.5).mean())
        assert row["adaptive_coverage"] == pytest.approx((z[50:] < 3.29).mean())
        assert row["adaptive_coverage_0.5"] == pytest.approx((z[50:] < 1).mean())
    assert not any("coverage_" in key for row in judged.table() for key in row)
    row = judged.rows[0]
    assert f" in the 90 % interval ({100 * row['coverage_0.5']:.1f} % in that of 50 %)" in judged.verdict[1]
    shares = f"{100 * row['adaptive_coverage']:.1f} % and {100 * row['adaptive_coverage_0.5']:.1f} %"
    assert judged.verdict[2] == f"a: widened and narrowed with the errors as they become known, {shares} are"


def test_intervals_of_many_series_are_judged_one_by_one_too():
    """One width for small and large: the pooled share is that of neither."""
    N, H = 400, 2
    series = np.repeat([0, 1, 2, 3], 100)
    y = np.array([0.1, 0.1, 1, 10])[series, None, None] * np.random.default_rng(0).standard_normal((N, H, 1))
    zero = np.zeros((N, H, 1))
    model = Forecast(zero, np.stack([zero - 1.645, zero, zero + 1.645], -1), np.abs(y))
    at = np.tile(np.arange(0, 500, 5), 4)
    forecasts = {"model": model, "persistence": Forecast(zero)}
    test = Backtest(tuple("abcd"), series, at, 5, y, forecasts, np.ones((4, 1)), "persistence")
    judged = evaluate(test, ("y",), (0.05, 0.5, 0.95), SCALE[:1], DEVIATION[:1], {})
    shares = (np.abs(y) <= 1.645).reshape(4, -1).mean(1)
    assert judged.series["coverage model"].to_list() == pytest.approx(shares)
    low, high = 100 * np.quantile(shares, [0.25, 0.75])
    middle = f"in the middle half of the series {low:.1f} % to {high:.1f} % of the outcomes are in it"
    assert judged.verdict[3] == f"y: {middle}"


def test_many_series_are_judged_together_and_each_by_itself():
    """Three of four series are worse than by persistence, which the pooled figure hides."""
    generator = np.random.default_rng(0)
    N, H = 400, 2
    series = np.repeat([0, 1, 3, 4], 100)
    size = np.array([1.0, 10.0, 1.0, 1.0, 1000.0])[series, None, None]
    y, noise = size * generator.standard_normal((2, N, H, 1))
    model = Forecast(y + np.where(series == 4, 0.1, 3)[:, None, None] * noise)
    scale = np.array([[1.0], [10], [np.nan], [np.nan], [1000]])
    names = ("a", "b", "short", "c", "d")
    forecasts = {"model": model, "persistence": Forecast(y + noise)}
    at = np.tile(np.arange(0, 500, 5), 4)
    test = Backtest(names, series, at, 5, y, forecasts, scale, "persistence")
    judged = evaluate(test, ("y",), LEVELS, SCALE[:1], DEVIATION[:1], {})
    assert judged.series["series"].to_list() == ["a", "b", "c", "d"]
    assert (
        judged.series["origins"].to_list() == [100] * 4 and judged.series["outcomes"].to_list() == [200] * 4
    )
    errors = np.abs(y - model.point)[..., 0].reshape(4, -1).mean(1)
    assert judged.series["mae model"].to_list() == pytest.approx(errors)
    assert judged.series["mase model"].to_list()[:2] == pytest.approx([errors[0], errors[1] / 10])
    assert judged.series["mase model"][2] is None
    nse = [float(metrics.nse(y[series == k], model.point[series == k])) for k in (0, 1, 3, 4)]
    assert judged.series["nse model"].to_list() == pytest.approx(nse)
    assert judged.rows[0]["median nse"] == pytest.approx(np.median(nse)) and "nse" not in judged.rows[0]
    assert "kge_r model" in judged.series.columns and "kge_r persistence" not in judged.series.columns
    model_row, other = judged.table()
    assert model_row["beats naive"] == 0.25 and np.isnan(other["beats naive"])
    assert model_row["median mase"] == pytest.approx(np.median([errors[0], errors[1] / 10, errors[3] / 1000]))
    assert "beats every baseline" in judged.verdict[0]
    assert judged.verdict[1].startswith(
        "y: only 25 % of 4 series are forecast better than by their persistence"
    )
    assert "from 400 origins of 4 series" in judged.verdict[2]
    assert json.loads(json.dumps(judged.json(), allow_nan=False))["series"][3]["series"] == "d"


def test_series_without_outcomes_are_no_defeat():
    generator = np.random.default_rng(0)
    y, noise = generator.standard_normal((2, 30, 2, 2))
    series, at = np.repeat([0, 1, 2], 10), np.tile(np.arange(0, 50, 5), 3)
    y[series == 1, :, 0] = y[..., 1] = np.nan
    forecasts = {"model": Forecast(y + 0.1 * noise), "persistence": Forecast(y + noise)}
    test = Backtest(("a", "b", "c"), series, at, 5, y, forecasts, np.ones((3, 2)), "persistence")
    judged = evaluate(test, ("u", "v"), LEVELS, SCALE, DEVIATION, {})
    assert judged.table()[0]["beats naive"] == 1
    assert judged.verdict[1].startswith("u: 100 % of 2 series are forecast better")
    assert judged.verdict[2] == "v: no value of it was observed where it is judged, and no figure tells of it"
    assert "grow without bound" not in " ".join(judged.verdict)


def test_an_interval_of_which_any_share_would_pass_is_not_called_right():
    generator = np.random.default_rng(0)
    y = generator.standard_normal((2, 1, 1))
    q = np.stack([y - 1, y, y + 1], -1)
    q[1] += 9
    forecasts = {"model": Forecast(y, q, np.abs(y)), "persistence": Forecast(y + 1)}
    nothing = np.zeros(2, int), np.array([0, 100])
    test = Backtest(("a",), *nothing, 100, y, forecasts, np.ones((1, 1)), "persistence")
    judged = evaluate(test, ("u",), (0.05, 0.5, 0.95), SCALE[:1], DEVIATION[:1], {})
    assert judged.verdict[1].endswith(
        "50.0 % of the outcomes are in the 90 % interval; too few origins to say whether it is right"
    )


def test_outcomes_that_are_missing_are_left_out_and_counted():
    test = random_backtest()
    test.y[2, 1, 0] = test.y[:4, 2, 1] = np.nan
    judged = evaluate(test, ("a", "b"), LEVELS, SCALE, DEVIATION, {"season": 24})
    error = (test.y - test.forecasts["model"].point)[..., 1]
    assert judged.rmse("b", "model") == pytest.approx(np.sqrt(np.nanmean(error**2)))
    assert all(np.isfinite(value) for row in judged.table() for value in list(row.values())[2:])
    assert judged.json()["outcomes"] == 36 - 5 and judged.json()["missing"] == 5
    assert judged.series["outcomes"].to_list() == [17, 14]
    assert judged.verdict[-1] == "5 of 36 values to forecast are missing in the data; no figure counts them"
    assert "missing in the data" not in " ".join(
        evaluate(random_backtest(), ("a", "b"), LEVELS, SCALE, DEVIATION, {}).verdict
    )
