"""What stands in a row: values of the present, calendar and covariates of the time to forecast."""

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.forecast.cases import coded, daily_wave, hourly
from unrolled.codecs.calendar import calendar_features
from unrolled.errors import DataError
from unrolled.files import zones
from unrolled.files.query import Query
from unrolled.files.series import read_series
from unrolled.tasks.forecast.config import DataConfig
from unrolled.tasks.forecast.data import Codec, calendar_names, checksum, read

T = 60


def numbered():
    """y, p and f of step t are recognisable: t, 1000 + t², -t."""
    t = np.arange(float(T))
    return pl.DataFrame({"time": hourly(T), "y": t, "p": 1000 + t**2, "f": -t})


def scaled(column, train):
    return (column - column[:train].mean()) / column[:train].std()


@pytest.mark.parametrize("steps", [1, 3])
def test_a_row_holds_the_present_and_what_is_known_of_the_next_steps(steps):
    names = ("hour_of_day_sin", "hour_of_day_cos")
    frame, train = numbered(), 40
    codec, [series], file = coded(frame, train=train, steps=steps, calendar=names, past=["p"], future=["f"])
    _, _, known, count = codec.known_rows(file.series[0], steps)
    rows, _ = codec.filled(known, np.zeros(3, np.float32))
    assert rows.shape == (T, codec.width) == (T, 1 + 1 + 3 * steps) and count == T - steps
    y, p, f = (scaled(frame[name].to_numpy(), train) for name in ("y", "p", "f"))
    clock = hourly(T + steps)
    hour = (clock - clock.astype("datetime64[D]")) / np.timedelta64(24, "h")
    waves = np.stack([np.sin(2 * np.pi * hour), np.cos(2 * np.pi * hour)], 1)
    for t in (0, 1, 17, T - steps - 1):
        ahead = slice(t + 1, t + 1 + steps)
        wanted = [y[t], p[t], *waves[ahead].ravel(), *f[ahead]]
        np.testing.assert_allclose(rows[t], wanted, rtol=1e-5, atol=1e-6)  # float32
    assert np.isnan(rows[T - steps :, 2:]).all() and np.isfinite(rows[:, :2]).all()
    # A network reads those of one step ahead, and beside them what is known of all.
    assert series.x.shape == (T, codec.row) == (T, 1 + 1 + 3)
    row, ahead = codec.split(rows[:count])
    np.testing.assert_array_equal(row, series.x[:count])
    for s in range(steps):
        np.testing.assert_array_equal(ahead[:, s], series.k[s : s + count, 1:])


@pytest.mark.parametrize("steps", [1, 3])
def test_series_of_the_same_times_and_of_others_are_each_read_by_itself(steps):
    starts = "2024-01-01T05:00", "2024-01-01T05:00", "2024-01-01T09:00"
    frames = [daily_wave(T, begin).with_columns(id=pl.lit(str(k))) for k, begin in enumerate(starts)]
    frames[1] = frames[1].head(40)
    codec, _, file = coded(pl.concat(frames), steps=steps, calendar=("hour_of_day_sin",), id="id")
    for one, series in zip(codec.encode_each(file.series, steps), file.series, strict=True):
        alone = codec.encode(series, steps)
        assert one.name == alone.name and np.array_equal(one.times, alone.times)
        assert all(torch.equal(getattr(one, name), getattr(alone, name)) for name in "zxk")
        at = series.times[3 + 1]
        wave = np.sin(2 * np.pi * (at - at.astype("datetime64[D]")) / np.timedelta64(24, "h"))
        assert one.x[3, -1].item() == pytest.approx(wave, abs=1e-6)


