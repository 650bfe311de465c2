"""Groups stay whole, and the parts come near what was asked for."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.batching.splits import by_class, by_label, by_sequence, by_size
from unrolled.errors import DataError

SPLITS = {
    "sequence": lambda n, *how: by_sequence(n, *how),
    "class": lambda n, *how: by_class(["ab"[k % 2] for k in range(n)], *how),
    "label": lambda n, *how: by_label(["abc"[: k % 4] for k in range(n)], *how),
    "size": lambda n, *how: by_size(np.arange(n) * 0.5, *how),
}


@pytest.mark.parametrize("split", SPLITS)
@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=30, max_size=80).filter(lambda each: len(set(each)) > 2),
    st.integers(0, 3),
)
def test_each_group_is_whole_in_one_part_and_every_part_has_one(split, groups, seed):
    names = [f"g{group}" for group in groups]
    parts = SPLITS[split](len(names), 0.1, 0.2, seed, names)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(names)))
    train, validation, test = ({names[i] for i in part} for part in parts)
    assert train and validation and test
    assert len(train) + len(validation) + len(test) == len(set(names)), "none stands in two"
    assert all((part[1:] > part[:-1]).all() for part in parts)


def test_parts_of_equal_groups_have_the_size_that_is_asked_for():
    groups = [f"{i % 40}" for i in range(400)]
    train, validation, test = by_class(["ab"[i // 200] for i in range(400)], 0.1, 80, 0, groups)
    assert (len(train), len(validation), len(test)) == (280, 40, 80)


def test_parts_have_their_shares_of_classes_though_groups_have_not():
    """Of 60 persons 45 walk alone and 15 run alone, 1 to 9 times each: by size alone a part of 6 often has
    no runner."""
    draw = np.random.default_rng(4)
    groups, labels = [], []
    for person in range(60):
        times = int(draw.integers(1, 10))
        groups += [f"p{person}"] * times
        labels += ["run" if person % 4 == 0 else "walk"] * times
    share = Counter(labels)["run"] / len(labels)
    for seed in range(10):
        for part in by_class(labels, 0.1, 0.1, seed, groups)[1:]:
            assert Counter(labels[i] for i in part)["run"] / len(part) == pytest.approx(share, abs=0.08)
            assert len(part) == pytest.approx(len(labels) / 10, abs=4)


def test_what_is_drawn_follows_from_the_seed_and_not_from_the_order():
    groups = [f"g{k // 5}" for k in range(200)]
    labels = ["abc"[k % 3] for k in range(200)]
    order = np.random.default_rng(1).permutation(200)

    def tested(seed, at):
        _, _, test = by_class([labels[i] for i in at], 0.1, 0.1, seed, [groups[i] for i in at])
        return {groups[at[i]] for i in test}

    first = tested(0, np.arange(200))
    assert first == tested(0, order), "the order of the rows changes nothing"
    assert len({frozenset(tested(seed, order)) for seed in range(8)}) > 4


def test_a_class_of_one_group_alone_stays_in_training():
    groups = [f"g{k // 4}" for k in range(40)]
    labels = ["rare" if k < 4 else "usual" for k in range(40)]
    for seed in range(20):
        train, _, _ = by_class(labels, 0.1, 0.1, seed, groups)
        assert set(range(4)) <= set(train.tolist())


def test_classes_that_are_groups_themselves_are_split_all_the_same():
    names = [f"g{k // 5}" for k in range(50)]
    parts = by_class(names, 0.1, 0.1, 0, names)
    assert [len(part) for part in parts] == [40, 5, 5]


@pytest.mark.parametrize("parts, groups, least", [((0.1, 0.1), 2, 3), ((0.1, 0), 1, 2), ((0, 0.3), 1, 2)])
def test_fewer_groups_than_parts_are_refused_with_what_to_do(parts, groups, least):
    with pytest.raises(DataError) as error:
        by_sequence(20, *parts, 0, [f"g{k % groups}" for k in range(20)])
    assert str(error.value) == (
        f"{groups} group{'s' * (groups > 1)} for {least} parts of the data, each of which has whole ones; "
        "give more, leave a part out (validation=0 or test=0), or name files of others for it (test_files)"
    )
    enough = by_sequence(20, *parts, 0, [f"g{k % least}" for k in range(20)])
    assert len(enough[0]) > 0


def test_no_part_but_training_needs_no_second_group():
    train, validation, test = by_sequence(7, 0, 0, 0, ["one"] * 7)
    assert len(train) == 7 and not len(validation) and not len(test)


def test_one_group_of_most_sequences_is_not_held_out():
    groups = ["many"] * 80 + [f"g{k}" for k in range(20)]
    for seed in range(5):
        train, validation, test = by_sequence(100, 0.1, 0.1, seed, groups)
        assert (len(train), len(validation), len(test)) == (80, 10, 10)
