"""One number for a whole sequence.

    loss   = ½ (o - (y - m) / s)²      o () of the network, blocks/pooled.py; m, s the mean and deviation of y
                                       over the training part
    answer = m + s o

Judged by MAE, RMSE and R² = 1 - Σ (y - f)² / Σ (y - ȳ)², beside some that need no recurrence: of numbers the
answer of the nearest training sequence (neighbours.py); always the mean m; and a linear model of the numbers
z that sum a sequence up (codecs/inputs.py), least squares with a small ridge:

    f = m + βᵀ u      u = (z - z̄) / deviation      β = (UᵀU + λN)⁻¹ Uᵀ (y - m)      λ = RIDGE

Shapes   x (B, T, I) -> o (B, 1); the summary of N sequences (N, S), β (S,)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching import splits
from unrolled.codecs.inputs import Inputs, restore_inputs, spread
from unrolled.codecs.scaling import Scaler
from unrolled.errors import DataError
from unrolled.files import labels
from unrolled.files.cells import or_missing
from unrolled.files.examples import Sequences
from unrolled.files.labels import Kind
from unrolled.files.messages import shown
from unrolled.files.number_columns import read_numbers
from unrolled.files.typed import shaped
from unrolled.plots import figures, scores
from unrolled.tasks import metrics, neighbours
from unrolled.tasks.evaluation import MODEL, Evaluation, Row, verdicts
from unrolled.tasks.pooled import Losses, PooledConfig, PooledEstimator, answers_of
from unrolled.tasks.sources import Source
from unrolled.tasks.split_data import Shares

Array = NDArray[np.float64]

RIDGE = 1e-6


class RegressConfig(PooledConfig):
    """All options of `regress`."""


@dataclass(frozen=True)
class NumberCodec:
    """`target`: m and s; `linear`: the baseline; `kind`: the type that the caller had the answers in, None
    where a file held them."""

    inputs: Inputs
    target: Scaler
    linear: "Linear"
    kind: Kind | None = None

    @classmethod
    def fit(cls, data: Sequences, inputs: Inputs, name: str) -> Self:
        """`name` of the answers. DataError where all of them are the same."""
        y = numbers(data)
        target, linear = Scaler.fit([y[:, None]], [name]), Linear.fit(inputs.summaries(data), y)
        return cls(inputs, target, linear, labels.of_one(data.kind))

    def again(self, data: Sequences) -> Self:
        """The same with another training part."""
        return replace(self, linear=Linear.fit(self.inputs.summaries(data), numbers(data)))

    def encode(self, data: Sequences) -> Tensor:
        """(N,) scaled answers."""
        return torch.from_numpy(self.target.transform(numbers(data)[:, None])[:, 0].astype(np.float32))

    def decode(self, o: Tensor) -> Array:
        """o (N, 1) -> answers (N,)."""
        return self.target.inverse(o.double().numpy())[:, 0]

    def about(self) -> dict[str, Any]:
        return {"inputs": self.inputs.about()} | ({} if self.kind is None else {"kind": self.kind})

    def arrays(self) -> dict[str, NDArray[Any]]:
        target = {f"target.{name}": array for name, array in self.target.to_arrays().items()}
        return self.inputs.arrays() | target | self.linear.arrays()

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        target = Scaler.from_arrays({name: arrays[f"target.{name}"] for name in ("mean", "scale")})
        inputs, linear = restore_inputs(about["inputs"], arrays), Linear.restore(arrays)
        shaped(target.mean, 1)
        shaped(linear.weights, inputs.sums)
        return cls(inputs, target, linear, about.get("kind"))


class Regressor(PooledEstimator[RegressConfig, NumberCodec]):
    """Estimates a number for each sequence. Options are the fields of RegressConfig, each by its own name:

    regressor = Regressor(id="ride", target="minutes", hidden=128).fit("rides.csv", out="run")
    regressor.evaluation.table(); regressor.predict("newer.csv"); Regressor.load("run").predict(more)
    """

    task = "regress"
    config_class = RegressConfig
    codec_class = NumberCodec
    estimator_type = "regressor"
    loss_name = "half the squared error of scaled values"

    def frame(self, X: Source = None) -> pl.DataFrame:
        """A row for each sequence: "name" and "value"."""
        sequences = self._data_for(X)
        return pl.DataFrame(
            {"name": sequences.names, "value": self.codec.decode(self._outputs_of(sequences))}
        )

    def _bare(self, source: Any, table: pl.DataFrame) -> Array:
        """(N,) numbers."""
        return table["value"].to_numpy()

    def _score(self, data: Sequences) -> float:
        """R², as below."""
        return r2(numbers(data), self.codec.decode(self._outputs_of(data)))

    def _read_source(self, config: RegressConfig, source: Source, answers: bool = True) -> Sequences:
        return plainly_answered(super()._read_source(config, source, answers), config.data.decimal)

    def _read_new(self, data: Source, answers: bool = True) -> Sequences:
        return plainly_answered(super()._read_new(data, answers), self.config.data.decimal)

    def _split(self, config: RegressConfig, data: Sequences, shares: Shares) -> splits.Parts:
        """By lot within parts of the order of the answers, so that small and large ones are in every part."""
        return splits.by_size(numbers(data), *shares)

    def _fit(self, config: RegressConfig, train: Sequences, inputs: Inputs) -> NumberCodec:
        return NumberCodec.fit(train, inputs, config.data.target or "answer")

    def _fit_again(self, start: NumberCodec, train: Sequences) -> NumberCodec:
        return start.again(train)

    @classmethod
    def _outputs(cls, codec: NumberCodec) -> int:
        return 1

    def _row_losses(self, config: RegressConfig, codec: NumberCodec) -> Losses:
        def losses(o: Tensor, y: Tensor) -> Tensor:
            return 0.5 * (o[:, 0] - y).square()

        return losses

    def _judge(self, data: Sequences, about: dict[str, Any]) -> Evaluation:
        codec, y = self.codec, numbers(data)
        answers = {MODEL: codec.decode(self._outputs_of(data))}
        series, notes = self._nearest(data)
        if series is not None:
            answers[neighbours.NEAREST] = numbers(series)
        answers["linear model"] = codec.linear(codec.inputs.summaries(data))
        answers["mean"] = np.full(len(y), codec.target.mean[0])
        rows: list[Row] = [
            {
                "model": name,
                "MAE": float(metrics.mae(y, f)),
                "RMSE": float(metrics.rmse(y, f)),
                "R²": r2(y, f),
            }
            for name, f in answers.items()
        ]
        sentences = verdicts(rows, {"MAE": False, "RMSE": False})
        return Evaluation(rows, sentences + notes, about | {"sequences": len(y)}, (y, answers[MODEL]))

    def _draw(self, folder: Path) -> None:
        """scatter, as PNG and SVG."""
        evaluation, name = self.evaluation, self.config.data.target or "answer"
        row = evaluation.rows[0]
        title = f"{evaluation.about['sequences']:,} sequences: MAE {row['MAE']:.3g}, R² {row['R²']:.3g}"
        truth, answers = evaluation.details
        figures.save(scores.scatter(truth, answers, name, title), folder, "scatter")


def plainly_answered(data: Sequences, decimal: str | None) -> Sequences:
    """With answers that people write, such as 1.234,5, as computers do, where all those of a source together
    tell how; `decimal`: the mark where they do not."""
    cells = pl.Series(data.answers or (), dtype=pl.String)
    if cells.cast(pl.Float64, strict=False).null_count() == 0:
        return data
    read = read_numbers(cells, decimal)
    if read.row is None:
        return data
    answers = tuple(
        cell if wrong or value is None else repr(value)
        for cell, wrong, value in zip(cells, read.wrong, read.values, strict=True)
    )
    note = f"answers: {shown(cells[read.row])} is read as {answers[read.row]}"
    return replace(data, answers=answers, notes=(*data.notes, note))


def numbers(data: Sequences) -> Array:
    """(N,) the answers as numbers. DataError with its place for one that is no finite number."""
    return np.array([_number(*one) for one in zip(answers_of(data), data.places, strict=True)])


def _number(answer: str, place: str) -> float:
    try:
        value = float(answer)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(
            f"{place}: wanted a finite number as the answer, got {shown(answer)}; correct it"
            f"{or_missing(answer)}, or use classify, which names classes"
        )
    return value


def r2(y: Array, f: Array) -> float:
    """NaN where y does not vary."""
    variance = float(np.square(y - y.mean()).sum())
    return 1 - float(np.square(y - f).sum()) / variance if variance else math.nan


@dataclass(frozen=True)
class Linear:
    """f = bias + weights · z, weights (S,): the baseline."""

    bias: float
    weights: Array

    @classmethod
    def fit(cls, z: Array, y: Array) -> Self:
        """z (N, S), y (N,)."""
        scale = spread(z)
        u, m = (z - z.mean(0)) / scale, y.mean()
        beta = np.linalg.solve(u.T @ u + RIDGE * len(u) * np.eye(u.shape[1]), u.T @ (y - m))
        weights = beta / scale
        return cls(float(m - weights @ z.mean(0)), weights)

    def __call__(self, z: Array) -> Array:
        """z (N, S) -> f (N,)."""
        return np.asarray(self.bias + z @ self.weights)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"linear.bias": np.array([self.bias]), "linear.weights": self.weights}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        return cls(float(arrays["linear.bias"][0]), arrays["linear.weights"])
