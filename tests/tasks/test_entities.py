"""Entities: regular and irregular tags of every scheme, scores by hand, what may follow what."""

import math

import numpy as np
import pytest

from unrolled.errors import DataError
from unrolled.tasks.entities import (
    NONE,
    SCHEMES,
    allowed,
    by_kind,
    entities,
    f1,
    remarks,
    require_scheme,
    scheme_of,
    scores,
)

A, AA = (0, 1, "A"), (0, 2, "A")


@pytest.mark.parametrize(
    "tags, found",
    [
        ("O O", []),
        ("B-A I-A O B-A", [AA, (3, 4, "A")]),
        ("B-A B-A", [A, (1, 2, "A")]),
        ("I-A I-A O I-B", [AA, (3, 4, "B")]),  # iob1
        ("I-A B-A", [A, (1, 2, "A")]),
        ("B-A I-B I-B", [A, (1, 3, "B")]),  # another kind begins another entity
        ("B-A X I-A", [A, (2, 3, "A")]),
        ("B-A-x I-A-x", [(0, 2, "A-x")]),
        ("B-A E-A S-A", [AA, (2, 3, "A")]),  # bioes
        ("B-A I-A E-A B-A E-A", [(0, 3, "A"), (3, 5, "A")]),
        ("S-A S-A S-B", [A, (1, 2, "A"), (2, 3, "B")]),
        ("E-A E-A", [A, (1, 2, "A")]),  # conlleval: E behind E begins another
        ("S-A I-A O", [A, (1, 2, "A")]),
        ("B-A L-A U-B", [AA, (2, 3, "B")]),  # bilou
        ("U-A L-A I-A", [A, (1, 2, "A"), (2, 3, "A")]),
    ],
)
def test_entities_as_conlleval_reads_them(tags, found):
    assert entities(tags.split()) == found


