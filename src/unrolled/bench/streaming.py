"""A stream, step by step, as a sensor would feed it: unrolled.runtime against onnxruntime, and many rows
together against one by one.

Each peer takes one step of an array, keeps its state for the next, and gives y. onnxruntime gets its state
back as it gave it, in a feed that is made once. The model around our layer does nothing of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unrolled.bench import onnxpeer
from unrolled.bench.layers import CELLS, make, products, random, twin
from unrolled.bench.workload import ONNX, OURS, Absent, Mode, Peer, Peers, Size, Workload
from unrolled.blocks.block import write
from unrolled.blocks.recurrent import Recurrent
from unrolled.models.model import Answers, Model
from unrolled.ops.state import Array, State
from unrolled.ops.torch import block_of

GATED = ("gru", "lstm")  # what streams are mostly made of
STREAMED = (Size(1, 1, 64, 64), Size(1, 1, 64, 256))
MANY = Size(1, 1000, 64, 64)
ALONE = "one by one"
FEW = 8  # steps whose values are compared

Step = Callable[[Array], Mapping[str, Any]]


class Bare(Model):
    """A layer and nothing else: arrays (T, I) -> y."""

    kind = Recurrent
    compared = "y"

    def start(self, rows: int) -> State:
        return self.network.start(rows)

    def encode(self, chunk: Any) -> Array:
        return np.asarray(chunk, self.network.dtype)

    def encode_rows(self, chunks: Any) -> Array:
        return np.asarray(chunks, self.network.dtype).swapaxes(0, 1)

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        y, after = self.network(steps, state)
        return {"y": y}, after

    def predict(self, sequences: Sequence[Any]) -> list[Array]:
        return [self.outputs(self.encode(sequence)) for sequence in sequences]

    def outputs(self, steps: Array) -> Array:
        return self.advance(steps[:, None], self.start(1))[0]["y"][:, 0]


def workloads() -> Iterator[Workload]:
    for cell in GATED:
        for size in STREAMED:
            yield Workload("stream", "inference", cell, size, _alone, products(cell, 1, size), threads=1)
    for cell in GATED:
        yield Workload("together", "inference", cell, MANY, _together, threads=1)


def bare(cell: str, size: Size) -> tuple[Bare, nn.Module]:
    """The runtime of one layer, and the layer itself."""
    layer: Any = make(CELLS[cell].ours, size.I, size.H)
    arrays = {name: tensor.numpy().copy() for name, tensor in layer.state_dict().items()}
    return Bare({"task": "layer", "network": write(block_of(layer))}, arrays), layer


def _alone(mode: Mode, cell: str, size: Size) -> Peers:
    model, layer = bare(cell, size)
    x = random(FEW, size.I).numpy()
    stream = model.stream()
    ours = Peer(lambda: stream.step(x[0]), lambda: _steps(model.stream().step, x))
    return {OURS: ours, ONNX: _onnx(cell, size, twin(layer, CELLS[cell].torch, size.I, size.H), x)}


def _onnx(cell: str, size: Size, layer: nn.Module, x: Array) -> Peer | Absent:
    names = CELLS[cell].states
    session = onnxpeer.session(cell, size, layer, len(names))
    if isinstance(session, Absent):
        return session
    inputs = [f"initial_{name}" for name in names]

    def fresh() -> Step:
        feed = {name: np.zeros((1, 1, size.H), np.float32) for name in inputs}

        def step(x: Array) -> Mapping[str, Array]:
            feed["x"] = x[None, None]
            y, *last = session.run(None, feed)
            feed.update(zip(inputs, last, strict=True))
            return {"y": y[0, 0, 0]}

        return step

    run = fresh()
    return Peer(lambda: run(x[0]), lambda: _steps(fresh(), x))


def _together(mode: Mode, cell: str, size: Size) -> Peers:
    model, _ = bare(cell, size)
    x = random(FEW, size.B, size.I).numpy()

    def one_by_one() -> Step:
        streams = [model.stream() for _ in range(size.B)]

        def step(rows: Array) -> Mapping[str, Any]:
            return {"y": [stream.step(row)["y"] for stream, row in zip(streams, rows, strict=True)]}

        return step

    together, alone = model.stream(rows=size.B), one_by_one()
    return {
        OURS: Peer(lambda: together.step(x[0]), lambda: _steps(model.stream(rows=size.B).step, x)),
        ALONE: Peer(lambda: alone(x[0]), lambda: _steps(one_by_one(), x)),
    }


def _steps(step: Step, x: Array) -> dict[str, Tensor]:
    return {"y": torch.from_numpy(np.stack([step(now)["y"] for now in x]))}
