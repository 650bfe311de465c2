"""What the kernels of heads take and give, once for torch and numpy.

The names are those of the compiled module (_cpu.pyi), which checks shapes and dtypes. The gradient of a
kernel `name` is `name_backward`: from the gradients of outputs and what was kept of the call it makes those
of the inputs, each called d and the name of what it is of.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

INTEGERS = frozenset({"index", "lengths", "path", "rows"})  # int64; they have no gradient
DOUBLES = frozenset({"after"})  # float64, where all else is of one dtype, float32 or float64

Mold = Any  # a shape, or an array that has it


class Head(NamedTuple):
    """A kernel and its gradient."""

    name: str
    inputs: tuple[str, ...]  # in order, floats first; some of them may be absent
    outputs: Callable[..., dict[str, Mold]]  # from the inputs by name; those that have a gradient first
    kept: tuple[str, ...]  # of inputs and outputs what the gradient is made from
    derived: tuple[str, ...] = ("y",)  # the outputs that have a gradient
    unkept: Callable[..., Mold] | None = None  # of what is kept: a mold of the one input that is not
    always: tuple[str, ...] = ()  # inputs whose gradient is made, wanted or not
    strided: tuple[str, ...] = ()  # what is read with any strides of all dimensions but the last
    setting: str = ""  # the argument that is no array
    read: Callable[[str], Any] = str  # the setting from text
    of_gradient: bool = False  # the gradient alone takes the setting
    rows: str = ""  # the input whose first dimension other rows may join, as those of y then do


def _like_x(x: Any, **_: Any) -> dict[str, Mold]:
    return {"y": x}


def _crf_outputs(x: Any, path: Any = None, **_: Any) -> dict[str, Mold]:
    B, T, K = x.shape
    score: dict[str, Mold] = {} if path is None else {"score": (B,)}
    return {"log_z": (B,), **score, "tape": (B, T, 2 * K)}


LINEAR = Head(
    "linear",
    ("x", "weight", "bias"),
    lambda x, weight, **_: {"y": (*x.shape[:-1], weight.shape[0])},
    kept=("x", "weight"),
    unkept=lambda weight, **_: weight.shape[:1],
    strided=("weight",),
    rows="x",
)
SOFTMAX = Head("softmax", ("x",), _like_x, kept=("y",), unkept=lambda y, **_: y, rows="x")
LOG_SOFTMAX = SOFTMAX._replace(name="log_softmax")
LAYER_NORM = Head(
    "layer_norm",
    ("x", "gain", "shift"),
    _like_x,
    kept=("x", "gain"),
    unkept=lambda x, **_: x.shape[-1:],
    always=("x",),
    setting="epsilon",
    read=float.fromhex,
    rows="x",
)
EMBEDDING = Head(
    "embedding",
    ("table", "index"),
    lambda table, index: {"y": (*index.shape, table.shape[-1])},
    kept=("table", "index"),
    strided=("table",),
    setting="padding",
    read=int,
    of_gradient=True,
    rows="index",
)
POOLING = Head(
    "pooling",
    ("y", "scores", "lengths"),
    lambda y, **_: {"last": (len(y), y.shape[-1]), "after": (len(y), 2 + y.shape[-1])},
    kept=("after", "y", "scores", "lengths"),
    derived=("last",),
    always=("y", "scores"),
    strided=("y", "scores"),
    setting="kind",
)
ATTENTION = Head(
    "attention",
    ("q", "k", "v", "u", "lengths", "rows"),
    lambda q, k, v, **_: {"c": (*q.shape[:-1], v.shape[-1]), "w": (*q.shape[:-1], k.shape[-2])},
    kept=("w", "q", "k", "v", "u", "lengths"),
    derived=("c",),
    always=("q", "k", "v", "u"),
    strided=("q", "k", "v", "dc"),
    setting="kind",
)
CRF = Head(
    "crf",
    ("x", "transitions", "start", "end", "lengths", "path"),
    _crf_outputs,
    kept=("tape", "x", "transitions", "start", "end", "lengths", "path"),
    derived=("log_z", "score"),
    always=("x",),
)
VITERBI = Head("viterbi", CRF.inputs[:5], lambda x, **_: {"path": x.shape[:2]}, kept=(), derived=())
