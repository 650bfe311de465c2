"""The compiled kernels. Recurrence takes arrays and checks them. All others take addresses in the caller's
memory, 0 for an absent one, and check no shape: ADDRESS of a contiguous array, or, as a sequence (T, B, N),
its address and its strides of time and row in elements. Sizes and laws: cpu/contract.h.
"""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

Array = Tensor | NDArray[Any]
Arrays = Sequence[Array]

class Recurrence:
    """Layers of one cell on top of one another, in one direction or both, and their packed weights.

    cell       a cell's `kernel`: lstm.coupled.peephole
    dtype      float32 or float64: of all arrays but lengths
    block      K: so many units are a memory block
    names      of a place's parameters, in the order in which `weights` brings them
    sizes      (I, H, P) of each place; P is the size of h, which is H unless projected
    reverse    of each direction of a layer

    A place is one direction of one layer; places stand layer by layer, direction by direction. A layer reads
    what all directions of the one below give, F numbers a step, side by side.

    Each call looks at the weights anew, so it never computes from old ones, however they were written. What
    is packed is kept while every number is as it was. Calls may come from several threads.
    """

    frozen: bool
    """The caller promises that the weights do not change: they are looked at once and no more."""

    def __init__(
        self,
        cell: str,
        dtype: str,
        block: int,
        names: Sequence[str],
        sizes: Sequence[tuple[int, int, int]],
        reverse: Sequence[bool],
    ) -> None: ...
    def trace_width(self, every: int) -> int:
        """W: a trace is (T, B, W), or with every = k > 0 (⌈T / k⌉, B, W)."""
    def forward(
        self,
        weights: Arrays,
        x: Array,
        y: Array,
        *,
        threads: int,
        lengths: Array | None = None,
        h0: Arrays = (),
        c0: Arrays = (),
        recurrent: Arrays = (),
        zoneout_h: Arrays = (),
        zoneout_c: Arrays = (),
        every: int = 0,
        h: Arrays = (),
        c: Arrays = (),
        every_c: Arrays = (),
        trace: Array | None = None,
    ) -> None:
        """x (T, B, I) -> y (T, B, F), and what else is wanted.

        weights       of every place, as its cell's `shapes` says
        lengths       (B,) int64; None: all T
        h0, c0        the states before: arrays (n, B, P or H), whose n count the places in order; none: zeros
        h, c          the states after each row's last step, likewise; none: not wanted
        recurrent     what h is multiplied by on its way into the products, (T, B, P) for each place, or none
        zoneout_h, _c the share of each old state that stays, (T, B, P or H) for each place, or none
        every_c       c after every step, (T, B, H) for each place, or none
        trace         what `backward` needs; with every = k > 0 it holds every k-th state alone

        A single step may come without its dimension T, a single state without n. Masks, every_c and every are
        for one layer. What is only read may lie anyhow in memory; what is written has its last dimension in
        one piece. ValueError where an array does not fit, or a length is outside 0 to T.
        """
    def backward(
        self,
        weights: Arrays,
        x: Array,
        y: Array,
        *,
        threads: int,
        lengths: Array | None = None,
        h0: Arrays = (),
        c0: Arrays = (),
        recurrent: Arrays = (),
        zoneout_h: Arrays = (),
        zoneout_c: Arrays = (),
        every: int = 0,
        trace: Array | None = None,
        dy: Array | None = None,
        dh: Arrays = (),
        dc: Arrays = (),
        d_every_c: Arrays = (),
        dx: Array | None = None,
        dh0: Arrays = (),
        dc0: Arrays = (),
        d_weights: Arrays = (),
    ) -> None:
        """The gradients of the same call: dy, dh, dc and d_every_c, where they are given, -> dx, dh0, dc0 and
        d_weights, where they are wanted. Without a trace the call runs forward once more."""

class CtcSearch:
    """One row's prefix beam search; made by `ctc_search`."""

    def best(self, most: int, /) -> list[tuple[list[int], float, float, float]]:
        """labels, score, log p and log p of the n-grams of the best answers."""

def ctc_search(
    sizes: tuple[int, int, int],
    weights: tuple[float, float, float],
    start: int,
    grams: tuple[int, ...],
    lexicon: tuple[int, ...],
    /,
) -> CtcSearch:
    """sizes: K labels, which is the blank, the beam; weights: of the n-grams, of each label, and the least
    log-probability; start: a context of the n-grams; ADDRESS of the arrays of runtime/grams.py and of
    runtime/lexicon.py in their order, all 0 for none, which must stay good as long as the search is used."""

