"""Which transform and which scale are chosen, where the right ones are known."""

import numpy as np
import polars as pl
import pytest

from tests.tasks.forecast.cases import hourly
from tests.tasks.forecast.direct.cases import SHORT
from tests.tasks.forecast.test_estimator import no_pictures, same_weights  # noqa: F401
from unrolled import Forecaster
from unrolled.errors import ConfigError
from unrolled.tasks.forecast.config import ForecastOptions
from unrolled.tasks.forecast.direct.choice import Errors, Trial, _gain, choose

T, TRAIN, END = 3000, 1500, 2900


def noise(seed=0, steps=T):
    return np.random.default_rng(seed).standard_normal(steps)


def returning(seed=0, steps=T, share=0.9):
    """To 0, by a tenth of its distance at each step."""
    y = noise(seed, steps)
    for t in range(1, steps):
        y[t] += share * y[t - 1]
    return y


SEASON = np.sin(2 * np.pi * np.arange(T) / 12)
SERIES = {
    "log": np.exp(returning(1, share=0.99) / 20 + SEASON + 0.2 * noise()),
    "sqrt": (7 + returning(1, share=0.99) / 10 + 4 * SEASON + 0.7 * noise()) ** 2,
    "none": 20 + 3 * SEASON + noise(),
}


def chosen(series, ends, named=False, **options):
    """The transforms, the scale and the notes; series (T_i,) or (T_i, K)."""
    season = options.get("season", 1)
    given = {"horizon": 6, "window": 24, "season": 1, "strategy": "direct", "error": "squared"} | options
    columns = [np.reshape(y, (len(y), -1)) for y in series]
    config, notes = choose(ForecastOptions(**given), columns, ends, (season,) if season > 1 else (), named)
    return config.transform, config.scale, notes


@pytest.mark.parametrize("transform", SERIES)
def test_the_transform_that_makes_seasons_and_noise_alike_is_chosen(transform):
    transforms_chosen, scale, notes = chosen([SERIES[transform]], [(TRAIN, END)], season=12)
    assert transforms_chosen == (transform,) and scale == "window"
    by = "as nothing else" if transform == "none" else "by "
    assert notes[0].startswith(f"transform: {transform}, {by}") and notes[1].startswith("scale: window, ")


def test_each_target_has_its_own_and_one_that_is_not_possible_is_none():
    y = np.column_stack([SERIES["none"] - 20, SERIES["log"], SERIES["sqrt"]])
    assert chosen([y], [(TRAIN, END)], season=12)[0] == ("none", "log", "sqrt")


def test_many_zeros_and_nothing_below_say_that_values_are_not_negative():
    """Few may be the least that happened to be seen, and a value below says that there are such, but in the
    test part, which is not looked at."""
    y, ends = SERIES["none"] - 20, [(TRAIN, END)]
    rain = np.maximum(y, 0)
    transforms_chosen, _, notes = chosen([rain], ends)
    assert transforms_chosen == ("nonnegative",) and any("many values are 0" in note for note in notes)
    assert chosen([rain], [(TRAIN, TRAIN)])[0] == ("nonnegative",)  # nothing is tried
    few = np.where(np.arange(T) % 400 == 0, 0.0, rain + 1)
    below, later = rain.copy(), rain.copy()
    below[TRAIN + 3], later[END] = -0.1, -0.1
    for one, wanted in ((few, "none"), (below, "none"), (later, "nonnegative")):
        assert chosen([one], ends, scale="window")[0] == (wanted,)
    both = np.column_stack([y, rain])
    assert chosen([both], ends)[0] == ("none", "nonnegative")
    assert chosen([rain], ends, transform="none")[0] == ("none",)


LOWER = {"in training": (700, 0.0), "in validation": (TRAIN + 700, 0.0), "near 0": (700, 1e-3)}
LOWER["near 0 in validation"] = TRAIN + 700, 1e-3


@pytest.mark.parametrize("at, value", LOWER.values(), ids=LOWER)
def test_logarithms_are_not_chosen_where_values_come_near_0(at, value):
    """In the test part they may: it is not looked at."""
    y = SERIES["log"].copy()
    y[END + 20] = value
    assert chosen([y], [(TRAIN, END)], season=12)[0] == ("log",)
    y[at] = value
    assert chosen([y], [(TRAIN, END)], season=12)[0] != ("log",)


def test_a_series_whose_level_tells_what_follows_is_pooled_and_others_are_not():
    """In four values it hardly shows its mean, to which it returns."""
    assert chosen([returning()], [(TRAIN, END)], window=4)[1] == "pooled"
    assert chosen([np.cumsum(noise())], [(TRAIN, END)], window=4)[1] == "window"
    counts = np.round(9 + returning() - returning().min())  # which have frames of their own kind
    assert chosen([counts], [(TRAIN, END)], window=4)[1] == "pooled"
    assert chosen([counts], [(TRAIN, END)], window=4, output="poisson")[1:] == ("window", ())


