"""How far answers are from the truth, symbol by symbol.

    edits(y, r)   fewest symbols put in, left out or exchanged that make r of y (Levenshtein 1966)
    error rate    Σ_i edits(y_i, r_i) / Σ_i |r_i|

Of an example with several right answers r is the one with the fewest edits, the first of those that tie.
Symbols are characters of a string, or the items of a sequence: words, phonemes.
"""

from collections.abc import Hashable, Sequence

from rapidfuzz.distance import Levenshtein

Symbols = Sequence[Hashable]


def edits(answer: Symbols, truth: Symbols) -> int:
    return int(Levenshtein.distance(answer, truth))


def nearest(answer: Symbols, truths: Sequence[Symbols]) -> Symbols:
    """Of several right answers the one with the fewest edits."""
    return min(truths, key=lambda truth: edits(answer, truth))


def error_rate(answers: Sequence[Symbols], truths: Sequence[Sequence[Symbols]]) -> float:
    """`truths` (N,) of one or more right answers each. 0 where all of them are empty and nothing was found,
    infinite where they are empty and something was."""
    against = [nearest(answer, several) for answer, several in zip(answers, truths, strict=True)]
    wrong = sum(edits(answer, truth) for answer, truth in zip(answers, against, strict=True))
    length = sum(len(truth) for truth in against)
    if not length:
        return float("inf") if wrong else 0.0
    return wrong / length


def exact(answers: Sequence[Symbols], truths: Sequence[Sequence[Symbols]]) -> float:
    """The share of answers that are one of the right ones."""
    right = [
        any(edits(answer, truth) == 0 for truth in several)
        for answer, several in zip(answers, truths, strict=True)
    ]
    return sum(right) / len(right)
