"""The direct strategy: which steps its windows hold, what is learnt from, how members are combined, and what
it forecasts where the right answer is known."""

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.forecast.cases import LEVELS, coded, direct_network, hourly, noisy, plan
from tests.tasks.forecast.test_estimator import no_pictures, same_weights  # noqa: F401
from unrolled.blocks.direct import Steps
from unrolled.blocks.outputs import Output
from unrolled.codecs.windows import window_steps
from unrolled.errors import DataError
from unrolled.tasks.forecast import base, direct
from unrolled.tasks.forecast.base import framed
from unrolled.tasks.forecast.direct import SEGMENTS, STEPS, Origins, Validation, members_of, training_origins
from unrolled.tasks.forecast.estimator import Forecaster
from unrolled.tasks.outputs import criterion

SHORT = {"target": "y", "horizon": 4, "season": 12, "window": 24, "hidden": 5, "steps": 8, "refit": False}


@pytest.mark.parametrize(
    "season, window, segments, steps",
    [
        (1, 24, (24, 6), 24),  # without a season eight segments of six, or what the window holds
        (1, 100, (48, 6), 48),
        (4, 28, (16, 8), 28),  # a segment holds two seasons: four steps are too few
        (7, 49, (28, 7), 48),
        (11, 77, (44, 11), 48),
        (12, 84, (48, 12), 48),
        (24, 168, (96, 24), 48),
        (48, 336, (192, 24), 96),  # half a season
        (168, 1176, (336, 24), 200),
        (336, 1344, (336, 24), 200),
        (288, 1152, (336, 24), 200),
        (29, 116, (96, 24), 58),  # no part of it is a segment
        (24, 47, None, 47),  # less than two segments
        (12, 13, None, 13),
        (1, 2, None, 2),
    ],
)
def test_members(season, window, segments, steps):
    both = [(STEPS, steps, 1)] if segments is None else [(SEGMENTS, *segments), (STEPS, steps, 1)]
    for count in (1, 2, 5):
        assert members_of(count, window, season, 1000) == tuple((both * 5)[:count])
    made = direct_network(coded(noisy(60), steps=3)[0], members=both, window=window)
    assert [one.window for one in made.block.members] == [one[1] for one in both]


def test_members_of_a_long_series_look_back_further():
    assert members_of(1, 336, 24, 3999) == ((SEGMENTS, 96, 24),)
    assert members_of(1, 336, 24, 4000) == ((SEGMENTS, 336, 24),)
    assert members_of(1, 168, 12, 4000) == ((SEGMENTS, 168, 12),)


def origins_of(*lengths, window=7, horizon=3, period=3, missing=(), ends=None):
    """Of counting series, y = 1000 i + t and f = -y, what decodes them, and all that Origins was made of."""
    frames = []
    for i, T in enumerate(lengths):
        y = 1000.0 * (i + 1) + np.arange(T)
        gone = np.isin(np.arange(T), [t for series, t in missing if series == i])
        frames.append(
            pl.DataFrame({"time": hourly(T), "y": np.where(gone, np.nan, y), "f": -y, "id": f"s{i}"})
        )
    codec, series, _ = coded(
        pl.concat(frames), id="id", future=["f"], gaps="forward", steps=horizon, ahead=horizon
    )
    origins = Origins(series, window, horizon, period, codec.ahead)
    return origins, codec, series


def test_windows_what_is_ahead_and_outcomes_are_those_of_their_steps():
    origins, codec, _ = origins_of(30, 20)
    of, last = np.array([0, 1, 0, 1, 0]), np.array([6, 6, 26, 16, 20])
    x, ahead = origins.windows(of, last)
    assert x.shape == (5, 7, codec.row) and ahead.shape == (5, 3, codec.ahead)
    begin = 1000 * (of + 1)[:, None]
    f = codec.scalers["future"]
    wanted = begin + last[:, None] + np.arange(-6, 1)
    np.testing.assert_allclose(codec.values(x[..., :1])[..., 0], wanted, atol=1e-3)  # float32
    after = begin + last[:, None] + np.arange(1, 4)
    np.testing.assert_allclose(codec.values(origins.outcomes(of, last))[..., 0], after, atol=1e-3)
    np.testing.assert_allclose(f.inverse(ahead.numpy().astype(np.float64))[..., 0], -after, atol=1e-3)
    # Of each step of a window is known what the next one will be.
    np.testing.assert_allclose(
        f.inverse(x[..., 1:].numpy().astype(np.float64))[..., 0], -wanted - 1, atol=1e-3
    )


