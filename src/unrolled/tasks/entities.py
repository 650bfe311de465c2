"""Entities in tags such as B-X (first step of an entity of kind X) and O (none); their score.

    iob1    I-X inside; B-X the first step of one right behind another of its kind
    iob2    B-X the first step, I-X the others
    bioes   B-X the first step, I-X inside, E-X the last, S-X the only one
    bilou   the same in other letters: L-X the last, U-X the only one

Entities are read alike in all of them, as in the CoNLL-2003 shared task (its script conlleval), also where
tags are irregular. One begins

    at B-X, S-X and U-X
    at others of X behind O, behind a tag of another kind, behind E, L, S and U, or at the first step

and ends with E, L, S and U, before the next that begins, before O, or with the sequence. An entity is right
if both its borders and its kind are:

    precision = right / answered      recall = right / there      F1 = 2 right / (answered + there)

Decoded tags follow one another as their scheme has it, and as the training part does beside it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.messages import either, listed, natural, option, shown

_TAG = re.compile(r"O|([BIESLU])-(.+)")
_FIRST, _LAST = "BSU", "ESLU"  # letters that always begin, and end, an entity

Mask = NDArray[np.bool_]
Tags = Sequence[Sequence[str]]


class Scheme(NamedTuple):
    """Its `letters`; which go on with the entity of the step before, `inside`; which do not end one, `open`;
    which stand behind a tag of their kind alone, `between`."""

    letters: str
    inside: str = ""
    open: str = ""
    between: str = ""

    def follows(self, tag: str, before: str) -> bool:
        """Whether `tag` may stand behind `before`."""
        (letter, kind), (letter_before, kind_before) = _parts(tag), _parts(before)
        if letter in self.inside:
            return kind == kind_before and letter_before not in _LAST
        if letter in self.between:
            return kind == kind_before
        return letter_before not in self.open

    def begins(self, tag: str) -> bool:
        """Whether `tag` may come first."""
        return _parts(tag)[0] not in self.inside + self.between

    def ends(self, tag: str) -> bool:
        """Whether `tag` may come last."""
        return _parts(tag)[0] not in self.open


SCHEMES = {
    "iob1": Scheme("IB", between="B"),
    "iob2": Scheme("BI", inside="I"),
    "bioes": Scheme("BIES", inside="IE", open="BI"),
    "bilou": Scheme("BILU", inside="IL", open="BI"),
}
NONE = "none"  # tags are not of entities


class Entity(NamedTuple):
    """Steps first … end - 1."""

    first: int
    end: int
    kind: str


class Allowed(NamedTuple):
    """Which of K tags may come first (K,), which may follow each (K, K), row by row, and which may come last
    (K,)."""

    start: Mask
    transitions: Mask
    end: Mask


def scheme_of(sequences: Tags) -> str:
    """The name of the scheme that these tags are of, or NONE: where one is of no form above, all are O, or
    letters of several schemes come up. B and I alone are iob2, unless fewer tags stand where iob1 does not
    have them."""
    every = set(chain.from_iterable(sequences))
    if not every - {"O"} or not all(_TAG.fullmatch(tag) for tag in every):
        return NONE
    letters = {_parts(tag)[0] for tag in every - {"O"}}
    fitting = [name for name in SCHEMES if letters <= {*SCHEMES[name].letters}]
    if "iob1" in fitting:  # iob2 has the same letters
        return min(("iob2", "iob1"), key=lambda name: _irregular(SCHEMES[name], sequences))
    return fitting[0] if fitting else NONE


def require_scheme(name: str, tags: Iterable[str]) -> None:
    """DataError for the first of these tags that a named scheme does not have."""
    letters = SCHEMES[name].letters
    for tag in sorted(tags, key=natural):
        if not _TAG.fullmatch(tag) or (tag != "O" and tag[0] not in letters):
            forms = either([*(f"{letter}-KIND" for letter in letters), "O"])
            raise DataError(
                f"the tag {shown(tag)} is none of {option('scheme', name)}, which has {forms}; name another "
                f"one, or {option('scheme', NONE)} where tags are not of entities"
            )


def remarks(tags: Iterable[str]) -> list[str]:
    """Why tags (K,), most of which look like those of entities, are of no scheme; nothing where few do."""
    names = sorted(set(tags) - {"O"}, key=natural)
    letters = {tag[0]: tag for tag in reversed(names) if re.fullmatch("[A-Z]-.+", tag)}
    if 2 * sum(tag[0] in letters and tag[1:2] == "-" for tag in names) <= len(names):
        return []
    schemes = ", ".join(f"{name} ({'-, '.join(one.letters)}-)" for name, one in SCHEMES.items())
    return [
        f"tags such as {listed(sorted(letters.values()))} are of none of the schemes {schemes}, so "
        f"there is no F1 of entities; write all tags in one scheme, or name it with {option('scheme')}"
    ]


def _irregular(scheme: Scheme, sequences: Tags) -> int:
    """How many tags stand where they may not."""
    return sum(
        (not scheme.begins(tags[0])) + sum(not scheme.follows(tag, before) for before, tag in pairwise(tags))
        for tags in sequences
    )


def entities(tags: Sequence[str]) -> list[Entity]:
    """Those of a sequence, in order. What is no tag of an entity counts as O."""
    complete: list[Entity] = []
    first, kind = 0, ""
    for at, tag in enumerate([*tags, "O"]):
        letter, kind_here = _parts(tag)
        if kind and (kind_here != kind or letter in _FIRST):
            complete.append(Entity(first, at, kind))
            kind = ""
        if kind_here and not kind:
            first, kind = at, kind_here
        if kind and letter in _LAST:
            complete.append(Entity(first, at + 1, kind))
            kind = ""
    return complete


@lru_cache(2**12)
def _parts(tag: str) -> tuple[str, str]:
    """Letter and kind; "O", which no list of letters holds, and "" of what is no tag of an entity."""
    match = _TAG.fullmatch(tag)
    return (match[1], match[2]) if match and match[1] else ("O", "")


def f1(truth: Tags, answer: Tags) -> float:
    """F1 of the entities of all sequences together; nothing to nothing is NaN."""
    return scores(truth, answer)["entity F1"]


def scores(truth: Tags, answer: Tags) -> dict[str, float]:
    """precision, recall and F1 over all sequences; nothing to nothing is NaN."""
    there, answered, right = (sum(counts.values()) for counts in _counts(truth, answer))
    names = ("entity precision", "entity recall", "entity F1")
    return dict(zip(names, _ratios(there, answered, right), strict=True))


def by_kind(truth: Tags, answer: Tags) -> list[dict[str, str | int | float]]:
    """The same for each kind, {"entity", "entities": how many there are, "precision", "recall", "F1"}."""
    there, answered, right = _counts(truth, answer)
    keys = ("entity", "entities", "precision", "recall", "F1")
    return [
        dict(zip(keys, (kind, there[kind], *_ratios(there[kind], answered[kind], right[kind])), strict=True))
        for kind in sorted(there | answered, key=natural)
    ]


def _counts(truth: Tags, answer: Tags) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """How many entities of each kind are there, are answered, and are right."""
    counts = Counter[str](), Counter[str](), Counter[str]()
    for true_tags, answered_tags in zip(truth, answer, strict=True):
        true, answered = set(entities(true_tags)), set(entities(answered_tags))
        for counted, part in zip(counts, (true, answered, true & answered), strict=True):
            counted.update(one.kind for one in part)
    return counts


def _ratios(there: int, answered: int, right: int) -> Iterator[float]:
    """precision, recall and F1."""
    for part, whole in ((right, answered), (right, there), (2 * right, answered + there)):
        yield part / whole if whole else float("nan")


def allowed(scheme: str, tags: Sequence[str], sequences: Tags) -> Allowed | None:
    """What may follow what among `tags`, and in addition what does in the training `sequences`. None where a
    path of any length would not be sure: no tag may come first, follow itself and come last, as O may."""
    rule, numbers = SCHEMES[scheme], {tag: k for k, tag in enumerate(tags)}
    start, end = (np.array([may(tag) for tag in tags], np.bool_) for may in (rule.begins, rule.ends))
    transitions = np.array([[rule.follows(tag, before) for tag in tags] for before in tags], np.bool_)
    for one in sequences:
        start[numbers[one[0]]] = end[numbers[one[-1]]] = True
        for a, b in pairwise(one):
            transitions[numbers[a], numbers[b]] = True
    return Allowed(start, transitions, end) if (start & transitions.diagonal() & end).any() else None
