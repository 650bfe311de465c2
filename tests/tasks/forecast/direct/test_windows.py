"""Which steps the windows hold, and what is learnt from."""

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.forecast.cases import coded, hourly, plan
from tests.tasks.forecast.direct.cases import noise_known_ahead, origins_of
from tests.tasks.forecast.test_estimator import no_pictures, same_weights  # noqa: F401
from unrolled.codecs.windows import window_steps
from unrolled.errors import DataError
from unrolled.tasks.forecast.direct import windows
from unrolled.tasks.forecast.direct.reading import STEPS, Reading
from unrolled.tasks.forecast.direct.windows import (
    Numbers,
    Origins,
    Windows,
    reading_of,
    training_origins,
    varied,
)

NUMBERS = Numbers(place=1, other=6)


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


def test_epochs_are_drawn_and_may_be_begun_anywhere():
    origins, _, _ = origins_of(60)
    chosen = training_origins(origins, [(60, 60)], plan(window=7, steps=3))
    assert len(chosen[0]) == 51

    def batches(epoch, skip=0, most=99, seed=4):
        return list(Windows(origins, chosen, 8, seed, most).batches(epoch, skip))

    whole, few = batches(3), batches(3, most=2)
    assert [len(batch.y) for batch in whole] == [8] * 6 + [3] and len(few) == 2
    for again in (batches(3), [*whole[:2], *batches(3, skip=2)], [*few, *whole[2:]]):
        assert all(map(torch.equal, sum(again, ()), sum(whole, ())))
    firsts = torch.cat([batch.x[:, 0, 0] for batch in whole])
    assert len(firsts.unique()) == 51, "an epoch has every window once"
    for other in (batches(4), batches(3, seed=5)):
        assert not torch.equal(other[0].y, whole[0].y)


def test_of_known_series_some_windows_are_drawn_as_of_an_unknown_one(monkeypatch):
    monkeypatch.setattr(windows, "STRANGE", 0.3)
    origins, _, _ = origins_of(60)
    chosen = training_origins(origins, [(60, 60)], plan(window=7, steps=3))

    def batches(epoch, skip=0, numbers=NUMBERS):
        return list(Windows(origins, chosen, 8, 4, 99, numbers=numbers).batches(epoch, skip))

    before, after = batches(3, numbers=None), batches(3)
    strange = torch.cat([(batch.x[..., NUMBERS.place] == 6).all(1) for batch in after])
    assert 8 <= strange.sum() <= 23, "0.3 of 51"
    for one, other in zip(before, after, strict=True):
        one.x[(other.x[..., NUMBERS.place] == 6).all(1), :, NUMBERS.place] = 6
        assert all(map(torch.equal, one, other))
    assert all(map(torch.equal, sum(after, ()), sum([*after[:2], *batches(3, skip=2)], ())))
    assert not any(map(torch.equal, batches(4)[0], after[0]))


def test_windows_that_hardly_vary_are_not_trained_on():
    """By the spread of their own series, however small: a series of thousandths is one too."""
    y = np.random.default_rng(0).standard_normal(60)
    y[20:40] = y[20]
    frames = [pl.DataFrame({"time": hourly(60), "y": scale * y, "id": f"{scale}"}) for scale in (1.0, 0.001)]
    codec, series, _ = coded(pl.concat(frames), id="id", steps=3)
    origins = Origins(series, 7, 3, 3, codec.ahead)
    chosen = training_origins(origins, [(60, 60)] * 2, plan(window=7, steps=3))
    of, last = varied(origins, chosen, 7, [s.z.double().numpy() for s in series])
    for i in (0, 1):
        assert sorted(set(range(6, 57)) - set(last[of == i].tolist())) == list(range(26, 40))


def test_references_are_of_the_training_windows_frames():
    _, origins, series = noise_known_ahead(200)
    parts = [s.z[:150].double().numpy() for s in series]
    chosen = training_origins(origins, [(150, 200)], plan(window=7, steps=3))
    reading = reading_of(origins, chosen, ((STEPS, 5, 1), (STEPS, 6, 1)), parts, 1, False)
    windows = np.lib.stride_tricks.sliding_window_view(parts[0][:, 0], 6)[1:142]
    logs, means = np.log(windows.std(1)), windows.mean(1)
    wanted = [0.05 * parts[0].std(), logs.mean(), logs.std(), means.mean(), means.std()]
    assert reading.frame == 6 and (reading.period, reading.bases) == (3, 1)
    np.testing.assert_allclose(reading.references, [wanted], rtol=1e-5)  # float32
    assert Reading.restore(reading.about()) == reading


def test_few_windows_are_passed_over_several_times_between_two_validations():
    origins, _, _ = origins_of(30)
    chosen = training_origins(origins, [(30, 30)], plan(window=7, steps=3))
    count = len(chosen[0])
    windows = Windows(origins, chosen, 8, 4, 99, least=10)
    firsts = torch.cat([batch.x[:, -1, 0] for batch in windows.batches(1)])
    assert windows.steps_per_epoch == 10 and len(firsts) == 80 > count
    passes = [firsts[at : at + count] for at in range(0, 80 - count, count)]
    assert all(len(one.unique()) == count for one in passes) and not torch.equal(passes[0], passes[1])
    for again, batch in zip(windows.batches(1, skip=9), [list(windows.batches(1))[9]], strict=True):
        assert torch.equal(again.y, batch.y)
