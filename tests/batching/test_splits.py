import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.batching.splits import by_class, by_label, by_sequence, by_size, chronological
from unrolled.errors import ConfigError, DataError


@pytest.mark.parametrize(
    "length, validation, test, ends",
    [
        (100, 0.1, 0.2, (70, 80)),
        (100, 10, 20, (70, 80)),
        (100, 0.1, 20, (70, 80)),
        (100, 10.0, 0, (90, 100)),
        (17, 0.1, 0.1, (13, 15)),  # 1.7 steps are 2
        (5, 0.01, 0.01, (3, 4)),  # a share above 0 is at least one step
        (5, 0, 0, (5, 5)),
    ],
)
def test_parts_by_share_or_by_steps(length, validation, test, ends):
    assert chronological(length, validation, test) == ends


sizes = st.one_of(st.floats(0, 0.99), st.integers(1, 30))


@given(st.integers(2, 200), sizes, sizes)
def test_parts_follow_each_other_and_cover_the_series(length, validation, test):
    try:
        train_end, validation_end = chronological(length, validation, test)
    except DataError:
        held_out = sum(
            size if size >= 1 or size == 0 else max(1, size * length) for size in (validation, test)
        )
        assert held_out > length - 2, "each share is rounded by half a step at most"
        return
    assert 1 <= train_end <= validation_end <= length
    for size, steps in ((validation, validation_end - train_end), (test, length - validation_end)):
        assert (
            steps == size
            if size >= 1 or size == 0
            else abs(steps - size * length) <= max(0.5, 1 - size * length)
        )


@pytest.mark.parametrize("size", [-1, -0.1, 1.5, 10.5, float("nan"), float("inf")])
def test_a_size_that_is_neither_share_nor_steps_is_a_configuration_error(size):
    with pytest.raises(ConfigError) as error:
        chronological(100, size, 0.1)
    assert str(error.value) == f"validation: wanted a share below 1 or a whole number, got {size}"
    with pytest.raises(ConfigError, match="test: wanted a share"):
        chronological(100, 0.1, size)


def test_parts_that_leave_nothing_to_train_on_are_refused_with_the_numbers():
    with pytest.raises(DataError) as error:
        chronological(40, 24, 0.5)
    assert str(error.value) == (
        "validation (24) and test (20) leave nothing to train on of 40 steps; lower them, or give more"
    )


def test_parts_by_lot_hold_every_sequence_once():
    train, validation, test = by_sequence(103, 0.1, 20, seed=5)
    assert len(validation) == 10 and len(test) == 20
    assert sorted([*train, *validation, *test]) == list(range(103))
    again = by_sequence(103, 0.1, 20, seed=5)
    assert all((a == b).all() for a, b in zip(again, (train, validation, test), strict=True))
    assert by_sequence(103, 0.1, 20, seed=6)[2].tolist() != test.tolist()
    assert all((part[1:] > part[:-1]).all() for part in (train, validation, test))


def test_parts_by_lot_that_leave_nothing():
    with pytest.raises(DataError, match=r"leave nothing to train on of 3"):
        by_sequence(3, 1, 2, seed=0)
    assert len(by_sequence(3, 0, 0, seed=0)[0]) == 3


@given(st.lists(st.sampled_from("aaaabbc"), min_size=8, max_size=120), st.integers(0, 9))
def test_parts_by_class_hold_every_sequence_once_and_train_on_every_class(labels, seed):
    try:
        train, validation, test = by_class(labels, 0.2, 3, seed)
    except DataError:
        assert len(labels) - len(set(labels)) < 3 + max(1, round(0.2 * len(labels)))
        return
    assert len(validation) == max(1, round(0.2 * len(labels))) and len(test) == 3
    assert sorted([*train, *validation, *test]) == list(range(len(labels)))
    assert {labels[i] for i in train} == set(labels)
    assert all((part[1:] > part[:-1]).all() for part in (train, validation, test))


def test_every_class_has_its_share_of_every_part():
    labels = ["a"] * 500 + ["b"] * 300 + ["c"] * 200
    parts = by_class(labels, 0.1, 0.2, seed=3)
    for part, share in zip(parts, (0.7, 0.1, 0.2), strict=True):
        found = [sum(labels[i] == name for i in part) for name in "abc"]
        assert np.abs(np.array(found) - np.array([500, 300, 200]) * share).max() <= 2
    assert by_class(labels, 0.1, 0.2, seed=4)[2].tolist() != parts[2].tolist()
    assert [part.tolist() for part in by_class(labels, 0.1, 0.2, seed=3)] == [p.tolist() for p in parts]


def test_parts_by_class_that_leave_too_few():
    with pytest.raises(DataError) as error:
        by_class(["a", "a", "b", "c"], 1, 1, seed=0)
    assert str(error.value) == (
        "validation (1 sequences) and test (1) leave too few to train on: 3 of the 4 are needed, one of "
        "every class; lower them, or give more sequences"
    )
    assert [len(part) for part in by_class(["a", "a", "b", "c"], 1, 0, seed=0)] == [3, 1, 0]


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_class_is_trained_on_and_tested_on(seed):
    """100, 45 and 5 of a class: a part of 15 by lot, or every tenth in order of classes, misses the third."""
    labels = ["a"] * 100 + ["b"] * 45 + ["c"] * 3 + ["d"] * 2 + ["e"]
    train, validation, test = ([labels[i] for i in part] for part in by_class(labels, 0.1, 0.1, seed))
    assert set(train) == set("abcde") and set(validation) == set("abc") and set(test) == set("abcd")
    assert [len(part) for part in (validation, test)] == [15, 15]


def test_labels_of_sequences_with_several_are_in_every_part():
    several = [["o"] * 5 + (["rare", "o"] if n % 30 == 7 else []) for n in range(120)] + [["x"]]
    for seed in range(5):
        train, validation, test = by_label(several, 0.1, 0.1, seed)
        assert [len(validation), len(test)] == [12, 12]
        for part in (train, validation, test):
            assert any("rare" in several[i] for i in part)
    nothing = by_label([[]] * 9, 1, 2, 0)
    assert [len(part) for part in nothing] == [6, 1, 2]


def test_small_and_large_numbers_are_in_every_part():
    values = np.random.default_rng(4).permutation(200) ** 3.0
    for seed in range(3):
        for part in by_size(values, 0.1, 0.1, seed)[1:]:
            assert sorted(np.cbrt(values[part]).round() // 20) == sorted([*range(10)] * 2)
    assert [len(part) for part in by_size(np.ones(3), 1, 1, 0)] == [1, 1, 1]
    assert [len(part) for part in by_size(np.ones(20), 9, 10, 0)] == [1, 9, 10]
