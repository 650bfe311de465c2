"""What is learnt from, and what is not: targets inside the training part, validation targets counted once."""

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.forecast.cases import coded, daily_wave, hourly, noisy, plan, reader
from unrolled.batching.windows import Batch
from unrolled.errors import DataError
from unrolled.tasks.forecast.learning import Validation, mean_loss, row_losses, training_windows


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
    losses = row_losses(network, batch.x, batch.y)
    assert losses.shape == (55, 5)
    assert torch.equal(mean_loss(network, batch, False), losses.mean())
    assert torch.equal(mean_loss(network, batch, True), losses[:, -1].mean())


@pytest.mark.parametrize("last_only", [True, False])
def test_padding_of_short_series_does_not_count(last_only):
    codec, _series, _ = coded(noisy(60))
    network = reader(codec, [[0]])
    x, y = torch.randn(2, 5, 1), torch.randn(2, 5, 1, 1)
    batch = Batch(x, y, torch.tensor([3, 5]), None)
    losses = row_losses(network, x, y)
    wanted = [losses[0, 2], losses[1, 4]] if last_only else [*losses[0, :3], *losses[1]]
    torch.testing.assert_close(mean_loss(network, batch, last_only), torch.stack(wanted).mean())


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
