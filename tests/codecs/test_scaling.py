import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unrolled.codecs.scaling import Scaler, likeliest_power
from unrolled.errors import DataError, RunError

NAMES = ["a", "b", "c"]


def random_parts(seed=0):
    generator = np.random.default_rng(seed)
    return [generator.normal([5, -300, 0.01], [2, 70, 0.003], (T, 3)) for T in (11, 1, 30)]


def test_all_parts_count_alike_and_the_deviation_is_the_population_s():
    parts = random_parts()
    scaler = Scaler.fit(parts, ["a", "b", "c"])
    pooled = np.concatenate(parts)
    np.testing.assert_allclose(scaler.mean, pooled.sum(0) / 42, rtol=1e-14)  # sums in another order
    np.testing.assert_allclose(scaler.scale**2, ((pooled - pooled.mean(0)) ** 2).sum(0) / 42, rtol=1e-13)
    scores = scaler.transform(pooled)
    np.testing.assert_allclose(scores.mean(0), 0, atol=1e-13)
    np.testing.assert_allclose(scores.std(0), 1, rtol=1e-13)
    assert scores.dtype == np.float64


def test_what_follows_the_training_part_changes_no_bit():
    series = random_parts()[2]
    spoiled = series.copy()
    spoiled[20:] *= 1e6
    first, second = (Scaler.fit([s[:20]]) for s in (series, spoiled))
    assert first.mean.tobytes() == second.mean.tobytes() and first.scale.tobytes() == second.scale.tobytes()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=20, unique=True),
    st.floats(-1e300, 1e300),
)
def test_inverse_undoes_transform_at_any_magnitude(column, value):
    scaler = Scaler.fit([np.array(column)[:, None]])
    with np.errstate(over="ignore"):
        there = scaler.transform(np.array([value]))
    assume(np.isfinite(there).all())  # a value 1e308 deviations away has no score
    largest = max(abs(value), np.abs(scaler.mean).item())
    # Each operation rounds to 2⁻⁵² of the largest number in it; a score below 1e-308 loses bits besides.
    lost = 4 * (np.finfo(float).eps * largest + np.finfo(float).smallest_subnormal * scaler.scale.item())
    assert abs(scaler.inverse(there)[0] - value) <= lost


def test_tiny_and_huge_values_keep_their_deviation():
    for unit in (1e-200, 1.0, 1e200):
        scaler = Scaler.fit([np.array([[1.0], [2.0], [4.0]]) * unit])
        np.testing.assert_allclose(scaler.scale, np.std([1, 2, 4]) * unit, rtol=1e-14)


def test_a_constant_column_is_refused_by_name():
    parts = random_parts()
    for part in parts:
        part[:, 1] = 0.1
    with pytest.raises(DataError) as error:
        Scaler.fit(parts, ["a", "sales", "c"])
    assert str(error.value) == (
        "column 'sales' is 0.1 in all 42 steps of the training part; "
        "wanted one that varies, leave it out or train on a longer part"
    )
    with pytest.raises(DataError, match=r"column '1' is 0\.1"):
        Scaler.fit(parts)


def test_a_column_beyond_float64_is_refused_by_name():
    with pytest.raises(DataError) as error:
        Scaler.fit([np.array([[1.7e308, 1.0], [1.7e308, 2.0], [-1.7e308, 3.0]])], ["a", "b"])
    assert str(error.value) == "column 'a': its values are beyond the range of float64; give it another unit"


def test_arrays_there_and_back():
    scaler = Scaler.fit(random_parts())
    arrays = scaler.to_arrays()
    assert set(arrays) == {"mean", "scale"}
    again = Scaler.from_arrays(arrays)
    assert again.mean.tobytes() == scaler.mean.tobytes() and again.scale.tobytes() == scaler.scale.tobytes()


@pytest.mark.parametrize(
    "mean, scale",
    [
        ([1.0, 2.0], [1.0]),
        ([1.0], [0.0]),
        ([1.0], [-1.0]),
        ([float("nan")], [1.0]),
        ([1.0], [float("inf")]),
        ([[1.0]], [[1.0]]),
    ],
)
def test_arrays_that_are_no_scaler_are_refused(mean, scale):
    with pytest.raises(RunError) as error:
        Scaler.from_arrays({"mean": np.array(mean), "scale": np.array(scale)})
    assert str(error.value) == (
        "scaler: wanted finite mean and scale > 0 of equal length; the run is damaged, train again"
    )


def test_a_missing_array_is_named():
    with pytest.raises(RunError) as error:
        Scaler.from_arrays({"mean": np.array([1.0])})
    assert str(error.value) == "scaler: 'scale' is missing; wanted mean and scale, train again"


def test_counts_are_divided_by_a_power_of_two_and_stay_exact():
    counts = np.random.default_rng(0).integers(0, 2**24, (200, 2)) * [1.0, 1e-6]
    counts = np.vstack([np.floor(counts), [np.nan, np.nan]])
    scaler, mean = Scaler.of_counts([counts[:50], counts[50:]], ["a", "b"]), np.nanmean(counts, 0)
    assert (scaler.mean == 0).all() and (np.log2(scaler.scale) % 1 == 0).all()
    assert ((scaler.scale <= mean) & (mean < 2 * scaler.scale)).all()
    narrow = scaler.transform(counts).astype(np.float32)
    assert np.array_equal(scaler.inverse(narrow.astype(np.float64)), counts, equal_nan=True)
    with pytest.raises(DataError, match="'b' is 0 in all 200 steps"):
        Scaler.of_counts([counts * [1, 0]], ["a", "b"])


