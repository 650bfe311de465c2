"""One class for a whole sequence; or several, or one of an order.

What the outputs o of the network (blocks/pooled.py) say of the classes is in codecs/class_outputs.py, the
losses are in class_losses.py. Classes are those of the training part, in the order of their names, or of
their ranks. Judged by accuracy and macro-F1 (confusion.py), of an order also by ranks (ordinal.py), of
several labels as multilabel.py says; beside some that need no recurrence: the class of the nearest training
sequence, of numbers by the series themselves, and by what sums both up (codecs/inputs.py, neighbours.py); of
texts naive Bayes (naive_bayes.py); always the most frequent, and the median of an order. A class that
training did not hold cannot be answered and counts as wrong (unseen.py).

Shapes   x (B, T, I) -> o (B, O) -> p (B, C); the summary of N sequences (N, S)
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching import splits
from unrolled.codecs.class_outputs import Multiclass, Multilabel, Ordinal
from unrolled.codecs.inputs import Inputs, TextInputs
from unrolled.errors import DataError
from unrolled.files import arrays, labels, numerals
from unrolled.files.examples import Sequences
from unrolled.files.labels import Kind, SetKind
from unrolled.files.messages import counted, listed
from unrolled.nn.functional import softmax
from unrolled.tasks import class_losses, confusion, multilabel, neighbours, ordinal, sign_test, unseen
from unrolled.tasks.class_codec import ClassCodec, require_repeated, sets_of, sign_of, single_answers
from unrolled.tasks.classify_config import ClassifyConfig
from unrolled.tasks.estimator import Plan
from unrolled.tasks.evaluation import MODEL, Evaluation, Row, verdicts
from unrolled.tasks.inputs import Network
from unrolled.tasks.naive_bayes import NAIVE_BAYES, NaiveBayes
from unrolled.tasks.pooled import Losses, PooledEstimator, T
from unrolled.tasks.sources import Source, Sources
from unrolled.tasks.split_data import Shares, Splits
from unrolled.tasks.unseen import UNSEEN
from unrolled.training.config import LEAST_VALIDATION
from unrolled.training.selection import LOSS

__all__ = ["ClassCodec", "Classifier", "ClassifyConfig", "majority"]

# Of fewer sequences the accuracy is coarse.
FEW_JUDGED = 50
# So many classes or more, with so many sequences each on the mean or fewer, and all of them numbers, are
# rather something measured.
MANY, SELDOM = 20, 3

Array = NDArray[np.float64]
Classes = NDArray[np.integer[Any]]


class Classifier(PooledEstimator[ClassifyConfig, ClassCodec]):
    """Names the class of each sequence. Options are the fields of ClassifyConfig, each by its own name:

    classifier = Classifier(id="recording", target="word", hidden=128).fit("words.csv", out="run")
    classifier.evaluation.table(); classifier.predict("newer.csv"); Classifier.load("run").predict_proba(more)

    With multi_label=True y are lists of labels, an array (N, C) of 0 and 1, or texts such as "a|b".
    """

    task = "classify"
    config_class = ClassifyConfig
    codec_class = ClassCodec
    estimator_type = "classifier"
    loss_name = "cross-entropy in nats"

    def frame(self, X: Source = None) -> pl.DataFrame:
        """A row for each sequence: "name", "label" and "p(label)" of every class."""
        sequences = self._data_for(X)
        chosen, p = self._answers(sequences)
        output = self.codec.output
        label = output.joined(chosen) if isinstance(output, Multilabel) else output.classes[chosen]
        each = {f"p({name})": p[:, k] for k, name in enumerate(self.codec.classes)}
        return pl.DataFrame({"name": sequences.names, "label": label} | each)

    def _bare(self, source: Any, table: pl.DataFrame) -> Any:
        """(N,) labels; of several what y was: lists, an array (N, C) of 0 and 1, or texts."""
        output = self.codec.output
        if isinstance(output, Multilabel):
            p = table.select(f"p({name})" for name in output.names).to_numpy()
            return output.given_back(output.chosen(p, p))
        return table["label"].to_numpy().astype(output.classes.dtype)

    def predict_proba(self, X: Source = None, *, lengths: Any = None) -> Array:
        """(N, C) the probability of each class, in the order of `classes`."""
        return self._answers(self._data_for(self._source(X, None, lengths)))[1]

    def decision_function(self, X: Source = None, *, lengths: Any = None) -> Array:
        """(N, C) the logits o of each class, of an order ln p; of two classes (N,) the second's over the
        first's."""
        codec, o = self.codec, self._outputs_of(self._data_for(self._source(X, None, lengths)))
        scores: Array = o.double().numpy()
        if isinstance(codec.output, Ordinal):
            scores = np.log(np.maximum(_answers(codec, o)[1], np.finfo(np.float64).tiny))
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 and not codec.multilabel else scores

    def _score(self, data: Sequences) -> float:
        """The share of labels that are right; of sequences whose labels are all right."""
        codec, (chosen, _) = self.codec, self._answers(data)
        if codec.multilabel:
            answers: list[Any] = [frozenset(np.array(codec.classes)[row].tolist()) for row in chosen]
            truth: Any = codec.sets(data)
        else:
            answers, truth = [codec.classes[k] for k in chosen], single_answers(data)
        return float(np.mean([one == true for one, true in zip(answers, truth, strict=True)]))

    @property
    def classes_(self) -> NDArray[Any]:
        """(C,) the labels in their own type, as the columns of predict_proba. NotFittedError before `fit`."""
        self._require_fitted("classes_")
        return self.codec.output.classes

    @property
    def classes(self) -> tuple[str, ...]:
        """(C,) names, as the columns of predict_proba."""
        return self.codec.classes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self._options.data.multi_label
        tags.classifier_tags.multi_class = not self._options.data.multi_label
        return tags

    def _with_answers(self, data: Sequences, y: Any, like: Kind | SetKind | None) -> Sequences:
        several = isinstance(like, SetKind)
        if labels.are_sets(y, several or self._options.data.multi_label):
            return arrays.answered_with_sets(data, y, like if isinstance(like, SetKind) else None)
        return arrays.answered(data, y, None if isinstance(like, SetKind) else like)

    def _split(self, config: ClassifyConfig, data: Sequences, shares: Shares) -> splits.Parts:
        """By lot within each class, so that every class is trained on and, where it can be, tested on."""
        if config.data.multi_label:
            return splits.by_label(sets_of(data, sign_of(data, config.data.label_separator)), *shares)
        answers = single_answers(data)
        require_repeated(answers, data.places[0])
        return splits.by_class(answers, *shares)

    def _training(self, training: T, data: Splits[Sequences]) -> T:
        """Of texts the loss soon rises, of a few answers that are sure and wrong, while more become right."""
        training = super()._training(training, data)
        if getattr(training, "select", None) is not None:
            return training
        few = data.validation is data.train or len(data.validation) < LEAST_VALIDATION
        single = not (self._options.data.multi_label or self._options.data.ordinal)
        usual = "accuracy" if data.train.is_text and single and not few else LOSS
        return training.model_copy(update={"select": usual})

    def _fit(self, config: ClassifyConfig, train: Sequences, inputs: Inputs) -> ClassCodec:
        return ClassCodec.fit(train, inputs, config.data).answered_from(config.classify.label_threshold)

    def _fit_again(self, start: ClassCodec, train: Sequences) -> ClassCodec:
        return start.again(train).answered_from(self._options.classify.label_threshold)

    def _with_loss(self, codec: ClassCodec, validation: Sequences) -> tuple[Sequences, list[str]]:
        """Without classes that training does not hold."""
        if codec.multilabel:
            return validation, multilabel.told(codec, validation)
        notes = _notes_on_numbers(codec)
        known = codec.encode(validation).numpy() != UNSEEN
        new_classes = unseen.joined(codec.classes, single_answers(validation))[len(codec.classes) :]
        if not new_classes:
            return validation, notes
        if not known.any():
            raise DataError(
                f"{validation.places[0]}: no class of the validation part is in the training part, which has "
                f"{listed(codec.classes)}; validate on data of these classes"
            )
        count = counted(int((~known).sum()), "sequence")
        classes = listed(new_classes)
        note = f"{count} to validate with classes that training does not hold have no loss: {classes}"
        return validation.select(np.flatnonzero(known)), [*notes, note]

    @classmethod
    def _outputs(cls, codec: ClassCodec) -> int:
        return codec.output.size

    @classmethod
    def _network(cls, config: ClassifyConfig, codec: ClassCodec) -> Network:
        network = super()._network(config, codec)
        for member in network.ensemble:
            class_losses.begin(member.p.head, codec)
        return network

    def _row_losses(self, config: ClassifyConfig, codec: ClassCodec) -> Losses:
        options = config.classify
        return class_losses.row_losses(codec, options.class_weights, options.label_smoothing)

    def _measures(self, config: ClassifyConfig, codec: ClassCodec, o: Tensor, y: Tensor) -> dict[str, float]:
        select = config.training.measure
        if codec.multilabel:
            return multilabel.measures(select, o, y)
        chosen, _ = _answers(codec, o)
        m = confusion.confusion(y.numpy(), chosen, len(codec.classes))
        if select == "macro-f1":
            return {"macro-f1": confusion.macro_f1(m)}
        if select == "kappa":
            return {"kappa": float(np.nan_to_num(ordinal.quadratic_kappa(m)))}
        if select == "rank-error":
            return {"rank-error": ordinal.rank_error(m)}
        return {"accuracy": confusion.accuracy(m)}

    def _fitted_after(
        self, config: ClassifyConfig, codec: ClassCodec
    ) -> Callable[[Tensor, Tensor], tuple[ClassCodec, str]] | None:
        """The thresholds of several labels, where none is named."""
        if not codec.multilabel or config.classify.label_threshold is not None:
            return None
        return partial(multilabel.tuned, codec)

    def _plan_again(self, plan: Any, sources: Sources, steps: int) -> Any:
        """With the thresholds that the validation part told."""
        again: Plan[Any, Splits[Sequences], ClassCodec, Network] = super()._plan_again(plan, sources, steps)
        codec = again.prepared.codec
        if not codec.multilabel or self._judged is None:
            return again
        codec = multilabel.taken_over(codec, self._judged.codec)
        return replace(again, prepared=replace(again.prepared, codec=codec))

    def _judge(self, data: Sequences, about: dict[str, Any]) -> Evaluation:
        if self.codec.multilabel:
            series, notes = self._nearest(data)
            near = multilabel.nearest(self.codec, data, series)
            sets = self.codec.sets(data)
            return multilabel.judged(self.codec, sets, self._outputs_of(data), near, about).telling(notes)
        return self._judge_classes(data, about)

    def _judge_classes(self, data: Sequences, about: dict[str, Any]) -> Evaluation:
        codec, every = self.codec, single_answers(data)
        names = unseen.joined(codec.classes, every)
        truth = np.array(unseen.numbered(every, names), np.int64)
        near = neighbours.nearest_summaries(codec.summary, codec.inputs.summaries(data))
        answers = {MODEL: self._answers(data)[0]}
        bayes, notes = self._naive_bayes(data)
        if bayes is not None:
            answers[NAIVE_BAYES] = bayes
        series, more = self._nearest(data)
        notes += more
        if series is not None:
            answers[neighbours.NEAREST] = codec.encode(series).numpy()
        answers[f"nearest by {codec.inputs.summed}"] = codec.truth[near]
        answers["majority class"] = np.full(len(data), majority(codec.truth))
        ranked = isinstance(codec.output, Ordinal)
        if ranked:
            answers[ordinal.MEDIAN] = np.full(len(data), ordinal.median(codec.truth))
        counts = {name: confusion.confusion(truth, k, len(names)) for name, k in answers.items()}
        rows: list[Row] = [
            {"model": name, "accuracy": confusion.accuracy(m), "macro-F1": confusion.macro_f1(m)}
            | (ordinal.scores(m, len(codec.classes)) if ranked else {})
            for name, m in counts.items()
        ]
        m = counts[MODEL]
        about = about | {
            "sequences": len(data),
            "classes": confusion.by_class("class", "sequence", names, m),
            "confusion": m.tolist(),
        }
        sentences = verdicts(rows, {"accuracy": True, "macro-F1": True} | ordinal.MEASURES)
        right = {name: k == truth for name, k in answers.items()}
        best = max(list(right)[1:], key=lambda name: right[name].sum())
        sentences += sign_test.sentences(right[MODEL], best, right[best], "sequence")
        if len(data) < FEW_JUDGED:
            sentences.append(
                f"{counted(len(data), 'sequence')} judged: one more that is right adds {1 / len(data):.2g} "
                "to the accuracy"
            )
        new, count = names[len(codec.classes) :], int((truth >= len(codec.classes)).sum())
        sentences += unseen.sentences("classes", new, count, "sequence")
        sentences += confusion.untested("sequence", "classes", names, m)
        return Evaluation(rows, sentences + notes, about, (names, m))

    def _naive_bayes(self, data: Sequences) -> tuple[Classes | None, list[str]]:
        """Its answers (N,), and a sentence where there are none; neither of numbers."""
        codec, inputs = self.codec, self.codec.inputs
        if not isinstance(inputs, TextInputs):
            return None, []
        train, sentences = self._train_part()
        if train is None:
            return None, sentences
        sizes = inputs.tokenizer.size, len(codec.classes)
        fitted = NaiveBayes.fit(inputs.rows(train), codec.encode(train).numpy(), *sizes)
        return fitted.answers(inputs.rows(data)), []

    def _draw(self, folder: Path) -> None:
        if self.codec.multilabel:
            multilabel.draw(folder, self.evaluation)
        else:
            confusion.draw(folder, self.evaluation, "sequence")

    def _answers(self, data: Sequences) -> tuple[NDArray[Any], Array]:
        """The answers (N,), of several labels (N, C), and the probabilities (N, C)."""
        return _answers(self.codec, self._outputs_of(data))


def _answers(codec: ClassCodec, o: Tensor) -> tuple[NDArray[Any], Array]:
    """From float64 logits, so that probabilities sum to one."""
    output = codec.output
    p = softmax(o.double()).numpy() if type(output) is Multiclass else output.probabilities(o.numpy())
    return output.chosen(o.numpy(), p), p


def _notes_on_numbers(codec: ClassCodec) -> list[str]:
    """What to say where classes look like measured numbers: all are numbers, and they seldom come again."""
    total = len(codec.truth)
    if len(codec.classes) < max(MANY, total / SELDOM) or None in map(numerals.number, codec.classes):
        return []
    return [
        f"answers: {len(codec.classes):,} different numbers in {total:,} sequences, each a class of its own; "
        "to estimate numbers use regress"
    ]


def majority(truth: Classes) -> int:
    """The most frequent class; the first of equals."""
    return int(np.bincount(truth).argmax())
