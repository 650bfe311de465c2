"""Forecasters without torch: the bits of the trained model, however a series comes."""

import itertools
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import torch

from unrolled import Forecaster, runtime, tasks
from unrolled.errors import ConfigError, DataError, RunError, TrainingError
from unrolled.kernels.numpy import heads
from unrolled.models import saved
from unrolled.streaming.sequences import kind_of
from unrolled.tasks.forecast import pictures
from unrolled.tasks.forecast.judging.adaptive import adaptive_quantiles
from unrolled.tasks.forecast.judging.backtest import Backtest, outcomes
from unrolled.tasks.outputs import criterion

T = 200
SMALL = {"target": "y", "window": 11, "season": 4, "hidden": 5, "epochs": 1, "threads": 1, "most_origins": 3}
SMALL |= {"refit": False, "strategy": "recursive"}
DIRECT = {"strategy": "direct", "window": 19, "steps": 3, "epochs": None}  # a member of each kind fits
HOURS = np.datetime64("2024-01-01T05:00", "us") + np.arange(T + 9) * np.timedelta64(1, "h")
MONTHS = (np.arange(T + 9).astype("datetime64[M]") + 1).astype("datetime64[D]") - 1  # their last days
# Hours of Berlin with their offsets; clocks are set back in the last window.
BEGIN = datetime(2026, 10, 16, 21, tzinfo=UTC)
LOCAL = [(BEGIN + timedelta(hours=h)).astimezone(ZoneInfo("Europe/Berlin")).isoformat() for h in range(T + 9)]
KINDS = {
    "point": {"horizon": 3},
    "months": {
        "horizon": 3,
        "output": "gaussian",
        "times": MONTHS,
        "residual": False,
        "cell": "rnn",
        "nonlinearity": "relu",
    },
    "years": {
        "horizon": 2,
        "output": "studentt",
        "times": np.arange(1700, 1700 + T + 9),
        "layers": 2,
        "dropout": 0.2,
    },
    "rows": {
        "horizon": 4,
        "times": None,
        "time": "rows",
        "level": "relative",
        "output": "quantiles",
        "cell": "lstm",
        "hidden": 6,
        "cells_per_block": 2,
    },
    "direct": DIRECT
    | {
        "horizon": 3,
        "output": "quantiles",
        "quantile_levels": (0.1, 0.4, 0.5, 0.9),
        "past": "p",
        "future": ("f", "g"),
        "cell": "lstm",
        "peephole": True,
        "coupled_input_forget": True,
        "learn_initial_state": True,
        "zoneout": 0.1,
    },
    "two targets": {
        "target": ("y", "p"),
        "horizon": 3,
        "output": "gaussian",
        "level": ("relative", "absolute"),
        "residual": False,
        "future": "f",
        "reset_after": False,
    },
    "marked gaps": {
        "target": ("y", "p"),
        "horizon": 3,
        "output": "gaussian",
        "level": ("relative", "absolute"),
        "future": "f",
        "gaps": "mask",
    },
    "direct, marked gaps": DIRECT
    | {"target": ("y", "p"), "horizon": 2, "output": "gaussian", "future": "f", "gaps": "mask"},
    "zeros": DIRECT
    | {"horizon": 3, "past": "p", "future": ("f", "g"), "gaps": "zero", "window": 53}
    | {"members": 1},
    "ones": {"target": ("y", "p"), "horizon": 3, "output": "bernoulli", "future": "f", "gaps": "mask"},
    "counts": {"target": ("y", "p"), "horizon": 3, "output": "negbinomial", "future": "f"}
    | {"strategy": "recursive"},
    "direct, ones": DIRECT
    | {"target": ("y", "p"), "horizon": 3, "output": "bernoulli", "future": "f", "gaps": "mask"},
    "direct, counts": DIRECT
    | {"target": ("y", "p"), "horizon": 3, "output": "negbinomial", "future": "f", "gaps": "mask"},
    "direct, logs": DIRECT | {"horizon": 3, "output": "lognormal", "gaps": "mask", "calibrate": True},
    "texts": {"horizon": 3, "future": "w", "output": "gaussian"},
    "direct, texts": DIRECT | {"horizon": 3, "past": ("p", "v"), "future": ("w", "f"), "gaps": "mask"},
    "offsets": {"horizon": 3, "times": LOCAL, "output": "gaussian"},
    "zone": DIRECT | {"horizon": 2, "times": LOCAL, "zone": "Europe/Berlin"},
    "direct months": DIRECT
    | {"horizon": 5, "times": MONTHS, "output": "gaussian", "members": 3, "calibrate": True},
    "direct, one step": DIRECT | {"horizon": 1, "season": 7, "future": "f", "gaps": "mask", "layers": 2},
    "plain two": DIRECT
    | {
        "target": ("y", "p"),
        "horizon": 2,
        "output": "studentt",
        "calendar": "none",
        "cell": "lstm",
        "projection": 3,
        "layer_norm": True,
    },
}


