"""What outputs say of classes, against formulas in plain float64."""

import numpy as np
import pytest

from unrolled.codecs.class_outputs import Multiclass, Multilabel, Ordinal, restored
from unrolled.files.labels import SetKind


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("shape", [(1,), (7, 1), (3, 5, 6)])
def test_several_labels_have_probabilities_of_their_own(shape):
    o = np.random.default_rng(0).normal(0, 3, shape).astype(np.float32)
    names = tuple(str(k) for k in range(shape[-1]))
    output = Multilabel(names, None, (0.3,) * len(names))
    p = output.probabilities(o)
    np.testing.assert_allclose(p, sigmoid(o.astype(np.float64)), rtol=1e-14)
    assert np.array_equal(output.chosen(o, p), p >= 0.3)


@pytest.mark.parametrize("C", [2, 3, 7])
def test_ordinal_probabilities_are_differences_of_falling_cuts(C):
    o = np.random.default_rng(C).normal(0, 2, (5, 4, C - 1)).astype(np.float32)
    output = Ordinal(tuple("abcdefg"[:C]))
    wide = o.astype(np.float64)
    cuts = wide[..., :1] - np.concatenate(
        [np.zeros_like(wide[..., :1]), np.cumsum(np.log1p(np.exp(wide[..., 1:])), -1)], -1
    )
    above = np.concatenate([np.ones_like(cuts[..., :1]), sigmoid(cuts), np.zeros_like(cuts[..., :1])], -1)
    p = output.probabilities(o)
    np.testing.assert_allclose(p, above[..., :-1] - above[..., 1:], rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-13)
    median = (np.cumsum(p, -1) < 0.5).sum(-1)
    assert np.array_equal(output.chosen(o, p), median) and output.size == C - 1


def test_extreme_outputs_stay_probabilities():
    o = np.array([[1e30, -1e30, 3e38], [-1e30, 1e30, -3e38]], np.float32)
    for output in (Ordinal(("a", "b", "c", "d")), Multilabel(("a", "b", "c"), None, (0.5,) * 3)):
        p = output.probabilities(o)
        assert np.isfinite(p).all() and (p >= 0).all() and (p <= 1).all()
    assert Ordinal(("a", "b", "c", "d")).chosen(o, o).tolist() == [2, 0]


def test_labels_come_back_as_the_caller_had_them():
    chosen = np.array([[True, False, True], [False, False, False]])
    half = (0.5,) * 3
    names = ("1", "2", "30")
    assert Multilabel(names, None, half, ";").label(chosen).tolist() == ["1;30", ""]
    assert Multilabel(names, SetKind("int64"), half).label(chosen).tolist() == [[1, 30], []]
    ones = Multilabel(("0", "1", "2"), SetKind("uint8", 3), half)
    assert ones.label(chosen).tolist() == [[1, 0, 1], [0, 0, 0]] and ones.classes.tolist() == [0, 1, 2]
    assert ones.text(chosen).tolist() == ["0|2", ""]
    assert Multiclass(("-1", "3"), "int16").label(np.array([1, 0])).tolist() == [3, -1]


CASES = [
    Multiclass(("a", "b")),
    Multiclass(("1", "3"), "int8"),
    Ordinal(("low", "high")),
    Multilabel(("a", "b"), None, (0.5, 0.25), ";"),
    Multilabel(("0", "1"), SetKind("bool", 2), (0.5, 0.5)),
    Multilabel(("5", "7"), SetKind("int64"), (0.5, 0.5)),
]


@pytest.mark.parametrize("output", CASES, ids=repr)
def test_what_is_described_is_restored(output):
    assert restored(output.about()) == output


@pytest.mark.parametrize(
    "change",
    [
        {"classes": []},
        {"classes": ["a", "a"]},
        {"classes": ["a", 2]},
        {"output": "binary"},
        {"output": ["multilabel"]},
        {"thresholds": [0.5]},
        {"thresholds": [0.5, 1.0]},
        {"thresholds": [0.5, "x"]},
        {"thresholds": [0.5, float("nan")]},
        {"thresholds": 3},
        {"sign": ""},
        {"sign": "b"},
        {"sign": 1},
        {"kind": "int64"},
        {"columns": 3},
        {"columns": True},
    ],
)
def test_damaged_descriptions_are_refused(change):
    with pytest.raises((LookupError, TypeError, ValueError)):
        restored(Multilabel(("a", "b"), None, (0.5, 0.25), ";").about() | change)
