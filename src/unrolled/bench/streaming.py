"""A stream, step by step, as a sensor would feed it: unrolled.runtime against onnxruntime, and many rows
together against one by one.

Each peer takes one step of an array, keeps its state for the next, and gives y. onnxruntime gets its state
back as it gave it, in a feed that is made once. The model around our layer does nothing of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unrolled.bench import onnxpeer
from unrolled.bench.layers import CELLS, make, products, random, twin
from unrolled.bench.workload import ONNX, OURS, Absent, Peer, Peers, Size, Values, Workload
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
        return [self.outputs(self.encode(one)) for one in sequences]

    def outputs(self, steps: Array) -> Array:
        return self.advance(steps[:, None], self.start(1))[0]["y"][:, 0]


def workloads() -> Iterator[Workload]:
    for cell in GATED:
        for size in STREAMED:
            yield Workload(
                "stream", "inference", cell, size, partial(_one, cell, size), products(cell, 1, size), 1
            )
    for cell in GATED:
        yield Workload("together", "inference", cell, MANY, partial(_many, cell, MANY), threads=1)


def bare(cell: str, size: Size) -> tuple[Bare, nn.Module]:
    """The runtime of one layer, and the layer itself."""
    layer: Any = make(CELLS[cell].ours, size.I, size.H)
    arrays = {name: tensor.numpy().copy() for name, tensor in layer.state_dict().items()}
    return Bare({"task": "layer", "network": write(block_of(layer))}, arrays), layer


def _one(cell: str, size: Size) -> Peers:
    model, layer = bare(cell, size)
    x = random(FEW, size.I).numpy()
    stream = model.stream()
    ours = Peer(lambda: stream.step(x[0]), lambda: _steps(model.stream().step, x))
    return {OURS: ours, ONNX: _onnx(cell, size, twin(layer, CELLS[cell].torch, size.I, size.H), x)}


def _onnx(cell: str, size: Size, layer: nn.Module, x: Array) -> Peer | Absent:
    names = CELLS[cell].states
    zeros = [torch.zeros(1, 1, size.H) for _ in names]
    session = onnxpeer.session(cell, size, layer, len(names))
    if isinstance(session, Absent):
        return session
    inputs = [f"initial_{name}" for name in names]

    def begun() -> Callable[[Array], Mapping[str, Array]]:
        feed = dict(zip(inputs, (zero.numpy() for zero in zeros), strict=True))

        def step(one: Array) -> Mapping[str, Array]:
            feed["x"] = one[None, None]
            y, *last = session.run(None, feed)
            feed.update(zip(inputs, last, strict=True))
            return {"y": y[0, 0, 0]}

        return step

    run = begun()
    return Peer(lambda: run(x[0]), lambda: _steps(begun(), x))


def _many(cell: str, size: Size) -> Peers:
    model, _ = bare(cell, size)
    x = random(FEW, size.B, size.I).numpy()
    stream, alone = model.stream(rows=size.B), [model.stream() for _ in range(size.B)]

    def one_by_one() -> None:
        for own, one in zip(alone, x[0], strict=True):
            own.step(one)

    def values() -> Values:
        fresh = [model.stream() for _ in range(size.B)]
        found = [[own.step(one)["y"] for own, one in zip(fresh, now, strict=True)] for now in x]
        return {"y": torch.from_numpy(np.array(found))}

    together = Peer(lambda: stream.step(x[0]), lambda: _steps(model.stream(rows=size.B).step, x))
    return {OURS: together, ALONE: Peer(one_by_one, values)}


def _steps(step: Callable[[Array], Mapping[str, Array]], x: Array) -> dict[str, Tensor]:
    return {"y": torch.from_numpy(np.stack([step(one)["y"] for one in x]))}
