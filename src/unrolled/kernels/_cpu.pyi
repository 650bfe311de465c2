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
    def ordered(self, names: Sequence[str], every: int = 0) -> Ordered:
        """For calls whose arrays come in one list: names[k] is what the k-th is called below. Those of a name
        stand together. ValueError for a name that is none, or stands twice where one array is wanted."""
    def trace_width(self, every: int) -> int:
        """W: a trace is (T, B, W), or with every = k > 0 (⌈T / k⌉, B, W)."""
    def forward(self, *, threads: int, every: int = 0, **arrays: Array | Arrays | None) -> None:
        """x (T, B, I) -> y (T, B, F), and what else is wanted. By these names one array, or None:

        x, y
        lengths       (B,) int64; None: all T
        batch_sizes   (T,) int64, where x is packed as in torch's PackedSequence: x (N, I), y (N, F), likewise
                      every_c, dy, dx and d_every_c; masks and the trace have T and B all the same
        trace         what `backward` needs; with every = k > 0 it holds every k-th state alone

        By these a sequence of arrays, which may be left out:

        weights       of every place, as its cell's `shapes` says
        h0, c0        the states before: arrays (n, B, P or H), whose n count the places in order; none: zeros
        h, c          the states after each row's last step, likewise; none: not wanted
        recurrent     what h is multiplied by on its way into the products, (T, B, P) for each place, or none
        zoneout_h, _c the share of each old state that stays, (T, B, P or H) for each place, or none
        every_c       c after every step, (T, B, H) for each place, or none

        A single step may come without its dimension T, a single state without n. Masks, every_c and every are
        for one layer. What is only read may lie anyhow in memory; what is written has its last dimension in
        one piece. ValueError for another name, where an array does not fit, or a length is outside 0 to T.
        """
    def backward(self, *, threads: int, every: int = 0, **arrays: Array | Arrays | None) -> None:
        """The gradients of the same call: dy, dh, dc and d_every_c, where they are given, -> dx, dh0, dc0 and
        d_weights, where they are wanted. Without a trace the call runs forward once more."""

class Ordered:
    """Calls of a recurrence in an order that was said once. They refuse what its own refuse."""

    def forward(self, arrays: list[Any], threads: int, /) -> None: ...
    def backward(self, arrays: list[Any], threads: int, /) -> None: ...

class CtcSearch:
    """One row's prefix beam search; made by `ctc_search`."""

    def best(self, most: int, /) -> list[tuple[list[int], float, float, float]]:
        """labels, score, log p and log p of the n-grams of the best answers."""

def ctc_search(
    labels: int,
    blank: int,
    beam: int,
    lm_weight: float,
    label_bonus: float,
    least: float,
    start: int,
    grams: dict[str, NDArray[Any]] | None,
    lexicon: dict[str, NDArray[Any]] | None,
) -> CtcSearch:
    """K labels, which is the blank, prefixes to keep; weights of the n-grams and of each label, and the least
    log-probability; a context of the n-grams. The arrays by name, of decoding/ngram_model.py and of
    decoding/lexicon.py, are read during the search, not copied."""

def ctc_add(searches: list[CtcSearch], log_p: list[NDArray[Any]], *, threads: int) -> None:
    """The next frames of each search, no search twice: float64 (frames, K) without NaN or +∞."""

def ctc_align(log_p: Array, labels: Array, blank: int, spans: Array) -> None:
    """log_p (T, K) float64, labels (L,) int64, which T frames can say and which are one or more -> spans
    (L, 2) int64, all -1 where no alignment has a probability."""

def fingerprint(array: Tensor | NDArray[Any]) -> tuple[int, int]:
    """Of float32 or float64 (N,) or (M, N): another where the numbers are others. A single changed number
    always changes the first; the chance that any other change is missed is about 2^-64, over keys that are
    drawn in each process."""

def readable(tensors: list[Tensor]) -> bool:
    """Whether a kernel may read these as they are: on the cpu, of no subclass, no batch, no lazy
    minus or zero."""

def use_openmp(parallel: int, team_size: int, member: int) -> None:
    """Runs on the process's OpenMP from now on: addresses of GOMP_parallel, omp_get_num_threads and
    omp_get_thread_num in it."""

def isas() -> list[str]:
    """Names of the instruction sets that this machine can run, best first."""