def frame(times, rows_after=0, window=None, output=None):
    """y, p, f and g are random walks with a wave, v and w texts; the last rows have f, g and w alone. Where a
    window is named, two cells of five are missing, but for those around its begin at the end and the last
    known row. Where an output is, y and p can be its outcomes."""
    walks = np.random.default_rng(5).standard_normal((T + 9, 4)).cumsum(0) * 0.2
    walks += np.sin(np.arange(T + 9) / 4)[:, None]
    if window:
        t = np.arange(T + 9)[:, None]
        kept = (t == T - 1) | (abs(t - T + window) < 3)
        walks[((t * 7 + 3 * np.arange(4)) % 5 < 2) & ~kept] = np.nan
    values = dict(zip("ypfg", walks[: T + rows_after].T * [[3], [1], [0.1], [50]], strict=True))
    known = pl.int_range(T + rows_after) < T
    for name in "yp" if output in OUTCOMES else "":
        values[name] = OUTCOMES[output](values[name])
    texts = {"v": texts_of(values["y"], T - 30), "w": texts_of(values["f"], T - 5)}
    frame = (
        pl.DataFrame(values | texts).fill_nan(None).with_columns(pl.when(known).then(pl.col("y", "p", "v")))
    )
    return frame if times is None else frame.with_columns(pl.Series("when", times[: T + rows_after]))


OUTCOMES = {
    "bernoulli": lambda y: np.where(np.isnan(y), y, y > np.nanmean(y)),
    "negbinomial": lambda y: np.round(np.abs(10 * y)),
    "lognormal": np.exp,
}


def texts_of(values, end):
    """Words of numbers, from an end on one that was not there before."""
    words = np.where(np.abs(values % 2) > 1, "rain", "clear sky")
    words[end:] = "hail"
    return [None if np.isnan(value) else word for value, word in zip(values, words.tolist(), strict=True)]


class Case:
    """A trained model, its data as a frame and as steps, and the same series with what follows."""

    def __init__(self, name):
        options = SMALL | KINDS[name]
        self.times, self.window = options.pop("times", HOURS), options["window"]
        self.holes = self.window if "gaps" in options else None
        options = {name: value for name, value in options.items() if value is not None}
        self.output = options.get("output")
        self.model = Forecaster(**({} if self.times is None else {"time": "when"}) | options).fit(
            self.frame()
        )
        self.direct = options["strategy"] == "direct"
        torch.manual_seed(1)
        for name, weights in self.model.network.named_parameters():
            if "head." in name:
                torch.nn.init.normal_(weights, std=0.4)
        if self.direct:
            self.model.network.shares.copy_(torch.tensor([0.3, 0.9, -0.4][: len(self.model.network.shares)]))
        self.made, self.S = self.model.runtime(), self.model.codec.series.steps
        self.future = self.made.codec.covariates.future

    def frame(self, rows_after=0):
        return frame(self.times, rows_after, self.holes, self.output)

    def series(self):
        """The model's own reading of it, with what follows."""
        file = self.model._new_file(self.frame(9 if self.future else 0))
        return self.model.codec.series.encode(file.series[0], 9)

    def steps(self, rows=None):
        """Steps as users give them."""
        data, codec = self.frame(9).to_dicts(), self.made.codec
        columns = [*codec.targets, *codec.covariates.past] + ([] if self.times is None else ["when"])
        steps = [
            {key: data[t][key] for key in columns}
            | {key: [data[t + 1 + s][key] for s in range(self.S)] for key in self.future}
            for t in range(T)
        ]
        return steps[-rows:] if rows else steps

    def after(self, horizon):
        """What `ahead` wants to know."""
        data = self.frame(9).to_dicts()
        return [{key: [data[T + 1 + h][key] for h in range(horizon - 1)] for key in self.future}]

    def predicted(self, horizon):
        """(H, K) forecasts and (H, K, L) quantiles of the estimator, None where there are none."""
        actual = self.model.predict(self.frame(9 if self.future else 0), horizon)
        K = len(self.made.codec.targets)
        quantiles = [name for name in actual.columns if name.startswith("q0")]
        shaped = actual["forecast"].to_numpy().reshape(K, horizon).T
        if not quantiles:
            return shaped, None
        return shaped, actual.select(quantiles).to_numpy().reshape(K, horizon, -1).transpose(1, 0, 2)