def test_series_that_return_to_levels_of_their_own_are_scaled_each_by_its_own():
    series = [10.0**k * (9 + returning(k, 1200)) for k in range(3)]
    ends = [(700, 1150)] * 3
    options = {"window": 4, "error": "absolute", "transform": ("none",)}
    assert chosen(series, ends, named=True, **options)[1] == "series"
    assert chosen(series, ends, named=False, **options)[1] != "series"


def test_what_is_named_is_left_and_what_cannot_be_chosen_is_the_usual():
    log, ends = SERIES["log"], [(TRAIN, END)]
    assert chosen([log], ends, season=12, transform="sqrt", scale="pooled") == (("sqrt",), "pooled", ())
    assert chosen([log], [(TRAIN, TRAIN)], season=12) == (("none",), "window", ())
    assert chosen([log], [(TRAIN, TRAIN + 6)], season=12)[:2] == (("none",), "window")  # one origin
    many = np.repeat(log[:, None], 17, axis=1)
    assert chosen([many], ends, season=12) == (("none",) * 17, "window", ())
    transforms_chosen, _, notes = chosen([log], ends, season=12, output="lognormal")
    assert transforms_chosen == ("none",) and not any("transform" in note for note in notes)


def test_whole_series_may_be_the_validation_part():
    """They are forecast by the base of the others."""
    log = SERIES["log"]
    assert chosen([log[:TRAIN], 100 * log[TRAIN:]], [(TRAIN, TRAIN), (0, 1400)], season=12)[0] == ("log",)


def test_missing_values_are_neither_read_nor_judged():
    y = SERIES["log"].copy()
    y[noise(5) > 1.5] = np.nan
    assert chosen([y], [(TRAIN, END)], season=12)[0] == ("log",)


def test_a_gain_counts_where_it_is_above_the_noise():
    """Of 100 origins far apart, whose differences are ±1 around their mean, it is t / √99 with t = 1.98."""
    of, last = np.zeros(100, np.int64), 100 * np.arange(100)
    trial = Trial([], [], 1, 1, 1, 1, (), False, True, of, last)
    usual = Errors(np.full(100, 4.0), np.ones(100))
    for mean, clear in ((0.18, False), (0.22, True)):
        other = Errors(4.0 - mean - np.resize([1.0, -1.0], 100), np.ones(100))
        assert _gain(trial, 1.0, usual, other) == pytest.approx(mean / 4 if clear else 0)
        assert _gain(trial, 0.5, usual, other) == pytest.approx(mean / 4)
    assert _gain(trial, 1.0, usual, Errors(np.full(100, np.inf), np.ones(100))) == 0


FRAME = pl.DataFrame({"time": hourly(T), "y": SERIES["log"]})
LONG = SHORT | {"validation": END - TRAIN, "test": T - END, "steps": 4}


def test_a_choice_is_of_the_training_and_validation_parts_alone_and_stays_in_a_refit():
    spoilt = FRAME.with_columns(y=pl.when(pl.int_range(T) >= END).then(pl.col("y") * 1e6).otherwise("y"))
    none = FRAME.with_columns(y=pl.when(pl.int_range(T) == END + 50).then(0.0).otherwise("y"))
    one, two = (Forecaster(**LONG).fit(data) for data in (FRAME, spoilt))
    assert one.config.forecast == two.config.forecast and one.config.forecast.transform == ("log",)
    assert same_weights(one, two) and one.rows == two.rows
    again = Forecaster(**LONG | {"refit": True}).fit(none)  # whose 0 has no logarithm
    assert again.config.forecast == again.judged.config.forecast == one.config.forecast
    assert again.codec.series.scalers["target"].curve.power == 0
    assert again.predict()["forecast"].is_finite().all()


def test_a_run_is_resumed_and_started_from_with_its_choice(tmp_path):
    FRAME.write_csv(tmp_path / "a.csv")
    Forecaster(**LONG).fit(tmp_path / "a.csv", out=tmp_path / "run")
    lower = FRAME.with_columns(y=pl.col("y") - 0.5)  # some are below 0
    again = Forecaster(**LONG | {"start_from": str(tmp_path / "run")}).fit(lower)
    assert again.config.forecast.transform == ("log",) and again.config.forecast.scale == "window"
    assert again.predict()["forecast"].is_finite().all()


def test_series_without_names_have_no_scale_of_their_own():
    y = noise(0, 100)
    frame = pl.DataFrame(
        {"time": np.tile(hourly(100), 2), "id": ["a"] * 100 + ["b"] * 100, "y": [*y, *y], "x": [*y, *y]}
    )
    with pytest.raises(ConfigError, match="scale='series' knows series by their names, of one target and"):
        Forecaster(**SHORT | {"target": ("y", "x"), "id": "id", "scale": "series"}).fit(frame)
    with pytest.raises(ConfigError, match="scale belongs to strategy='direct'"):
        Forecaster(target="y", scale="pooled", strategy="recursive")
