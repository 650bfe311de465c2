"""Labels are put to the steps that are like them, whatever a network says of their places."""

import numpy as np
import pytest

from unrolled.decoding import aligner
from unrolled.decoding.aligner import Aligner

D, LABELS = 7, 4


def made(seed, most=5):
    """A sequence of noise with labels in it, each of two halves of its own: x (T, D), labels, spans."""
    draw = np.random.default_rng([8, seed])
    means = np.random.default_rng(3).normal(0, 2, (LABELS, 2, D)) + 3
    labels = draw.integers(1, LABELS + 1, draw.integers(0, most + 1))
    parts, spans, at = [np.zeros((draw.integers(1, 40), D))], [], 0
    for label in labels:
        at, size = sum(map(len, parts)), draw.integers(8, 25)
        parts += [means[label - 1, [0] * (size // 2) + [1] * (size - size // 2)]]
        parts += [np.zeros((draw.integers(0, 15), D))]
        spans.append((at, at + size - 1))
    x = np.concatenate(parts)
    x = (x + draw.normal(0, 0.7, x.shape)).astype(np.float32)
    return x, labels, np.array(spans, np.int64).reshape(-1, 2)


def several(seeds):
    return map(list, zip(*map(made, seeds), strict=True))


@pytest.fixture(scope="module")
def fitted():
    rows, labels, _ = several(range(60))
    return Aligner.fit(rows, labels, LABELS)


def nowhere(labels):
    """As a network has them that says each label at the first steps."""
    return [np.arange(len(one))[:, None].repeat(2, 1) for one in labels]


def test_begins_and_ends_are_where_they_are(fitted):
    rows, labels, truth = several(range(100, 140))
    spans = fitted.placed(rows, labels, nowhere(labels))
    away = np.abs(np.concatenate(spans) - np.concatenate(truth))
    assert fitted.topology.states == 2
    assert len(away) > 60 and (away <= 1).mean() > 0.97 and away.max() <= 8
    far = np.abs(np.concatenate(nowhere(labels)) - np.concatenate(truth))
    assert (far > 8).mean() > 0.8


def test_each_has_the_bits_that_it_has_alone(fitted):
    rows, labels, _ = several(range(200, 230))
    together = fitted.placed(rows, labels, nowhere(labels))
    for i in (29, 0, 7):
        (alone,) = fitted.placed([rows[i]], [labels[i]], nowhere([labels[i]]))
        np.testing.assert_array_equal(alone, together[i])


def test_too_few_steps_leave_the_places_of_the_network(fitted):
    x, labels = made(5)[0][:7], np.array([1, 2, 1, 3])
    spans = np.array([[0, 1], [2, 3], [4, 5], [6, 6]])
    np.testing.assert_array_equal(fitted.placed([x], [labels], [spans])[0], spans)


def test_a_long_sequence_is_aligned_in_parts_as_in_one(fitted, monkeypatch):
    rows, labels, truth = several(range(300, 312))
    starts = np.cumsum([0, *map(len, rows)])
    x, said = np.concatenate(rows), np.concatenate(labels)
    spans = np.concatenate([one + start for one, start in zip(truth, starts, strict=False)])
    beside = spans + np.array([2, -2])
    whole = fitted.placed([x], [said], [beside])[0]
    monkeypatch.setattr(aligner, "MOST_CELLS", 2000)
    assert len(list(fitted._parts(0, len(x), said, beside))) > 4
    np.testing.assert_array_equal(fitted.placed([x], [said], [beside])[0], whole)


def test_it_is_kept(fitted):
    again = Aligner.restore(fitted.about(), fitted.arrays())
    rows, labels, _ = several(range(400, 405))
    for one, other in zip(*(a.placed(rows, labels, nowhere(labels)) for a in (fitted, again)), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("weight", "bias", "stay"):
        with pytest.raises(ValueError, match="wanted"):
            Aligner.restore(fitted.about(), fitted.arrays() | {name: fitted.arrays()[name][:-1]})
    for name, value in (("pause", np.array(1.0)), ("bias", fitted.bias * np.nan)):
        with pytest.raises(ValueError, match="an aligner with"):
            Aligner.restore(fitted.about(), fitted.arrays() | {name: value})
    with pytest.raises(ValueError, match="an aligner of"):
        Aligner.restore({"labels": LABELS, "states": True}, fitted.arrays())


def test_short_labels_have_fewer_states_and_none_have_none():
    rows, labels = [np.zeros((7, D), np.float32)] * 3, [np.array([1, 2, 1])] * 3
    assert Aligner.fit(rows, labels, 2).topology.states == 1
    assert Aligner.fit([np.zeros((2, D), np.float32)], [np.array([1, 2, 1])], 2) is None
    assert Aligner.fit(rows, [np.empty(0, np.int64)] * 3, 2) is None