@pytest.fixture(scope="module", autouse=True)
def no_pictures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks.pictures, "draw_history", lambda *arguments: None)
        patch.setattr(pictures, "draw_evaluation", lambda *arguments: None)
        yield


@pytest.fixture(scope="module", params=KINDS)
def case(request):
    return Case(request.param)


def same(actual, wanted):
    return actual.keys() == wanted.keys() and all(
        np.array_equal(actual[name], wanted[name]) for name in actual
    )


def test_every_answer_has_the_bits_of_torch(case, tmp_path):
    model, series = case.model, case.series()
    with torch.no_grad():
        if case.direct:
            raw, _ = model._predictor(model.network).context(series, np.arange(T))
        else:
            raw = model.network(series.x[None])[0][0]
    model.save(tmp_path / "run")
    runtime_model = runtime.load(tmp_path / "run")
    runtime.save(tmp_path / "model.unrolled", runtime_model)
    for one in (case.made, runtime_model, runtime.load(tmp_path / "model.unrolled")):
        assert one.fingerprint == runtime_model.fingerprint
        actual = one.stream().feed(case.steps())
        assert actual["raw"].dtype == np.float32 and np.array_equal(actual["raw"], raw.numpy())
    output = model.network.block.output
    assert np.array_equal(actual["forecast"], model.codec.series.values(criterion(output).point(raw)))
    assert ("quantiles" in actual) == output.is_distribution


def test_a_stream_of_the_last_window_says_what_predict_says(case):
    horizon, window = case.S, case.steps(case.window)
    point, quantiles = case.predicted(horizon)
    stream = case.made.stream()
    for step in window:
        actual = stream.step(step)
    alone = case.made.predict([case.steps(), case.steps()[:-7], window])
    assert np.array_equal(actual["forecast"], point)
    for row in (0, 2):
        assert np.array_equal(alone["forecast"][row], point)
        assert quantiles is None or np.array_equal(alone["quantiles"][row], quantiles)
    assert quantiles is None or np.array_equal(actual["quantiles"], quantiles)
    assert not np.array_equal(alone["forecast"][1], point)
    first = case.made.predict([case.steps()], 1)
    assert np.array_equal(first["forecast"][0], point[:1])


def test_forecasts_run_on_from_a_state_and_leave_it_as_it_is(case):
    stream = case.made.stream(rows=2)
    stream.feed([case.steps(case.window), case.steps()[: case.window]])
    before = stream.snapshot()
    if case.direct or case.made.codec.past:
        for reach in (case.made.predict, case.model.predict):
            with pytest.raises(ConfigError, match="horizon=9: "):
                reach([case.steps()] if reach == case.made.predict else case.frame(9), 9)
        with pytest.raises(ConfigError, match="horizon=9: "):
            case.made.ahead(stream.state, 9)
        assert np.array_equal(case.made.ahead(stream.state, case.S)[0], case.predicted(case.S)[0])
    else:
        actual = case.made.ahead(stream.state, 8, case.after(8) * 2 if case.future else None)
        assert np.array_equal(actual[0], case.predicted(8)[0]) and not np.array_equal(actual[0], actual[1])
        whole = case.made.predict([case.steps()], 8, case.after(8))["forecast"]
        assert np.array_equal(whole[0], actual[0])
    assert stream.snapshot() == before


@pytest.mark.parametrize("name", ["direct", "direct, marked gaps", "direct months", "plain two"])
def test_a_series_shorter_than_the_window_is_forecast_too(name):
    """Of any length, alone or beside others, as a stream begun with it says, and as torch does."""
    case = Case(name)
    lengths = [1, 2, 3, 4, 5, case.window - 1, case.window, case.window + 1]
    series = [case.steps(length) for length in lengths]
    together = case.made.predict(series)
    for row, (length, steps) in enumerate(zip(lengths, series, strict=True)):
        stream = case.made.stream()
        said = stream.feed(steps[-case.window :])
        alone = case.made.predict([steps])
        for key, answers in together.items():
            assert np.array_equal(answers[row], alone[key][0])
            assert np.array_equal(answers[row], said[key][-1])
        if length > 2:  # fewer rows do not tell the step of time
            table = case.model.predict(case.frame(9 if case.future else 0)[T - length :])
            assert np.array_equal(table["forecast"].to_numpy(), alone["forecast"][0].T.ravel())
    assert (
        len({array.tobytes() for array in together["forecast"]}) == len(lengths) - 1
    )  # the last two see the same


