"""What the epochs of a model that writes texts are chosen by beside the loss: BLEU of its greedy answers, or
the share of them that are right."""

from collections.abc import Callable, Sequence
from typing import Any

from unrolled.codecs.texts import TextCodec
from unrolled.errors import ConfigError
from unrolled.files.messages import option
from unrolled.tasks import distances
from unrolled.tasks.selection import Selection, by_answers
from unrolled.tasks.text_scores import bleu
from unrolled.training.selection import LOSS

Truths = Sequence[Sequence[str]]


def selection(
    select: str,
    side: TextCodec,
    answers: Callable[[Any], Sequence[str]],
    truths: Truths,
    inputs: int,
    noun: str,
) -> Selection:
    """`answers(network)` (N,) to those of so many `inputs` that are judged, `truths` (N,) of one or more
    each. ConfigError where right answers could not be told from wrong ones."""
    if select == LOSS:
        return Selection()
    if not measured(select, side, [several[0] for several in truths], truths):
        raise ConfigError(
            f"{option('select', select)} counts four words in a row, and the right answers of the validation "
            f"part have fewer; set {option('select', 'accuracy')}, or leave it out"
        )
    return by_answers(select, lambda network: measured(select, side, answers(network), truths), inputs, noun)


def measured(select: str, side: TextCodec, answers: Sequence[str], truths: Truths) -> float:
    """text_scores.py has both."""
    if select == "bleu":
        written = [[side.written(text) for text in several] for several in truths]
        return bleu(list(map(side.written, answers)), written)
    symbols = [[side.symbols(text) for text in several] for several in truths]
    return distances.exact(list(map(side.symbols, answers)), symbols)
