"""A task to copy: the next step of a sequence of numbers, from all steps before it. Per row:

    x_t   = [z_t, w_t]               z: scaled; a missing value counts as the last known one; codecs/inputs.py
    o_t   = network(x_1 … x_t)       an answer for z_{t+1}; blocks/_template.py
    loss  = mean_t ½ |o_t - z_{t+1}|²

Judged by the mean absolute error of all next steps, beside one that needs no training: the next step is as
the current one.

Copy this file to tasks/NAME.py and blocks/_template.py to blocks/NAME.py, change what NEW: marks, in the
order of the files, and give the task a row in TASKS (registry.py). From these follow its command, its
name in `unrolled`, its model without torch, `unrolled stream`, `export` and `verify`. A test file beside it
begins as tests/tasks/test_template.py.

Shapes   x (T_i, F) -> padded (B, T, F + W), lengths (B,) -> o (B, T, F)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import Buckets, by_length, padded
from unrolled.blocks._template import Next  # NEW: the copy
from unrolled.blocks.leaves import Linear
from unrolled.blocks.pooled import Numbers
from unrolled.codecs.inputs import NumberInputs
from unrolled.errors import ConfigError
from unrolled.files import arrays
from unrolled.files.examples import Sequences
from unrolled.files.labels import Kind
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.ops.torch import Network
from unrolled.tasks.config import Section
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.evaluation import MODEL, Evaluation, Row, verdict
from unrolled.tasks.examples import mean_step
from unrolled.tasks.forward import ForwardEstimator
from unrolled.tasks.model import ModelConfig, recurrent
from unrolled.tasks.pooled import encoded
from unrolled.tasks.shared_options import SplitConfig
from unrolled.tasks.sources import Source
from unrolled.tasks.split_data import Splits
from unrolled.training.batches import Step
from unrolled.training.config import TrainingConfig
from unrolled.training.selection import by_loss

Array = NDArray[Any]

BATCH = 256


# NEW: a section is a group of options; a field `gap` becomes --gap, gap = … in config.toml, and gap=… in
# Python. Names of fields differ between the sections of one task.
class NextConfig(Section):
    """All options of the task."""

    data: SplitConfig = SplitConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()


class Batch(NamedTuple):
    """NEW: what one step of training sees. Rows are padded: `lengths` says how long each is."""

    x: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class Codec:
    """NEW: what is fitted on the training part and nothing else. `inputs` are what the network reads, and are
    kept in data.json and scalers.safetensors: numbers, texts (TextInputs) or words (Words)."""

    inputs: NumberInputs

    def about(self) -> dict[str, Any]:
        return {"inputs": self.inputs.about()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.inputs.arrays()

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        return cls(NumberInputs.restore(about["inputs"], arrays))


class NextStep(ForwardEstimator[NextConfig, Sequences, Codec, Next]):
    """NEW: says in two lines how it is used.

    model = NextStep(hidden=32, epochs=20).fit("walks.csv", out="run")
    model.evaluation.table(); model.predict("newer.csv"); NextStep.load("run")
    """

    task = "next"  # NEW: the row in TASKS
    config_class = NextConfig
    codec_class = Codec
    loss_name = "half the squared error of scaled values"

    def frame(self, X: Source = None) -> pl.DataFrame:
        """A row for each sequence: its name, and the step after its last."""
        examples, inputs = self._data_for(X), self.codec.inputs
        last = np.stack([o[-1].astype(np.float64) for o in self._run(examples)])
        table = pl.DataFrame(inputs.scaler.inverse(last), schema=list(inputs.features))
        return table.insert_column(0, pl.Series("name", examples.names))

    def _bare(self, source: Any, table: pl.DataFrame) -> Array:
        """NEW: the answers alone, as they stand in `frame`; (N, F)."""
        return table.drop("name").to_numpy()

    def _score(self, data: Sequences) -> float:
        """NEW: how good the answers are, more is better: the mean error, negative."""
        inputs = self.codec.inputs
        z = [row.numpy()[:, : len(inputs.features)] for row in encoded(inputs, data)]
        return -mean_error(self._run(data), z, inputs.scaler.scale)

    # NEW: hand over the options that name columns; leave out answers=False where there are answers.
    def _read_source(self, config: NextConfig, source: Source, answers: bool = True) -> Sequences:
        return read_sequences(source, Query(answers=False))

    # NEW: data in memory, see files/arrays.py.
    def _of_arrays(self, X: Any, lengths: Any) -> Sequences:
        return arrays.from_arrays(X, lengths=lengths)

    # NEW: arrays.answered where there are answers.
    def _with_answers(self, data: Sequences, y: Any, like: Kind | None) -> Sequences:
        raise ConfigError("the next step follows from the sequences alone; leave y out")

    # NEW: `start` is the codec of the model that a training starts from, where it does.
    def _prepare(
        self, config: NextConfig, data: Splits[Sequences], start: Codec | None
    ) -> Prepared[NextConfig, Codec]:
        codec, training = start or Codec(NumberInputs.fit(data.train)), config.training
        rows, validation = (encoded(codec.inputs, part) for part in (data.train, data.validation))
        return Prepared(
            config,
            codec,
            Buckets(
                [len(row) for row in rows],
                lambda indices: Batch(*padded([rows[i] for i in indices])),
                training.batch_size,
                training.seed,
            ),
            by_loss(
                lambda network: float(
                    torch.cat([losses(network, batch) for batch in batches(validation)]).mean()
                )
            ),
            data.train.notes,
        )

    @classmethod
    def _network(cls, config: NextConfig, codec: Codec) -> Network[Next]:
        width, F = codec.inputs.width, len(codec.inputs.features)
        layer = recurrent(config.model, width)
        return Network(Next(Numbers(width), layer, Linear(layer.output_size, F, zero=True)))

    def _step(self, network: Network[Next], prepared: Prepared[NextConfig, Codec]) -> Step[Batch]:
        # NEW: where the next batch goes on from the state of this one, the second value is that state.
        return mean_step(partial(losses, network))

    def _judge(self, data: Sequences, about: dict[str, Any]) -> Evaluation:
        """NEW: the model's row first, then one for every baseline, each with the same measures."""
        inputs = self.codec.inputs
        z = [row.numpy()[:, : len(inputs.features)] for row in encoded(inputs, data)]
        answers = {MODEL: self._run(data), "as the current step": z}
        table: list[Row] = [
            {"model": name, "MAE": mean_error(o, z, inputs.scaler.scale)} for name, o in answers.items()
        ]
        return Evaluation(table, [verdict(table, "MAE", higher_is_better=False)], about)


def batches(rows: list[Tensor]) -> Iterator[Batch]:
    """All rows, those of like length together."""
    for indices in by_length([len(row) for row in rows], BATCH):
        yield Batch(*padded([rows[i] for i in indices]))


def losses(network: Network[Next], batch: Batch) -> Tensor:
    """The loss of every step that has a next one, in one line of numbers (N,)."""
    o, _ = network(batch.x, lengths=batch.lengths)
    each = 0.5 * (o[:, :-1] - batch.x[:, 1:, : o.shape[-1]]).square().sum(-1)
    counted: Tensor = each[torch.arange(each.shape[1]) < batch.lengths[:, None] - 1]
    return counted


def mean_error(answers: list[Array], z: list[Array], scale: Array) -> float:
    """NEW: the measures, in the data's own units."""
    errors = [np.abs(o[:-1] - row[1:]).astype(np.float64) * scale for o, row in zip(answers, z, strict=True)]
    return float(np.concatenate(errors).mean())
