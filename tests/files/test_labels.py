import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from unrolled.errors import DataError
from unrolled.files.at_hand import plain
from unrolled.files.label_sets import labels_in
from unrolled.files.labels import (
    KINDS,
    SetKind,
    are_sets,
    given_back,
    in_order,
    objects,
    sets_given_back,
    written,
    written_sets,
)

GIVEN = [
    (["b", "a"], "str"),
    (np.array(["b", "ä"]), "str"),
    (np.array(["b", "a"], object), "str"),
    ([3, -1], "int64"),
    (np.array([3, 250], np.uint8), "uint8"),
    (np.array([2**63], np.uint64), "uint64"),
    ([True, False], "bool"),
    (np.array([0.1, -2.5e-30], np.float32), "float32"),
    ([1.0, 0.1], "float64"),
    (np.array([1, 2], object), "int64"),
    (np.array([[1], [2]]), "int64"),
    (pd.Series([3, 1], index=[7, 8]), "int64"),
    (pd.Series(["b", "a"]), "str"),
    (pd.Series(["b", "a"], dtype="category"), "str"),
    (pl.Series(["b", "a"]), "str"),
    (pl.Series([1, 2], dtype=pl.Int8), "int8"),
    (pa.array(["b", "a"]), "str"),
    (pa.array([5, 6]), "int64"),
]


@pytest.mark.parametrize("y, kind", GIVEN, ids=lambda one: getattr(one, "__class__", type(one)).__name__)
def test_labels_are_written_and_come_back_as_they_were(y, kind):
    texts, found = written(plain(y))
    assert found == kind and all(type(text) is str for text in texts)
    back = given_back(texts, found)
    wanted = np.asarray(plain(y)).reshape(-1)
    assert np.array_equal(back, wanted.astype(back.dtype)) and back.dtype.name.startswith(kind)
    assert objects(texts, found).tolist() == back.tolist()


def test_every_kind_is_a_type_of_numpy():
    assert all(np.dtype(kind) for kind in KINDS)


@pytest.mark.parametrize(
    "y, said",
    [
        ([1.0, np.nan], "y, answer 1: Input y contains NaN"),
        ([np.inf], "y, answer 0: Input y contains infinity"),
        (["a", None], "y, answer 1: it is missing"),
        (np.array(["a", 1], object), "y: wanted answers of one type, got int, str"),
        ([[1, 2], [3, 4]], r"y: wanted one answer each, an array \(N,\), got shape \(2, 2\)"),
        (np.array(["2020-01-01"], "datetime64[D]"), r"got 'datetime64\[D\]' values"),
        ([b"a"], "got 'bytes8' values"),
        ([1j], "got 'complex128' values"),
    ],
)
def test_what_is_no_label_is_refused(y, said):
    with pytest.raises(DataError, match=said) as error:
        written(y)
    assert "\n" not in str(error.value) and isinstance(error.value, ValueError)


def test_numbers_become_those_of_the_training_where_nothing_is_lost():
    assert written([1.0, 2.0], "int64") == (("1", "2"), "int64")
    assert written([1, 0], "bool") == (("True", "False"), "bool")
    assert written([1.5], "int64") == (("1.5",), "float64")
    assert written([3, 0], "bool") == (("3", "0"), "int64")
    assert written(["1"], "int64") == (("1",), "str")


@pytest.mark.parametrize(
    "texts, kind",
    [("a", "int64"), ("1.5", "int8"), ("300", "uint8"), ("yes", "bool"), ("nan0", "float64"), ("1", "int99")],
)
def test_texts_of_another_kind_are_refused(texts, kind):
    with pytest.raises((ValueError, OverflowError)):
        given_back([texts], kind)


def test_the_order_is_that_of_the_values():
    assert in_order(("10", "9", "-1", "9"), "int64") == ("-1", "9", "10")
    assert in_order(("p2", "p10"), "str") == ("p10", "p2")


# Several labels each: as callers have them, the sets that they are, and their kind.
LISTS = [
    ([["b", "a"], [], ["a"]], SetKind("str")),
    ([("b", "a"), (), ("a",)], SetKind("str")),
    ([{"b", "a"}, set(), frozenset("a")], SetKind("str")),
    (pd.Series([["b", "a"], [], ["a"]], index=[4, 5, 6]), SetKind("str")),
    (pl.Series([["b", "a"], [], ["a"]]), SetKind("str")),
    (pa.array([["b", "a"], [], ["a"]]), SetKind("str")),
]


@pytest.mark.parametrize("y, kind", LISTS, ids=lambda one: type(one).__name__)
def test_lists_of_labels(y, kind):
    y = plain(y)
    assert are_sets(y)
    cells, kind_read = written_sets(y)
    assert [labels_in(cell, "|") for cell in cells] == [{"a", "b"}, set(), {"a"}] and kind_read == kind
    chosen = np.array([[True, True], [False, False], [True, False]])
    assert sets_given_back(chosen, ("a", "b"), kind_read) == [["a", "b"], [], ["a"]]


@pytest.mark.parametrize("kind", ["int64", "int8", "uint8", "bool", "float32"])
def test_an_array_of_0_and_1(kind):
    y = np.array([[1, 0, 1], [0, 0, 0], [0, 0, 1]]).astype(kind)
    cells, kind_read = written_sets(y)
    assert [labels_in(cell, "|") for cell in cells] == [{"0", "2"}, set(), {"2"}]
    assert kind_read == SetKind(kind, 3) and are_sets(y)
    back = sets_given_back(y > 0, ("0", "1", "2"), kind_read)
    assert np.array_equal(back, y) and back.dtype == kind


def test_lists_of_one_length_are_an_indicator_where_they_hold_0_and_1_alone():
    assert written_sets([[0, 1], [1, 0]])[1] == SetKind("int64", 2)
    assert written_sets(pd.DataFrame({"p": [0, 1], "q": [1, 1]}).to_numpy())[1] == SetKind("int64", 2)
    assert written_sets([[3, 5], [5, 7]])[1] == SetKind("int64"), "labels 3, 5 and 7"
    assert written_sets([[0, 1], [1]])[1] == SetKind("int64")
    assert written_sets([[0, 1]], SetKind("int64")) == (('["0", "1"]',), SetKind("int64")), "as in training"
    assert written_sets([[0, 0]], SetKind("bool", 2))[0] == ("[]",)
    assert not are_sets([["a"], ["b"]]) and are_sets([["a"], ["b"]], even_of_one=True)
    assert not are_sets(np.array([[1], [2]])) and not are_sets(["a", "b"]) and not are_sets([1, 2])


@pytest.mark.parametrize("y", [[[0, 1, 1]], [["a"]], np.array([[2, 0]])])
def test_sets_unlike_those_of_the_training_are_refused(y):
    with pytest.raises(DataError, match=r"y: wanted an array of 0 and 1 \(N, 2\), as in training; give such"):
        written_sets(y, SetKind("int64", 2))


def test_a_missing_label_in_a_list_is_refused():
    with pytest.raises(DataError, match="y, answer 1: a label in it is missing"):
        written_sets([["b"], ["a", None]])
    with pytest.raises(DataError, match="wanted one answer each, got lists of them"):
        written([["b"], ["a", "c"]])
