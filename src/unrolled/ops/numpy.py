"""The operations of blocks (blocks/ops.py) on numpy arrays, time-major, by the kernels that trained them."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from unrolled.blocks import leaves
from unrolled.blocks.block import Block, bind, each_leaf
from unrolled.blocks.leaves import CRF, Embedding, Linear, Parameter
from unrolled.blocks.ops import Memory
from unrolled.kernels.numpy import heads
from unrolled.ops.layers import Layers
from unrolled.ops.state import ANCHOR, POOLED, STEPS, Array, State

DTYPES = ("float32", "float64")
# Deviations beyond which a window's level and spread look alike to a network, which may never have seen such.
FARTHEST = 1.0
# Of counts, the mean that a base of 0 stands for, in units of the window's own.
LEAST_RATE = 0.05
# Of zeros and ones, about the probability that a base of 0 stands for.
LEAST_PROBABILITY = 0.02


class Table:
    """The rows of an embedding; as a linear layer they are packed once for each bias."""

    def __init__(self, rows: Array) -> None:
        self.rows = rows
        self._tied: heads.Linear | None = None

    def tied(self, bias: Array) -> heads.Linear:
        if self._tied is None:
            self._tied = heads.Linear(self.rows, bias)
        return self._tied


class Attention:
    """What unrolled.nn.Attention computes."""

    def __init__(self, block: leaves.Attention, arrays: Mapping[str, Array]) -> None:
        self.kind, self.u = block.kind, arrays.get("u")
        self.query = heads.Linear(arrays["query.weight"])
        key = arrays.get("key.weight")
        self.key = None if key is None else heads.Linear(key, arrays.get("key.bias"))


def _linear(block: Linear, arrays: Mapping[str, Array]) -> heads.Linear:
    return heads.Linear(arrays["weight"], arrays.get("bias"))


def _table(block: Embedding, arrays: Mapping[str, Array]) -> Table:
    return Table(arrays["weight"])


def _parameter(block: Parameter, arrays: Mapping[str, Array]) -> Array:
    return arrays[""]


def _crf(block: CRF, arrays: Mapping[str, Array]) -> SimpleNamespace:
    return SimpleNamespace(**arrays)


def _estimates(block: Block, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
    if any(array.dtype != np.float64 for array in arrays.values()):
        raise ValueError(f"{', '.join(arrays)} are not float64 all")
    return arrays


LEAVES: dict[str, Callable[[Any, Mapping[str, Array]], Any]] = {
    "attention": Attention,
    "estimates": _estimates,
    "linear": _linear,
    "embedding": _table,
    "parameter": _parameter,
    "crf": _crf,
    "recurrent": Layers,
}


def network(block: Block, arrays: Mapping[str, Array]) -> "Network":
    """A block with its parameters. ValueError where they have other names or shapes, or several types."""
    shapes = block.shapes()
    for name, shape in shapes.items():
        if name not in arrays:
            raise ValueError(f"there is no array '{name}'; wanted one of {shape}")
        if arrays[name].shape != shape:
            raise ValueError(f"'{name}' is {arrays[name].shape}; wanted {shape}")
    if strange := sorted(arrays.keys() - shapes.keys()):
        raise ValueError(f"'{strange[0]}' belongs to no block")
    estimates = ((at, leaf) for at, leaf in each_leaf(block) if leaf.leaf == "estimates")
    estimated = {f"{at}{name}" for at, leaf in estimates for name in leaf.shapes()}
    types = {str(arrays[name].dtype) for name in shapes.keys() - estimated}
    if len(types) > 1 or not types <= set(DTYPES):
        raise ValueError(f"parameters of {', '.join(sorted(types))}; wanted one of {' or '.join(DTYPES)}")
    return Network(block, {name: np.require(arrays[name], requirements=["C", "A"]) for name in shapes})


class Network:
    """A block with its parameters: steps (T, B, …), state -> what the block computes."""

    def __init__(self, block: Block, arrays: Mapping[str, Array]) -> None:
        def leaf(one: Block, path: str) -> Any:
            prefix = f"{path}." if path and one.shapes().keys() != {""} else path
            members = {name: arrays[prefix + name] for name in one.shapes()}
            return LEAVES[one.leaf](one, members)

        self.block = block
        self.dtype = next(iter(arrays.values())).dtype
        self.p = bind(block, leaf, SimpleNamespace, list)

    def start(self, rows: int) -> State:
        """The state before the first step."""
        return self.block.start(OPS, self.p, rows)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.block(OPS, self.p, *arguments, **options)  # type: ignore[operator]


class Numpy:
    tanh = staticmethod(heads.tanh)
    log_softmax = staticmethod(heads.log_softmax)

    def linear(self, p: heads.Linear, x: Array) -> Array:
        return p(x)

    def embedding(self, p: Table, index: Array) -> Array:
        return heads.embedding(index, p.rows)

    def unknown(self, index: Array, rate: float) -> Array:
        return index

    def rows(self, table: Array, index: Array) -> Array:
        return heads.embedding(index, table)

    def tied(self, p: Table, bias: Array, x: Array) -> Array:
        return p.tied(bias)(x)

    def recurrent(
        self, p: Layers, x: Array, state: Mapping[str, Array] | None, lengths: Array | None
    ) -> tuple[Array, State]:
        return p(x, p.start(x.shape[1]) if state is None else state, lengths)

    def start(self, p: Layers, rows: int) -> State:
        return p.start(rows)

    def pooling(
        self,
        kind: str,
        forward: int,
        y: Array,
        state: Mapping[str, Array] | None,
        lengths: Array | None,
        scores: Array | None,
        last: bool,
    ) -> tuple[Array, State]:
        """In rows of one length."""
        if kind == "last" and last:
            return np.concatenate([y[-1, :, :forward], y[0, :, forward:]], -1), {}
        if kind == "last":
            first = np.broadcast_to(y[:1, :, forward:], (*y.shape[:2], y.shape[2] - forward))
            return np.concatenate([y[..., :forward], first], -1), {}
        p, after = heads.pooling(kind, y, None if state is None else state[POOLED], scores)
        return (p[-1] if last else p), {POOLED: after}

    def pooling_start(self, kind: str, size: int, rows: int) -> State:
        if kind == "last":
            return {}
        y = np.empty((0, rows, size), np.float32)
        return {POOLED: heads.pooling(kind, y, None, y[..., 0] if kind == "attention" else None)[1]}

    def anchor(
        self,
        z: Array,
        relative: tuple[bool, ...],
        state: Mapping[str, Array] | None,
        lengths: Array | None,
    ) -> tuple[Array, State]:
        T, B, K = z.shape
        before = {ANCHOR: np.zeros((B, K), z.dtype), STEPS: np.zeros(B, np.int64)} if state is None else state
        a, steps = before[ANCHOR], before[STEPS]
        if T:
            a = np.where(steps[:, None] == 0, z[0] * relative, a)
        return a[None], {ANCHOR: a, STEPS: steps + (T if lengths is None else lengths)}

    def anchor_start(self, p: heads.Linear, size: int, rows: int) -> State:
        return {ANCHOR: np.zeros((rows, size), p.dtype), STEPS: np.zeros(rows, np.int64)}

    def frame(
        self, z: Array, references: tuple[tuple[float, ...], ...], by_mean: bool
    ) -> tuple[Array, Array, Array]:
        return frame(z, references, by_mean)

    def log_rate(self, b: Array, spread: Array, references: tuple[tuple[float, ...], ...]) -> Array:
        return log_rate(b, spread, references)

    def log_odds(self, b: Array) -> Array:
        return log_odds(b)

    def log(self, x: Array) -> Array:
        return heads.log(x)

    def fixed(self, table: Array, number: Any, mean: Array, spread: Array) -> tuple[Array, Array]:
        number = np.zeros(len(mean)) if number is None else number
        row = table[_known(number, len(table))]
        known = row[:, 1:] > 0
        return np.where(known, row[:, :1], mean), np.where(known, row[:, 1:], spread)

    def framed(self, raw: Array, mean: Array, spread: Array) -> Array:
        around = np.stack([mean, spread], -1)[:, None]
        return np.concatenate([raw, np.broadcast_to(around, (*raw.shape[:-1], 2))], -1)

    def by_number(self, maps: list[heads.Linear], x: Array, number: Array) -> Array:
        y = np.empty((*x.shape[:-1], maps[0].out_features), x.dtype)
        number = _known(number, len(maps))
        for one in np.unique(number).tolist():
            rows = np.flatnonzero(number == one)
            y[rows] = maps[one](x[rows])
        return y

    def numbered(self, array: Array, number: Array) -> Array:
        return np.asarray(array[_known(number, len(array))])

    def of_number(self, p: Table, number: Array) -> Array:
        return heads.embedding(_known(number, len(p.rows)), p.rows)

    def for_each(self, x: Array, times: int) -> Array:
        return x if times == 1 else np.repeat(x, times, 0)

    def memory(self, p: Attention, y: Array, lengths: Array | None) -> Memory:
        values = _by_rows(y)
        keys = values if p.key is None else p.key(values)
        return Memory(keys, values, np.full(len(values), len(y)) if lengths is None else lengths)

    def attention(self, p: Attention, s: Array, memory: Memory, rows: Array | None) -> tuple[Array, Array]:
        c, w = heads.attention(p.kind, _by_rows(p.query(s)), *memory, p.u, rows)
        return _by_rows(c), _by_rows(w)

    def relu(self, x: Array) -> Array:
        y: Array = np.maximum(x, 0)
        return y

    def side_by_side(self, x: Array, lengths: Array | None, k: int, width: int | None = None) -> Array:
        width = width or k
        if width == 1:
            return x
        T, B, size = x.shape
        if lengths is not None:
            x = np.where((np.arange(T)[:, None] < lengths)[..., None], x, 0)
        steps, before, after = paddings(T, k, width)
        x = np.pad(x, ((before, after), (0, 0), (0, 0)))
        if not T:
            return np.empty((0, B, width * size), x.dtype)
        each = np.lib.stride_tricks.sliding_window_view(x, width, 0)[::k]  # (steps, B, size, width)
        return np.ascontiguousarray(each.swapaxes(2, 3)).reshape(steps, B, width * size)

    def concat(self, *arrays: Array) -> Array:
        return np.concatenate(arrays, -1)

    def at_each_step(self, v: Array, x: Array) -> Array:
        return np.broadcast_to(v, (len(x), *v.shape))

    def sequence(self, x: Array) -> Array:
        return _by_rows(x)

    def by_rows(self, x: Array) -> Array:
        return _by_rows(x)

    def patches(self, x: Array) -> Array:
        H, W = x.shape[1:3]
        around = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return np.concatenate([around[:, i : i + H, j : j + W] for i in range(3) for j in range(3)], 3)

    def halved(self, x: Array) -> Array:
        B, H, W, C = x.shape
        four = x[:, : H // 2 * 2, : W // 2 * 2].reshape(B, H // 2, 2, W // 2, 2, C)
        y: Array = four.max((2, 4))
        return y

    def selected(self, x: Array, rows: Array) -> Array:
        y: Array = x[rows]
        return y

    def one_step(self, x: Array) -> Array:
        return x[None]

    def of_one_step(self, x: Array) -> Array:
        y: Array = x[0]
        return y

    def dropout(self, x: Array, rate: float) -> Array:
        return x

    def augmented(self, x: Array, lengths: Any, noise: float, time_mask: float, feature_mask: float) -> Array:
        return x


def frame(
    z: Array, references: tuple[tuple[float, ...], ...], by_mean: bool = False
) -> tuple[Array, Array, Array]:
    """In float64, every sum in the order of the steps: a window has the same frame in any company."""
    floor, log_mean, log_scale, mean, scale = np.array(references).T
    values = np.asarray(z, np.float64)
    centre = np.cumsum(values, 1)[:, -1] / z.shape[1]
    squares = np.cumsum((values - centre[:, None]) ** 2, 1)[:, -1]
    deviation = np.sqrt(squares / z.shape[1])
    spread = np.maximum(centre if by_mean else deviation, floor)
    second, centre = (deviation / spread, np.zeros_like(centre)) if by_mean else (centre, centre)
    about = np.stack([(heads.log(spread) - log_mean) / log_scale, (second - mean) / scale], -1)
    return centre.astype(z.dtype), spread.astype(z.dtype), np.clip(about, -FARTHEST, FARTHEST).astype(z.dtype)


def paddings(T: int, k: int, width: int) -> tuple[int, int, int]:
    """How many steps T steps become where each k do, with those around them `width`, and how many zeros stand
    before the first and behind the last."""
    steps, before = -(-T // k), (width - k) // 2
    return steps, before, max(steps - 1, 0) * k + width - before - T


def _known(number: Array, count: int) -> Array:
    """The last where there is none."""
    return np.where((number >= 0) & (number < count), number, count - 1).astype(np.int64)


def log_rate(b: Array, spread: Array, references: tuple[tuple[float, ...], ...]) -> Array:
    floor = np.array(references)[:, 0]
    least = (LEAST_RATE + floor / (2 * np.asarray(spread, np.float64)))[..., None]
    return _log_above(np.asarray(b, np.float64), least).astype(b.dtype)


def log_odds(b: Array) -> Array:
    wide, least = np.asarray(b, np.float64), np.array(LEAST_PROBABILITY)
    odds: Array = _log_above(wide, least) - _log_above(1 - wide, least)
    return odds.astype(b.dtype)


def _log_above(b: Array, least: Array) -> Array:
    """ln g(b), in float64; of small and of negative b without cancellation."""
    of_above = heads.log((np.abs(b) + np.sqrt(b * b + 4 * least * least)) / 2)
    return np.where(b < 0, 2 * heads.log(least) - of_above, of_above)


def _by_rows(x: Array) -> Array:
    """(T, B, …) -> (B, T, …), or the reverse."""
    return np.ascontiguousarray(x.swapaxes(0, 1))


OPS = Numpy()