def ctc_add(threads: int, searches: list[CtcSearch], log_p: list[int], frames: list[int], /) -> None:
    """The next frames of each search, no search twice: ADDRESS of float64 (frames, K) without NaN or +∞."""

def ctc_align(sizes: tuple[int, int, int], log_p: int, count: int, labels: int, spans: int, /) -> None:
    """sizes (T, K, blank), log_p (T, K) float64, labels (count,) int64, which T frames can say and which are
    one or more -> spans (count, 2) int64, all -1 where no alignment has a probability."""

def address(array: NDArray[Any], /) -> int:
    """Where its numbers begin. BufferError for one that is not contiguous."""

def fingerprint(array: Tensor | NDArray[Any]) -> tuple[int, int]:
    """Of float32 or float64 (N,) or (M, N): another where the numbers are others. A single changed number
    always changes the first; the chance that any other change is missed is about 2^-64, over keys that are
    drawn in each process."""

def use_openmp(parallel: int, team_size: int, member: int) -> None:
    """Runs on the process's OpenMP from now on: addresses of GOMP_parallel, omp_get_num_threads and
    omp_get_thread_num in it."""

def isas() -> list[str]:
    """Names of the instruction sets that this machine can run, best first."""

def isa() -> str:
    """The one in use: the best, or what the variable UNROLLED_ISA or use_isa names."""

def use_isa(name: str) -> None:
    """ValueError where it cannot run here."""

def map_float32(function: str, count: int, source: int, target: int) -> None:
    """target[i] = f(source[i]); exp, log, tanh or sigmoid."""

def map_float64(function: str, count: int, source: int, target: int) -> None:
    """As map_float32."""

def logaddexp_float32(count: int, a: int, b: int, target: int) -> None:
    """target[i] = ln(e^a[i] + e^b[i])."""

def logaddexp_float64(count: int, a: int, b: int, target: int) -> None:
    """As logaddexp_float32."""

# What heads use (cpu/heads.h): R rows, N columns, a matrix as (address, stride of a row in elements), 0 or
# (0, 0) for one that is absent or not wanted. Each has a twin that ends in float64.

Matrix = tuple[int, int]

def probe(source: int, size: int, /) -> int:
    """Nearly always another number where the memory is another: `size` bytes, 64 words of more than 4 KiB."""

def packed_size_float32(inputs: int, outputs: int, /) -> int:
    """Numbers that a packed weight takes, for the instruction set in use."""

def pack_float32(threads: int, inputs: int, outputs: int, weight: Matrix, packed: int, /) -> None:
    """weight (O, I) for `linear`, of the same instruction set."""

def linear_float32(
    threads: int, rows: int, inputs: int, outputs: int, x: Matrix, packed: int, bias: int, y: Matrix, /
) -> None:
    """y (R, O) = x (R, I) Wᵀ + bias (O,)."""

def linear_backward_float32(
    threads: int,
    rows: int,
    inputs: int,
    outputs: int,
    weight: Matrix,
    x: Matrix,
    dy: Matrix,
    dx: Matrix,
    d_weight: Matrix,
    d_bias: int,
    /,
) -> None:
    """dx = dy W, d_weight = dyᵀ x, d_bias = dyᵀ 1."""

def softmax_float32(threads: int, rows: int, columns: int, x: Matrix, y: Matrix, /) -> None:
    """Along each row."""

def softmax_backward_float32(
    threads: int, rows: int, columns: int, dy: Matrix, y: Matrix, dx: Matrix, /
) -> None: ...
def layer_norm_float32(
    threads: int, rows: int, columns: int, epsilon: float, gain: int, shift: int, x: Matrix, y: Matrix, /
) -> None:
    """Along each row; gain and shift (N,)."""

def layer_norm_backward_float32(
    threads: int,
    rows: int,
    columns: int,
    epsilon: float,
    gain: int,
    x: Matrix,
    dy: Matrix,
    dx: Matrix,
    d_gain: int,
    d_shift: int,
    /,
) -> None: ...
def embedding_float32(
    threads: int, rows: int, columns: int, table_rows: int, index: int, table: Matrix, y: Matrix, /
) -> None:
    """y[r] = table[index[r]], index int64 (R,). IndexError outside the table."""

def embedding_backward_float32(
    threads: int,
    rows: int,
    columns: int,
    table_rows: int,
    padding: int,
    index: int,
    dy: Matrix,
    d_table: Matrix,
    /,
) -> None:
    """d_table[v] = Σ dy[r] over index[r] = v; 0 for `padding`, which is -1 where there is none."""

