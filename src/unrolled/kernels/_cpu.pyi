"""The compiled kernels.

Tensors are given as places: the address, then the strides, in elements, of all dimensions but the last, whose
neighbours are adjacent; `(0,)` is no tensor. Only names, lengths and the number of integers are checked; the
caller (unrolled.kernels.elman) answers for shapes and types. Memory must stay as it is until the call ends;
the interpreter's lock is released meanwhile. cpu/contract.h states what is read and written.
"""

Sizes = tuple[int, int, int, int]
"""T, B, I, H."""

Place = tuple[int, ...]

def isas() -> list[str]:
    """The instruction sets that this machine can run, best first: avx512, avx2, portable."""

def isa() -> str:
    """The one in use: the best, or what UNROLLED_ISA named at the first call.

    ValueError where that variable names one that does not run here.
    """

def use_isa(name: str, /) -> None:
    """From now on, in the whole process, `name`. ValueError where it does not run here."""

def elman_forward_float32(
    nonlinearity: str,
    reverse: bool,
    threads: int,
    sizes: Sizes,
    x: Place,
    h0: Place,
    weight_ih: Place,
    weight_hh: Place,
    bias_ih: Place,
    bias_hh: Place,
    lengths: Place,
    y: Place,
    h_last: Place,
    /,
) -> None:
    """x (T, B, I), h0 (B, H), weight_ih (H, I), weight_hh (H, H), biases (H,) -> y (T, B, H), h_last (B, H).

    lengths (B,) int64. ValueError for a length outside 0 to T or an unknown nonlinearity.
    """

def elman_backward_float32(
    nonlinearity: str,
    reverse: bool,
    threads: int,
    sizes: Sizes,
    x: Place,
    h0: Place,
    weight_ih: Place,
    weight_hh: Place,
    lengths: Place,
    y: Place,
    dy: Place,
    dh_last: Place,
    dx: Place,
    dh0: Place,
    d_weight_ih: Place,
    d_weight_hh: Place,
    d_bias: Place,
    /,
) -> None:
    """The gradients of such a call. Address 0 in dx, or in the weights' three, says that it is not wanted."""

def map_float32(function: str, count: int, source: int, to: int, /) -> None:
    """to[i] = f(source[i]) for two addresses; f is exp, tanh or sigmoid, the very ones that the cells use."""

elman_forward_float64 = elman_forward_float32
elman_backward_float64 = elman_backward_float32
map_float64 = map_float32