@pytest.mark.parametrize("steps", [1, 3])
def test_flags_of_the_steps_ahead_stand_beside_their_covariates(steps):
    """[y_t, p_t, m_t, g…, f…, n…] with flags of y, of p and of f: `split` hands each step its own."""
    frame, (_, _, f) = holes()
    options = {"steps": steps, "gaps": "mask", "past": ("p",), "future": ("f",)}
    names = ("hour_of_day_sin", "hour_of_day_cos")
    codec, [series], file = coded(frame, train=40, calendar=names, **options)
    _, _, known, count = codec.known_rows(file.series[0], steps)
    x, _ = codec.filled(known[:count], np.zeros(3, np.float32))
    row, ahead = codec.split(x)
    assert codec.ahead == ahead.shape[2] == 4 and codec.row == row.shape[1] == 8
    np.testing.assert_array_equal(row, series.x[:count])
    for s in range(steps):
        np.testing.assert_array_equal(ahead[:, s], series.k[s : s + count, -4:])
        np.testing.assert_array_equal(ahead[:, s, 3], np.isnan(f[s + 1 : s + 1 + count]))


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_the_calendar_is_that_of_clocks(zone):
    """Before and after clocks were set back, and in the steps ahead: the offset of the present goes on, or
    follows the zone."""
    utc = hourly(60, "2026-10-23T12:00")
    local = zones.shifted(utc, zones.offsets("Europe/Berlin", utc))
    offsets = zones.offsets("Europe/Berlin", utc)
    texts = [f"{t}{zones.suffix(o)}" for t, o in zip(local, offsets.tolist(), strict=True)]
    names = ("hour_of_day_sin", "hour_of_day_cos")
    for T in (30, 60):  # clocks are set back between them
        frame = pl.DataFrame({"time": texts[:T], "y": np.arange(float(T)) ** 2})
        _, [series], _ = coded(frame, calendar=names, ahead=20, zone=zone)
        assert len(series.k) == T + 19
        ahead = utc[0] + np.arange(1, T + 20) * np.timedelta64(1, "h")
        east = zones.offsets("Europe/Berlin", ahead)
        if zone is None:  # each is that of the step before
            east = offsets[np.minimum(np.arange(T + 19), T - 1)]
        clock = zones.shifted(ahead, east)
        hours = (clock - clock.astype("datetime64[D]")) / np.timedelta64(1, "h")
        angle = 2 * np.pi * hours / 24
        np.testing.assert_allclose(series.k, np.stack([np.sin(angle), np.cos(angle)], 1), atol=1e-6)


def test_without_future_covariates_the_calendar_goes_on():
    _codec, [series], file = coded(daily_wave(30), ahead=10, calendar=("hour_of_day_sin",))
    assert series.k.shape == (30 + 10 - 1, 1) and len(series.x) == 30
    _, features = calendar_features(hourly(40), file.step)
    np.testing.assert_allclose(series.k[:, 0], features[1:40, 0], rtol=1e-6, atol=1e-7)


def test_scalers_see_the_training_parts_alone():
    frame = numbered()
    late = pl.int_range(T) >= 40
    spoilt = frame.with_columns(pl.when(late).then(1e9).otherwise(c).alias(c) for c in "ypf")
    one, _, _ = coded(frame, train=40, past=["p"], future=["f"])
    two, _, _ = coded(spoilt, train=40, past=["p"], future=["f"])
    for name, array in one.arrays().items():
        assert np.array_equal(array, two.arrays()[name])


def test_values_are_the_reverse_of_encoding():
    codec, [series], _ = coded(numbered(), targets=("y", "p"))
    np.testing.assert_allclose(codec.values(series.z), series.y, rtol=1e-6, atol=1e-5)  # float32


def test_a_codec_survives_its_arrays_and_plain_values():
    codec, [series], file = coded(
        numbered(), steps=2, past=["p"], future=["f"], calendar=("hour_of_day_cos",)
    )
    again = Codec.restore(codec.about(), codec.arrays())
    assert again.about() == codec.about()
    for found, wanted in zip(again.encode(file.series[0], 2).x, series.x, strict=True):
        assert torch.equal(found.nan_to_num(9), wanted.nan_to_num(9))


def test_blank_is_the_mean_of_training_at_the_given_time():
    codec, [_series], file = coded(numbered(), past=["p"], future=["f"], calendar=("hour_of_day_sin",))
    last = int(file.series[0].times[-1].astype(np.int64))
    blank = codec.blank(last, 0, 5)
    assert torch.equal(blank.x[:, :2], torch.zeros(1, 2))
    assert blank.times[0] == file.series[0].times[-1] and blank.k.shape == (5, 3)
    assert torch.equal(blank.k[:, 2], torch.zeros(5))


def test_blank_of_whole_numbers():
    frame = pl.DataFrame({"year": np.arange(1900, 1930), "y": np.arange(30.0) ** 1.5})
    codec, _, _ = coded(frame)
    assert codec.blank(1929, 0, 3).times.tolist() == [1929, 1930, 1931, 1932]


def holes(share=0.6, seed=0, T=T):
    """y, p and f are white noise, each with a share of its cells missing."""
    draws = np.random.default_rng(seed)
    noise, gone = draws.standard_normal((3, T)), draws.random((3, T)) < share
    gone[:, -1] = False
    values = np.where(gone, np.nan, noise)
    return pl.DataFrame({"time": hourly(T)} | dict(zip("ypf", values, strict=True))), values


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("gaps", ["forward", "zero", "mask"])
def test_the_inputs_of_a_step_are_of_the_past_whatever_comes(gaps, steps):
    """The rows up to each step are those of a file that ends there, and outcomes are those of the file."""
    frame, (y, _, _) = holes()
    options = {"steps": steps, "gaps": gaps, "past": ("p",), "future": ("f",)}
    codec, [series], _ = coded(frame, train=40, **options)
    np.testing.assert_array_equal(series.y[:, 0], y)
    np.testing.assert_array_equal(series.z[:, 0], codec.scaled("target", y[:, None])[:, 0])
    assert series.x.isfinite()[: T - steps].all()
    for t in (0, 5, 17, 40):
        other, draws = frame.to_dict(as_series=False), np.random.default_rng(t)
        for name in "ypf":
            first = t + 1 if name != "f" else t + 1 + steps
            other[name][first:] = draws.standard_normal(T - first).tolist()
        changed = codec.encode(
            read_series(pl.DataFrame(other), Query(**file_options(options))).series[0], steps
        )
        assert torch.equal(changed.x[: t + 1], series.x[: t + 1])