def crf_float32(
    threads: int,
    sizes: tuple[int, int, int],
    lengths: int,
    path: int,
    x: int,
    scores: tuple[int, int, int],
    log_z: int,
    score: int,
    tape: int,
    /,
) -> None:
    """sizes (B, T, K); lengths (B,) and path (B, T) int64, path 0 for none; scores are the transitions
    (K, K), start (K,) and end (K,). Out: log_z (B,), score (B,) of the path, tape (B, T, 2 K). ValueError
    for a length outside 0 to T, IndexError for a tag outside the K."""

def crf_backward_float32(
    threads: int,
    sizes: tuple[int, int, int],
    lengths: int,
    path: int,
    x: int,
    scores: tuple[int, int, int],
    tape: int,
    d_log_z: int,
    d_score: int,
    dx: int,
    d_scores: tuple[int, int, int],
    /,
) -> None:
    """dx (B, T, K) and, where wanted, the gradients of the scores."""

def viterbi_float32(
    threads: int,
    sizes: tuple[int, int, int],
    lengths: int,
    x: int,
    scores: tuple[int, int, int],
    path: int,
    /,
) -> None:
    """path (B, T) int64 out, 0 past a row's length."""

def pooling_float32(
    threads: int,
    kind: str,
    sizes: tuple[int, int, int],
    lengths: int,
    y: tuple[int, int, int],
    scores: tuple[int, int, int],
    before: int,
    after: int,
    last: Matrix,
    every: tuple[int, int, int],
    /,
) -> None:
    """kind mean, max or attention; sizes (T, B, H); lengths int64 (B,), or 0: all T; y (T, B, H), scores
    (T, B, 1) of attention and every (T, B, H) as sequences; before and after (B, 2 + H) float64, before 0
    where nothing came before; last (B, H). ValueError for a length outside 0 to T, or an unknown kind."""

def pooling_backward_float32(
    threads: int,
    kind: str,
    sizes: tuple[int, int, int],
    lengths: int,
    y: tuple[int, int, int],
    scores: tuple[int, int, int],
    after: int,
    d_last: Matrix,
    dy: tuple[int, int, int],
    d_scores: tuple[int, int, int],
    /,
) -> None:
    """dy (T, B, H) and, of attention, d_scores (T, B, 1)."""

def attention_float32(
    threads: int,
    kind: str,
    sizes: tuple[int, int, int, int, int, int],
    index: int,
    lengths: int,
    given: tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]],
    u: int,
    c: int,
    w: int,
    /,
) -> None:
    """kind dot or additive; sizes (N, S, B, T, D, H); index int64 (N,), or 0: N is B; lengths int64 (B,);
    given are q (S, N, D), k (T, B, D) and v (T, B, H) as sequences; u (D,) of additive. Out: c (N, S, H),
    w (N, S, T). ValueError for a length outside 0 to T, an index outside the B, or an unknown kind."""

def attention_backward_float32(
    threads: int,
    kind: str,
    sizes: tuple[int, int, int, int, int, int],
    lengths: int,
    given: tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]],
    u: int,
    w: int,
    dc: tuple[int, int, int],
    gradients: tuple[int, int, int, int],
    /,
) -> None:
    """dc (S, N, H) as a sequence; gradients out: dq (N, S, D), dk (B, T, D), dv (B, T, H), du (D,)."""

crf_float64 = crf_float32
crf_backward_float64 = crf_backward_float32
viterbi_float64 = viterbi_float32
pooling_float64 = pooling_float32
pooling_backward_float64 = pooling_backward_float32
attention_float64 = attention_float32
attention_backward_float64 = attention_backward_float32
log_softmax_float32 = softmax_float32
log_softmax_backward_float32 = softmax_backward_float32
logsumexp_float32 = softmax_float32  # target (R, 1)
packed_size_float64 = packed_size_float32
pack_float64 = pack_float32
linear_float64 = linear_float32
linear_backward_float64 = linear_backward_float32
softmax_float64 = softmax_float32
softmax_backward_float64 = softmax_backward_float32
log_softmax_float64 = softmax_float32
log_softmax_backward_float64 = softmax_backward_float32
logsumexp_float64 = softmax_float32
layer_norm_float64 = layer_norm_float32
layer_norm_backward_float64 = layer_norm_backward_float32
embedding_float64 = embedding_float32
embedding_backward_float64 = embedding_backward_float32