DISCRETE_ONES = ("direct, ones", "direct, counts")
DIRECT_ONES = [
    name
    for name, options in KINDS.items()
    if options.get("strategy") == "direct" and name not in DISCRETE_ONES
]


@pytest.mark.parametrize("name", DIRECT_ONES)
def test_intervals_of_a_stream_are_those_of_a_backtest(name):
    """To the bit, from the first step on; the quantiles stay as they are."""
    case = Case(name)
    codec, levels = case.model.codec.series, case.made.block.output.levels
    series, origins = case.series(), np.arange(T - case.S)
    predictor, y = case.model._predictor(case.model.network), outcomes(case.series().y, origins, case.S)
    forecast = predictor.forecast(series, origins, case.S, y)
    test = Backtest(("y",), 0 * origins, origins, 1, y, {"model": forecast}, np.ones((1, 1)), "persistence")
    wanted = adaptive_quantiles(test, levels, codec.scalers["target"])
    streamed = case.made.stream().feed(case.steps())
    assert np.array_equal(streamed["adaptive"][: T - case.S], wanted)
    assert np.array_equal(streamed["quantiles"][: T - case.S], forecast.quantiles)
    before, after = streamed["adaptive"][: case.S], streamed["adaptive"][case.S :]
    assert np.array_equal(before, streamed["quantiles"][: case.S]), "no forecast is met yet"
    assert (after != streamed["quantiles"][case.S :]).any((1, 2, 3)).mean() > 0.9
    assert (np.diff(streamed["adaptive"], axis=-1) >= 0).all()


def test_intervals_that_follow_the_errors_are_of_numbers_that_may_lie_between_others():
    for name, adapts in (
        ("counts", False),
        ("direct, counts", False),
        ("ones", False),
        ("point", False),
        ("years", True),
    ):
        runtime_model = Case(name).made
        assert ("adaptive" in runtime_model.stream().feed(Case(name).steps(9))) == adapts
        assert ("series.theta" in runtime_model.start(1)) == adapts
        if not adapts:
            with pytest.raises(ConfigError, match="--intervals adaptive: this model tells no intervals"):
                kind_of(runtime_model, intervals="adaptive")


def test_continuations_are_those_of_a_stream_that_is_fed_them():
    """Of a direct model with one step each: from fewer steps than the window, and than a season, on."""
    case = Case("direct, one step")
    after = case.frame(9).to_dicts()
    for length in (3, 9, case.window - 2, case.window):
        actual = case.model.generate(7, case.frame(9)[T - length :])["value"].to_list()
        stream = case.made.stream()
        wanted = [stream.feed(case.steps(length))["forecast"][-1].item()]
        for t in range(T, T + 6):
            step = {"when": after[t]["when"], "y": wanted[-1], "f": after[t + 1]["f"]}
            wanted.append(stream.step(step)["forecast"].item())
        assert actual == pytest.approx(wanted, rel=1e-5)  # values in the units of the file are scaled anew


def test_padding_and_other_rows_change_nothing(case):
    rows = case.model._rows(case.frame(9 if case.future else 0))
    assert sum(map(len, rows)) == T and len({len(row) for row in rows}) == 2
    wanted = [case.made.outputs(row) for row in rows]
    for fill in (0.0, float("nan")):
        for actual, expected in zip(case.model._raw(rows, fill), wanted, strict=True):
            assert np.array_equal(actual, expected)
    tested = case.model._rows()
    assert sum(map(len, tested)) == 0.2 * T - (case.S if case.future else 0)


def test_any_chunks_and_a_snapshot_between_give_the_same_bits(case):
    runtime_model, draw, steps = case.made, np.random.default_rng(0), case.steps()[:90]
    whole = runtime_model.stream().feed(steps)
    for packed in (False, True):
        given = runtime_model.encode(steps) if packed else steps
        for _ in range(5):
            stream, parts, at = runtime_model.stream(), [], 0
            while at < len(steps):
                size = int(draw.integers(0, 9))
                parts.append(stream.feed(given[at : at + size]))
                at += size
                if draw.random() < 0.2:
                    stream = runtime_model.stream(snapshot=stream.snapshot())
            joined = {name: np.concatenate([part[name] for part in parts]) for name in whole}
            assert same(joined, whole)
    stream = runtime_model.stream()
    for t, one in enumerate(steps):
        assert same(stream.step(one), {name: array[t] for name, array in whole.items()})


