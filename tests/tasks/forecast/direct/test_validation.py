"""The loss, how members are combined, and the intervals of points."""

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.forecast.cases import LEVELS, direct_network, hourly, plan
from tests.tasks.forecast.direct.cases import SHORT, noise_known_ahead, origins_of
from tests.tasks.forecast.test_estimator import no_pictures, same_weights  # noqa: F401
from unrolled.blocks.direct import Steps
from unrolled.blocks.outputs import Output
from unrolled.decoding.distributions import distribution
from unrolled.errors import DataError
from unrolled.tasks.forecast.direct import validation as module
from unrolled.tasks.forecast.direct.reading import FED_BACK, STEPS
from unrolled.tasks.forecast.direct.validation import Validation, around_points, mean_loss, offsets, spread
from unrolled.tasks.forecast.direct.windows import Windowed
from unrolled.tasks.forecast.estimator import Forecaster
from unrolled.tasks.outputs import criterion


def test_validation_origins_are_rolled_over_the_validation_part(monkeypatch):
    origins, codec, _ = origins_of(30, 20, 9)
    ends = [(20, 27), (12, 16), (8, 9)]
    validation = Validation(origins, ends, plan(window=7, steps=3), False)
    origins_seen = list(zip(validation.of.tolist(), validation.last.tolist(), strict=True))
    # Outcomes from the first step of the part to its last; the third has less than a horizon.
    assert origins_seen == [(0, t) for t in (19, 20, 21, 22, 23)] + [(1, 11), (1, 12)]
    outcomes = codec.values(validation.y)[..., 0] - 1000 * (validation.of + 1)[:, None]
    assert outcomes.min().round() == 12 and (outcomes[:5].min().round(), outcomes.max().round()) == (20, 26)
    assert validation.horizons == pytest.approx((7 + 4 + 1) / 3)
    parts = [part for _, part in validation.windows()]
    assert sum(len(x) for x, _ in parts) == 7
    monkeypatch.setattr(module, "MOST_VALIDATED", 4)
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
    net = oracles(monkeypatch, codec, [0.01, 1000.0, 0.3])
    validation = Validation(origins, [(45, 90)], plan(window=7, steps=3), False)
    shares = validation.fit_shares(net)
    assert sum(shares) == pytest.approx(1) and shares[1] > 0.99 and shares[2] == 0
    np.testing.assert_allclose(net.p.shares.numpy(), shares[1:])
    x = origins.windows(validation.of, validation.last)
    forecast = net.block.output.point(net(*x))
    np.testing.assert_allclose(forecast, validation.y, atol=0.02)


@pytest.mark.parametrize("horizons", [1, 4, 100])
def test_the_fewer_horizons_there_are_the_more_the_base_has(monkeypatch, horizons):
    """A member that is better than the base by a factor of 2, in closed form."""
    codec, origins, _ = noise_known_ahead()
    validation = Validation(origins, [(45, 90)], plan(window=7, steps=3), False)
    validation.horizons = horizons
    errors = np.array([[4.0, 0.5], [0.5, 1.0]])
    monkeypatch.setattr(validation, "errors", lambda network: errors)
    network = direct_network(codec, members=((STEPS, 7, 1),))
    pull = (2.5 / horizons) ** 2
    # The derivative of a' errors a + pull |a - (1, 0)|^2 along (1, -1), at a = (b, 1 - b), is 0.
    b = max((0.5 + 2 * pull) / (4 + 2 * pull), 0)
    np.testing.assert_allclose(validation.fit_shares(network), [b, 1 - b], atol=1e-6)
    np.testing.assert_allclose(network.p.shares, [1 - b], atol=1e-6)


def test_members_that_are_no_better_than_the_base_have_nothing(monkeypatch):
    codec, origins, _ = noise_known_ahead()
    net = direct_network(codec)
    shares = Validation(origins, [(45, 90)], plan(window=7, steps=3), False).fit_shares(net)
    np.testing.assert_allclose(shares, [1, 0, 0], atol=1e-6)


