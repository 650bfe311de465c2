"""Entities in tags B-X (first step of an entity of kind X), I-X (inside one) and O (none); their score.

As in the CoNLL-2003 shared task (its script conlleval), also where tags are irregular: an entity begins

    at B-X
    at I-X behind O, behind a tag of another kind, or at the first step

and ends before the next that begins, before O, or with the sequence. So IOB1, where B-X stands only between
neighbours of one kind, is read right too. An entity is found if both its borders and its kind are right:

    precision = found / answered      recall = found / there      F1 = 2 found / (answered + there)

Of decoded tags, I-X may only follow B-X or I-X, and whatever it follows in the training part.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_TAG = re.compile(r"O|[BI]-(.+)")

Mask = NDArray[np.bool_]


class Entity(NamedTuple):
    """Steps first … end - 1."""

    first: int
    end: int
    kind: str


class Allowed(NamedTuple):
    """Which of K tags may come first (K,), and which may follow each (K, K), row by row."""

    start: Mask
    transitions: Mask


def is_scheme(tags: Iterable[str]) -> bool:
    """Whether these are tags of entities: all of the form O, B-X or I-X, and one at least not O."""
    every = set(tags)
    return bool(every - {"O"}) and all(_TAG.fullmatch(tag) for tag in every)


def entities(tags: Sequence[str]) -> list[Entity]:
    """Those of a sequence, in order. What is no tag of an entity counts as O."""
    complete: list[Entity] = []
    first, kind = 0, ""
    for at, tag in enumerate([*tags, "O"]):
        kind_here = tag[2:] if _TAG.fullmatch(tag) else ""
        if kind and (kind_here != kind or tag.startswith("B-")):
            complete.append(Entity(first, at, kind))
            kind = ""
        if kind_here and not kind:
            first, kind = at, kind_here
    return complete


def scores(truth: Sequence[Sequence[str]], answer: Sequence[Sequence[str]]) -> dict[str, float]:
    """precision, recall and F1 over all sequences; nothing to nothing is NaN."""
    there = answered = right = 0
    for true_tags, answered_tags in zip(truth, answer, strict=True):
        true, guessed = set(entities(true_tags)), set(entities(answered_tags))
        there, answered, right = there + len(true), answered + len(guessed), right + len(true & guessed)

    def ratio(a: int, b: int) -> float:
        return a / b if b else float("nan")

    return {
        "entity precision": ratio(right, answered),
        "entity recall": ratio(right, there),
        "entity F1": ratio(2 * right, answered + there),
    }


def allowed(tags: Sequence[str], sequences: Sequence[Sequence[str]]) -> Allowed:
    """What may follow what among `tags`, and in addition what does in the training `sequences`."""
    numbers, K = {tag: k for k, tag in enumerate(tags)}, len(tags)
    start, transitions = np.ones(K, np.bool_), np.ones((K, K), np.bool_)
    for j, tag in enumerate(tags):
        if tag.startswith("I-"):
            start[j] = False
            transitions[:, j] = [before[2:] == tag[2:] for before in tags]
    for one in sequences:
        start[numbers[one[0]]] = True
        for a, b in pairwise(one):
            transitions[numbers[a], numbers[b]] = True
    return Allowed(start, transitions)
