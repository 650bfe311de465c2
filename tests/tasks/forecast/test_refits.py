"""A backtest whose model is trained again on the way: each training is what a user would have made by hand at
that time, and knows nothing that comes later."""

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from tests.tasks.forecast.cases import RECURSIVE, noisy
from tests.tasks.forecast.test_estimator import SMALL, T, no_pictures, panel, same_weights  # noqa: F401
from unrolled.errors import ConfigError
from unrolled.tasks.forecast.estimator import Forecaster
from unrolled.tasks.forecast.judging.backtest import Origins
from unrolled.tasks.forecast.refits import refits
from unrolled.training.progress import Reporter

OPTIONS = SMALL | {"epochs": None, "steps": 12, "test": 48}
FED_BACK = RECURSIVE | {"level": "absolute", "keep": "last"}


class Notes(Reporter):
    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


def test_each_origin_belongs_to_the_latest_training_that_knows_no_more():
    origins = Origins((np.arange(99, 140, 3), np.arange(49, 60, 3)), 3)
    every, first = 10, [100, 50]
    trainings = list(refits(origins, first, every))
    for s in range(2):
        assert np.array_equal(np.concatenate([one.of[s] for one in trainings]), origins.of[s])
        for one in trainings:
            known = one.of[s] + 1
            assert ((one.ends[s] <= known) & (known < one.ends[s] + every)).all()
    assert [one.ends[0] for one in trainings] == [100, 110, 120, 130]


def test_a_block_without_an_origin_needs_no_training():
    assert [one.ends for one in refits(Origins((np.array([9, 39]),), 30), [10], 10)] == [(10,), (40,)]


@pytest.mark.parametrize("options", [FED_BACK, {"output": "gaussian"}])
def test_each_model_is_the_one_trained_by_hand_at_its_time(options):
    frame = noisy(T)
    model = Forecaster(**(OPTIONS | options)).fit(frame)
    before, notes, state = {k: v.clone() for k, v in model.network.state_dict().items()}, Notes(), None
    state = torch.get_rng_state()
    found = model.evaluate(refit_every=20, report=notes)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())
    assert notes.lines == [f"training {n} of 3, on {192 + 20 * (n - 1)} steps" for n in (1, 2, 3)]
    rows = found.forecasts()
    for end in (192, 212, 232):
        alike = {name: getattr(model.config.forecast, name) for name in ("season", "transform", "scale")}
        by_hand = Forecaster(**(OPTIONS | options | {"validation": 0, "test": 0} | alike)).fit(frame[:end])
        if "output" in options:  # what a validation part alone tells is that of the first training
            by_hand.network.p.shares.copy_(model.network.p.shares)
        wanted = by_hand.predict()
        now = rows.filter(pl.col("origin") == frame["time"][end - 1])
        assert_frame_equal(now.select(wanted.columns), wanted, check_exact=True)
    assert found.about["trainings"] == 3 and found.about["refit_every"] == 20
    assert found.verdict[-1] == (
        "judged with 3 models: trained anew every 20 steps of the test part on all that was known by then, "
        "each for 12 gradient steps"
    )
    kept = model.evaluation
    assert found.rmse("y", "persistence") == kept.rmse("y", "persistence")
    assert found.rmse("y", "model") != kept.rmse("y", "model") and "trainings" not in kept.about


@pytest.mark.parametrize("options", [FED_BACK, {}])
def test_nothing_that_comes_later_is_known(options):
    """Spoilt from the middle of the test part on: forecasts from before are the same to the bit."""
    frame = noisy(T)
    late = pl.int_range(T) >= T - 20
    spoilt = frame.with_columns(pl.when(late).then(pl.col("y") * 1e6).otherwise("y").alias("y"))
    models = [Forecaster(**OPTIONS | options).fit(data) for data in (frame, spoilt)]
    assert same_weights(*models)
    early = pl.col("time") < frame["time"][T - 20]
    one, two = (model.evaluate(refit_every=7).forecasts().filter(early) for model in models)
    assert len(one) > 50
    assert_frame_equal(one, two, check_exact=True)


def test_several_series_and_a_model_that_was_refitted(tmp_path):
    data = panel().filter(pl.col("id") != "tiny")
    data.write_csv(tmp_path / "panel.csv")
    options = OPTIONS | {"id": "id", "test": 0.2, "refit": True}
    model = Forecaster(**options).fit(tmp_path / "panel.csv", out=tmp_path / "run")
    found = model.evaluate(refit_every=25)
    assert found.about["trainings"] == 2 and "trained again on all data" not in " ".join(found.verdict)
    again = Forecaster.load(tmp_path / "run").evaluate(refit_every=25)
    assert again.rows == found.rows


def test_what_cannot_be_refitted():
    model = Forecaster(**OPTIONS).fit(noisy(T))
    with pytest.raises(ConfigError, match="refit_every: wanted 1 or more, got 0"):
        model.evaluate(refit_every=0)
    with pytest.raises(ConfigError, match="refit_every goes through the test part of the training data"):
        model.evaluate(noisy(T, seed=3), refit_every=10)