def test_what_each_is_alone_and_how_far_members_are_apart_is_told():
    """Of two errors of the base and of each member, by hand."""
    errors = np.array([[1.0, 1.0], [0.5, -0.5], [0.5, 0.7]])
    mean = errors[1:].mean(0)
    apart, rms = np.sqrt(np.square(errors[1:] - mean).mean()), np.sqrt(np.square(errors).mean(1))
    together = np.sqrt(np.square([0.2, 0.5, 0.3] @ errors).mean())
    assert spread(errors @ errors.T / 2, (0.2, 0.5, 0.3), ("base", "steps", "segments")) == (
        f"errors on the validation part: base {rms[0]:.3g}, steps {rms[1]:.3g}, segments {rms[2]:.3g}; "
        f"together {together:.3g}, members {apart:.3g} apart"
    )


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("gaps", [False, True])
def test_losses_are_in_units_of_each_windows_frame(monkeypatch, absolute, gaps):
    """A known error in the units of z is, in a frame's, that over its spread. What is missing counts not."""
    codec, origins, series = noise_known_ahead()
    net = oracles(monkeypatch, codec, [0.5, -0.2])
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
    loss = mean_loss(net, Windowed(*x, y, origins.passed(of, last, y)), absolute)
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-4)  # float32


def test_gradients_are_finite_where_outcomes_are_missing():
    codec, origins, _ = noise_known_ahead()
    for output in ("point", "gaussian", "studentt", "quantiles"):
        net = direct_network(codec, output)
        of, last = np.zeros(20, np.int64), np.arange(20, 40)
        y = origins.outcomes(of, last)
        y[4:9] = torch.nan
        batch = Windowed(*origins.windows(of, last), y, origins.passed(of, last, y))
        mean_loss(net, batch, False).backward()
        gradients = {name: part.grad for name, part in net.named_parameters() if part.requires_grad}
        assert all(grad is None or grad.isfinite().all() for grad in gradients.values())
        heads = [grad for name, grad in gradients.items() if "head" in name]
        assert len(heads) == 4 and all(grad.abs().sum() > 0 for grad in heads)
        assert net.p.shares.grad is None and all(one.weight.grad is None for one in net.p.base)


@pytest.mark.parametrize("gaps", [False, True])
def test_a_member_that_feeds_back_is_trained_by_each_next_value_of_its_window(gaps):
    """Untrained it says that all stays as it is: its errors are the changes, in units of the frame."""
    codec, origins, series = noise_known_ahead()
    network = direct_network(codec, members=((FED_BACK, 5, 1),))
    if gaps:
        origins.z[[22, 30, 31]] = torch.nan  # what stands in their place is read, and is no outcome
    of, last = np.zeros(20, np.int64), np.arange(20, 40)
    y = origins.outcomes(of, last)
    loss = mean_loss(network, Windowed(*origins.windows(of, last), y, origins.passed(of, last, y)), False)
    z, read = origins.z[:, 0].double().numpy(), series[0].x[:, 0].double().numpy()
    frames = np.lib.stride_tricks.sliding_window_view(read, 7)
    changes = [(z[o - 3 : o + 2] - read[o - 4 : o + 1]) / frames[o - 6].std() for o in last]
    assert loss.item() == pytest.approx(np.nanmean(np.square(changes)), rel=1e-4)  # float32


@pytest.mark.parametrize("output", ["gaussian", "studentt", "quantiles"])
def test_members_of_a_distribution_are_judged_by_its_loss_and_combined_in_their_location(monkeypatch, output):
    codec, origins, _ = noise_known_ahead()
    net = (
        oracles(monkeypatch, codec, [0.01], "gaussian")
        if output == "gaussian"
        else direct_network(codec, output)
    )
    validation = Validation(origins, [(45, 90)], plan(window=7, steps=3), False)
    raw = net(*origins.windows(validation.of, validation.last))
    losses = criterion(net.block.output).loss(raw, validation.y)
    assert validation(net) == pytest.approx(losses.double().mean().item(), rel=1e-5)
    if output == "gaussian":
        assert validation.fit_shares(net)[1] > 0.95


def test_offsets_are_the_quantiles_of_the_scores_of_near_steps():
    """300 forecasts tell each step by itself; of 100 a neighbour on each side is counted, at the ends one."""
    levels = (0.05, 0.5, 0.9)
    scores = np.random.default_rng(0).standard_normal((300, 4, 2)) * np.arange(1, 5)[:, None] + [0, 100]
    alone = offsets(scores, levels)
    assert alone.shape == (4, 2, 3)
    np.testing.assert_allclose(alone, np.moveaxis(np.quantile(scores, levels, axis=0), 0, -1))
    pooled = offsets(scores[:100], levels)
    for h, near in enumerate([(0, 2), (0, 3), (1, 4), (2, 4)]):
        for k in range(2):
            wanted = np.quantile(scores[:100, slice(*near), k], levels)
            np.testing.assert_allclose(pooled[h, k], wanted)
    few = offsets(scores[:2], levels)
    np.testing.assert_allclose(few[0], few[3])  # all steps together
    gone = np.where(np.arange(300)[:, None, None] % 2 == 0, scores, np.nan)
    wanted = np.moveaxis(np.quantile(scores[::2], levels, axis=0), 0, -1)
    np.testing.assert_allclose(offsets(gone, levels), wanted)
    assert (offsets(np.full((9, 4, 2), np.nan), levels) == 0).all()


