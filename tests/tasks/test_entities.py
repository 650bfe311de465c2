"""Entities: regular and irregular tags, scores by hand, what may follow what."""

import math

import numpy as np
import pytest

from unrolled.tasks.entities import allowed, entities, is_scheme, scores


@pytest.mark.parametrize(
    "tags, found",
    [
        ("O O", []),
        ("B-A I-A O B-A", [(0, 2, "A"), (3, 4, "A")]),
        ("B-A B-A", [(0, 1, "A"), (1, 2, "A")]),
        ("I-A I-A O I-B", [(0, 2, "A"), (3, 4, "B")]),  # IOB1
        ("I-A B-A", [(0, 1, "A"), (1, 2, "A")]),
        ("B-A I-B I-B", [(0, 1, "A"), (1, 3, "B")]),  # another kind begins another entity
        ("B-A X I-A", [(0, 1, "A"), (2, 3, "A")]),
        ("B-A-x I-A-x", [(0, 2, "A-x")]),
    ],
)
def test_entities_as_conlleval_reads_them(tags, found):
    assert entities(tags.split()) == found


def test_scores_count_borders_and_kind_together():
    truth = [["B-A", "I-A", "O", "B-B"], ["O", "B-A"]]
    answer = [["B-A", "I-A", "O", "B-A"], ["B-A", "I-A"]]  # one right, one of the wrong kind, one too long
    found = scores(truth, answer)
    assert found == {"entity precision": 1 / 3, "entity recall": 1 / 3, "entity F1": 1 / 3}
    assert math.isnan(scores([["O"]], [["O"]])["entity F1"])
    assert scores([["B-A"]], [["O"]])["entity F1"] == 0


def test_what_is_a_scheme():
    assert is_scheme(["O", "B-X", "I-X"]) and is_scheme(["I-X"])
    assert not is_scheme(["O"]) and not is_scheme(["NOUN", "O"]) and not is_scheme(["B-", "O"])


def test_an_inner_tag_follows_its_kind_and_whatever_training_shows():
    tags = ("B-A", "B-B", "I-A", "I-B", "O")
    rule = allowed(tags, [["B-A", "I-A", "O"]])
    assert rule.start.tolist() == [True, True, False, False, True]
    want = np.ones((5, 5), bool)
    want[:, 2], want[:, 3] = [1, 0, 1, 0, 0], [0, 1, 0, 1, 0]
    np.testing.assert_array_equal(rule.transitions, want)
    seen = allowed(tags, [["I-A", "O", "I-B"]])
    assert seen.start[2] and seen.transitions[4, 3] and not seen.transitions[4, 2]
