"""A task to copy: the next step of a sequence of numbers, from all steps before it. Per row:

    z_t   = (x_t - m) / s            m, s: mean and deviation of each feature over the training part
    h_t   = layer(z_t, h_{t-1})
    o_t   = z_t + W h_t + b          an answer for z_{t+1}; W and b begin at zero
    loss  = mean_t ½ |o_t - z_{t+1}|²

Judged by the mean absolute error of all next steps, beside one that needs no training: the next step is as
the current one.

Copy this file to tasks/NAME.py, change what NEW: marks, in the order of the file, and give the task a row in
TASKS (tasks/__init__.py) and its estimator one in HOMES (unrolled/__init__.py): the command line follows from
these. A test file beside it begins as tests/tasks/test_template.py.

Shapes   x (T_i, F) -> padded (B, T, F), lengths (B,) -> o (B, T, F)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.batching.buckets import Buckets, by_length, padded
from unrolled.codecs.scaling import Scaler
from unrolled.errors import DataError
from unrolled.files.reading import read_sequences
from unrolled.files.sequences import Sequences
from unrolled.nn import Linear
from unrolled.tasks.config import Section
from unrolled.tasks.estimator import Prepared, Source
from unrolled.tasks.evaluation import MODEL, Evaluation, Row, verdict
from unrolled.tasks.model import ModelConfig, build
from unrolled.tasks.parts import Parts, PartsEstimator
from unrolled.tasks.sections import PartsConfig
from unrolled.training.config import TrainingConfig
from unrolled.training.loop import Step
from unrolled.training.state import State

Array = NDArray[np.float64]

BATCH = 256


# NEW: a section is a group of options; a field `gap` becomes --gap, gap = … in config.toml, and gap=… in
# Python. Names of fields differ between the sections of one task.
class NextConfig(Section):
    """All options of the task."""

    data: PartsConfig = PartsConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()


class Batch(NamedTuple):
    """NEW: what one step of training sees. Rows are padded: `lengths` says how long each is."""

    z: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class Codec:
    """NEW: what is fitted on the training part and nothing else: scalers, vocabularies, baselines."""

    features: tuple[str, ...]
    scaler: Scaler

    @classmethod
    def fit(cls, data: Sequences) -> Self:
        return cls(data.features, Scaler.fit([np.asarray(x, np.float64) for x in data.inputs], data.features))

    def encode(self, data: Sequences) -> list[Tensor]:
        """Rows (T_i, F). DataError, one line with the place, for what cannot be encoded."""
        if data.features != self.features:
            raise DataError(f"{data.places[0]}: wanted features {self.features}, got {data.features}")
        rows = [self.scaler.transform(np.asarray(x, np.float64)) for x in data.inputs]
        for row, place in zip(rows, data.places, strict=True):
            if not np.isfinite(row).all():
                raise DataError(f"{place}: a value is missing; fill it in, or leave the sequence out")
        return [torch.from_numpy(row.astype(np.float32)) for row in rows]

    # The run folder keeps plain values in data.json and arrays in scalers.safetensors; restore reads both.
    def about(self) -> dict[str, Any]:
        return {"features": list(self.features)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return dict(self.scaler.to_arrays())

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        return cls(tuple(about["features"]), Scaler.from_arrays(arrays))


class Network(nn.Module):
    """NEW: take Linear, Embedding, softmax … from unrolled.nn, hand `lengths` to the layer, and read nothing
    behind a row's end: then a row has the same bits alone and in any batch."""

    def __init__(self, config: ModelConfig, features: int) -> None:
        super().__init__()
        self.layer = build(config, features)
        self.head = Linear(self.layer.output_size, features)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, z: Tensor, lengths: Tensor) -> Tensor:
        """z (B, T, F), lengths (B,) -> o (B, T, F)."""
        h, _ = self.layer(z, lengths=lengths)
        o: Tensor = z + self.head(h)
        return o