@pytest.mark.parametrize("errors", [[0.5], [0.5, 0.5]])
def test_intervals_lie_around_the_forecast_as_its_errors_did(monkeypatch, errors):
    """An oracle that is always too high by a half: where many horizons say so, all its quantiles are the
    outcome itself."""
    codec, origins, _ = noise_known_ahead()
    monkeypatch.setattr(module, "SCORES", 0)
    net = oracles(monkeypatch, codec, errors, calibrated=True)
    net.p.shares.copy_(torch.tensor([1.0] + [0.0] * (len(errors) - 1)))
    validation = Validation(origins, [(45, 90)], plan(window=7, steps=3), False)
    note = validation.calibrate(net)
    assert note.startswith("intervals: calibrated by 43 forecasts of the validation part")
    x = origins.windows(validation.of, validation.last)
    raw = net(*x)
    scores = ((validation.y - net.block.output.point(raw)) / raw[..., -1]).detach()
    np.testing.assert_allclose(scores * raw[..., -1].detach(), -0.5, atol=1e-4)
    wanted = around_points(scores.double().numpy(), LEVELS, span=45 / 3)
    np.testing.assert_allclose(net.p.offsets, wanted, atol=1e-4)  # float32
    validation.span = 1e9
    validation.calibrate(net)
    wanted = torch.quantile(scores, torch.tensor(LEVELS), dim=0).movedim(0, -1)
    np.testing.assert_allclose(net.p.offsets, wanted, atol=1e-4)


def test_few_horizons_do_not_tell_on_which_side_errors_lie(monkeypatch):
    """All scores of the one horizon are above 0; of twenty half of it is believed, of many all."""
    monkeypatch.setattr(module, "SCORES", 0)
    scores = np.linspace(1, 2, 401)[:, None, None]
    levels = (0.1, 0.5, 0.75, 0.9)
    skewed, even = np.array([1.1, 1.5, 1.75, 1.9]), np.array([-1.8, 0, 1.5, 1.8])
    for span, share in ((0.1, 0), (20, 0.5), (1e9, 1)):
        wanted = share * skewed + (1 - share) * even
        np.testing.assert_allclose(around_points(scores, levels, span)[0, 0], wanted, atol=0.02)


@pytest.mark.parametrize("output", ["gaussian", "studentt", "quantiles", "lognormal"])
def test_intervals_that_an_output_has_of_its_own_are_corrected(output):
    """As many outcomes of the validation part itself are below each level as should be."""
    codec, origins, _ = noise_known_ahead()
    net = direct_network(codec, output, calibrated=True)
    validation = Validation(origins, [(45, 90)], plan(window=7, steps=3), False)
    x = origins.windows(validation.of, validation.last)
    levels = np.array(LEVELS)

    def below():
        with torch.no_grad():
            bounds = distribution(net.block.output).quantiles(net(*x).numpy(), levels)
        return (validation.y.numpy()[..., None] < bounds).mean((0, 1, 2))

    net.p.offsets.fill_(7.0)  # of a calibration before
    note = validation.calibrate(net)
    assert note.startswith("intervals: calibrated by 43 forecasts of the validation part")
    np.testing.assert_allclose(below(), levels, atol=0.03)
    before = net.p.offsets.clone()
    validation.calibrate(net)
    assert torch.equal(net.p.offsets, before) and before.abs().max() < 3
    net.p.offsets.zero_()
    assert np.abs(below() - levels).max() > 0.05, "untrained ones are off"


def test_few_horizons_are_said_to_tell_little():
    codec, origins, _ = noise_known_ahead()
    net = direct_network(codec, calibrated=True)
    few = Validation(origins, [(45, 53)], plan(window=7, steps=3), False).calibrate(net)
    assert few.endswith("; too few to rely on: they span 2.67 horizons, 3 are wanted")
    assert "few" not in Validation(origins, [(45, 54)], plan(window=7, steps=3), False).calibrate(net)


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