def test_a_window_never_reaches_into_the_series_before():
    origins, codec, _ = origins_of(30, 20)
    x, _ = origins.windows(np.array([1, 1, 1]), np.array([0, 1, 4]))
    steps = np.round(codec.values(x[..., :1])[..., 0] - 2000).astype(int)
    assert steps.tolist() == [[0] * 7, [1, 0, 1, 0, 1, 0, 1], [1, 2, 0, 1, 2, 3, 4]]
    assert np.array_equal(steps, window_steps(np.array([0, 1, 4]), 7, 3))


def test_a_series_is_filled_up_in_whole_periods():
    assert window_steps(np.array([3]), 9, 3).tolist() == [[1, 2, 0, 1, 2, 0, 1, 2, 3]]
    assert window_steps(np.array([8]), 4, 3).tolist() == [[5, 6, 7, 8]]
    for period in (1, 2, 5, 7):  # what stands a period before is the same phase
        steps = window_steps(np.arange(period, 12), 30, period)
        assert ((steps % period) == (np.arange(period, 12)[:, None] + np.arange(-29, 1)) % period).all()


def test_training_origins_have_their_outcomes_in_the_training_part():
    """And the window behind them, or of a shorter series a third of what there is."""
    origins, _, _ = origins_of(30, 20, 7, 4)
    of, last = training_origins(origins, [(26, 30), (12, 20), (6, 7), (3, 4)], plan(window=7, steps=3))
    by_series = [last[of == i].tolist() for i in range(4)]
    # 26 - 3 = 23 steps with outcomes: of seven the window; 9: of three; 3: of two, the least; 0: none.
    assert by_series == [list(range(6, 23)), list(range(2, 9)), [1, 2], []]


def test_training_origins_without_any_outcome_are_left_out():
    missing = [(0, t) for t in range(10, 16)]
    origins, _, _ = origins_of(30, missing=missing)
    of, last = training_origins(origins, [(26, 30)], plan(window=7, steps=3))
    # Of the steps after 9, 10, 11 and 12 the three that are to be forecast are missing.
    assert (of == 0).all() and sorted(set(range(6, 23)) - set(last.tolist())) == [9, 10, 11, 12]
    gone = origins.outcomes(of, last).isnan().flatten(1)
    assert gone.any() and not gone.all(1).any()


def test_nothing_to_learn_is_an_error():
    origins, _, _ = origins_of(30, 9)
    with pytest.raises(
        DataError, match=r"the longest training part has 4 steps; wanted 5 or more .*horizon=3"
    ):
        training_origins(origins, [(4, 20), (3, 9)], plan(window=7, steps=3))


def test_validation_origins_are_rolled_over_the_validation_part(monkeypatch):
    origins, codec, _ = origins_of(30, 20, 9)
    ends = [(20, 27), (12, 16), (8, 9)]
    validation = Validation(origins, ends, plan(window=7, steps=3), False)
    found = list(zip(validation.of.tolist(), validation.last.tolist(), strict=True))
    # Outcomes from the first step of the part to its last; the third has less than a horizon.
    assert found == [(0, t) for t in (19, 20, 21, 22, 23)] + [(1, 11), (1, 12)]
    outcomes = codec.values(validation.y)[..., 0] - 1000 * (validation.of + 1)[:, None]
    assert outcomes.min().round() == 12 and (outcomes[:5].min().round(), outcomes.max().round()) == (20, 26)
    assert validation.horizons == pytest.approx((7 + 4 + 1) / 3)
    parts = [part for _, part in validation.windows()]
    assert sum(len(x) for x, _ in parts) == 7
    monkeypatch.setattr(direct, "MOST_VALIDATED", 4)
    few = Validation(origins, ends, plan(window=7, steps=3), False)
    assert list(zip(few.of.tolist(), few.last.tolist(), strict=True)) == [(0, 19), (0, 21), (0, 23), (1, 12)]


