"""What a classifier fits on its training part: its classes, the thresholds of several labels, and what
baselines remember.

    one class        names in their order, of `ordinal` lowest first; y (N,) their numbers
    several labels   every label of the training part, or every column of an indicator array; y (N, C) 0 or 1
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.codecs import class_outputs
from unrolled.codecs.class_outputs import HALF, ClassOutput, Multiclass, Multilabel, Ordinal
from unrolled.codecs.inputs import Inputs, restore_inputs
from unrolled.errors import DataError
from unrolled.files import labels
from unrolled.files.examples import Sequences
from unrolled.files.label_sets import SIGNS, labels_in, sign_in
from unrolled.files.labels import SetKind
from unrolled.files.messages import listed, natural, nearest, option, shown
from unrolled.files.typed import shaped
from unrolled.tasks import unseen
from unrolled.tasks.classify_config import LabelledConfig
from unrolled.tasks.pooled import answers_of

Numbers = NDArray[np.integer[Any]]
Sets = list[frozenset[str]]


@dataclass(frozen=True)
class ClassCodec:
    """`output`: the classes, and what the network's outputs say of them; of the N training sequences their
    `inputs` codec, `truth` y, and `summary` (N, S), float32."""

    inputs: Inputs
    output: ClassOutput
    truth: Numbers
    summary: NDArray[np.float32]

    @classmethod
    def fit(cls, data: Sequences, inputs: Inputs, options: LabelledConfig | None = None) -> Self:
        """DataError where all are of one class, or no sequence has a label."""
        options = options or LabelledConfig()
        output: ClassOutput
        if options.multi_label:
            output = _labels_of(data, options.label_separator)
        else:
            if not options.ordinal:
                _require_classes(data)
            names = _classes_of(data)
            if options.ordinal:
                output = Ordinal(_in_rank_order(names, options.class_order, data.places[0]), data.kind)
            else:
                output = Multiclass(names, data.kind)
        return cls(inputs, output, *_known_of(data, inputs, output))

    def again(self, data: Sequences) -> Self:
        """The same with another training part. DataError for a class that it does not know."""
        each = self.sets(data) if self.multilabel else [frozenset((one,)) for one in single_answers(data)]
        unseen.require_known("classes", each, self.classes, data.places)
        truth, summary = _known_of(data, self.inputs, self.output)
        return replace(self, truth=truth, summary=summary)

    @property
    def classes(self) -> tuple[str, ...]:
        """(C,) names."""
        return self.output.names

    @property
    def kind(self) -> Any:
        """The type that the caller had the labels in; None where a file held them."""
        return self.output.kind

    @property
    def multilabel(self) -> Multilabel | None:
        """The output where it is of several labels."""
        return self.output if isinstance(self.output, Multilabel) else None

    def sets(self, data: Sequences) -> Sets:
        """(N,) the labels of each."""
        return sets_of(data, self.multilabel.sign if self.multilabel else SIGNS[0])

    def encode(self, data: Sequences) -> Tensor:
        """y: the number of each class, UNSEEN for one that training does not hold; of several labels ones,
        float32, without those that training does not hold."""
        if self.multilabel:
            return torch.from_numpy(indicators(self.sets(data), self.classes).astype(np.float32))
        return torch.tensor(unseen.numbered(single_answers(data), self.classes))

    def weights(self, kind: str) -> Tensor:
        """(C,) w; of several labels (2, C), of the absence and the presence of each."""
        N, C = len(self.truth), len(self.classes)
        if self.multilabel:
            counts = np.stack([N - self.truth.sum(0, np.int64), self.truth.sum(0, np.int64)])
            balanced = N / (2 * np.maximum(counts, 1))
        else:
            counts = np.bincount(self.truth, minlength=C)
            balanced = N / (C * np.maximum(counts, 1))
        weights = balanced if kind == "balanced" else np.ones(counts.shape)
        return torch.tensor(weights, dtype=torch.float32)

    def with_thresholds(self, thresholds: Sequence[float]) -> Self:
        """Of several labels; the same for all others."""
        output = self.multilabel
        return self if output is None else replace(self, output=replace(output, thresholds=tuple(thresholds)))

    def answered_from(self, threshold: float | None) -> Self:
        """Of several labels, with one threshold for all, where there is one."""
        return self if threshold is None else self.with_thresholds([threshold] * len(self.classes))

    def about(self) -> dict[str, Any]:
        return self.output.about() | {"inputs": self.inputs.about()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.inputs.arrays() | {"truth": self.truth, "summary": self.summary}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        inputs, output = restore_inputs(about["inputs"], arrays), class_outputs.restored(about)
        several = isinstance(output, Multilabel)
        truth = shaped(arrays["truth"], *((None, len(output.names)) if several else (None,)))
        if truth.dtype != (np.uint8 if several else np.int64):
            raise TypeError(f"classes as {truth.dtype}")
        if not len(truth) or not 0 <= truth.min() <= truth.max() < (2 if several else len(output.names)):
            raise ValueError(f"classes {truth!s:.40} of {len(output.names)}")
        return cls(inputs, output, truth, shaped(arrays["summary"], len(truth), inputs.sums))


def single_answers(data: Sequences) -> tuple[str, ...]:
    """One answer each. DataError where they are sets."""
    if isinstance(data.kind, SetKind):
        raise DataError(
            f"y: wanted one answer each, got several; say that several labels may be right "
            f"({option('multi_label')}), or give one"
        )
    return answers_of(data)


def sets_of(data: Sequences, sign: str) -> Sets:
    """(N,) the labels of each. DataError with its place for what is no list of labels."""
    if data.kind is not None and not (data.kind == "str" or isinstance(data.kind, SetKind)):
        raise DataError(
            "y: wanted several labels each (lists of them, an array of 0 and 1 (N, C), or texts such as "
            f"'a{SIGNS[0]}b'), got one number each; give such, or leave {option('multi_label')} out"
        )
    each = list[frozenset[str]]()
    for cell, place in zip(data.truth, data.places, strict=True):
        try:
            each.append(labels_in(cell, sign))
        except DataError as error:
            raise DataError(f"{place}: {error}") from None
    return each


def sign_of(data: Sequences, separator: str | None) -> str:
    """What divides labels: the separator that is named, or the one that stands in the cells, or one that
    stands in no label."""
    sign = separator or sign_in(data.truth)
    if sign is None:
        names = frozenset().union(*sets_of(data, SIGNS[0]))
        sign = next((sign for sign in SIGNS if not any(sign in name for name in names)), SIGNS[0])
    return sign


def indicators(sets: Sets, names: Sequence[str]) -> Numbers:
    """(N, C) 1 where a sequence has the label, else 0."""
    columns = {name: k for k, name in enumerate(names)}
    array = np.zeros((len(sets), len(names)), np.uint8)
    for row, one in zip(array, sets, strict=True):
        row[[columns[name] for name in one if name in columns]] = 1
    return array


def _labels_of(data: Sequences, separator: str | None) -> Multilabel:
    sign = sign_of(data, separator)
    present = frozenset().union(*sets_of(data, sign))
    if not present:
        raise DataError(
            f"no sequence of the training part ({len(data):,}) has a label; wanted labels in some of them"
        )
    if wrong := sorted(name for name in present if sign in name):
        raise DataError(
            f"label {shown(wrong[0])} holds the sign {shown(sign)} that labels are written with; name "
            f"another one with {option('label_separator')}"
        )
    kind = data.kind
    if isinstance(kind, SetKind) and kind.columns is not None:
        names = tuple(map(str, range(kind.columns)))
    elif kind is not None:
        names = labels.in_order(tuple(present), kind.kind if isinstance(kind, SetKind) else kind)
    else:
        names = tuple(sorted(present, key=natural))
    return Multilabel(names, kind, (HALF,) * len(names), sign)


def _classes_of(data: Sequences) -> tuple[str, ...]:
    """In the order of their names."""
    answers, kind = single_answers(data), labels.of_one(data.kind)
    names = tuple(sorted(set(answers), key=natural))
    if kind is not None:
        names = labels.in_order(names, kind)
    if len(names) == 1:
        raise DataError(
            f"all sequences of the training part ({len(data):,}) are of one class, {shown(names[0])}; "
            "wanted two classes or more"
        )
    return names


def _in_rank_order(names: Sequence[str], order: Sequence[str], place: str) -> tuple[str, ...]:
    """The classes from the lowest to the highest: as `order` has them, or by their numbers. DataError where
    neither tells."""
    if order:
        order = tuple(name.strip() for name in order)
        if others := [name for name in names if name not in order]:
            raise DataError(
                f"{place}: class {shown(others[0])} is not in {option('class_order')} ({listed(order)})"
                f"{nearest(others[0], order)}; name all classes there"
            )
        if others := [name for name in order if name not in names]:
            raise DataError(
                f"{option('class_order')}: no sequence of the training part is of class {shown(others[0])}"
                f"{nearest(others[0], names)}; it has {listed(names)}; name these, each once"
            )
        if len(order) != len(names):
            raise DataError(f"{option('class_order')} {listed(order)}: wanted each class once; correct it")
        return tuple(order)
    if set(names) <= {"True", "False"}:
        return tuple(sorted(names))
    values = [_number(name) for name in names]
    if not all(map(math.isfinite, values)):
        word = names[[math.isfinite(value) for value in values].index(False)]
        raise DataError(
            f"{place}: class {shown(word)} is no number that tells its rank; say the order of the classes, "
            f"{listed(names)}, with {option('class_order')}"
        )
    return tuple(name for _, name in sorted(zip(values, names, strict=True)))


def _number(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return math.nan


def _require_classes(data: Sequences) -> None:
    """DataError for numbers with decimals, which are no classes."""
    if isinstance(data.kind, str) and data.kind.startswith("float"):
        for answer, place in zip(data.truth, data.places, strict=True):
            if not float(answer).is_integer():
                raise DataError(
                    f"{place}: wanted a class, got the continuous number {answer}; use a Regressor, or "
                    "make classes of them"
                )


def require_repeated(answers: Sequence[str], place: str) -> None:
    """DataError where all answers (N,) are different numbers, which are no classes."""
    if (
        len(answers) > 2
        and len(set(answers)) == len(answers)
        and all(map(math.isfinite, map(_number, answers)))
    ):
        raise DataError(
            f"{place}: the answers of {len(answers):,} sequences are {len(answers):,} different numbers "
            f"({listed(answers, 3)}), a continuous target; wanted classes that several have: numbers "
            "are told by train regress"
        )


def _known_of(data: Sequences, inputs: Inputs, output: ClassOutput) -> tuple[Numbers, NDArray[np.float32]]:
    """`truth` and `summary` of a training part."""
    if isinstance(output, Multilabel):
        truth = indicators(sets_of(data, output.sign), output.names)
    else:
        truth = np.array(unseen.numbered(single_answers(data), output.names), np.int64)
    return truth, inputs.summaries(data).astype(np.float32)
