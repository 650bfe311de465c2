"""What epochs are chosen by beside the loss where that takes answers: those that cost little, to MOST_JUDGED
inputs of the validation part at even distances, so that they take a small share of the time."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from unrolled.batching.splits import evenly
from unrolled.files.messages import counted

MOST_JUDGED = 500


class Selection(NamedTuple):
    """`measures(network)` stand beside its loss; `notes` tell what is answered."""

    measures: Callable[[Any], Mapping[str, float]] = lambda network: {}
    notes: tuple[str, ...] = ()


def judged(inputs: int) -> list[int]:
    """Which of the inputs of a validation part are answered."""
    return list(map(int, evenly(inputs, MOST_JUDGED)))


def by_answers(select: str, measure: Callable[[Any], float], inputs: int, noun: str) -> Selection:
    """`measure(network)` of the answers to those of so many inputs that are judged."""
    some, every = len(judged(inputs)), counted(inputs, noun)
    note = f"epochs are chosen by the {select} of greedy answers to {some:,} of {every} to validate"
    return Selection(lambda network: {select: measure(network)}, (note,))