def file_options(options):
    return {"targets": ("y",), "past": options["past"], "future": options["future"], "gaps": True}


def test_gaps_by_rule():
    """Before the first value the mean of training, later the last one or 0, and marks of flagged columns."""
    y = [np.nan, 5.0, np.nan, np.nan, 7.0, np.nan, 6.0]
    f = [1.0, np.nan, 3.0, np.nan, 2.0, 2.0, 2.0]
    frame = pl.DataFrame({"y": y, "p": np.arange(7.0), "f": f})
    rows = {}
    for gaps in ("forward", "zero", "mask"):
        codec, [series], _ = coded(frame, gaps=gaps, past=["p"], future=["f"], time="rows")
        assert codec.width == (5 if gaps == "mask" else 3) == series.x.shape[1]
        rows[gaps] = series.x[:6].double().numpy()
        rows[gaps][:, 0] = codec.values(rows[gaps][:, :1])[:, 0]
        k = 3 if gaps == "mask" else 2
        rows[gaps][:, k] = codec.scalers["future"].inverse(rows[gaps][:, k : k + 1])[:, 0]
    np.testing.assert_allclose(rows["forward"][:, 0], [6, 5, 5, 5, 7, 7], atol=1e-6)
    np.testing.assert_allclose(rows["forward"][:, 2], [2, 3, 3, 2, 2, 2], atol=1e-6)
    np.testing.assert_allclose(rows["zero"][:, 0], [0, 5, 0, 0, 7, 0], atol=1e-6)
    np.testing.assert_allclose(rows["zero"][:, 2], [0, 3, 0, 2, 2, 2], atol=1e-6)
    np.testing.assert_array_equal(rows["mask"][:, [0, 1, 3]], rows["forward"])
    np.testing.assert_array_equal(rows["mask"][:, 2], [1, 0, 1, 1, 0, 1])
    np.testing.assert_array_equal(rows["mask"][:, 4], [1, 0, 1, 0, 0, 0])


def test_scalers_are_of_what_was_observed():
    y = np.array([np.nan, 1.0, np.nan, 3.0, 5.0])
    codec, _, _ = coded(pl.DataFrame({"y": y}), gaps="zero", time="rows")
    assert codec.scalers["target"].mean == 3 and codec.scalers["target"].scale == pytest.approx(
        (8 / 3) ** 0.5
    )


@pytest.mark.parametrize("days, names", [(1.9, 0), (3, 2), (15, 4), (800, 6)])
def test_only_cycles_that_training_spans_twice(days, names):
    frame = daily_wave(int(24 * days) + 100)
    file = read_series(frame, Query(targets=("y",)))
    assert len(calendar_names(file, [int(24 * days) + 1])) == names


def test_checksum_is_of_the_contents(tmp_path):
    frame = numbered()
    frame.write_csv(tmp_path / "a.csv")
    frame.write_parquet(tmp_path / "b.parquet")
    config = DataConfig(target="y", past="p")
    sums = {checksum(read(source, config)) for source in (frame, tmp_path / "a.csv", tmp_path / "b.parquet")}
    assert len(sums) == 1
    other = frame.with_columns(p=pl.when(pl.int_range(T) == 9).then(0).otherwise("p"))
    assert checksum(read(other, config)) not in sums
    assert checksum(read(other, DataConfig(target="y"))) == checksum(read(frame, DataConfig(target="y")))


def test_several_files_are_several_series(tmp_path):
    numbered().write_csv(tmp_path / "north.csv")
    numbered().head(50).write_csv(tmp_path / "south.csv")
    file = read([tmp_path / "north.csv", tmp_path / "south.csv"], DataConfig(target="y"))
    assert [(s.name, len(s.target)) for s in file.series] == [("north", T), ("south", 50)]
    assert any(note.startswith("south.csv: ") for note in file.notes)


def test_files_of_different_steps_are_refused(tmp_path):
    numbered().write_csv(tmp_path / "a.csv")
    numbered().gather_every(2).write_csv(tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"b\.csv: targets 'y' every 2 hours, but .*a\.csv: 'y' every 1 hour"):
        read([tmp_path / "a.csv", tmp_path / "b.csv"], DataConfig(target="y"))


def test_a_constant_column_is_refused_by_name():
    frame = numbered().with_columns(flag=pl.lit(1.0))
    with pytest.raises(DataError, match="'flag' is 1 in all 40 steps of the training part"):
        coded(frame, train=40, future=["flag"])
