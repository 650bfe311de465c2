"""Series that are known by their names have a base each."""

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.forecast.test_estimator import same_weights
from unrolled import Forecaster, runtime
from unrolled.errors import ConfigError, DataError

T = 240
SMALL = {
    "id": "who",
    "time": "t",
    "target": "y",
    "horizon": 3,
    "season": 1,
    "hidden": 2,
    "steps": 2,
    "refit": False,
}


def panel(T=T):
    """One that turns at each step, and one that goes on as it does."""
    draws = np.random.default_rng(1)
    turning = 5 + np.where(np.arange(T) % 2, 1.0, -1.0) + 0.01 * draws.standard_normal(T)
    going = 100 * np.cumsum(0.1 + 0.01 * draws.standard_normal(T))
    t = np.tile(np.arange(T), 2)
    return pl.DataFrame(
        {"who": ["turning"] * T + ["going"] * T, "t": t, "y": np.concatenate([turning, going])}
    )


@pytest.fixture(scope="module", params=[0, 3])
def forecaster(request):
    return Forecaster(**SMALL, identity=request.param).fit(panel())


def steps(who, name, T=T):
    rows = panel(T).filter(who=who)
    return [{"t": t, "y": y} | ({"who": name} if name else {}) for t, y in rows.select("t", "y").rows()]


def test_each_goes_on_as_it_did(forecaster):
    after = forecaster.predict()
    turning = after.filter(series="turning")["forecast"].to_numpy()
    np.testing.assert_allclose(turning, [4, 6, 4], atol=0.1)
    last = panel().filter(who="going")["y"][-1]
    np.testing.assert_allclose(
        after.filter(series="going")["forecast"], last + 10 * np.arange(1, 4), rtol=0.003
    )


def test_a_step_that_names_its_series_is_forecast_by_its_base(forecaster):
    model = forecaster.runtime()
    for who in ("turning", "going"):
        wanted = forecaster.predict().filter(series=who)["forecast"]
        named = model.predict([steps(who, who)])["forecast"][0, :, 0]
        np.testing.assert_array_equal(named, wanted)
        stream = model.stream()
        np.testing.assert_array_equal(stream.feed(steps(who, who))["forecast"][-1, :, 0], wanted)
    both = [steps("going", "going"), steps("turning", "turning"), steps("turning", "another")]
    together = model.predict(both)["forecast"]
    for one, row in zip(both, together, strict=True):
        np.testing.assert_array_equal(model.predict([one])["forecast"][0], row)


def test_others_share_the_base_of_all(forecaster):
    model = forecaster.runtime()
    nameless, another = (model.predict([steps("turning", name)])["forecast"] for name in (None, "another"))
    np.testing.assert_array_equal(nameless, another)
    assert not np.array_equal(nameless, model.predict([steps("turning", "turning")])["forecast"])
    new = panel().filter(who="turning").with_columns(who=pl.lit("another"))
    np.testing.assert_array_equal(forecaster.predict(new)["forecast"], another[0, :, 0])


def test_a_name_is_saved_with_the_run(forecaster, tmp_path):
    forecaster.save(tmp_path / "run")
    loaded = Forecaster.load(tmp_path / "run")
    assert loaded.predict(panel()).equals(forecaster.predict())
    assert loaded.runtime().codec.names == ("turning", "going")
    alone = runtime.load(tmp_path / "run")
    for chunks in ([240], [100, 140], [239, 1]):
        stream = alone.stream()
        for begin, size in zip(np.cumsum([0, *chunks[:-1]]), chunks, strict=True):
            stream = alone.stream(snapshot=stream.snapshot()) if begin else stream
            said = stream.feed(steps("going", "going")[begin : begin + size])
        np.testing.assert_array_equal(
            said["forecast"][-1, :, 0], forecaster.predict().filter(series="going")["forecast"]
        )
    assert "who" in loaded.runtime().columns() and loaded.runtime().columns()["who"].optional


def test_series_of_several_targets_and_recursive_ones_have_no_names():
    two = panel().with_columns(z=pl.col("y") + 1)
    assert not Forecaster(**SMALL | {"target": ("y", "z")}).fit(two).runtime().codec.names
    assert not Forecaster(**SMALL, strategy="recursive").fit(panel()).runtime().codec.names


@pytest.mark.parametrize(
    "change, wrong",
    [
        ({"target": ("y", "z")}, "got 2 series of 2 targets"),
        ({"id": None, "target": "y"}, "got 1 series of 1 target"),
        ({"strategy": "recursive"}, "belongs to strategy='direct'; set that, or leave identity out"),
        ({"output": "bernoulli"}, "belongs to strategy='direct'; set that, or leave identity out"),
    ],
)
def test_identities_are_of_series_with_names_that_the_direct_strategy_reads(change, wrong):
    frame = panel().with_columns(z=pl.col("y") + 1)
    with pytest.raises(ConfigError, match=f"identity.*{wrong}"):
        Forecaster(**SMALL | {"identity": 2} | change).fit(frame if change.get("id", 1) else frame[:T])


def test_what_is_learnt_of_a_series_is_in_its_forecasts_alone():
    run = Forecaster(**SMALL | {"steps": 20, "learning_rate": 0.02}, identity=3).fit(panel())
    before = run.predict()
    with torch.no_grad():
        run.network.p.identity.weight[1] = 0  # of "going"
    after = run.predict()
    for who, same in (("turning", True), ("going", False)):
        one, other = (said.filter(series=who)["forecast"] for said in (before, after))
        assert one.equals(other) == same


def test_a_training_that_starts_from_a_model_has_its_identities(tmp_path):
    first = Forecaster(**SMALL, identity=3).fit(panel(), out=tmp_path / "first")
    before = first.network.p.identity.weight
    assert before.shape == (3, 3) and before.abs().amin() > 0
    others = panel().with_columns(who=pl.col("who") + " too", t=pl.col("t") + T)
    after = Forecaster(start_from=tmp_path / "first").fit(others).network.p.identity.weight
    assert after[:2].allclose(before[:2], rtol=0.01) and not after[2].allclose(before[2], rtol=0.01)


def test_a_short_series_shares_the_base_of_all():
    short = panel().filter((pl.col("who") == "going") | (pl.col("t") < 60))
    run = Forecaster(**SMALL).fit(short)
    turning, going, every = (linear.weight for linear in run.network.p.base)
    assert turning.equal(every) and not going.equal(every)


def test_nothing_of_the_test_part_is_in_any_base(forecaster):
    spoilt = panel().with_columns(y=pl.when(pl.col("t") < 192).then(pl.col("y")).otherwise(pl.col("y") * 1e6))
    identity = forecaster.config.forecast.identity
    other = Forecaster(**SMALL, identity=identity).fit(spoilt)
    assert same_weights(forecaster, other)
    with pytest.raises(DataError):
        Forecaster(**SMALL).fit(panel(8))