def isa() -> str:
    """The one in use: the best, or what the variable UNROLLED_ISA or use_isa names."""

def use_isa(name: str) -> None:
    """ValueError where it cannot run here."""

# What heads use (cpu/heads.h), by the names of kernels/heads.py. Arrays are torch tensors or numpy's, all
# float32 or all float64 unless said otherwise; None, or left out, where one is absent or not wanted. Those
# written to, and all without a word here, have no gaps; of x (..., N) the last dimension alone is told. A
# gradient takes those of the outputs, and what was kept, and gives those of the inputs, each called d and its
# name. ValueError by name for a misfit, TypeError for an unknown name.

Given = Array | None

class LinearWeight:
    """A weight, packed when a second call finds the same numbers, or one of many rows; kept until its numbers
    are others. A frozen one is looked at once and then taken for unchanged, as long as it is the same memory.
    """

    frozen: bool
    def __init__(self) -> None: ...
    def forward(
        self, x: Given = None, weight: Given = None, bias: Given = None, y: Given = None, *, threads: int
    ) -> None:
        """As `linear`."""

def map(function: str, x: Given = None, y: Given = None) -> None:
    """y = f(x), of each number: exp, log, tanh or sigmoid."""

def logaddexp(a: Given = None, b: Given = None, y: Given = None) -> None:
    """y = ln(e^a + e^b), of each number."""

def logsumexp(x: Given = None, y: Given = None, *, threads: int) -> None:
    """x (..., N) -> y (..., 1)."""

def linear(*, threads: int, **arrays: Given) -> None:
    """x (..., I), weight (O, I) with any stride of its rows, bias (O,) -> y (..., O) = x Wᵀ + bias."""

def linear_backward(*, threads: int, **arrays: Given) -> None:
    """dx = dy W, d_weight = dyᵀ x, d_bias = dyᵀ 1."""

def softmax(*, threads: int, **arrays: Given) -> None:
    """x -> y, along the last dimension; likewise log_softmax."""

def softmax_backward(*, threads: int, **arrays: Given) -> None: ...
def log_softmax(*, threads: int, **arrays: Given) -> None: ...
def log_softmax_backward(*, threads: int, **arrays: Given) -> None: ...
def layer_norm(*, epsilon: float, threads: int, **arrays: Given) -> None:
    """x, gain and shift (N,) -> y, along the last dimension."""

def layer_norm_backward(*, epsilon: float, threads: int, **arrays: Given) -> None: ...
def embedding(*, threads: int, **arrays: Given) -> None:
    """index (...) int64, table (V, N) -> y (..., N). IndexError outside the table."""

def embedding_backward(*, padding: int, threads: int, **arrays: Given) -> None:
    """d_table[v] = Σ dy[r] over index[r] = v; 0 for `padding`, which is -1 where there is none. Of the table
    the shape alone is read."""

def crf(*, threads: int, **arrays: Given) -> None:
    """x (B, T, K), transitions (K, K), start and end (K,), lengths (B,) and path (B, T) int64 -> log_z (B,),
    score (B,) of the path, tape (B, T, 2 K). ValueError for a length outside 0 to T, IndexError for a tag
    outside the K."""

def crf_backward(*, threads: int, **arrays: Given) -> None: ...
def viterbi(*, threads: int, **arrays: Given) -> None:
    """As `crf` -> path (B, T) int64, 0 past a row's length."""

def pooling(kind: str, *, threads: int, **arrays: Given) -> None:
    """kind mean, max or attention, which has scores; y (B, T, H), scores (B, T) and every (B, T, H) with any
    strides of B and T; lengths (B,) int64, None: all T; before and after (B, 2 + H) float64, None where
    nothing came before; last (B, H)."""

def pooling_backward(kind: str, *, threads: int, **arrays: Given) -> None: ...
def attention(kind: str, *, threads: int, **arrays: Given) -> None:
    """kind dot, or additive, which has u (D,); q (N, S, D), k (B, T, D) and v (B, T, H) with any strides of
    their first two dimensions; lengths (B,) and rows (N,) int64, None: N is B -> c (N, S, H), w (N, S, T).
    ValueError for a length outside 0 to T, or rows outside the B."""

def attention_backward(kind: str, *, threads: int, **arrays: Given) -> None: ...
