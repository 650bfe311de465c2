"""Series that are known by their names have a base each."""

import numpy as np
import polars as pl
import pytest

from unrolled import Forecaster
from unrolled.errors import DataError

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


@pytest.fixture(scope="module")
def forecaster():
    return Forecaster(**SMALL).fit(panel())


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
    assert "who" in loaded.runtime().columns() and loaded.runtime().columns()["who"].optional


def test_series_of_several_targets_and_recursive_ones_have_no_names():
    two = panel().with_columns(z=pl.col("y") + 1)
    assert not Forecaster(**SMALL | {"target": ("y", "z")}).fit(two).runtime().codec.names
    assert not Forecaster(**SMALL, strategy="recursive").fit(panel()).runtime().codec.names


def test_a_short_series_shares_the_base_of_all():
    short = panel().filter((pl.col("who") == "going") | (pl.col("t") < 60))
    run = Forecaster(**SMALL).fit(short)
    turning, going, every = (linear.weight for linear in run.network.p.base)
    assert turning.equal(every) and not going.equal(every)


def test_nothing_of_the_test_part_is_in_any_base(forecaster):
    spoilt = panel().with_columns(y=pl.when(pl.col("t") < 192).then(pl.col("y")).otherwise(pl.col("y") * 1e6))
    other = Forecaster(**SMALL).fit(spoilt)
    for one, two in zip(forecaster.network.p.base, other.network.p.base, strict=True):
        assert one.weight.equal(two.weight)
    with pytest.raises(DataError):
        Forecaster(**SMALL).fit(panel(8))