def test_rows_come_and_go_and_change_no_neighbour(case):
    runtime_model, draw, steps = case.made, np.random.default_rng(1), case.steps()
    stream, alone, at = (
        runtime_model.stream(rows=2),
        [runtime_model.stream(), runtime_model.stream()],
        [0, 50],
    )
    for _ in range(80):
        kind, row = draw.random(), int(draw.integers(len(alone)))
        if kind < 0.2:
            stream.join()
            alone.append(runtime_model.stream())
            at.append(int(draw.integers(T - 81)))
        elif kind < 0.35 and len(alone) > 1:
            stream.leave([row])
            del alone[row], at[row]
        elif kind < 0.5:
            stream.reset([row])
            alone[row].reset()
            at[row] = int(draw.integers(T - 81))
        else:
            given = [steps[t] for t in at]
            actual = stream.step(given)
            at = [t + 1 for t in at]
            for row, (stream_alone, one) in enumerate(zip(alone, given, strict=True)):
                assert same(stream_alone.step(one), {name: array[row] for name, array in actual.items()})


@pytest.mark.parametrize("name", ["point", "direct"])
def test_a_snapshot_whose_steps_are_fewer_than_none_is_refused(name):
    case = Case(name)
    stream = case.made.stream()
    stream.feed(case.steps(3))
    stream.state["series.steps"] -= 9
    with pytest.raises(RunError, match="the snapshot is damaged"):
        case.made.stream(snapshot=stream.snapshot())


@pytest.mark.parametrize("name", ["point", "months", "years", "direct months"])
def test_steps_are_given_once_and_in_order(name):
    case = Case(name)
    stream, steps = case.made.stream(), case.steps()
    stream.feed(steps[:5])
    before = stream.snapshot()
    for wrong in (steps[4], steps[6], steps[0]):
        with pytest.raises(DataError, match=r"wanted the step of .*, which follows .*, got .*; give every"):
            stream.step(wrong)
    with pytest.raises(DataError, match="wanted the step of"):
        stream.feed([steps[5], steps[7]])
    assert stream.snapshot() == before
    stream.step(steps[5])
    rows = case.made.stream(rows=2)
    rows.step([steps[0], steps[8]])
    with pytest.raises(DataError, match="row 1: wanted the step of"):
        rows.step([steps[1], steps[8]])
    if name == "years":
        rows.step([{"y": 1.0}, {"y": 2.0}])  # without times, each is one step after the last
        with pytest.raises(DataError, match="row 0: wanted the step of 1702"):
            rows.step([steps[1], steps[10]])
        rows.step([steps[2], steps[10]])
    else:
        with pytest.raises(DataError, match="no 'when'; this model reads the calendar"):
            rows.step([{"y": 1.0}, {"y": 2.0}])


@pytest.fixture(scope="module")
def direct():
    return Case("direct")


