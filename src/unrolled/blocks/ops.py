"""What blocks are written in. Each world has these operations on its own arrays: ops/numpy.py, ops/torch.py.

Sequences are time-major in numpy, (T, B, …), and batch-first in torch, (B, T, …), so that neither world
copies; no block looks at these two dimensions, and what does is an operation. What training alone needs,
dropout and noise, is the identity elsewhere.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

Array = Any  # numpy's or torch's
State = dict[str, Array]
Carried = Mapping[str, Array] | None  # None: the state before the first step


class Memory(NamedTuple):
    """What attention reads, a row for each sequence: keys (B, T, D), values (B, T, M), lengths (B,)."""

    keys: Array
    values: Array
    lengths: Array


class Ops(Protocol):
    """p is what the world made of the leaf that is computed."""

    def linear(self, p: Any, x: Array) -> Array:
        """x (…, I) -> x Wᵀ + b (…, O)."""

    def embedding(self, p: Any, index: Array) -> Array:
        """index (…) -> rows of the table (…, N)."""

    def unknown(self, index: Array, rate: float) -> Array:
        """index; in training 0, the number of what is unknown, with this chance each."""

    def rows(self, table: Array, index: Array) -> Array:
        """The same of a table (U, N) that was computed: index (…) -> (…, N)."""

    def tied(self, p: Any, bias: Any, x: Array) -> Array:
        """x (…, N) -> x Eᵀ + b (…, V) by the rows E of an embedding."""

    def recurrent(self, p: Any, x: Array, state: Carried, lengths: Array) -> tuple[Array, State]:
        """x -> y and the state after each row's last step. Past a row's length x is not read, y is zero."""

    def start(self, p: Any, rows: int) -> State:
        """The state of a recurrent leaf before the first step."""

    def pooling(
        self, kind: str, forward: int, y: Array, state: Carried, lengths: Array, scores: Array, last: bool
    ) -> tuple[Array, State]:
        """y and, of attention, a score for each step -> the vector that the steps so far become, of each step
        or (B, H) of the last alone; and what is carried. The first `forward` numbers of y read forward."""

    def pooling_start(self, kind: str, size: int, rows: int) -> State:
        """What pooling carries, before the first step."""

    def anchor(
        self, z: Array, relative: tuple[bool, ...], state: Carried, lengths: Array
    ) -> tuple[Array, State]:
        """z (…, K) -> a, one step that stands for all: the first step that there was of each row where
        `relative`, else 0. Carried as series.anchor, and where rows may begin one after the other with
        the number of steps, series.steps."""

    def anchor_start(self, p: Any, size: int, rows: int) -> State:
        """What that carries before the first step; p is of a linear leaf, whose numbers have its type."""

    def frame(
        self, z: Array, references: tuple[tuple[float, ...], ...], by_mean: bool
    ) -> tuple[Array, Array, Array]:
        """Windows z (N, L, K) -> the frame of each: mean and spread (N, K), and what these are beside those
        of training (N, K, 2). See blocks/direct.py."""

    def fixed(self, table: Any, number: Array, mean: Array, spread: Array) -> tuple[Array, Array]:
        """mean and spread (N, K) of frames, or those of the table (·, 2) for each row's number (N,), the last
        where there is none, the only one of None; a spread of 0 there is none."""

    def log_rate(self, b: Array, spread: Array, references: tuple[tuple[float, ...], ...]) -> Array:
        """b (N, K, S), spread (N, K) -> ln g(b) (N, K, S). See blocks/direct.py."""

    def log_odds(self, b: Array) -> Array:
        """ln g(b) - ln g(1 - b), likewise."""

    def log(self, x: Array) -> Array:
        """Of each number; no gradient goes through it."""

    def framed(self, raw: Array, mean: Array, spread: Array) -> Array:
        """raw (N, S, K, R), mean and spread (N, K) -> (N, S, K, R + 2)."""

    def by_number(self, maps: Any, x: Array, number: Array) -> Array:
        """x (N, …, I) -> (N, …, O), of each row by the linear leaf of its number (N,), or the last where
        there is none; no gradient reaches them."""

    def numbered(self, array: Array, number: Array) -> Array:
        """array (M,) -> (N,), for each row that of its number, or the last where there is none."""

    def of_number(self, p: Any, number: Array) -> Array:
        """number (N,) -> the rows of an embedding (N, E), the last where there is none."""

    def for_each(self, x: Array, times: int) -> Array:
        """x (N, …) -> (N times, …), copies of a row together."""

    def memory(self, p: Any, y: Array, lengths: Array) -> Memory:
        """What attention reads of a sequence y; lengths None: all of it."""

    def attention(self, p: Any, s: Array, memory: Memory, rows: Any) -> tuple[Array, Array]:
        """s -> what each step reads of the memory, and the weights (…, T). Sequence n reads row n of the
        memory, or without gradient row rows[n]."""

    def tanh(self, x: Array) -> Array: ...

    def relu(self, x: Array) -> Array: ...

    def side_by_side(self, x: Array, lengths: Array, k: int, width: int | None = None) -> Array:
        """Each k steps (…, I) become one (…, k I), with zeros for those behind a row's length. Of a `width`
        above k, (…, width I): those around them too, one more behind than before where it must be, and
        zeros where there are none."""

    def log_softmax(self, x: Array) -> Array:
        """Along the last dimension."""

    def concat(self, *arrays: Array) -> Array:
        """Along the last dimension."""

    def at_each_step(self, v: Array, x: Array) -> Array:
        """v (B, N) at every step of the sequence x."""

    def sequence(self, x: Array) -> Array:
        """x (B, T, …) as a sequence."""

    def by_rows(self, x: Array) -> Array:
        """The reverse."""

    def patches(self, x: Array) -> Array:
        """Pictures (B, H, W, C) -> (B, H, W, 9 C): around each pixel 3 × 3, rows, columns and channels in
        order, 0 outside."""

    def halved(self, x: Array) -> Array:
        """(B, H, W, C) -> (B, H // 2, W // 2, C), of four the largest."""

    def dropout(self, x: Array, rate: float) -> Array: ...

    def augmented(
        self, x: Array, lengths: Array, noise: float, time_mask: float, feature_mask: float
    ) -> Array:
        """Numbers changed at random (ops/augment.py)."""

    # Where one step's output is fed back, searches and writers stand between, on numpy's arrays (N, …).

    def selected(self, x: Array, rows: Any) -> Array:
        """Rows of x (B, …)."""

    def one_step(self, x: Any) -> Array:
        """numpy (N, …) -> a sequence of one step."""

    def of_one_step(self, x: Array) -> Any:
        """The reverse."""