def test_a_validation_part_without_outcomes_is_an_error():
    origins, _, _ = origins_of(30, missing=[(0, t) for t in range(20, 27)])
    with pytest.raises(
        DataError, match="the validation part has 7 steps after 20 of training; wanted 3 or more"
    ):
        Validation(origins, [(20, 27)], plan(window=7, steps=3), False)
    origins, _, _ = origins_of(30)
    with pytest.raises(DataError, match="the validation part has 2 steps"):
        Validation(origins, [(20, 22)], plan(window=7, steps=3), False)


def test_epochs_are_drawn_and_may_be_begun_anywhere():
    origins, _, _ = origins_of(60)
    chosen = training_origins(origins, [(60, 60)], plan(window=7, steps=3))
    assert len(chosen[0]) == 51

    def batches(epoch, skip=0, most=99, seed=4):
        return list(direct.Windows(origins, chosen, 8, seed, most).batches(epoch, skip))

    whole, few = batches(3), batches(3, most=2)
    assert [len(batch.y) for batch in whole] == [8] * 6 + [3] and len(few) == 2
    for again in (batches(3), [*whole[:2], *batches(3, skip=2)], [*few, *whole[2:]]):
        assert all(map(torch.equal, sum(again, ()), sum(whole, ())))
    firsts = torch.cat([batch.x[:, 0, 0] for batch in whole])
    assert len(firsts.unique()) == 51, "an epoch has every window once"
    for other in (batches(4), batches(3, seed=5)):
        assert not torch.equal(other[0].y, whole[0].y)


def noise_known_ahead(T=90, seed=0):
    """White noise and a codec under which it is known ahead: an oracle has all that it needs."""
    y = np.random.default_rng(seed).standard_normal(T)
    codec, series, _ = coded(pl.DataFrame({"time": hourly(T), "y": y, "f": y}), future=["f"], steps=3)
    return codec, Origins(series, 7, 3, 3, codec.ahead), series


def oracles(monkeypatch, codec, errors, output="point", calibrated=False):
    """A network with a member for each of `errors`: in the units of z it says the outcome and so much."""
    by_window = {7 - k: error for k, error in enumerate(errors)}

    def said(self, ops, p, seen):
        spread, mean = torch.exp(10 * seen.about[:, :1]), 10 * seen.about[:, 1:]  # see REFERENCES
        raw = (seen.ahead[..., 0] + by_window[self.window] - mean) / spread
        rest = torch.zeros(*raw.shape, Output(output, LEVELS).size - 1)
        return torch.cat([raw[..., None], rest], -1)

    monkeypatch.setattr(Steps, "__call__", said)
    members = tuple((STEPS, window, 1) for window in by_window)
    return direct_network(codec, output, members=members, calibrated=calibrated)


def test_a_member_that_is_exact_has_nearly_all_and_an_absurd_one_nothing(monkeypatch):
    codec, origins, _ = noise_known_ahead()
    made = oracles(monkeypatch, codec, [0.01, 1000.0, 0.3])
    validation = Validation(origins, [(45, 90)], plan(window=7, steps=3), False)
    shares = validation.share(made)
    assert sum(shares) == pytest.approx(1) and shares[1] > 0.99 and shares[2] == 0
    np.testing.assert_allclose(made.p.shares.numpy(), shares[1:])
    x = origins.windows(validation.of, validation.last)
    forecast = made.block.output.point(made(*x))
    np.testing.assert_allclose(forecast, validation.y, atol=0.02)


@pytest.mark.parametrize("horizons, kept", [(4, True), (100, False)])
def test_a_member_is_left_out_by_how_sure_its_error_is(monkeypatch, horizons, kept):
    """Errors of 0.1 and -0.15 cancel each other at shares of 0.6 and 0.4. The second is above the least by a
    half: within two deviations of four horizons, not of a hundred."""
    codec, origins, _ = noise_known_ahead()
    made = oracles(monkeypatch, codec, [0.1, -0.15])
    validation = Validation(origins, [(45, 90)], plan(window=7, steps=3), False)
    validation.horizons = horizons
    base_alone, one, other = validation.share(made)
    assert base_alone == 0
    if not kept:
        assert (one, other) == (1, 0)
        return
    # Of a(0.1) + (1 - a)(-0.15) squared and a pull of 10 / 4 of 0.1² towards a half, in closed form.
    e, d, pull = np.array([0.1, -0.15]), 0.25, 10 / 4 * 0.1**2
    wanted = (-e[1] * d + pull) / (d**2 + 2 * pull)
    assert one == pytest.approx(wanted, abs=1e-3) and other == pytest.approx(1 - wanted, abs=1e-3)


