"""How answers are judged, beside answers that need no network. A source with several targets is one question:
what is nearest to one of them counts.

    exact match         share of the questions whose answer is one of the targets
    symbol error rate   edits of distances.py in symbols of the target side, of byte pairs in characters
    BLEU, chrF          of overlap.py, on the texts as the target's tokenizer writes them; BLEU only where
                        it says something

Texts are compared as the target's tokenizer writes them: how many spaces stand between words does not count.
"""

from collections.abc import Mapping, Sequence

from unrolled.codecs.texts import Side
from unrolled.files.pairs import Pairs
from unrolled.tasks.distances import error_rate, exact
from unrolled.tasks.evaluation import Row
from unrolled.tasks.overlap import bleu, chrf, with_bleu
from unrolled.tasks.translate.codec import targets_of
from unrolled.tasks.translate.nearest import Nearest


def questions(data: Pairs) -> tuple[list[int], list[list[str]]]:
    """The first pair of every distinct source, and its different targets."""
    targets = targets_of(data)
    groups = data.grouped().values()
    return [group[0] for group in groups], [
        list(dict.fromkeys(targets[i] for i in group)) for group in groups
    ]


def table(side: Side, truths: Sequence[Sequence[str]], answers: Mapping[str, Sequence[str]]) -> list[Row]:
    """A row for each of `answers`: name -> (N,) texts."""
    symbols = [[side.symbols(text) for text in several] for several in truths]
    written = [[side.written(text) for text in several] for several in truths]
    rows: list[Row] = []
    for name, found in answers.items():
        own, texts = [side.symbols(text) for text in found], [side.written(text) for text in found]
        measures = {
            "exact match": exact(own, symbols),
            "symbol error rate": error_rate(own, symbols),
            "BLEU": bleu(texts, written),
            "chrF": chrf(texts, written),
        }
        rows.append({"model": name} | measures)
    return with_bleu(rows, written)


def baselines(asked: Sequence[str], train: Pairs | None) -> dict[str, list[str]]:
    """The answers of those that need no network; without the training part of one alone."""
    found = {"copy of the source": list(asked)}
    if train is not None:
        nearest = Nearest(train.inputs, targets_of(train))
        found["nearest training pair"] = [nearest.answer(source) for source in asked]
    return found
