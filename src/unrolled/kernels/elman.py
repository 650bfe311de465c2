"""The Elman kernel as a torch operator: `unrolled::elman` and its gradient, `unrolled::elman_backward`.

    h_t = f(W x_t + b_ih + U h_{t-1} + b_hh)      f one of tanh, relu, sigmoid

Shapes   x (T, B, I), h0 (B, H) -> y (T, B, H), h_last (B, H); W (H, I), U (H, H), b (H,); lengths (B,)
Order    every element of y is one chain of fused multiply-adds, in one order (README.md beside this file)

The operators pass torch.compile, torch.export, vmap and torch.func. The first derivative is the kernel's;
second ones and higher are those of the reference's gradient (cells/), and cost what the reference costs.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vjp

from unrolled.cells import Call, Elman, unroll
from unrolled.kernels.transforms import Dims, joined, one_by_one, refuse_tangents, transformable

try:
    from unrolled.kernels import _cpu
except ImportError as error:
    MISSING: str | None = (
        f"the compiled kernels are missing ({error}); reinstall unrolled with a C++ compiler"
    )
else:
    MISSING = None

NONLINEARITIES = ("tanh", "relu", "sigmoid")
DTYPES = {torch.float32: "float32", torch.float64: "float64"}


def supports(device: torch.device | str, dtype: torch.dtype, nonlinearity: str) -> str | None:
    """Why the kernel cannot run such a call, in words; None where it can."""
    if MISSING is not None:
        return MISSING
    if torch.device(device).type != "cpu":
        return f"the Elman kernel runs on the cpu, not on {device}"
    if dtype not in DTYPES:
        return f"the Elman kernel computes in {' and '.join(DTYPES.values())}, not in {dtype}"
    if nonlinearity not in NONLINEARITIES:
        return f"the Elman kernel knows {', '.join(NONLINEARITIES)}, not {nonlinearity!r}"
    return None


def elman(
    x: Tensor,
    h0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    *,
    lengths: Tensor | None = None,
    nonlinearity: str = "tanh",
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """x (T, B, I), h0 (B, H) -> y (T, B, H), h_last (B, H); lengths int64 (B,) on the CPU, each 0 to T.

    Past a row's length x is not read and y is zero; h_last is the state after its last valid step, h0 where
    there is none. `reverse` runs each row from its last valid step back to step 0. ValueError for shapes,
    dtypes, devices or lengths that do not fit, NotImplementedError for forward-mode derivatives.
    """
    _require(x, nonlinearity)
    refuse_tangents(x, h0, weight_ih, weight_hh, bias_ih, bias_hh)
    y, h_last = _elman(x, h0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, nonlinearity, reverse)
    return y, h_last


def _require(x: Tensor, nonlinearity: str) -> None:
    reason = supports(x.device, x.dtype, nonlinearity)
    if reason is not None:
        raise ValueError(reason)


Sizes = tuple[int, int, int, int]  # T, B, I, H


class Inputs(NamedTuple):
    """The tensors of a call, in the operators' order."""

    x: Tensor
    h0: Tensor
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None
    lengths: Tensor | None

    def sizes(self) -> Sizes:
        """ValueError where shapes, dtypes or devices disagree."""
        if self.x.dim() != 3 or self.h0.dim() != 2:
            shapes = f"{tuple(self.x.shape)} and {tuple(self.h0.shape)}"
            raise ValueError(f"wanted x (T, B, I) and h0 (B, H), got {shapes}")
        T, B, I = self.x.shape
        H = self.h0.shape[1]
        wanted = ((B, H), (H, I), (H, H), (H,), (H,))
        for name, tensor, shape in zip(self._fields[1:6], self[1:6], wanted, strict=True):
            self.check(name, tensor, shape)
        if self.lengths is not None:
            _check_lengths(self.lengths, B)
        return T, B, I, H

    def check(self, name: str, tensor: Tensor | None, shape: tuple[int, ...]) -> None:
        """ValueError where a tensor that goes with these has another shape, dtype or device."""
        if tensor is None:
            return
        if tensor.shape != shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}; x and h0 want {shape}")
        if tensor.dtype != self.x.dtype or tensor.device != self.x.device:
            raise ValueError(
                f"{name} is {tensor.dtype} on {tensor.device}; x is {self.x.dtype} on {self.x.device}"
            )


