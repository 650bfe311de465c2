"""What is learnt from, and what is not: targets inside the training part, validation targets counted once."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.forecast.cases import coded, daily_wave, hourly, noisy, plan, reader
from unrolled.batching.windows import Batch
from unrolled.codecs.scaling import Scaler
from unrolled.errors import DataError
from unrolled.tasks.forecast.recursive.windows import Validation, mean_loss, target_losses, training_windows


def counting(T, **columns):
    return pl.DataFrame({"time": hourly(T), "y": np.arange(float(T)), **columns})


@pytest.mark.parametrize("steps", [1, 3])
def test_training_windows_pair_each_row_with_the_next_steps_and_stay_in_the_training_part(steps):
    codec, [series], _ = coded(counting(40), train=30, steps=steps)
    windows = training_windows([series], [(30, 35)], plan(window=6, steps=steps), batch_size=4, seed=0)
    last = 0.0
    for batch in windows.batches(1):
        now, ahead = codec.values(batch.x[..., :1])[..., 0], codec.values(batch.y)[..., 0]
        wanted = now[..., None] + np.arange(1, steps + 1)
        np.testing.assert_allclose(ahead, wanted, atol=1e-4)  # float32
        last = max(last, ahead.max())
    assert last == pytest.approx(29)


@pytest.mark.parametrize("last_only", [True, False])
@pytest.mark.parametrize("window, steps, end", [(6, 1, 37), (6, 3, 37), (5, 2, 39), (1, 1, 36), (20, 4, 40)])
def test_every_validation_target_counts_once(window, steps, end, last_only):
    """The counted rows are exactly those whose targets lie in the validation part, 30 … end-1."""
    codec, [series], _ = coded(counting(40), train=30, steps=steps)
    validation = Validation([series], [(30, end)], plan(window=window, steps=steps), last_only)
    firsts = []
    for i, row, counted in validation.windows:
        x, y = validation.window(i, row)
        assert x.shape == (window, 1) and y.shape == (window, steps, 1)
        now, ahead = codec.values(x)[:, 0], codec.values(y)[..., 0]
        np.testing.assert_allclose(ahead, now[:, None] + np.arange(1, steps + 1), atol=1e-4)
        firsts += ahead[window - counted :, 0].round().astype(int).tolist()
    assert sorted(firsts) == list(range(30, end - steps + 1))


@pytest.mark.parametrize("last_only", [True, False])
def test_the_validation_loss_is_the_mean_over_those_rows(last_only):
    codec, series, _ = coded(noisy(60), train=40)
    network = reader(codec, [[0]])
    torch.nn.init.constant_(network.head.bias, 0.3)
    sizes = plan(window=1)
    found = Validation(series, [(40, 52)], sizes, last_only)(network)
    z = series[0].z[:, 0].double()
    assert found == pytest.approx(((z[39:51] + 0.3 - z[40:52]) ** 2).mean().item(), rel=1e-6)


def test_a_loss_at_the_last_row():
    codec, series, _ = coded(noisy(60))
    network, sizes = reader(codec, [[0]]), plan(window=5)
    [batch] = list(training_windows(series, [(60, 60)], sizes, 100, 0).batches(1))
    losses, observed = target_losses(network, batch.x, batch.y)
    assert losses.shape == (55, 5, 1, 1) and observed.all()
    assert torch.equal(mean_loss(network, batch, False), losses.mean())
    assert torch.equal(mean_loss(network, batch, True), losses[:, -1].mean())


@pytest.mark.parametrize("last_only", [True, False])
def test_padding_of_short_series_does_not_count(last_only):
    codec, _series, _ = coded(noisy(60))
    network = reader(codec, [[0]])
    x, y = torch.randn(2, 5, 1), torch.randn(2, 5, 1, 1)
    batch = Batch(x, y, torch.tensor([3, 5]), None)
    losses, _ = target_losses(network, x, y)
    losses = losses[..., 0, 0]
    wanted = [losses[0, 2], losses[1, 4]] if last_only else [*losses[0, :3], *losses[1]]
    torch.testing.assert_close(mean_loss(network, batch, last_only), torch.stack(wanted).mean())


GONE = (3, 9, 10, 11, 20, 33, 36)  # of the steps 0 … 39; 30 and later validate


def gappy(gaps, steps=1):
    frame = counting(40).with_columns(y=pl.when(pl.int_range(40).is_in(GONE)).then(None).otherwise("y"))
    return coded(frame, train=30, steps=steps, gaps=gaps)


@pytest.mark.parametrize("gaps", ["forward", "zero", "mask"])
@pytest.mark.parametrize("last_only", [True, False])
@pytest.mark.parametrize("steps", [1, 3])
def test_what_is_missing_is_no_target_and_its_input_is_of_the_past(gaps, last_only, steps):
    codec, [series], _ = gappy(gaps, steps)
    windows = training_windows([series], [(30, 40)], plan(window=6, steps=steps), 4, 0, last_only)
    learnt = set()
    for batch in windows.batches(1):
        now, ahead = codec.values(batch.x[..., :1])[..., 0], codec.values(batch.y)[..., 0]
        assert (~np.isnan(ahead[:, -1:] if last_only else ahead)).any((1, 2)).all()
        assert torch.isfinite(batch.x).all()
        learnt |= set(ahead[~np.isnan(ahead)].round().astype(int).tolist())
        stands = 0 if gaps == "zero" else {3: 2, 9: 8, 10: 8, 11: 8, 20: 19}
        for row, targets in zip(now.reshape(-1), ahead.reshape(-1, steps), strict=True):
            if not np.isnan(targets[0]):  # then this row stands for the step before
                t = round(targets[0]) - 1
                wanted = t if t not in GONE else stands if gaps == "zero" else stands[t]
                assert row == pytest.approx(wanted, abs=1e-4)
    assert learnt == set(range(1, 30)) - set(GONE)


@pytest.mark.parametrize("last_only", [True, False])
def test_losses_are_means_over_what_was_observed_and_so_are_their_gradients(last_only):
    codec, [series], _ = gappy("forward", 3)
    network = reader(codec, [[0], [0], [0]])
    torch.nn.init.constant_(network.head.bias, 0.3)
    [batch] = training_windows([series], [(30, 40)], plan(window=6, steps=3), 99, 0, last_only).batches(1)
    found = mean_loss(network, batch, last_only)
    x, y = (part[:, -1:] if last_only else part for part in (batch.x, batch.y))
    wanted = ((x[..., None] + 0.3 - y) ** 2).nanmean()
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    found.backward()
    assert network.head.bias.grad.isfinite().all() and network.head.bias.grad.abs().sum() > 0
    validation = Validation([series], [(30, 40)], plan(window=1, steps=3), last_only)(network)
    z, x = series.z[:, 0].double(), series.x[:, 0].double()
    errors = torch.stack([x[t] + 0.3 - z[t + 1 : t + 4] for t in range(29, 37)])
    assert validation == pytest.approx((errors**2).nanmean().item(), rel=1e-5)


def test_nothing_to_learn_or_to_watch_is_an_error():
    y = np.arange(40.0)
    gone = coded(
        pl.DataFrame({"time": hourly(40), "y": np.where(y < 30, y, np.nan)}), train=30, gaps="forward"
    )
    with pytest.raises(DataError, match="the validation part holds no value, gaps alone"):
        Validation(gone[1], [(30, 40)], plan(window=3), True)
    y[1:30] = np.nan
    y[0] = 7
    gone = coded(pl.DataFrame({"time": hourly(40), "y": y}), train=40, gaps="forward")
    with pytest.raises(DataError, match="no window of the training part has a value to learn, gaps alone"):
        training_windows(gone[1], [(30, 40)], plan(window=3), 4, 0)


def test_short_series_are_left_out_of_validation_and_none_left_is_an_error():
    _codec, series, _ = coded(noisy(60))
    short = coded(noisy(9))[1]
    validation = Validation([*series, *short], [(40, 50), (6, 8)], plan(window=20), True)
    assert len(validation.windows) == 10
    message = "the validation part has 2 steps after 6 of training; wanted 4 or more after 20 or more"
    with pytest.raises(DataError, match=message):
        Validation(short, [(6, 8)], plan(window=20, steps=4), True)


def test_the_calendar_of_the_next_step_alone_forecasts_a_daily_wave():
    """Training pairs under a network that reads the calendar of row t: an off-by-one would leave a loss."""
    names = ("hour_of_day_sin", "hour_of_day_cos")
    codec, series, _ = coded(daily_wave(24 * 5), calendar=names)
    network = reader(codec, [[1]])  # z is the sine itself but for its scale
    with torch.no_grad():
        network.head.weight.mul_(1 / np.sin(2 * np.pi * np.arange(24) / 24).std())
    [batch] = list(training_windows(series, [(120, 120)], plan(), 1000, 0).batches(1))
    assert mean_loss(network, batch, False).item() < 1e-10


def test_whole_series_of_0_and_1_are_validated_from_their_second_step_on():
    """Shorter and longer than the window; the loss is that of a step, the sum over its targets."""
    frame = pl.DataFrame({name: np.arange(45) % k == 0 for name, k in (("y", 2), ("x", 3))})
    frame = frame.with_columns(pl.all().cast(pl.Float64), id=pl.Series(["short"] * 5 + ["long"] * 40))
    codec, series, _ = coded(frame, targets=("y", "x"), id="id")
    codec = replace(codec, scalers={"target": Scaler.none(2)})
    series = [
        replace(one, x=torch.from_numpy(one.y).float(), z=torch.from_numpy(one.y).float()) for one in series
    ]
    network = reader(codec, [[0, 1]], "bernoulli")
    found = Validation(series, [(0, 5), (0, 40)], plan(window=12, level=()), False)(network)
    pairs = [(one.z[:-1].double(), one.z[1:].double()) for one in series]
    a, y = (
        torch.cat(parts) for parts in zip(*pairs, strict=True)
    )  # the network's log odds are what it reads
    wanted = -torch.distributions.Bernoulli(logits=a).log_prob(y).sum(1).mean().item()
    assert found == pytest.approx(wanted, rel=1e-6)