class NextStep(PartsEstimator[NextConfig, Sequences, Codec, Network]):
    """NEW: says in two lines how it is used.

    model = NextStep(hidden=32, epochs=20).fit("walks.csv", out="run")
    model.evaluation.table(); model.predict("newer.csv"); NextStep.load("run")
    """

    task = "next"  # NEW: the row in TASKS
    config_class = NextConfig

    def predict(self, data: Source = None) -> pl.DataFrame:
        """A row for each sequence: its name, and the step after its last."""
        parts = None if data is not None else self._training_parts()
        asked = self._read_source(self.config, data) if parts is None else parts.test or parts.train
        last = [o[-1].double().numpy() for o in self._run(asked)]
        return pl.DataFrame(
            self.codec.scaler.inverse(np.stack(last)), schema=list(self.codec.features)
        ).insert_column(0, pl.Series("name", asked.names))

    # NEW: hand over the options that name columns; leave out answers=False where there are answers.
    def _read_source(self, config: NextConfig, source: Source) -> Sequences:
        return read_sequences(source, answers=False)

    def _prepare(self, config: NextConfig, data: Parts[Sequences]) -> Prepared[NextConfig, Codec]:
        codec, training = Codec.fit(data.train), config.training.settled()
        rows, validation = codec.encode(data.train), codec.encode(data.validation)
        return Prepared(
            config.model_copy(update={"training": training}),
            codec,
            Buckets(
                [len(row) for row in rows],
                lambda indices: Batch(*padded([rows[i] for i in indices])),
                training.batch_size,
                training.seed,
            ),
            lambda network: float(
                torch.cat([losses(network, batch) for batch in batches(validation)]).mean()
            ),
            data.train.notes,
        )

    @classmethod
    def _restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Codec:
        return Codec.restore(about, arrays)

    @classmethod
    def _network(cls, config: NextConfig, codec: Codec) -> Network:
        return Network(config.model, len(codec.features))

    def _step(self, network: Network, prepared: Prepared[NextConfig, Codec]) -> Step[Batch]:
        # NEW: the second value is the state that the next batch goes on from; None where rows are apart.
        def step(batch: Batch, state: State) -> tuple[Tensor, State]:
            return losses(network, batch).mean(), None

        return step

    def _judge(self, data: Sequences, about: dict[str, Any]) -> Evaluation:
        """NEW: the model's row first, then one for every baseline, each with the same measures."""
        scale, rows = self.codec.scaler.scale, self.codec.encode(data)
        answers = {MODEL: self._run(data), "as the current step": rows}
        table: list[Row] = [
            {"model": name, "MAE": mean_error(made, rows, scale)} for name, made in answers.items()
        ]
        return Evaluation(table, [verdict(table, "MAE", higher_is_better=False)], about)

    def _loss_name(self) -> str:
        return "half the squared error of scaled values"

    def _run(self, data: Sequences) -> list[Tensor]:
        """o (T_i, F) of every sequence, in their order."""
        rows = self.codec.encode(data)
        found: dict[int, Tensor] = {}
        with torch.no_grad():
            for indices in by_length([len(row) for row in rows], BATCH):
                made = self.network(*padded([rows[i] for i in indices]))
                found |= {int(i): o[: len(rows[i])] for i, o in zip(indices, made, strict=True)}
        return [found[i] for i in range(len(rows))]


def batches(rows: list[Tensor]) -> Iterator[Batch]:
    """All rows, those of like length together."""
    for indices in by_length([len(row) for row in rows], BATCH):
        yield Batch(*padded([rows[i] for i in indices]))


def losses(network: Network, batch: Batch) -> Tensor:
    """The loss of every step that has a next one, in one line of numbers (N,)."""
    each = 0.5 * (network(*batch)[:, :-1] - batch.z[:, 1:]).square().sum(-1)
    counted: Tensor = each[torch.arange(each.shape[1]) < batch.lengths[:, None] - 1]
    return counted


def mean_error(made: list[Tensor], rows: list[Tensor], scale: Array) -> float:
    """NEW: the measures, in the data's own units."""
    errors = [(o[:-1] - z[1:]).abs().double().numpy() * scale for o, z in zip(made, rows, strict=True)]
    return float(np.concatenate(errors).mean())