def _check_lengths(lengths: Tensor, B: int) -> None:
    if lengths.shape != (B,):
        raise ValueError(f"lengths is {tuple(lengths.shape)}; wanted {(B,)}, one for each row of x")
    if lengths.dtype != torch.int64 or lengths.device.type != "cpu":
        raise ValueError(f"lengths is {lengths.dtype} on {lengths.device}; wanted int64 on the cpu")


def _rows(tensor: Tensor) -> Tensor:
    """The tensor, copied where neighbours in its last dimension are not neighbours in memory."""
    return tensor if tensor.stride(-1) == 1 or tensor.shape[-1] < 2 else tensor.contiguous()


def _place(tensor: Tensor | None) -> tuple[int, ...]:
    """What the kernel takes for a tensor: its address, then the strides of all dimensions but the last."""
    return (0,) if tensor is None else (tensor.data_ptr(), *tensor.stride()[:-1])


def _run(
    direction: str, inputs: Inputs, sizes: Sizes, options: tuple[str, bool], tensors: Iterable[Tensor | None]
) -> None:
    """One call of the compiled kernel; `tensors` in the order of its signature."""
    _require(inputs.x, options[0])
    laid_out = [None if t is None else _rows(t) for t in tensors]  # alive until the call returns
    kernel = getattr(_cpu, f"elman_{direction}_{DTYPES[inputs.x.dtype]}")
    kernel(*options, torch.get_num_threads(), sizes, *map(_place, laid_out))


def _forward_outputs(inputs: Inputs, sizes: Sizes) -> tuple[Tensor, Tensor]:
    T, B, _, H = sizes
    return inputs.x.new_empty(T, B, H), inputs.x.new_empty(B, H)


def _backward_outputs(inputs: Inputs, sizes: Sizes, wants_x: bool, wants_weights: bool) -> tuple[Tensor, ...]:
    """dx, dh0, d_weight_ih, d_weight_hh, d_bias, uninitialised; of no size where not wanted."""
    T, B, I, H = sizes
    shapes = ((T, B, I), (B, H), (H, I), (H, H), (H,))
    wanted = (wants_x, True, wants_weights, wants_weights, wants_weights)
    sized = (shape if want else (0,) * len(shape) for shape, want in zip(shapes, wanted, strict=True))
    return tuple(map(inputs.x.new_empty, sized))


# Arguments as in the schemas below. The `fake` twins give shapes alone, for compile and export.


def _forward(*arguments: Any) -> tuple[Tensor, Tensor]:
    *tensors, nonlinearity, reverse = arguments
    inputs = Inputs(*tensors)
    sizes = inputs.sizes()
    y, h_last = _forward_outputs(inputs, sizes)
    _run("forward", inputs, sizes, (nonlinearity, reverse), (*inputs, y, h_last))
    return y, h_last


def _forward_fake(*arguments: Any) -> tuple[Tensor, Tensor]:
    inputs = Inputs(*arguments[:-2])
    return _forward_outputs(inputs, inputs.sizes())


def _backward(*arguments: Any) -> tuple[Tensor, ...]:
    *tensors, y, dy, dh_last, nonlinearity, reverse, wants_x, wants_weights = arguments
    inputs = Inputs(*tensors)
    T, B, _, H = sizes = inputs.sizes()
    for name, tensor, shape in (("y", y, (T, B, H)), ("dy", dy, (T, B, H)), ("dh_last", dh_last, (B, H))):
        inputs.check(name, tensor, shape)
    gradients = _backward_outputs(inputs, sizes, wants_x, wants_weights)
    read = (*inputs[:4], inputs.lengths, y, dy, dh_last)
    _run("backward", inputs, sizes, (nonlinearity, reverse), (*read, *gradients))
    return gradients


def _backward_fake(*arguments: Any) -> tuple[Tensor, ...]:
    inputs = Inputs(*arguments[:7])
    return _backward_outputs(inputs, inputs.sizes(), *arguments[-2:])


# Derivatives.


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.nonlinearity, ctx.reverse = inputs
    ctx.save_for_backward(*tensors, output[0])
    ctx.set_materialize_grads(False)


