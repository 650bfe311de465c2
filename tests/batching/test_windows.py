"""Windows against a plain loop over Python lists. Every step of every series carries its own number, so that
a window that crossed a series, the train boundary or an epoch would show."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.batching.windows import Windows
from unrolled.errors import DataError


def numbered(lengths, features=2):
    """Series i, step t, feature f holds 1 + f + 10·t + 10⁵·i: never 0, exact in float32."""
    return [
        torch.arange(T)[:, None] * 10.0 + torch.arange(features) + 1 + 100_000 * i
        for i, T in enumerate(lengths)
    ]


def naive_random(x, y, window, ahead, horizon):
    """{(series, start)} -> (x, y, length) by plain slicing."""
    found = {}
    for i, (a, b) in enumerate(zip(x, y, strict=True)):
        n = len(a) - ahead - (horizon or 1) + 1
        for s in range(max(n - window + 1, min(n, 1))):
            length = min(window, n - s)
            steps = range(s, s + length)
            target = [b[t + ahead] if horizon is None else b[t + ahead : t + ahead + horizon] for t in steps]
            found[a[s, 0].item()] = (i, a[s : s + length], torch.stack(target), length)
    return found


lengths_of_series = st.lists(st.integers(1, 23), min_size=1, max_size=5)
shapes = st.fixed_dictionaries(
    {
        "window": st.integers(1, 9),
        "batch_size": st.integers(1, 11),
        "seed": st.integers(0, 2**40),
        "ahead": st.integers(0, 2),
        "horizon": st.sampled_from([None, 1, 3]),
    }
)


def make(lengths, sampling, options):
    x = numbered(lengths)
    y = [-series[:, :1] for series in x]
    try:
        return x, y, Windows(x, y, sampling=sampling, **options)
    except DataError:
        margin = options["ahead"] + (options["horizon"] or 1) - 1
        assert max(lengths) < options["window"] + margin
        return None


def rows(batch, window):
    for r in range(len(batch.x)):
        yield r, batch.x[r], batch.y[r], window if batch.lengths is None else int(batch.lengths[r])


@settings(max_examples=200, deadline=None)
@given(lengths_of_series, shapes, st.integers(0, 3))
def test_random_sampling_gives_each_window_once_an_epoch_with_its_own_shifted_targets(
    lengths, options, epoch
):
    made = make(lengths, "random", options)
    if made is None:
        return
    x, y, windows = made
    wanted = naive_random(x, y, options["window"], options["ahead"], options["horizon"])
    seen = Counter()
    batches = list(windows.batches(epoch))
    assert len(batches) == windows.steps_per_epoch
    for batch in batches:
        assert batch.reset is None and len(batch.x) <= options["batch_size"]
        for _, x_row, y_row, length in rows(batch, options["window"]):
            series, x_wanted, y_wanted, length_wanted = wanted[x_row[0, 0].item()]
            assert length == length_wanted
            assert torch.equal(x_row[:length], x_wanted) and torch.equal(y_row[:length], y_wanted)
            padding = x_row[length:, 0]
            assert all(value == 0 or value // 100_000 == series for value in padding.tolist())
            seen[x_row[0, 0].item()] += 1
    assert seen == dict.fromkeys(wanted, 1)


@settings(max_examples=200, deadline=None)
@given(lengths_of_series, shapes)
def test_consecutive_rows_continue_where_they_ended_and_cover_every_series_once(lengths, options):
    made = make(lengths, "consecutive", options)
    if made is None:
        return
    x, _, windows = made
    streams = {}  # row -> runs, each the steps between two resets
    for batch in windows.batches(0):
        assert batch.reset is not None
        for r, x_row, y_row, length in rows(batch, options["window"]):
            if batch.reset[r]:
                streams.setdefault(r, []).append([])
            if length:
                streams[r][-1].append((x_row[:length], y_row[:length]))
    margin = options["ahead"] + (options["horizon"] or 1) - 1
    covered = []
    for runs in streams.values():
        for run in runs:
            joined = torch.cat([part for part, _ in run])
            targets = torch.cat([part for _, part in run]).flatten(1)[:, 0]
            assert torch.equal(joined[1:, 0] - joined[:-1, 0], torch.full((len(joined) - 1,), 10.0))
            assert torch.equal(targets, -(joined[:, 0] + 10 * options["ahead"]))
            covered += joined[:, 0].tolist()
    wanted = [v for series in x if len(series) > margin for v in series[: len(series) - margin, 0].tolist()]
    assert sorted(covered) == sorted(wanted)


def same(a, b):
    return all(
        (p is None and q is None) or torch.equal(p, q)
        for p, q in ((a.x, b.x), (a.y, b.y), (a.lengths, b.lengths), (a.reset, b.reset))
    )


@settings(max_examples=100, deadline=None)
@given(
    lengths_of_series,
    shapes,
    st.sampled_from(["random", "consecutive"]),
    st.integers(0, 2),
    st.integers(0, 30),
)
def test_skip_equals_drawing_and_dropping(lengths, options, sampling, epoch, skip):
    made = make(lengths, sampling, options)
    if made is None:
        return
    drawn = list(made[2].batches(epoch))[skip:]
    skipped = list(made[2].batches(epoch, skip))
    assert len(drawn) == len(skipped) and all(map(same, drawn, skipped))


def test_batches_depend_on_seed_and_epoch_and_on_nothing_else():
    x = numbered([300])

    def order(seed, epoch):
        return torch.cat([batch.x[:, 0, 0] for batch in Windows(x, x, 7, 16, seed, ahead=1).batches(epoch)])

    first = order(3, 5)
    torch.manual_seed(99)
    torch.rand(10)
    windows = Windows(x, x, 7, 16, 3, ahead=1)
    list(windows.batches(0))  # another epoch before it changes nothing
    assert torch.equal(first, torch.cat([batch.x[:, 0, 0] for batch in windows.batches(5)]))
    others = [order(3, 6), order(4, 5), order(5, 3)]
    assert not any(torch.equal(first, other) for other in others)


def test_nothing_past_the_training_part_is_read():
    """A NaN in every step after the boundary would reach a window that looked there."""
    series = numbered([60])[0]
    series[40:] = float("nan")
    for sampling in ("random", "consecutive"):
        windows = Windows([series[:40]], [series[:40]], 8, 5, 0, sampling, ahead=1, horizon=3)
        for batch in windows.batches(0):
            assert not batch.x.isnan().any() and not batch.y.isnan().any()


def test_integer_sequences_without_a_feature_axis_work():
    tokens = torch.arange(40)
    batch = next(Windows([tokens], [tokens], 6, 4, 1, ahead=1).batches(0))
    assert batch.x.shape == (4, 6) and batch.x.dtype == torch.int64
    assert torch.equal(batch.y, batch.x + 1)


def test_a_window_longer_than_every_series_is_an_error_with_the_numbers():
    x = numbered([40])
    with pytest.raises(DataError) as error:
        Windows(x, x, 168, 4, 0, ahead=1, names=["a"])
    assert str(error.value) == (
        "a window of 168 needs at least 169 steps of training data; series 'a' has 40; set window=39 or less"
    )
    x = numbered([1, 30, 40])
    with pytest.raises(DataError) as error:
        Windows(x, x, 50, 4, 0, ahead=1, horizon=24, names=["a", "b", "c"])
    assert str(error.value) == (
        "a window of 50 needs at least 74 steps of training data; "
        "series 'c', the longest of 3, has 40; set window=16 or less"
    )
    x = numbered([5])
    with pytest.raises(DataError) as error:
        Windows(x, x, 2, 4, 0, ahead=1, horizon=24)
    assert str(error.value) == (
        "a window of 2 needs at least 26 steps of training data; series '0' has 5; give more data"
    )


def test_a_shorter_series_beside_a_long_one_enters_padded_and_a_single_step_is_noted():
    x = numbered([20, 5, 1])
    windows = Windows(x, x, 8, 100, 0, ahead=1, names=["a", "b", "c"])
    batch = next(windows.batches(0))
    assert batch.lengths is not None
    assert sorted(batch.lengths.tolist()) == [4] + [8] * 12
    assert windows.notes == ("series 'c' is left out: its training part has length 1, needed are 2",)


def test_unpaired_inputs_and_targets_are_a_wrong_call():
    with pytest.raises(ValueError, match=r"got lengths \[20\] and \[19\]"):
        Windows(numbered([20]), numbered([19]), 4, 2, 0, ahead=1)
    with pytest.raises(ValueError, match="skip must be 0 or more, got -1"):
        next(Windows(numbered([20]), numbered([20]), 4, 2, 0, ahead=1).batches(0, -1))
