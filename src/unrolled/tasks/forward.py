"""Tasks whose network reads forward what `inputs` of the codec encode: what `unrolled verify` asks of them.

Shapes   rows (T_i, …) as the runtime's `encode` gives them -> steps (B, T, …), lengths (B,) -> o (B, T, …)
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar, cast

import torch
from numpy.typing import NDArray

from unrolled.batching.buckets import by_length
from unrolled.blocks.block import Block
from unrolled.ops.torch import Network
from unrolled.tasks.examples import in_batches
from unrolled.tasks.sources import Source
from unrolled.tasks.split_data import Data, SplitEstimator
from unrolled.tasks.trained import Codec

Array = NDArray[Any]

BATCH = 256  # sequences that go through a network at once where nothing is learnt


C = TypeVar("C")
D = TypeVar("D", bound=Data)
K = TypeVar("K", bound=Codec)  # with `inputs`
B = TypeVar("B", bound=Block)


class ForwardEstimator(SplitEstimator[C, D, K, Network[B]]):
    """An estimator of such a task."""

    def _description(self) -> dict[str, Any]:
        """Of a model that hears, with how recordings become what it reads: `hears`."""
        about, codec, options = super()._description(), cast(Any, self.codec), cast(Any, self.config)
        rate_hz = getattr(codec.inputs, "rate_hz", None)
        if rate_hz is None:
            return about
        return about | {"hears": asdict(replace(options.data.audio(), rate_hz=rate_hz))}

    def _run(self, data: D) -> list[Array]:
        """(N,) of o (T_i, …) for each sequence, with the bits that it has alone."""
        rows = self._encoded(data)
        batches = by_length(list(map(len, rows)), BATCH)
        return in_batches(batches, lambda indices: self._raw([rows[i] for i in indices], 0.0))

    def _encoded(self, data: D) -> list[Array]:
        """(N,) of (T_i, …) each sequence as the runtime's `encode` gives it."""
        codec: Any = self.codec
        rows: list[Array] = codec.inputs.rows(data)
        return rows

    def _rows(self, data: Source = None) -> list[Array]:
        return self._encoded(self._data_for(data))

    def _raw(self, rows: Sequence[Array], fill: float) -> list[Array]:
        return [o[: len(row)] for o, row in zip(self._outputs_of_rows(rows, fill), rows, strict=True)]

    def _outputs_of_rows(self, rows: Sequence[Array], fill: float, **options: Any) -> Array:
        """o (B, T, …) of all rows in one batch."""
        codec: Any = self.codec
        lengths = torch.tensor(list(map(len, rows)))
        with torch.no_grad():
            o, _ = self.network(tensors(codec.inputs.padded(rows, fill)), lengths=lengths, **options)
        array: Array = o.numpy()
        return array


def tensors(steps: Any) -> Any:
    """Steps of a network as torch has them: an array, or a named tuple of arrays."""
    if isinstance(steps, tuple):
        return type(steps)(*map(torch.from_numpy, steps))
    return torch.from_numpy(steps)
