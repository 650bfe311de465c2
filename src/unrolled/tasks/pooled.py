"""What tasks with one answer for a whole sequence share: their estimator. See inputs.py.

A task derives from PooledEstimator and says what its answers are: what is fitted on those of the training
part (`_fit`), how many outputs the network has (`_outputs`), the losses of rows (`_row_losses`), how answers
are judged (`_judge`) and drawn (`_draw`), and what a row of `frame` says.

Shapes   batch x (B, T, I) or (B, T), lengths (B,), y (B,) -> o (B, O), losses (B,)
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar, cast

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import by_length, padded
from unrolled.blocks.pooled import Pooled
from unrolled.codecs.inputs import Inputs, NumberInputs, TextInputs
from unrolled.errors import DataError
from unrolled.files import arrays, labelled
from unrolled.files.at_hand import InMemory
from unrolled.files.columns import IDS, usual
from unrolled.files.examples import Sequences
from unrolled.files.manifest import is_recording
from unrolled.tasks import augment, choice, examples, levels, neighbours
from unrolled.tasks.config import Section
from unrolled.tasks.ensemble import mean_of
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.examples import in_batches, mean_step
from unrolled.tasks.forward import ForwardEstimator
from unrolled.tasks.inputs import (
    Network,
    PooledModelConfig,
    SequencesConfig,
    fit_inputs,
    network_of,
    read,
    remarks,
)
from unrolled.tasks.shared_options import TaskTraining
from unrolled.tasks.sources import Source, paths
from unrolled.tasks.split_data import Splits
from unrolled.tasks.trained import Codec
from unrolled.training.batches import Step
from unrolled.training.config import LEAST_STEPS, LearningRate, Schedule
from unrolled.training.selection import Validated

Losses = Callable[[Tensor, Tensor], Tensor]

# Sequences that go through a network at once where nothing is learnt.
BATCH = 256
# Passes over texts where neither epochs, steps nor minutes are named: more learn them by heart.
TEXT_EPOCHS = 10


class PooledTraining(TaskTraining):
    """How a model is trained: for a number of steps known beforehand, over which the learning rate falls."""

    patience_epochs: ClassVar[int] = 0
    most_steps: ClassVar[int] = 12_000

    learning_rate: LearningRate = 0.003
    schedule: Schedule = "cosine"


class PooledConfig(Section):
    """The sections of such a task."""

    data: SequencesConfig = SequencesConfig()
    model: PooledModelConfig = PooledModelConfig()
    training: PooledTraining = PooledTraining()


class PooledCodec(Codec, Protocol):
    """`inputs`, and the answers as the loss takes them."""

    @property
    def inputs(self) -> Inputs: ...

    def encode(self, data: Sequences) -> Tensor:
        """(N,) the answers. DataError with its place for one that cannot be."""


class Batch(NamedTuple):
    """w (B,) what each row counts, None: all alike."""

    x: Tensor
    lengths: Tensor
    y: Tensor
    w: Tensor | None


@dataclass(frozen=True)
class Examples(examples.RowExamples[Batch]):
    """Encoded sequences (T_i, …), their answers (N,), and what each counts, w (N,) with the mean 1; None: all
    alike."""

    rows: Sequence[Tensor]
    y: Tensor
    w: Tensor | None = None

    @classmethod
    def of(cls, codec: PooledCodec, data: Sequences) -> Self:
        return cls(encoded(codec.inputs, data), codec.encode(data), _weights(data))

    def beside(self, rows: Sequence[Tensor], indices: NDArray[np.int64]) -> Batch:
        at = torch.from_numpy(indices)
        x, lengths = padded(rows)
        return Batch(x, lengths, self.y[at], None if self.w is None else self.w[at])


def _weights(data: Sequences) -> Tensor | None:
    """DataError where nothing counts."""
    if data.weights is None:
        return None
    w = torch.tensor(data.weights, dtype=torch.float64)
    if not w.sum():
        raise DataError(
            f"{data.places[0]}: every sample_weight of its part is zero; give some more, or leave these out"
        )
    return (w / w.mean()).float()


def _weighed(losses: Tensor, w: Tensor | None) -> Tensor:
    """losses (B,), w (B,)."""
    return losses if w is None else losses * w


C = TypeVar("C", bound=PooledConfig)
T = TypeVar("T", bound=PooledTraining)
K = TypeVar("K", bound=PooledCodec)


class PooledEstimator(ForwardEstimator[C, Sequences, K, Pooled]):
    """In memory X is an array (N, T) or (N, T, F), or a list of arrays (T_i,) or (T_i, F), of texts, of lists
    of words, or of paths of recordings."""

    reads_texts, weighs = True, True

    @abstractmethod
    def _fit(self, config: C, train: Sequences, inputs: Inputs) -> K:
        """The codec of the training part."""

    @abstractmethod
    def _fit_again(self, start: K, train: Sequences) -> K:
        """`start` with what is known of another training part beside it. DataError for answers that it does
        not know."""

    @abstractmethod
    def _row_losses(self, config: C, codec: K) -> Losses:
        """o (B, O), y (B,) -> (B,) the loss of each row."""

    @classmethod
    @abstractmethod
    def _outputs(cls, codec: K) -> int:
        """O."""

    def _with_loss(self, codec: K, validation: Sequences) -> tuple[Sequences, list[str]]:
        """What of the validation part has a loss, and notes on the rest. DataError where nothing has."""
        return validation, []

    def _measures(self, config: C, codec: K, o: Tensor, y: Tensor) -> dict[str, float]:
        """What outputs o (N, O) for the answers y (N,) of the validation part have beside their loss."""
        return {}

    def _fitted_after(self, config: C, codec: K) -> Callable[[Tensor, Tensor], tuple[K, str]] | None:
        """What outputs o (V, O) of the trained network for the answers y (V,) of the validation part tell:
        the codec with it, and a note. None where there is no such thing."""
        return None

    def _source(self, X: Source, y: Any = None, lengths: Any = None) -> Any:
        """A frame of nothing but numbers, with labels beside it, has a sequence in each row."""
        source = super()._source(X, y, lengths)
        frame = source.X if isinstance(source, InMemory) else source if self._kind is not None else None
        if not isinstance(frame, pl.DataFrame) or not self._is_wide(frame):
            return source
        return InMemory(frame.to_numpy(), getattr(source, "y", None))

    def _is_wide(self, frame: pl.DataFrame) -> bool:
        query = self._options.data.query()
        return (
            not (query.named or query.group)
            and usual(frame.columns, IDS) is None
            and all(d.is_numeric() for d in frame.dtypes)
        )

    def _are_files(self, texts: Sequence[str]) -> bool:
        """Of recordings: those that the model reads, or that end so."""
        if self._codec_ is not None:
            return self._hears()
        return all(map(is_recording, texts))

    def _answers_bare(self, source: Any) -> bool:
        """To recordings too, where labels stood beside such in the training."""
        heard = isinstance(source, tuple) and self._hears()
        return super()._answers_bare(source) or (heard and self._kind is not None)

    def _held(self, source: Any, *how: Any) -> Sequences:
        data = super()._held(source, *how)
        weights = getattr(source, "weights", None)
        return data if weights is None else arrays.weighted(data, weights)

    def _read_source(self, config: C, source: Source, answers: bool = True) -> Sequences:
        return read(config.data, source, answers)

    def _of_arrays(self, X: Any, lengths: Any) -> Sequences:
        return arrays.from_arrays(X, lengths=lengths)

    def _with_answers(self, data: Sequences, y: Any, like: Any) -> Sequences:
        return arrays.answered(data, y, like)

    def _read_new(self, data: Source, answers: bool = True) -> Sequences:
        inputs = self.codec.inputs
        return read(
            self.config.data,
            data,
            answers,
            inputs.features,
            getattr(inputs, "rate_hz", None),
            classes=tuple(getattr(self.codec, "classes", ())),
            lines=isinstance(inputs, TextInputs) and not answers,
            fitted=True,
        )

    def notices(self, data: Source = None) -> list[str]:
        """How lines of texts were read, and what was left out."""
        notes: list[str] = []
        if isinstance(self.codec.inputs, TextInputs) and paths(data):
            notes = [note for note in self._data_for(data).notes if note in labelled.NOTES]
        return [*notes, *super().notices(data)]

    def _prepare(self, config: C, data: Splits[Sequences], start: K | None) -> Prepared[C, K]:
        chosen: tuple[str, ...] = ()
        config = config.model_copy(update={"training": self._training(config.training, data)})
        if start is None:
            model, chosen = self._chosen(config, data)
            config = config.model_copy(update={"model": model})
            codec = self._fit(config, data.train, fit_inputs(config.data, config.model, data.train))
        else:
            codec = self._fit_again(start, data.train)
        level = levels.notes(config.model, data.train)
        with_loss, notes = self._with_loss(codec, data.validation)
        parts = replace(data, validation=with_loss)
        train, validation = parts.encoded(partial(Examples.of, codec))
        losses = self._row_losses(config, codec)

        def validate(network: Network) -> Validated:
            o, y = outputs(network, validation.rows), validation.y
            loss = _weighed(losses(o, y), validation.w).double().mean()
            return Validated(float(loss), self._measures(config, codec, o, y))

        fitted_after = self._fitted_after(config, codec)

        def tuned(network: Network) -> tuple[K, str]:
            assert fitted_after is not None
            return fitted_after(outputs(network, validation.rows), validation.y)

        return Prepared(
            config,
            codec,
            train.buckets(config.training, augment.of(config, codec.inputs, data.train, paced=True)),
            validate,
            (data.sizes(), *data.train.notes, *remarks(codec.inputs, data.train), *notes, *chosen, *level),
            None if fitted_after is None else tuned,
        )

    def _training(self, training: T, data: Splits[Sequences]) -> T:
        """With what the kind of the data decides where the options leave it open."""
        named = training.epochs or training.steps or training.minutes
        if named or not data.train.is_text:
            return training
        per_epoch = -(-len(data.train) // training.batch_size)
        epochs = max(TEXT_EPOCHS, math.ceil(LEAST_STEPS / per_epoch))
        return training.model_copy(update={"epochs": epochs})

    def _chosen(self, config: C, data: Splits[Sequences]) -> tuple[PooledModelConfig, tuple[str, ...]]:
        """How sequences are read where the options leave it open."""
        per_epoch = -(-len(data.train) // config.training.batch_size)
        training = config.training.settled(per_epoch, validated=data.validation is not data.train)
        steps = training.step_limit(per_epoch) or choice.LEAST_TRIED

        def tried(model: PooledModelConfig, steps: int) -> NDArray[np.float64]:
            alone = model.model_copy(update={"members": 1})
            return self._tried(config.model_copy(update={"model": alone}), data, steps)

        return choice.chosen(config.model, data, steps, tried)

    def _tried(self, config: C, data: Splits[Sequences], steps: int) -> NDArray[np.float64]:
        """(V,) the losses of some validation sequences after a training of so many steps."""
        codec = self._fit(config, data.train, fit_inputs(config.data, config.model, data.train))
        every = np.arange(len(data.validation))
        some = data.validation.select(every[:: -(-len(every) // choice.MOST_JUDGED)])
        judged = Examples.of(codec, self._with_loss(codec, some)[0])
        changed = augment.of(config, codec.inputs, data.train, paced=True)
        batches = Examples.of(codec, data.train).buckets(config.training, changed)
        network = self._after_trial(config, codec, batches, steps, choice.TRIAL_SHARE)
        losses = self._row_losses(config, codec)(outputs(network, judged.rows), judged.y)
        losses = _weighed(losses, judged.w)
        array: NDArray[np.float64] = losses.double().numpy()
        return array

    @classmethod
    def _network(cls, config: C, codec: K) -> Network:
        return network_of(codec.inputs, config.model, cls._outputs(codec))

    def _step(self, network: Network, prepared: Prepared[C, K]) -> Step[Batch]:
        losses = self._row_losses(prepared.config, prepared.codec)

        def of_rows(batch: Batch, member: Network) -> Tensor:
            said = member(batch.x, lengths=batch.lengths, last=True)[0]
            return _weighed(losses(said, batch.y), batch.w)

        return mean_step(lambda batch: mean_of(network, partial(of_rows, batch)))

    def _outputs_of(self, data: Sequences) -> Tensor:
        """(N, O) the network's outputs for sequences that may lack answers."""
        return outputs(self.network, encoded(self.codec.inputs, data))

    def _nearest(self, data: Sequences) -> tuple[Sequences | None, list[str]]:
        """The training sequences that are nearest to those of `data`, and sentences on how they were found;
        None of texts, and where the training part is not here."""
        if not isinstance(self.codec.inputs, NumberInputs):
            return None, []
        train, sentences = self._train_part()
        if train is None:
            return None, sentences
        indices, sentence = neighbours.nearest_series(self.codec.inputs, train, data)
        return train.select(indices), [sentence]

    def _raw(self, rows: Sequence[NDArray[Any]], fill: float) -> list[NDArray[Any]]:
        return list(self._outputs_of_rows(rows, fill, last=True))


def outputs(network: Network, rows: Sequence[Tensor]) -> Tensor:
    """(N, O), each row with the bits that it has alone."""

    def of_batch(indices: NDArray[np.int64]) -> Tensor:
        x, lengths = padded([rows[i] for i in indices])
        o: Tensor = network(x, lengths=lengths, last=True)[0]
        return o

    with torch.no_grad():
        return torch.stack(in_batches(by_length(list(map(len, rows)), BATCH), of_batch))


def encoded(inputs: Inputs, data: Sequences) -> list[Tensor]:
    data = inputs.aligned(data)
    pairs: Iterable[Any] = zip(data.inputs, data.places, strict=True)
    return [torch.from_numpy(cast(Any, inputs).encode(x, place)) for x, place in pairs]


def answers_of(data: Sequences) -> tuple[str, ...]:
    """DataError where there are none, or one is missing."""
    for answer, place in zip(data.truth, data.places, strict=True):
        if not answer.strip():
            raise DataError(f"{place}: the answer is missing; fill it in, or leave the sequence out")
    return data.truth