@pytest.mark.parametrize(
    "wrong, message",
    [
        (
            {"y": None},
            "column 'y': the value is missing, and this model was trained without gaps; fill it, or",
        ),
        ({"y": float("nan")}, "column 'y': the value is missing"),
        ({"y": float("inf")}, "column 'y': wanted a number, got inf"),
        ({"y": "much"}, "column 'y': wanted a number, got 'much'"),
        ({"y": 1e300}, "column 'y': a value is too far from those of the training part"),
        ({"g": [1.0, 2.0, -1e300]}, "column 'g': a value is too far"),
        (
            {"f": [1.0, 2.0]},
            "column 'f': wanted 3 values, those of the steps to forecast, got 2; give them as a list, "
            r'in lines of JSON: \{"f": \[…, …, …\]\}',
        ),
        ({"g": [1.0, None, 2.0]}, "column 'g': the value is missing"),
        ({"when": "yesterday"}, "wanted a time such as 2024-01-31 or 2024-01-31 12:30, got 'yesterday'"),
        ({"when": 3}, "wanted a time such as"),
        ({"when": "99999-01-01"}, "wanted a time such as"),
    ],
)
def test_what_is_no_step_is_refused(direct, wrong, message):
    stream = direct.made.stream()
    with pytest.raises(DataError, match=message) as caught:
        stream.step(direct.steps()[0] | wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("column", ["y", "p", "f", "when"])
def test_a_step_lacks_no_column(direct, column):
    given = direct.steps()[0]
    del given[column]
    with pytest.raises(DataError, match=f"has no .*'{column}'"):
        direct.made.stream().step(given)
    with pytest.raises(DataError, match="wanted steps as"):
        direct.made.stream().step(3.0)


def test_steps_of_targets_alone_may_be_numbers():
    """And times may be all that Python has for them."""
    years, two = Case("years").made, Case("plain two").made
    values = frame(None)["y"].to_list()[:6]
    wanted = years.stream().feed(Case("years").steps()[:6])
    for given in (values, np.array(values), np.array(values)[:, None], [{"y": f"{v!r}"} for v in values]):
        assert same(years.stream().feed(given), wanted)
    assert np.array_equal(
        years.predict([np.array(values * 2)])["forecast"], years.predict([values * 2])["forecast"]
    )
    pairs = frame(None).select("y", "p").to_numpy()[:6]
    wanted = two.stream().feed([{"y": y, "p": p} for y, p in pairs])
    assert same(two.stream().feed(pairs), wanted) and same(two.stream().feed(pairs.tolist()), wanted)
    for wrong in (pairs[:, 0], [[1.0, 2.0, 3.0]], [None], [[1.0, None]]):
        with pytest.raises(DataError, match=r"wanted 2 numbers a step|value is missing"):
            two.stream().feed(wrong)
    with pytest.raises(DataError, match="wanted steps as"):
        two.stream().feed([[1.0, 2.0], {"y": 1.0, "p": 2.0}])
    with pytest.raises(DataError, match="a series has 6 steps; this model reads the last 11"):
        years.predict([values])
    with pytest.raises(DataError, match="a series has 0 steps; this model reads the last 19"):
        two.predict([pairs, pairs[:0]])
    assert np.array_equal(two.predict([pairs])["forecast"][0], wanted["forecast"][-1])
    with pytest.raises(DataError, match="no step yet"):
        two.ahead(two.start(1), 1)


def test_one_step_ahead_may_be_one_value():
    case = Case("two targets")
    steps = case.steps()[:5]
    wanted = case.made.stream().feed(steps)
    assert same(case.made.stream().feed(one | {"f": one["f"][0]} for one in steps), wanted)
    rows = case.made.stream(rows=0)
    assert rows.step([]) == {}
    rows.join(2)
    assert same({name: array[:, 1] for name, array in rows.feed([steps, steps]).items()}, wanted)
    with pytest.raises(DataError, match="the same number of steps for each row"):
        rows.feed([steps, steps[:2]])
    for known in (None, case.after(4)):
        with pytest.raises(DataError, match="wanted 'f' of 3 more steps for each of 2 rows"):
            case.made.ahead(rows.state, 4, known)
    with pytest.raises(DataError, match="column 'f': wanted 3 values"):
        case.made.ahead(rows.state, 4, case.after(3) * 2)


def test_times_in_all_their_forms_are_the_same_step():
    case = Case("months")
    steps, instants = case.steps()[:3], [np.datetime64(one["when"]) for one in case.steps()[:3]]
    wanted = case.made.stream().feed(steps)
    for form in (str, np.datetime64, lambda one: one.astype(object), lambda one: f"{one} 00:00"):
        given = [one | {"when": form(at)} for one, at in zip(steps, instants, strict=True)]
        assert same(case.made.stream().feed(given), wanted)
    named = [{"time": one["when"], "y": one["y"]} for one in steps]
    assert same(case.made.stream().feed(named), wanted)
    with pytest.raises(DataError, match="wanted a time at one point of each month, got 1970-01-30"):
        case.made.stream().step(steps[0] | {"when": "1970-01-30"})


def test_forecasts_that_grow_without_bound_are_refused():
    case = Case("point")
    stream = case.made.stream()
    stream.feed(case.steps())
    state = stream.state | {"series.next": np.full((1, 1, 1), 1e38, np.float32)}
    case.made.network.p.head = heads.Linear(np.full((1, 5), 1e38, np.float32))
    with pytest.raises(TrainingError, match="the forecast is not finite from step"):
        case.made.ahead(state, 9)


WRONG = {
    "ones": (7, "0 or 1"),
    "counts": (2.5, "whole numbers from 0"),
    "direct, logs": (0, "numbers above 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_values_that_can_be_no_outcome_are_refused(name):
    case, (value, wanted) = Case(name), WRONG[name]
    stream, steps = case.made.stream(), case.steps()[:3]
    before = {key: array.copy() for key, array in stream.state.items()}
    wrong = steps[1] | {"y": value}
    message = rf"column 'y': wanted {wanted}.* \(output='{case.output}'\), got {value}; correct it"
    for read in (stream.step, lambda step: case.made.predict([[step]])):
        with pytest.raises(DataError, match=f"^{message}"):
            read(wrong)
    with pytest.raises(DataError, match=f"^step 2 of 3: {message}"):
        stream.feed([steps[0], wrong, steps[2]])
    assert all(np.array_equal(before[key], array) for key, array in stream.state.items())


SAME = {"unit": "microsecond", "month_end": False}
DAMAGED = [
    ("answers", {"window": 0}),
    ("answers", {"window": float("inf")}),
    ("answers", {"time": ["when"]}),
    ("network", {"steps": 2}),
    ("network", {"steps": 10**9}),
    ("codec", {"steps": 10**9}),
    ("codec", {"steps": 2.5}),
    ("codec", {"steps": 2}),
    ("codec", {"targets": []}),
    ("codec", {"targets": ["y", "z", "u"]}),
    ("codec", {"future": ["f", "z", "u"]}),
    ("codec", {"calendar": ["hour_of_day_sin", "moon_sin"]}),
    ("codec", {"calendar": []}),
    ("codec", {"step": SAME | {"count": 0}}),
    ("codec", {"step": SAME | {"count": 10**40}}),
    ("codec", {"step": {"count": 10**15, "unit": "month", "month_end": False}}),
    ("codec", {"step": {"count": 1, "unit": "moon", "month_end": False}}),
    ("codec", {"step": [1, "number"]}),
]


def require_refused(runtime_model, changes, missing):
    """Each change of the description alone, and each of the arrays, makes one line of RunError."""
    about, arrays = runtime_model.about, runtime_model.arrays
    for part, change in changes:
        with pytest.raises(RunError, match=r"^here: ") as caught:
            saved.model("here", about | {part: about[part] | change}, arrays)
        assert "\n" not in str(caught.value), change
    for name in missing:
        wrong = [arrays | {name: arrays[name][..., :0]}, {key: arrays[key] for key in arrays if key != name}]
        if not name.startswith("codec"):
            wrong.append(arrays | {name: arrays[name].astype(np.float64)})
        for given in wrong:
            with pytest.raises(RunError, match=r"^here: "):
                saved.model("here", about, given)


def test_descriptions_that_do_not_fit_are_refused():
    runtime_model = Case("two targets").made
    network = runtime_model.about["network"]
    changes = [
        ("network", {"output": network["output"] | {"kind": "poisson"}}),
        ("network", {"relative": [False]}),
        ("network", {"relative": []}),
        ("network", {"relative": [0, 1]}),
        ("network", {"residual": 1}),
        ("network", {"head": "nothing"}),
        ("network", {"head": network["head"] | {"zero": False}}),
        ("network", {"layer": network["layer"] | {"reverse": True}}),
    ]
    missing = ("head.weight", "codec.future.scale", "codec.target.mean", "layer.weight_hh_l0")
    require_refused(runtime_model, DAMAGED + changes, missing)


def test_descriptions_of_direct_forecasters_that_do_not_fit_are_refused(direct):
    network = direct.made.about["network"]
    output, (steps, segments) = network["output"], network["members"]
    (base,), (references,) = network["base"], network["references"]

    def of(at, number):
        return "network", {"references": [[*references[:at], number, *references[at + 1 :]]]}

    K, beside, ahead = network["row"]
    changes = [
        ("network", {"output": output | {"levels": [0.1, 0.5]}}),
        ("network", {"output": output | {"levels": [0.9, 0.5, 0.1, 0.2]}}),
        ("network", {"output": output | {"levels": [0.1, 0.4, 0.5, 10**400]}}),
        ("network", {"output": {**output, "framed": False}}),
        ("network", {"row": [K, beside]}),
        ("network", {"row": [K, beside + 1, ahead]}),
        ("network", {"row": [K, beside + 1, ahead - 1], "members": [steps, segments]}),
        ("network", {"row": [K + 1, beside - 1, ahead]}),
        ("network", {"row": [K, 10**400, ahead]}),
        ("network", {"row": [True, beside, ahead]}),
        ("network", {"base": []}),
        ("network", {"base": [base, base]}),
        ("network", {"base": [base | {"inputs": 18}]}),
        ("network", {"base": [base | {"outputs": 4}]}),
        ("network", {"base": [base | {"bias": True}]}),
        ("network", {"base": base}),
        ("network", {"shares": network["shares"] | {"shape": [3]}}),
        ("network", {"shares": network["shares"] | {"scale": 1.0}}),
        ("network", {"members": []}),
        ("network", {"members": [segments]}),
        ("network", {"members": [steps, base]}),
        ("network", {"members": [steps, "segments"]}),
        ("network", {"frame": 20}),
        ("network", {"frame": 0}),
        ("network", {"period": 0}),
        ("network", {"period": 10**40}),
        ("network", {"references": []}),
        ("network", {"references": [references[:4]]}),
        ("network", {"references": [references, references]}),
        of(0, 0.0),
        of(0, float("inf")),
        of(1, float("nan")),
        of(2, -1.0),
        of(3, "0"),
        of(4, 0),
        of(4, 10**400),
    ]
    missing = ("base.0.weight", "shares", "codec.past.scale")
    require_refused(direct.made, DAMAGED + changes, missing)


def test_members_of_direct_forecasters_that_do_not_fit_are_refused(direct):
    steps, segments = direct.made.about["network"]["members"]
    assert (steps["block"], segments["block"]) == ("Steps", "Segments")

    def members(**change):
        return "network", {"members": [steps, segments | change]}

    def reads(**change):
        return "network", {"members": [steps | change, segments]}

    changes = [
        members(window=24),
        members(window=10),
        members(segment=7),
        members(segment=0),
        members(head=segments["head"] | {"outputs": 11}),
        members(layer=segments["layer"] | {"reverse": True}),
        members(layer=segments["layer"] | {"input_size": 9}),
        members(layer=segments["layer"] | {"hidden_size": 6}),
        reads(window=20),
        reads(head=steps["head"] | {"outputs": 3}),
        reads(decoder=steps["decoder"] | {"input_size": 2}),
        reads(decoder=steps["decoder"] | {"hidden_size": 6}),
        reads(decoder=steps["decoder"] | {"num_layers": 2}),
        reads(layer=steps["layer"] | {"bidirectional": True}),
    ]
    require_refused(direct.made, changes, ("members.1.head.weight", "members.0.decoder.bias_ih_l0"))


def test_what_is_known_ahead_fits_the_codec():
    """A member of segments alone reads the same number of columns either way."""
    runtime_model = Case("zeros").made
    K, beside, ahead = runtime_model.about["network"]["row"]
    offsets = runtime_model.about["network"]["offsets"]
    changes = [
        ("network", {"row": [K, beside + 1, ahead - 1]}),
        ("network", {"offsets": None}),
        ("network", {"offsets": offsets | {"shape": [3, 1, 4]}}),
        ("network", {"output": runtime_model.about["network"]["output"] | {"calibrated": False}}),
    ]
    require_refused(runtime_model, changes, ["offsets"])


def test_the_runtime_loads_no_torch(direct, tmp_path):
    runtime.save(tmp_path / "model.unrolled", direct.made)
    wanted = direct.made.predict([direct.steps()])["quantiles"]
    program = (
        "import json, sys; from unrolled import runtime; path, steps = sys.argv[1], json.loads(sys.argv[2])\n"
        "found = runtime.load(path).predict([steps])['quantiles']\n"
        "heavy = {'torch', 'polars', 'pydantic', 'safetensors', 'typer'} & set(sys.modules)\n"
        "print(json.dumps([sorted(heavy), found.tolist()]))"
    )
    steps = json.dumps(direct.steps(direct.window), default=str)
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "model.unrolled", steps],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [[], wanted.tolist()]


def test_lines_are_steps_and_answers_are_told_by_column(case):
    """As `unrolled stream` has them: the cells of the columns in, numbers by target and level out."""
    codec, columns = case.made.codec, case.made.columns()
    time = [] if case.times is None else ["when"]
    covariates = codec.covariates
    assert list(columns) == [*time, *codec.targets, *covariates.past, *covariates.future]
    assert all(column.numbers == (name != "when") for name, column in columns.items())
    assert not time or columns["when"].optional == (not codec.calendar)
    drawn = case.made.block.output.is_distribution
    stream, adaptive, static = case.made.stream(), kind_of(case.made), kind_of(case.made, intervals="static")
    rows = {kind: kind.begin() for kind in (adaptive, static)}
    for step, (kind, first) in itertools.product(case.steps()[:9], ((adaptive, True), (static, False))):
        if first:
            actual = stream.step(step)
        line = {name: str(cell) if name == "when" else cell for name, cell in step.items()}
        streamed, rows[kind] = kind.answer(rows[kind], line)
        assert list(streamed) == ["filled", "restarted", *codec.targets] and not streamed["restarted"]
        quantiles = actual.get("quantiles")
        if kind is adaptive:
            quantiles = actual.get("adaptive", quantiles)
        for k, name in enumerate(codec.targets):
            wanted = {"forecast": actual["forecast"][:, k]}
            for at, level in enumerate(case.made.block.output.levels if drawn else ()):
                wanted[f"q{level:g}"] = quantiles[:, k, at]
            assert streamed[name] == {
                key: array[0] if case.S == 1 else array.tolist() for key, array in wanted.items()
            }
