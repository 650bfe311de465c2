"""How good tags are: scores, and the answers that need no network.

accuracy           share of the steps that are right
of unknown words   the same of words that the training part does not hold, as they stand
entities           entities.py, where tags are of entities
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.files.tagged import Tagged
from unrolled.tasks import entities
from unrolled.tasks.evaluation import Row

Tags = Sequence[Sequence[str]]
Path = NDArray[np.int64]


def usual_tags(data: Tagged, names: Sequence[str], truth: Tags) -> dict[str, int]:
    """The most frequent tag of each word; the first of equals."""
    counts: dict[str, Counter[int]] = {}
    sentences: Any = data.inputs
    numbers = {name: k for k, name in enumerate(names)}
    for words, tags in zip(sentences, truth, strict=True):
        for word, tag in zip(words, tags, strict=True):
            counts.setdefault(str(word), Counter())[numbers[tag]] += 1
    return {word: max(range(len(names)), key=of_word.__getitem__) for word, of_word in counts.items()}


def by_word(data: Tagged, usual: Mapping[str, int], other: int) -> list[Path]:
    """The usual tag of each word, `other` for words that have none."""
    return [np.array([usual.get(str(word), other) for word in one], np.int64) for one in data.inputs]


def scores(scheme: str, usual: Mapping[str, int], data: Tagged, truth: Tags, answers: Tags) -> Row:
    """Of `answers` in tags of a scheme of entities.py; `usual` {} where steps are no words."""
    right = np.array(
        [
            a == b
            for true, answer in zip(truth, answers, strict=True)
            for a, b in zip(true, answer, strict=True)
        ]
    )
    row: Row = {"accuracy": float(right.mean())}
    if usual:
        unknown = np.array([word not in usual for true in data.inputs for word in true])
        row["of unknown words"] = float(right[unknown].mean()) if unknown.any() else float("nan")
    return row | (entities.scores(truth, answers) if scheme != entities.NONE else {})