def _derive(ctx: Any, dy: Tensor | None, dh_last: Tensor | None) -> tuple[Tensor | None, ...]:
    *tensors, y = ctx.saved_tensors
    T, B, H = y.shape
    dy = y.new_zeros(H).expand(T, B, H) if dy is None else dy
    dh_last = y.new_zeros(B, H) if dh_last is None else dh_last
    needs = ctx.needs_input_grad
    dx, dh0, d_ih, d_hh, d_bias = _elman_backward(
        *tensors, y, dy, dh_last, ctx.nonlinearity, ctx.reverse, needs[0], any(needs[2:6])
    )
    gradients = (dx, dh0, d_ih, d_hh, d_bias, d_bias)
    return (*(g if need else None for g, need in zip(gradients, needs[:6], strict=True)), None, None, None)


def _save_again(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, ctx.nonlinearity, ctx.reverse, wants_x, wants_weights = inputs
    ctx.save_for_backward(*tensors)
    ctx.wanted = (wants_x, True, wants_weights, wants_weights, wants_weights)


def _derive_again(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
    """y is taken for what it is, a function of the inputs: it gets no gradient of its own."""
    x, h0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, y, dy, dh_last = ctx.saved_tensors
    biases = [b for b in (bias_ih, bias_hh) if b is not None]
    bias = torch.stack(biases).sum(0) if biases else y.new_zeros(y.shape[2])

    def reference(*p: Tensor) -> tuple[Tensor, Tensor]:
        parameters = dict(zip(("weight_ih", "weight_hh", "bias_ih"), p[2:], strict=True))
        result = unroll(
            Call(Elman(ctx.nonlinearity), p[0], (p[1],), parameters, lengths, reverse=ctx.reverse)
        )
        return result.y, result.last[0]

    def wanted(gradients: Iterable[Tensor]) -> tuple[Tensor, ...]:
        return tuple(g for g, want in zip(gradients, ctx.wanted, strict=True) if want)

    def gradient(dy: Tensor, dh_last: Tensor, *p: Tensor) -> tuple[Tensor, ...]:
        return wanted(vjp(reference, *p)[1]((dy, dh_last)))

    with torch.autocast(y.device.type, enabled=False):  # as the first derivative, in the weights' dtype
        pull = vjp(gradient, dy, dh_last, x, h0, weight_ih, weight_hh, bias)[1]
        d_dy, d_dh_last, dx, dh0, d_ih, d_hh, d_bias = pull(wanted(cotangents))
    d_biases = (None if b is None else d_bias for b in (bias_ih, bias_hh))
    return dx, dh0, d_ih, d_hh, *d_biases, None, None, d_dy, d_dh_last, None, None, None, None


def _fold(info: Any, dims: Dims, *arguments: Any) -> Any:
    """vmap: the mapped dimension joins the batch where the weights are shared."""
    if any(d is not None for d in dims[2:6]):
        return one_by_one(_elman)(info, dims, *arguments)
    x, h0, *shared, lengths, nonlinearity, reverse = arguments
    N = info.batch_size
    x = joined(x, dims[0], N, 1)
    h0 = joined(h0, dims[1], N, 0)
    lengths = None if lengths is None else joined(lengths, dims[6], N, 0)
    y, h_last = _elman(x, h0, *shared, lengths, nonlinearity, reverse)
    return (y.unflatten(1, (N, -1)), h_last.unflatten(0, (N, -1))), (1, 0)


_LIBRARY: Any = torch.library.Library("unrolled", "FRAGMENT")  # type: ignore[no-untyped-call]
_LIBRARY.define(
    "elman(Tensor x, Tensor h0, Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih, Tensor? bias_hh, "
    "Tensor? lengths, str nonlinearity, bool reverse) -> (Tensor y, Tensor h_last)"
)
_LIBRARY.define(
    "elman_backward(Tensor x, Tensor h0, Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih, "
    "Tensor? bias_hh, Tensor? lengths, Tensor y, Tensor dy, Tensor dh_last, str nonlinearity, "
    "bool reverse, bool wants_x, bool wants_weights) "
    "-> (Tensor dx, Tensor dh0, Tensor d_weight_ih, Tensor d_weight_hh, Tensor d_bias)"
)
_LIBRARY.impl("elman", _forward, "CPU")
_LIBRARY.impl("elman_backward", _backward, "CPU")
torch.library.register_fake("unrolled::elman", _forward_fake, lib=_LIBRARY)
torch.library.register_fake("unrolled::elman_backward", _backward_fake, lib=_LIBRARY)
_elman = transformable(_LIBRARY, "elman", save=_save, derive=_derive, vmap=_fold)
_elman_backward = transformable(_LIBRARY, "elman_backward", save=_save_again, derive=_derive_again)