def test_members_that_are_no_better_than_the_base_share_with_it(monkeypatch):
    """What they add is nothing: all have the same error, and the same share."""
    codec, origins, _ = noise_known_ahead()
    made = direct_network(codec)
    shares = Validation(origins, [(45, 90)], plan(window=7, steps=3), False).share(made)
    np.testing.assert_allclose(shares, 1 / 3, atol=1e-6)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("gaps", [False, True])
def test_losses_are_in_units_of_each_windows_frame(monkeypatch, absolute, gaps):
    """A known error in the units of z is, in a frame's, that over its spread. What is missing counts not."""
    codec, origins, series = noise_known_ahead()
    made = oracles(monkeypatch, codec, [0.5, -0.2])
    of, last = np.zeros(20, np.int64), np.arange(20, 40)
    x, y = origins.windows(of, last), origins.outcomes(of, last)
    gone = torch.zeros(y.shape, dtype=torch.bool)
    if gaps:
        gone[3:7, 1] = True
        gone[9] = True
        y = torch.where(gone, torch.nan, y)
    spread = series[0].z[:, 0].double().unfold(0, 7, 1)[last - 6].std(1, correction=0)
    kept = (~gone).sum((1, 2)) / (~gone).sum()
    expected = [(kept * (e / spread) ** (1 if absolute else 2)).sum().item() for e in (0.5, 0.2)]
    loss = direct.mean_loss(made, direct.Windowed(*x, y), absolute)
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-4)  # float32


def test_gradients_are_finite_where_outcomes_are_missing():
    codec, origins, _ = noise_known_ahead()
    for output in ("point", "gaussian", "studentt", "quantiles"):
        made = direct_network(codec, output)
        of, last = np.zeros(20, np.int64), np.arange(20, 40)
        y = origins.outcomes(of, last)
        y[4:9] = torch.nan
        direct.mean_loss(made, direct.Windowed(*origins.windows(of, last), y), False).backward()
        gradients = {name: part.grad for name, part in made.named_parameters() if part.requires_grad}
        assert all(grad is None or grad.isfinite().all() for grad in gradients.values())
        heads = [grad for name, grad in gradients.items() if "head" in name]
        assert len(heads) == 4 and all(grad.abs().sum() > 0 for grad in heads)
        assert made.p.shares.grad is None and all(one.weight.grad is None for one in made.p.base)


@pytest.mark.parametrize("output", ["gaussian", "studentt", "quantiles"])
def test_members_of_a_distribution_are_judged_by_its_loss_and_combined_in_their_location(monkeypatch, output):
    codec, origins, _ = noise_known_ahead()
    made = (
        oracles(monkeypatch, codec, [0.01], "gaussian")
        if output == "gaussian"
        else direct_network(codec, output)
    )
    validation = Validation(origins, [(45, 90)], plan(window=7, steps=3), False)
    raw = made(*origins.windows(validation.of, validation.last))
    losses = criterion(made.block.output).loss(raw, validation.y)
    assert validation(made) == pytest.approx(losses.double().mean().item(), rel=1e-5)
    if output == "gaussian":
        assert validation.share(made)[1] > 0.95


def test_offsets_are_the_quantiles_of_the_scores_of_near_steps():
    """300 forecasts tell each step by itself; of 100 a neighbour on each side is counted, at the ends one."""
    levels = (0.05, 0.5, 0.9)
    scores = np.random.default_rng(0).standard_normal((300, 4, 2)) * np.arange(1, 5)[:, None] + [0, 100]
    alone = direct.offsets(scores, levels)
    assert alone.shape == (4, 2, 3)
    np.testing.assert_allclose(alone, np.moveaxis(np.quantile(scores, levels, axis=0), 0, -1))
    pooled = direct.offsets(scores[:100], levels)
    for h, near in enumerate([(0, 2), (0, 3), (1, 4), (2, 4)]):
        for k in range(2):
            wanted = np.quantile(scores[:100, slice(*near), k], levels)
            np.testing.assert_allclose(pooled[h, k], wanted)
    few = direct.offsets(scores[:2], levels)
    np.testing.assert_allclose(few[0], few[3])  # all steps together
    gone = np.where(np.arange(300)[:, None, None] % 2 == 0, scores, np.nan)
    wanted = np.moveaxis(np.quantile(scores[::2], levels, axis=0), 0, -1)
    np.testing.assert_allclose(direct.offsets(gone, levels), wanted)
    assert (direct.offsets(np.full((9, 4, 2), np.nan), levels) == 0).all()