def test_logarithms_are_scaled_as_values_are():
    values = np.exp(random_parts()[2] / 100)
    scaler, wanted = Scaler.of_logarithms([values], NAMES), Scaler.fit([np.log(values)])
    np.testing.assert_allclose([scaler.mean, scaler.scale], [wanted.mean, wanted.scale], rtol=1e-12)
    np.testing.assert_allclose(scaler.transform(values), wanted.transform(np.log(values)), atol=1e-12)
    np.testing.assert_allclose(scaler.inverse(scaler.transform(values)), values, rtol=1e-13)
    np.testing.assert_allclose(scaler.center, np.exp(wanted.mean), rtol=1e-12)
    np.testing.assert_allclose(scaler.deviation, values.std(0), rtol=1e-12)
    assert np.isneginf(scaler.transform(np.zeros(3))).all()


POWER = {"square root": 0.5, "logarithm": 0.0, "itself": 1.0, "another": 0.35}


@pytest.mark.parametrize("power", POWER.values(), ids=POWER)
def test_a_power_is_scaled_as_values_are_and_undone(power):
    values = np.random.default_rng(3).gamma(2.0, 50.0, (300, 2))
    scaler = Scaler.of_powers([values[:100], values[100:]], NAMES[:2], [power, 1.0])
    raised = np.column_stack([np.log(values[:, 0]) if power == 0 else values[:, 0] ** power, values[:, 1]])
    np.testing.assert_allclose(scaler.transform(values), Scaler.fit([raised]).transform(raised), atol=1e-11)
    np.testing.assert_allclose(scaler.inverse(scaler.transform(values)), values, rtol=1e-11)
    np.testing.assert_allclose(scaler.deviation, values.std(0), rtol=1e-12)
    again = Scaler.from_arrays(scaler.to_arrays())
    assert np.array_equal(again.transform(values), scaler.transform(values))
    assert np.array_equal(again.inverse(values), scaler.inverse(values))


@pytest.mark.parametrize("power, least", [(0.5, 0), (0.35, 0), (0.0, 0.2)])
def test_what_has_no_power_is_read_as_the_least_and_nothing_below_comes_out(power, least):
    values = np.array([[2.0], [np.nan], [7.0], [40.0]])
    scaler = Scaler.of_powers([values], NAMES[:1], [power])
    low = scaler.transform(np.array([[least], [least / 2], [0.0], [-3.0], [np.nan]]))
    assert np.isfinite(low[:4]).all() and (low[:4] == low[0]).all() and np.isnan(low[4])
    assert scaler.transform(np.array([[least + 0.1]])) > low[0]
    far = np.array([[-1e3], [-30.0], [0.0], [2.0]])
    values = scaler.inverse(far)
    assert (values >= 0).all() and (np.diff(values[:, 0]) >= 0).all()
    assert (values[:2] == 0).all() or (power == 0 and (values[1:] > 0).all())


WALKS = {1.0: lambda walk: 50 + walk, 0.5: lambda walk: (20 + walk) ** 2, 0.0: lambda walk: np.exp(walk / 10)}


@pytest.mark.parametrize("power", WALKS)
def test_a_box_cox_transform_makes_the_changes_alike(power):
    walks = np.cumsum(np.random.default_rng(1).standard_normal((3, 400)), 1)
    walks -= walks.min(1, keepdims=True) if power == 0.5 else 0
    parts = [WALKS[power](walk) for walk in walks]
    parts[1][[3, 50]] = np.nan
    assert abs(likeliest_power(parts) - power) <= 0.1
    scaler = Scaler.of_powers([part[:, None] for part in parts], NAMES[:1], [None])
    assert scaler.curve.power == likeliest_power(parts)


def test_of_nothing_but_missing_values_a_box_cox_transform_is_none():
    assert likeliest_power([np.full(9, np.nan), np.array([1.0])]) == 1


def test_logarithms_of_nothing_above_0_are_refused():
    with pytest.raises(DataError, match="'a' has no value above 0"):
        Scaler.of_powers([-(random_parts()[0] ** 2)], NAMES, [0.0, 1.0, 1.0])


@pytest.mark.parametrize(
    "wrong", [{"power": [2.0]}, {"power": [np.nan]}, {"least": [0.0, 1.0]}, {"deviation": None}]
)
def test_arrays_that_are_no_curve_are_refused(wrong):
    arrays = Scaler.of_powers([np.arange(1.0, 9)[:, None]], NAMES[:1], [0.5]).to_arrays()
    arrays |= {name: np.array(value) for name, value in wrong.items() if value is not None}
    for name in [name for name, value in wrong.items() if value is None]:
        del arrays[name]
    with pytest.raises(RunError, match="wanted power, least, deviation of as many columns"):
        Scaler.from_arrays(arrays)


def test_what_is_not_scaled_stays_as_it_is():
    values = random_parts()[0]
    scaler = Scaler.none(3)
    assert np.array_equal(scaler.transform(values), values) and np.array_equal(scaler.inverse(values), values)
