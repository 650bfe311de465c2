"""How answers are judged, beside answers that need no network.

captions   text_scores.py; an input may have several right ones
numbers    RMSE       √ of the mean of ((ŷ - y) / s)² over all columns and all steps of the truth, s the
                      deviation in training; an answer that ended early is held at its last value
           RMSE of c  the same of one column in its own unit
           length     mean of | T̂ - T |

most frequent caption, mean sequence     of the training part, or of those of the class
nearest training input                   its first answer: nearest in the numbers that the network reads
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs.answers import NumberAnswers, Texts, held, most_frequent
from unrolled.codecs.conditions import AttributeInputs
from unrolled.files.captioned import Captioned
from unrolled.tasks import neighbours
from unrolled.tasks.caption.codec import Codec
from unrolled.tasks.evaluation import Row
from unrolled.tasks.text_scores import text_rows

Array = NDArray[np.float64]

_SYMBOLS = {"words": "word", "characters": "character", "symbols": "symbol", "bpe": "character"}


def questions(data: Captioned) -> Captioned:
    """`data` with one input for each class, where inputs are classes alone, and all its captions."""
    if data.class_column is None or data.features or data.targets or data.answers is None:
        return data
    groups: dict[str | None, list[int]] = {}
    for i, label in enumerate(data.labels):
        groups.setdefault(label, []).append(i)
    inputs = data.select([group[0] for group in groups.values()])
    answers = [tuple(text for i in group for text in data.answers[i]) for group in groups.values()]
    return replace(inputs, answers=tuple(answers))


def of_captions(texts: Texts, data: Captioned, answers: Mapping[str, Sequence[str]]) -> list[Row]:
    """A row for each of `answers`: name -> (N,) captions."""
    truths = [list(dict.fromkeys(captions)) for captions in data.truth]
    return text_rows(texts.side, truths, answers, _SYMBOLS[texts.side.kind])


def caption_baselines(codec: Codec, data: Captioned, train: Captioned | None) -> dict[str, list[str]]:
    """Without the training part, the first alone."""
    answers = {"most frequent caption": [codec.texts.usual] * len(data)}
    if train is None:
        return answers
    if data.class_column is not None and not data.features:
        groups: dict[str | None, list[str]] = {}
        for label, several in zip(train.labels, train.truth, strict=True):
            groups.setdefault(label, []).extend(several)
        usual = {label: most_frequent(own) for label, own in groups.items()}
        return answers | {"most frequent of the class": [usual[label] for label in data.labels]}
    first = [several[0] for several in train.truth]
    return answers | {"nearest training input": [first[i] for i in nearest(codec, data, train)]}


def nearest(codec: Codec, data: Captioned, train: Captioned) -> list[int]:
    """(N,) which training input is nearest to each, the first of those that tie."""
    chosen: list[int] = neighbours.nearest(*(_flat(codec, one) for one in (train, data))).tolist()
    return chosen


def _flat(codec: Codec, data: Captioned) -> neighbours.Rows:
    """What tells how near inputs are, some at a time: all at once would take 16 bytes for a pixel."""
    rows = codec.inputs.encode(data)

    def part(at: slice) -> Array:  # far ones have squares that float32 cannot hold
        return codec.inputs.flat(tuple(one[at] for one in rows)).astype(np.float64)

    return neighbours.Rows(len(data), part(slice(0, 1)).shape[1], part)


def of_numbers(numbers: NumberAnswers, data: Captioned, answers: Mapping[str, Sequence[Array]]) -> list[Row]:
    """A row for each of `answers`: name -> (N,) of (T_i, D)."""
    truths = [several[0] for several in data.truth]
    rows: list[Row] = []
    for name, sequences in answers.items():
        pairs = zip(sequences, truths, strict=True)
        errors = np.concatenate([held(one, len(truth)) - truth for one, truth in pairs])
        mean = np.square(errors).mean(0)
        row: Row = {"model": name, "RMSE": float(np.sqrt((mean / numbers.scaler.scale**2).mean()))}
        row |= {f"RMSE of {c}": float(np.sqrt(m)) for c, m in zip(numbers.columns, mean, strict=True)}
        row["length"] = float(
            np.mean([abs(len(one) - len(truth)) for one, truth in zip(sequences, truths, strict=True)])
        )
        rows.append(row)
    return rows


def number_baselines(codec: Codec, data: Captioned, train: Captioned | None) -> dict[str, list[Array]]:
    """Without the training part, not that of the nearest input."""
    numbers, inputs = codec.numbers, codec.inputs
    means = [mean[:length] for mean, length in zip(numbers.means, numbers.lengths, strict=True)]
    answers = {"mean sequence": [means[-1]] * len(data)}
    if isinstance(inputs, AttributeInputs) and inputs.classes:
        answers["mean sequence of the class"] = [means[k] for k in inputs.encode(data)[1].tolist()]
    if train is not None and (codec.inputs.features or data.is_pictures):
        first = [several[0] for several in train.truth]
        answers["nearest training input"] = [first[i] for i in nearest(codec, data, train)]
    return answers