# The same in every scheme: an A of two words and one of a word behind it, a B of three, an A of one.
SAME = {
    "iob1": "I-A I-A B-A O I-B I-B I-B I-A",
    "iob2": "B-A I-A B-A O B-B I-B I-B B-A",
    "bioes": "B-A E-A S-A O B-B I-B E-B S-A",
    "bilou": "B-A L-A U-A O B-B I-B L-B U-A",
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_says_the_same_and_is_told_by_its_tags(scheme):
    tags = SAME[scheme].split()
    assert entities(tags) == [(0, 2, "A"), (2, 3, "A"), (4, 7, "B"), (7, 8, "A")]
    assert scheme_of([tags]) == scheme
    assert f1([SAME["iob2"].split()], [tags]) == 1
    require_scheme(scheme, set(tags))


# By hand: three entities of A (at 0-2, 2-3, 7-8) and one of B (4-7) are there. Answered are A at 0-2, A at
# 2-4, B at 4-7 and B at 7-8, so two of four are right, one of A's two and one of B's two.
@pytest.mark.parametrize(
    "answer",
    [
        "I-A I-A B-A I-A I-B I-B I-B B-B",
        "B-A I-A B-A I-A B-B I-B I-B B-B",
        "B-A E-A B-A E-A B-B I-B E-B S-B",
        "B-A L-A B-A L-A B-B I-B L-B U-B",
    ],
)
def test_scores_count_borders_and_kind_together(answer):
    truth, answers = [SAME["iob2"].split()], [answer.split()]
    assert scores(truth, answers) == {"entity precision": 0.5, "entity recall": 0.5, "entity F1": 0.5}
    of_a, of_b = by_kind(truth, answers)
    assert of_a == {"entity": "A", "entities": 3, "precision": 1 / 2, "recall": 1 / 3, "F1": 2 / 5}
    assert of_b == {"entity": "B", "entities": 1, "precision": 1 / 2, "recall": 1, "F1": 2 / 3}


def test_scores_of_nothing():
    assert math.isnan(f1([["O"]], [["O"]])) and by_kind([["O"]], [["O"]]) == []
    assert f1([["B-A"]], [["O"]]) == 0
    (of_a,) = by_kind([["O"]], [["B-A"]])
    assert of_a["entities"] == 0 and of_a["precision"] == 0 and math.isnan(of_a["recall"])


@pytest.mark.parametrize(
    "sequences, scheme",
    [
        (["O B-X I-X"], "iob2"),
        (["I-X"], "iob1"),
        (["B-X O B-X"], "iob2"),
        (["I-X B-X O", "O I-X"], "iob1"),
        (["B-X I-X O"] * 9 + ["O I-X"], "iob2"),  # a mistake is no scheme
        (["I-X O"] * 9 + ["B-X O"], "iob1"),
        (["B-X I-X", "O S-X"], "bioes"),
        (["B-X L-X"], "bilou"),
        (["O O"], NONE),
        (["NOUN O"], NONE),
        (["B- O"], NONE),
        (["U-X S-X"], NONE),
    ],
)
def test_which_scheme_tags_are_of(sequences, scheme):
    assert scheme_of([one.split() for one in sequences]) == scheme


def test_tags_that_a_named_scheme_does_not_have_are_refused():
    with pytest.raises(
        DataError, match="the tag 'E-A' is none of scheme='iob2', which has B-KIND, I-KIND or O"
    ):
        require_scheme("iob2", ["O", "B-A", "E-A"])
    with pytest.raises(DataError, match="the tag 'NOUN'"):
        require_scheme("bioes", ["NOUN"])


# Rows: the tag before, "^" for none; columns: the tag, "$" for none. 1 where it may follow.
TABLES = {
    "iob1": """
      B-A B-B I-A I-B O $
    ^   0   0   1   1 1 .
    B-A 1   0   1   1 1 1
    B-B 0   1   1   1 1 1
    I-A 1   0   1   1 1 1
    I-B 0   1   1   1 1 1
    O   0   0   1   1 1 1""",
    "iob2": """
      B-A B-B I-A I-B O $
    ^   1   1   0   0 1 .
    B-A 1   1   1   0 1 1
    B-B 1   1   0   1 1 1
    I-A 1   1   1   0 1 1
    I-B 1   1   0   1 1 1
    O   1   1   0   0 1 1""",
    "bioes": """
      B-A B-B E-A E-B I-A I-B O S-A S-B $
    ^   1   1   0   0   0   0 1   1   1 .
    B-A 0   0   1   0   1   0 0   0   0 0
    B-B 0   0   0   1   0   1 0   0   0 0
    E-A 1   1   0   0   0   0 1   1   1 1
    E-B 1   1   0   0   0   0 1   1   1 1
    I-A 0   0   1   0   1   0 0   0   0 0
    I-B 0   0   0   1   0   1 0   0   0 0
    O   1   1   0   0   0   0 1   1   1 1
    S-A 1   1   0   0   0   0 1   1   1 1
    S-B 1   1   0   0   0   0 1   1   1 1""",
}
TABLES["bilou"] = TABLES["bioes"].replace("E-", "L-").replace("S-", "U-")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_transition_of_every_scheme(scheme):
    (*tags, _), first, *rows = (line.split() for line in TABLES[scheme].strip().splitlines())
    legal = allowed(scheme, tags, [])
    assert [row[0] for row in rows] == tags
    np.testing.assert_array_equal(legal.start, np.array(first[1:-1], int).astype(bool))
    np.testing.assert_array_equal(legal.transitions, np.array([row[1:-1] for row in rows], int).astype(bool))
    np.testing.assert_array_equal(legal.end, np.array([row[-1] for row in rows], int).astype(bool))


def test_what_training_shows_may_stand_too():
    tags = ("B-A", "E-A", "I-A", "O")
    legal, seen = allowed("bioes", tags, []), allowed("bioes", tags, [["I-A", "O", "B-A"]])
    for of_scheme, with_training, new in zip(legal, seen, [(2,), (2, 3), (0,)], strict=True):
        assert [tuple(one) for one in np.argwhere(with_training & ~of_scheme)] == [new]


def test_tags_are_free_where_a_sequence_could_have_no_answer():
    """One word can be neither B nor E, where there is no O and no S."""
    assert allowed("bioes", ("B-A", "E-A"), [["B-A", "E-A"]]) is None
    assert allowed("bioes", ("B-A", "E-A", "S-A"), [["B-A", "E-A"]]) is not None


def test_tags_of_two_schemes_are_told_to_have_no_entities():
    (remark,) = remarks(["O", "B-PER", "M-PER", "E-PER"])
    assert remark.startswith(
        "tags such as 'B-PER', 'E-PER', 'M-PER' are of none of the schemes iob1 (I-, B-)"
    )
    assert remarks(["O", "NOUN", "VERB", "X-Y"]) == []
