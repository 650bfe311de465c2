"""One class for a whole sequence.

    p(k | x) = softmax_k(o)                          o (C,) of the network, blocks/pooled.py
    loss     = -w_k Σ_j q_j log p(j | x)             k the true class; q_j = 1 - ε + ε/C where j = k, else ε/C
    w_k      = 1, or balanced: N / (C N_k)           N_k of the N training sequences are of class k
    answer   = argmax_k p(k | x)                     the first of equals

Classes are those of the training part, in the order of their names. Judged by accuracy and macro-F1
(confusion.py), beside some that need no recurrence: the class of the nearest training sequence, of numbers by
the series themselves, and by what sums both up (codecs/inputs.py, neighbours.py); always the most frequent.
A class that training did not hold cannot be answered and counts as wrong (unseen.py).

Shapes   x (B, T, I) -> o (B, C) -> p (B, C); the summary of N sequences (N, S)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from unrolled.batching import splits
from unrolled.codecs.inputs import Inputs, restore_inputs
from unrolled.errors import DataError
from unrolled.files import labels
from unrolled.files.examples import Sequences
from unrolled.files.labels import Kind
from unrolled.files.messages import counted, listed, natural, shown
from unrolled.files.typed import shaped
from unrolled.nn.functional import cross_entropy, softmax
from unrolled.tasks import confusion, neighbours, unseen
from unrolled.tasks.config import Rate, Section
from unrolled.tasks.evaluation import MODEL, Evaluation, Row, verdicts
from unrolled.tasks.inputs import PooledDropout, PooledModelConfig
from unrolled.tasks.pooled import Losses, PooledConfig, PooledEstimator, PooledTraining, answers_of
from unrolled.tasks.shared_options import Noise, select_by
from unrolled.tasks.sources import Source
from unrolled.tasks.split_data import Shares
from unrolled.tasks.unseen import UNSEEN

Array = NDArray[np.float64]
Classes = NDArray[np.int64]


class ClassifyOptions(Section):
    """What a mistake costs."""

    in_short: ClassVar[tuple[str, ...]] = ("class_weights",)

    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="balanced: rare classes count as much in the loss as frequent ones, and are answered "
        "more often",
    )
    label_smoothing: Rate = Field(
        default=0.0,
        description="share of the truth that is spread over all classes in the loss; more makes "
        "probabilities less extreme",
    )


class ClassifyTraining(PooledTraining):
    """How a model is trained."""

    in_short: ClassVar[tuple[str, ...]] = ("minutes", "learning_rate", "select")

    select: Literal["loss", "accuracy", "macro-f1"] = select_by(
        "accuracy (share of right classes) or macro-f1 (mean F1 of classes, rare ones alike)"
    )


class ClassifyModelConfig(PooledModelConfig):
    """The recurrent layers, and what stands before and after them."""

    noise: Noise = 0.2
    output_dropout: PooledDropout = 0.4


class ClassifyConfig(PooledConfig):
    """All options of `classify`."""

    model: ClassifyModelConfig = ClassifyModelConfig()
    training: ClassifyTraining = ClassifyTraining()
    classify: ClassifyOptions = ClassifyOptions()


@dataclass(frozen=True)
class ClassCodec:
    """`classes` (C,) names; of the N training sequences their `inputs` codec, `truth` (N,) and `summary`
    (N, S), float32; `kind`: the type that the caller had the labels in, None where a file held them."""

    inputs: Inputs
    classes: tuple[str, ...]
    truth: Classes
    summary: NDArray[np.float32]
    kind: Kind | None = None

    @classmethod
    def fit(cls, data: Sequences, inputs: Inputs) -> Self:
        """DataError where all are of one class."""
        answers = answers_of(data)
        _require_classes(data)
        classes = tuple(sorted(set(answers), key=natural))
        if data.kind is not None:
            classes = labels.in_order(classes, data.kind)
        if len(classes) == 1:
            raise DataError(
                f"all sequences of the training part ({len(data):,}) are of one class, {shown(classes[0])}; "
                "wanted two classes or more"
            )
        return cls(inputs, classes, *_known_of(data, inputs, classes), data.kind)

    @property
    def labels(self) -> NDArray[Any]:
        """(C,) the classes in their own type."""
        return labels.given_back(self.classes, self.kind)

    def again(self, data: Sequences) -> Self:
        """The same with another training part. DataError for a class that it does not know."""
        unseen.require_known("classes", ((one,) for one in answers_of(data)), self.classes, data.places)
        truth, summary = _known_of(data, self.inputs, self.classes)
        return replace(self, truth=truth, summary=summary)

    def encode(self, data: Sequences) -> Tensor:
        """(N,) the number of each class, UNSEEN for one that training does not hold."""
        return torch.tensor(unseen.numbered(answers_of(data), self.classes))

    def weights(self, kind: str) -> Tensor:
        """(C,) w."""
        counts = np.maximum(np.bincount(self.truth, minlength=len(self.classes)), 1)
        balanced = len(self.truth) / (len(self.classes) * counts)
        return torch.tensor(balanced if kind == "balanced" else np.ones(len(counts)), dtype=torch.float32)

    def about(self) -> dict[str, Any]:
        kind = {} if self.kind is None else {"kind": self.kind}
        return {"classes": list(self.classes), "inputs": self.inputs.about()} | kind

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.inputs.arrays() | {"truth": self.truth, "summary": self.summary}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        inputs = restore_inputs(about["inputs"], arrays)
        classes, truth = tuple(about["classes"]), shaped(arrays["truth"], None)
        if not len(truth) or not 0 <= truth.min() <= truth.max() < len(classes):
            raise ValueError(f"classes {truth!s:.40} of {len(classes)}")
        summary = shaped(arrays["summary"], len(truth), inputs.sums)
        codec = cls(inputs, classes, truth, summary, about.get("kind"))
        _ = codec.labels  # ValueError where they are of another
        return codec


class Classifier(PooledEstimator[ClassifyConfig, ClassCodec]):
    """Names the class of each sequence. Options are the fields of ClassifyConfig, each by its own name:

    classifier = Classifier(id="recording", target="word", hidden=128).fit("words.csv", out="run")
    classifier.evaluation.table(); classifier.predict("newer.csv"); Classifier.load("run").predict_proba(more)
    """

    task = "classify"
    config_class = ClassifyConfig
    codec_class = ClassCodec
    estimator_type = "classifier"
    loss_name = "cross-entropy in nats"

    def frame(self, X: Source = None) -> pl.DataFrame:
        """A row for each sequence: "name", "label" and "p(label)" of every class."""
        sequences = self._data_for(X)
        p = self._probabilities(sequences)
        label = self.codec.labels[p.argmax(1)]
        each = {f"p({name})": p[:, k] for k, name in enumerate(self.codec.classes)}
        return pl.DataFrame({"name": sequences.names, "label": label} | each)

    def _bare(self, source: Any, table: pl.DataFrame) -> NDArray[Any]:
        """(N,) labels."""
        label = table["label"].to_numpy()
        return label.astype(self.codec.labels.dtype)

    def predict_proba(self, X: Source = None, *, lengths: Any = None) -> Array:
        """(N, C) the probability of each class, in the order of `classes`."""
        return self._probabilities(self._data_for(self._source(X, None, lengths)))

    def _score(self, data: Sequences) -> float:
        """The share of labels that are right."""
        classes = self.codec.classes
        answers = [classes[k] for k in self._probabilities(data).argmax(1)]
        return float(np.mean([one == true for one, true in zip(answers, answers_of(data), strict=True)]))

    @property
    def classes_(self) -> NDArray[Any]:
        """(C,) the labels in their own type, as the columns of predict_proba. AttributeError before `fit`."""
        self._require_fitted("classes_")
        return self.codec.labels

    @property
    def classes(self) -> tuple[str, ...]:
        """(C,) names, as the columns of predict_proba."""
        return self.codec.classes

    def _split(self, config: ClassifyConfig, data: Sequences, shares: Shares) -> splits.Parts:
        """By lot within each class, so that every class is trained on and, where it can be, tested on."""
        return splits.by_class(answers_of(data), *shares)

    def _fit(self, config: ClassifyConfig, train: Sequences, inputs: Inputs) -> ClassCodec:
        return ClassCodec.fit(train, inputs)

    def _fit_again(self, start: ClassCodec, train: Sequences) -> ClassCodec:
        return start.again(train)

    def _with_loss(self, codec: ClassCodec, validation: Sequences) -> tuple[Sequences, list[str]]:
        """Without classes that training does not hold."""
        known = codec.encode(validation).numpy() != UNSEEN
        new_classes = unseen.joined(codec.classes, answers_of(validation))[len(codec.classes) :]
        if not new_classes:
            return validation, []
        if not known.any():
            raise DataError(
                f"{validation.places[0]}: no class of the validation part is in the training part, which has "
                f"{listed(codec.classes)}; validate on data of these classes"
            )
        count = counted(int((~known).sum()), "sequence")
        classes = listed(new_classes)
        note = f"{count} to validate with classes that training does not hold have no loss: {classes}"
        return validation.select(np.flatnonzero(known)), [note]

    @classmethod
    def _outputs(cls, codec: ClassCodec) -> int:
        return len(codec.classes)

    def _row_losses(self, config: ClassifyConfig, codec: ClassCodec) -> Losses:
        weights, smoothing = codec.weights(config.classify.class_weights), config.classify.label_smoothing

        def losses(o: Tensor, y: Tensor) -> Tensor:
            return weights[y] * cross_entropy(o, y, reduction="none", label_smoothing=smoothing)

        return losses

    def _measures(self, config: ClassifyConfig, codec: ClassCodec, o: Tensor, y: Tensor) -> dict[str, float]:
        m = confusion.confusion(y.numpy(), o.argmax(1).numpy(), len(codec.classes))
        if config.training.select == "macro-f1":
            return {"macro-f1": confusion.macro_f1(m)}
        return {"accuracy": confusion.accuracy(m)}

    def _judge(self, data: Sequences, about: dict[str, Any]) -> Evaluation:
        codec, every = self.codec, answers_of(data)
        names = unseen.joined(codec.classes, every)
        truth = np.array(unseen.numbered(every, names), np.int64)
        near = neighbours.nearest_summaries(codec.summary, codec.inputs.summaries(data))
        answers = {MODEL: self._probabilities(data).argmax(1)}
        series, notes = self._nearest(data)
        if series is not None:
            answers[neighbours.NEAREST] = codec.encode(series).numpy()
        answers[f"nearest by {codec.inputs.summed}"] = codec.truth[near]
        answers["majority class"] = np.full(len(data), majority(codec.truth))
        counts = {name: confusion.confusion(truth, k, len(names)) for name, k in answers.items()}
        rows: list[Row] = [
            {"model": name, "accuracy": confusion.accuracy(m), "macro-F1": confusion.macro_f1(m)}
            for name, m in counts.items()
        ]
        m = counts[MODEL]
        about = about | {
            "sequences": len(data),
            "classes": confusion.by_class("class", "sequence", names, m),
            "confusion": m.tolist(),
        }
        sentences = verdicts(rows, {"accuracy": True, "macro-F1": True})
        new, count = names[len(codec.classes) :], int((truth >= len(codec.classes)).sum())
        sentences += unseen.sentences("classes", new, count, "sequence")
        sentences += confusion.untested("sequence", "classes", names, m)
        return Evaluation(rows, sentences + notes, about, (names, m))

    def _draw(self, folder: Path) -> None:
        confusion.draw(folder, self.evaluation, "sequence")

    def _probabilities(self, data: Sequences) -> Array:
        """(N, C), from float64 logits so that they sum to one."""
        p: Array = softmax(self._outputs_of(data).double()).numpy()
        return p


def _require_classes(data: Sequences) -> None:
    """DataError for numbers with decimals, which are no classes."""
    if data.kind is not None and data.kind.startswith("float"):
        for answer, place in zip(data.truth, data.places, strict=True):
            if not float(answer).is_integer():
                raise DataError(
                    f"{place}: wanted a class, got the continuous number {answer}; use a Regressor, or "
                    "make classes of them"
                )


def _known_of(data: Sequences, inputs: Inputs, classes: Sequence[str]) -> tuple[Classes, NDArray[np.float32]]:
    """`truth` and `summary` of a training part."""
    truth = np.array(unseen.numbered(answers_of(data), classes), np.int64)
    return truth, inputs.summaries(data).astype(np.float32)


def majority(truth: Classes) -> int:
    """The most frequent class; the first of equals."""
    return int(np.bincount(truth).argmax())