@pytest.mark.parametrize("errors", [[0.5], [0.5, 0.5]])
def test_intervals_lie_around_the_forecast_as_its_errors_did(monkeypatch, errors):
    """An oracle that is always too high by a half: all its quantiles are the outcome itself."""
    codec, origins, _ = noise_known_ahead()
    monkeypatch.setattr(direct, "SCORES", 0)
    made = oracles(monkeypatch, codec, errors, calibrated=True)
    made.p.shares.copy_(torch.tensor([1.0] + [0.0] * (len(errors) - 1)))
    validation = Validation(origins, [(45, 90)], plan(window=7, steps=3), False)
    note = validation.calibrate(made)
    assert note.startswith("intervals: calibrated by 43 forecasts of the validation part")
    x = origins.windows(validation.of, validation.last)
    raw = made(*x)
    scores = ((validation.y - made.block.output.point(raw)) / raw[..., -1]).detach()
    np.testing.assert_allclose(scores * raw[..., -1].detach(), -0.5, atol=1e-4)
    wanted = torch.quantile(scores, torch.tensor(LEVELS), dim=0).movedim(0, -1)
    np.testing.assert_allclose(made.p.offsets, wanted, atol=1e-4)  # float32


def test_intervals_of_noise_hold_what_they_say():
    """White noise of a deviation that is a tenth in one series of what it is in the other."""
    draws = np.random.default_rng(0)
    frames = [
        pl.DataFrame({"time": hourly(500), "y": s * draws.standard_normal(500), "id": f"{s}"})
        for s in (1.0, 0.1)
    ]
    options = SHORT | {"id": "id", "season": 1, "calendar": "none", "test": 0.4, "validation": 0.3}
    row = Forecaster(**options).fit(pl.concat(frames)).evaluation.rows[0]
    assert row["coverage"] == pytest.approx(0.9, abs=0.04) and row["crps"] < row["mae"]


def test_windows_that_hardly_vary_are_not_trained_on():
    """By the spread of their own series, however small: a series of thousandths is one too."""
    y = np.random.default_rng(0).standard_normal(60)
    y[20:40] = y[20]
    frames = [pl.DataFrame({"time": hourly(60), "y": scale * y, "id": f"{scale}"}) for scale in (1.0, 0.001)]
    codec, series, _ = coded(pl.concat(frames), id="id", steps=3)
    origins = Origins(series, 7, 3, 3, codec.ahead)
    chosen = training_origins(origins, [(60, 60)] * 2, plan(window=7, steps=3))
    of, last = direct.varied(origins, chosen, 7, [s.z.double().numpy() for s in series])
    for i in (0, 1):
        assert sorted(set(range(6, 57)) - set(last[of == i].tolist())) == list(range(26, 40))


def test_references_are_of_the_training_windows_frames():
    _, origins, series = noise_known_ahead(200)
    parts = [s.z[:150].double().numpy() for s in series]
    chosen = training_origins(origins, [(150, 200)], plan(window=7, steps=3))
    reading = direct.reading_of(origins, chosen, ((STEPS, 5, 1), (STEPS, 6, 1)), parts, 1, False)
    windows = np.lib.stride_tricks.sliding_window_view(parts[0][:, 0], 6)[1:142]
    logs, means = np.log(windows.std(1)), windows.mean(1)
    wanted = [0.05 * parts[0].std(), logs.mean(), logs.std(), means.mean(), means.std()]
    assert reading.frame == 6 and (reading.period, reading.bases) == (3, 1)
    np.testing.assert_allclose(reading.references, [wanted], rtol=1e-5)  # float32
    assert direct.Reading.restore(reading.about()) == reading


def test_an_untrained_forecaster_is_its_base():
    """Steps too small for float32 leave the members at nothing: what it forecasts is the base that was fitted
    on the training part alone, of each target by its own window's frame."""
    frame = noisy(240).with_columns(x=pl.col("y").shift(2, fill_value=0) * 300 + 7)
    options = SHORT | {
        "target": ("y", "x"),
        "season": 24,
        "learning_rate": 1e-20,
        "weight_decay": 0,
        "test": 40,
        "validation": 20,
    }
    model = Forecaster(**options).fit(frame)
    series, reading = model.codec.series, model.codec.reading
    found = model.predict()
    periods = base.natural_periods([frame[name].to_numpy()[:180] for name in "yx"], [24, 168], 24, 4)
    for k, name in enumerate("yx"):
        z = series.scaled("target", frame.select("y", "x").to_numpy())[:, k].astype(np.float64)
        fitted = base.fit([z[:180]], 4, 24, periods, reading.references[k][0], reading.frame)
        u, mean, spread = framed(z[None, -24:], reading.references[k][0], reading.frame)
        wanted = (mean + spread * (u @ fitted.weights.T))[0] * series.scalers["target"].scale[k]
        wanted += series.scalers["target"].mean[k]
        forecast = found.filter(pl.col("target") == name)["forecast"].to_numpy()
        np.testing.assert_allclose(forecast, wanted, rtol=1e-4)  # float32


def many(S=3, T=160, seed=0, **columns):
    frames = [
        noisy(T, seed=seed + k).with_columns(id=pl.lit(f"s{k}"), y=pl.col("y") * 10.0**k) for k in range(S)
    ]
    return pl.concat(frames)


@pytest.mark.parametrize("output", ["point", "gaussian"])
def test_nothing_of_several_series_and_their_covariates_leaks_from_the_test_part(output):
    """All columns of the test part times a million: not a bit of what was fitted changes."""
    draws = np.random.default_rng(0)
    frame = many().with_columns(p=draws.standard_normal(480), f=draws.standard_normal(480))
    late = pl.int_range(160).over("id") >= 130
    spoilt = frame.with_columns(pl.when(late).then(pl.col(c) * 1e6).otherwise(c).alias(c) for c in "ypf")
    options = SHORT | {"id": "id", "past": "p", "future": "f", "output": output, "test": 30, "validation": 20}
    one, two = (Forecaster(**options).fit(data) for data in (frame, spoilt))
    assert same_weights(one, two) and one.rows == two.rows
    about, other = one.codec.about(), two.codec.about()
    assert about == other and about["reading"]["references"]
    assert one.network.p.base[0].weight.abs().sum() > 0
    assert not torch.allclose(one.network.p.shares, torch.tensor(1 / 2))


def test_five_series_of_very_unequal_scale():
    """s (5 + sin + noise): each is forecast as well as by the season of its own, whatever the others are."""
    generator, T = np.random.default_rng(0), 240
    frames = [
        pl.DataFrame(
            {
                "time": hourly(T),
                "y": s * (5 + np.sin(2 * np.pi * np.arange(T) / 24) + 0.2 * generator.standard_normal(T)),
                "id": f"{s}",
            }
        )
        for s in (1, 10, 100, 1_000, 100_000)
    ]
    options = {"target": "y", "id": "id", "horizon": 24, "hidden": 8, "steps": 20, "refit": False}
    model = Forecaster(**options).fit(pl.concat(frames))
    errors = model.evaluation.series.select("series", "mae model", "mae seasonal naive")
    assert len(errors) == 5
    for name, ours, naive in errors.iter_rows():
        assert ours < 1.1 * naive, name
        assert 0.14 * float(name) < ours, "noise of 0.2 s, 0.16 s in the mean, cannot be forecast"


@pytest.fixture(scope="module")
def trained():
    """A forecaster of three series on scales of 1 to 100."""
    return Forecaster(**SHORT | {"id": "id", "season": 24, "window": 48}).fit(many())


def test_a_series_that_training_never_saw_is_forecast_from_its_own_history(trained):
    """However short, and on a level and scale that training never saw either: by its own frame."""
    wave = 1e6 + 1e4 * np.sin(2 * np.pi * np.arange(124) / 24)
    for T, atol in ((120, 4e3), (30, 4e3)):
        frame = pl.DataFrame({"time": hourly(T), "y": wave[:T], "id": "new"})
        found = trained.predict(frame)["forecast"].to_numpy()
        np.testing.assert_allclose(found, wave[T : T + 4], atol=atol)
    for values in ([5.0, 5.0], [5.0, 6.0, 5.0, 7.0], [0.0] * 9):
        frame = pl.DataFrame({"time": hourly(len(values)), "y": values, "id": "short"})
        found = trained.predict(frame)["forecast"].to_numpy()
        assert len(found) == 4 and np.isfinite(found).all()
        assert (np.abs(found - np.mean(values)) < 2 * np.ptp(values) + 3).all()


def test_a_longer_window_than_any_series_is_filled_up():
    model = Forecaster(**SHORT | {"window": 500, "season": 24, "validation": 0.2}).fit(noisy(90))
    found = model.predict(noisy(100))["forecast"].to_numpy()
    assert np.abs(found - noisy(104)["y"].to_numpy()[100:]).max() < 2


@pytest.mark.parametrize("keep", ["average", "last"])
def test_a_refit_takes_over_the_shares_and_intervals_alone(keep, tmp_path):
    noisy(240).write_csv(tmp_path / "a.csv")
    options = SHORT | {"refit": True, "keep": keep, "steps": 30}
    model = Forecaster(**options).fit(tmp_path / "a.csv", out=tmp_path / "run")
    assert model.judged is not model
    first, again = model.judged.network.p, model.network.p
    assert torch.equal(first.offsets, again.offsets) and first.offsets.abs().min() > 0
    assert torch.equal(first.shares, again.shares) and not torch.allclose(again.shares, torch.tensor(0.5))
    assert not torch.equal(first.base[0].weight, again.base[0].weight), (
        "the base is fitted again, on all data"
    )
    loaded = Forecaster.load(tmp_path / "run")
    assert torch.equal(loaded.network.p.shares, again.shares)
    # From a model that was loaded too they are numbers, and no part of a graph.
    fresh = model._network(model.config, model.codec)
    direct.begin(fresh, [])
    model._take_over(loaded, fresh)
    for name in ("shares", "offsets"):
        part = getattr(fresh.p, name)
        assert torch.equal(part, getattr(again, name)) and part.is_leaf and not part.requires_grad


def promotions(T=400, rows_after=4, seed=0):
    """y is 3 higher while f is 1, which is known ahead, and 2 higher two steps after p was 1."""
    generator = np.random.default_rng(seed)
    f, p = (generator.random((2, T + rows_after)) < 0.3).astype(float)
    y = 10 + 3 * f + 2 * np.concatenate([[0, 0], p[:-2]]) + 0.1 * generator.standard_normal(T + rows_after)
    after = pl.int_range(T + rows_after) >= T
    frame = pl.DataFrame({"time": hourly(T + rows_after), "y": y, "f": f, "p": p})
    return frame.with_columns(pl.when(after).then(None).otherwise(c).alias(c) for c in "yp"), y[T:]


def test_covariates_that_set_the_level_are_learnt():
    """Unexplained are f, of deviation 1.37, and p, of 0.92 — which is known for two of four steps."""
    frame, wanted = promotions()
    options = SHORT | {"season": 1, "calendar": "none", "window": 12, "hidden": 8, "steps": 120}
    options |= {"learning_rate": 0.02, "output_dropout": 0}
    columns = [{"future": "f", "past": "p"}, {"future": "f"}, {}]
    models = [Forecaster(**options, **some).fit(frame if some else frame.head(400)) for some in columns]
    both, future, neither = (one.evaluation for one in models)
    [by_step] = [row["rmse"] for row in both.by_step if row["forecast"] == "model"]
    assert max(by_step[:2]) < 0.5 < 0.8 < min(by_step[2:])
    assert future.rmse("y", "model") < 1.15 < 1.5 < neither.rmse("y", "model")
    found = models[0].predict()["forecast"].to_numpy()
    np.testing.assert_allclose(found[:2], wanted[:2], atol=1.5)  # f adds 3


def test_few_windows_are_passed_over_several_times_between_two_validations():
    origins, _, _ = origins_of(30)
    chosen = training_origins(origins, [(30, 30)], plan(window=7, steps=3))
    count = len(chosen[0])
    windows = direct.Windows(origins, chosen, 8, 4, 99, least=10)
    firsts = torch.cat([batch.x[:, -1, 0] for batch in windows.batches(1)])
    assert windows.steps_per_epoch == 10 and len(firsts) == 80 > count
    passes = [firsts[at : at + count] for at in range(0, 80 - count, count)]
    assert all(len(one.unique()) == count for one in passes) and not torch.equal(passes[0], passes[1])
    for again, batch in zip(windows.batches(1, skip=9), [list(windows.batches(1))[9]], strict=True):
        assert torch.equal(again.y, batch.y)
