"""The compiled module on tensors: what it is handed for the tensors of a call, and the tensors it fills.

Both directions of a layer write into one y. The `fake` twins give shapes alone, for compile and export.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.kernels import _cpu
from unrolled.kernels.torch.form import (
    Form,
    Inputs,
    Request,
    Side,
    Sizes,
    count,
    inputs_of,
    outputs_of,
    sizes_of,
)
from unrolled.kernels.torch.packed import Packed, pack, rows, tape_size

MASKS = ("recurrent", "zoneout_h", "zoneout_c")
GRADIENTS = (  # as the compiled module takes them
    *("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"),
    *("weight_peephole", "gain_ih", "gain_hh", "gain_c", "shift_c"),
)
NOWHERE, NO_MASKS = (0, 0, 0), (0,) * 9
Place = tuple[int, int, int]


def forward(form: Form, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors of `Outputs`, in one list. ValueError where those of the call do not fit together."""
    inputs = inputs_of(form, tensors)
    packed = _packed(form, inputs)
    check(form, inputs, [p.sizes for p in packed])
    return _forward(form, inputs, packed)


def forward_fake(form: Form, tensors: Sequence[Tensor]) -> list[Tensor]:
    inputs, sizes = _measured(form, tensors)
    if not form.trace:
        return _empty_outputs(form, inputs.x, sizes, ())
    fixed = [Sizes(*map(int, s)) for s in sizes]  # weights of any size would be a kernel of any size
    tapes = [tape_size(form.cell, form.names, s, inputs.x.dtype) for s in fixed]
    return _empty_outputs(form, inputs.x, sizes, tapes)


def backward(request: Request, tensors: Sequence[Tensor]) -> list[Tensor]:
    """dx, then for each direction the gradients of its states and parameters; of no size if not wanted."""
    form = request.form
    inputs = inputs_of(form, tensors)
    packed = _packed(form, inputs)
    check(form, inputs, [p.sizes for p in packed])
    left = _left(request, tensors, inputs, [p.sizes for p in packed])
    if not form.trace and (form.keep_every or any(p.tape for p in packed)):
        again = outputs_of(form, _forward(form._replace(trace=True), inputs, packed))
        left = left._replace(y=again.y, traces=again.traces)
    return _backward(request, inputs, packed, left)


def backward_fake(request: Request, tensors: Sequence[Tensor]) -> list[Tensor]:
    inputs, sizes = _measured(request.form, tensors)
    _left(request, tensors, inputs, sizes)
    dx = _empty_dx(request, inputs.x)
    return [dx, *(g for side in inputs.sides for g in _empty_gradients(request, side))]


def _packed(form: Form, inputs: Inputs) -> list[Packed]:
    return [pack(form.cell, form.names, side.parameters) for side in inputs.sides]


def _measured(form: Form, tensors: Sequence[Tensor]) -> tuple[Inputs, list[Sizes]]:
    inputs = inputs_of(form, tensors)
    parameters = [dict(zip(form.names, side.parameters, strict=True)) for side in inputs.sides]
    sizes = [sizes_of(form.cell, p) for p in parameters]
    check(form, inputs, sizes)
    return inputs, sizes


# Shapes.


def check(form: Form, inputs: Inputs, sizes: Sequence[Sizes]) -> None:
    """ValueError where shapes, dtypes or devices of a call disagree."""
    x, lengths = inputs.x, inputs.lengths
    if x.dim() != 3 or any(x.shape[2] != s.I for s in sizes):
        raise ValueError(f"x is {tuple(x.shape)}; wanted (T, B, {sizes[0].I}) for these weights")
    T, B, _ = x.shape
    for (_, H, P), side in zip(sizes, inputs.sides, strict=True):
        _check_kind("weight_ih", side.parameters[0], x)
        for name, state, size in zip(form.cell.states, side.state, (P, H), strict=False):
            _check("initial " + name, state, (B, size), x)
        for name, mask in zip(form.masks, side.masks, strict=True):
            _check(name, mask, (T, B, H if name == "zoneout_c" else P), x)
    if lengths is not None:
        if lengths.shape != (B,):
            raise ValueError(f"lengths is {tuple(lengths.shape)}; wanted {(B,)}, one for each row of x")
        if lengths.dtype != torch.int64 or lengths.device != x.device:
            raise ValueError(f"lengths is {lengths.dtype} on {lengths.device}; wanted int64 on {x.device}")


def _check(name: str, tensor: Tensor, shape: tuple[int, ...], x: Tensor) -> None:
    if tensor.shape != shape:
        raise ValueError(f"{name} is {tuple(tensor.shape)}; x and the weights want {shape}")
    _check_kind(name, tensor, x)


def _check_kind(name: str, tensor: Tensor, x: Tensor) -> None:
    if tensor.dtype != x.dtype or tensor.device != x.device:
        raise ValueError(f"{name} is {tensor.dtype} on {tensor.device}; x is {x.dtype} on {x.device}")


def _output_shapes(form: Form, x: Tensor, sizes: Sequence[Sizes]) -> list[tuple[int, ...]]:
    """Of y, the last states and every step's c."""
    T, B, _ = x.shape
    shapes: list[tuple[int, ...]] = [(T, B, sum(s.P for s in sizes))]
    for s in sizes:
        shapes += ((B, s.P), (B, s.H))[: form.carried]
    return shapes + [(T, B, s.H) for s in sizes if form.gives_c]


def _empty_outputs(form: Form, x: Tensor, sizes: Sequence[Sizes], tapes: Sequence[int]) -> list[Tensor]:
    shapes = _output_shapes(form, x, sizes)
    T, B, _ = x.shape
    if form.trace and form.keep_every:
        shapes += [(-(-T // form.keep_every), B, s.H if form.carried > 1 else 0) for s in sizes]
    elif form.trace:
        shapes += [(T, B, numbers) for numbers in tapes]
    return [x.new_empty(shape) for shape in shapes]


def _empty_dx(request: Request, x: Tensor) -> Tensor:
    return x.new_empty(x.shape if request.wants_x else (0, 0, 0))


def _empty_gradients(request: Request, side: Side) -> list[Tensor]:
    """Of the states and the parameters of one direction."""
    shapes = [p.shape if request.wants_parameters else (0,) * p.dim() for p in side.parameters]
    states = [s.new_empty(s.shape) for s in side.state]
    return states + [p.new_empty(shape) for p, shape in zip(side.parameters, shapes, strict=True)]


class Left(NamedTuple):
    """What a backward call has besides the tensors of the call itself."""

    y: Tensor
    traces: Sequence[Tensor]
    dy: Tensor | None
    d_last: list[Tensor | None]  # of h and c of each direction
    d_states: list[Tensor | None]  # of every step's c of each direction


def _left(request: Request, tensors: Sequence[Tensor], inputs: Inputs, sizes: Sequence[Sizes]) -> Left:
    form = request.form
    shapes = _output_shapes(form, inputs.x, sizes)
    rest = iter(tensors[count(form) :])
    y = next(rest)
    traces = [next(rest) for _ in sizes if form.trace]
    given = [next(rest) if there else None for there in request.given]
    for tensor, shape in zip((y, *given), (shapes[0], *shapes), strict=True):
        if tensor is not None:
            _check("y or the gradient of an output", tensor, shape, inputs.x)
    ends = 1, 1 + form.carried * len(sizes)
    return Left(y, traces, given[0], given[ends[0] : ends[1]], given[ends[1] :])


# Addresses. Each function adds the tensors that it made to `alive`, which must last as long as the call.


def _place(tensor: Tensor | None, alive: list[Tensor]) -> Place:
    """Of a tensor (T, B, ·): its address, the strides of time and row."""
    if tensor is None:
        return NOWHERE
    tensor = rows(tensor)
    alive.append(tensor)
    time, row, _ = tensor.stride()
    return tensor.data_ptr(), time, row


def _columns(tensor: Tensor | None, sizes: Sequence[Sizes], alive: list[Tensor]) -> list[Place]:
    """Of (T, B, P of both directions), for each direction."""
    address, time, row = place = _place(tensor, alive)
    if tensor is None or len(sizes) == 1:
        return [place] * len(sizes)
    return [place, (address + sizes[0].P * tensor.itemsize, time, row)]


def _addresses(tensors: Sequence[Tensor | None], alive: list[Tensor]) -> list[int]:
    """Of h and c (B, ·), 0 for what is not there."""
    addresses = [0, 0]
    for k, tensor in enumerate(tensors):
        if tensor is not None:
            alive.append(tensor.contiguous())
            addresses[k] = alive[-1].data_ptr()
    return addresses


def _before(form: Form, side: Side, alive: list[Tensor]) -> list[int]:
    """The initial states and the masks of one direction."""
    ints = _addresses(side.state, alive)
    if not form.masks:
        return [*ints, *NO_MASKS]
    masks = dict(zip(form.masks, side.masks, strict=True))
    for name in MASKS:
        ints += _place(masks.get(name), alive)
    return ints


def _trace(form: Form, traces: Sequence[Tensor], d: int) -> tuple[int, int]:
    """Tape and kept states."""
    if not traces:
        return 0, 0
    address = traces[d].data_ptr()
    return (0, address) if form.keep_every else (address, 0)


def _lengths(inputs: Inputs, alive: list[Tensor]) -> int:
    if inputs.lengths is None:
        return 0
    alive.append(inputs.lengths.contiguous())
    return alive[-1].data_ptr()


def _forward(form: Form, inputs: Inputs, packed: Sequence[Packed]) -> list[Tensor]:
    sizes = [p.sizes for p in packed]
    tensors = _empty_outputs(form, inputs.x, sizes, [p.tape for p in packed])
    out = outputs_of(form, tensors)
    alive: list[Tensor] = []
    directions = []
    n = form.carried
    for d, (side, y) in enumerate(zip(inputs.sides, _columns(out.y, sizes, alive), strict=True)):
        ints = [*_before(form, side, alive), *y, *_place(out.states[d] if out.states else None, alive)]
        ints += _addresses(out.last[d * n : (d + 1) * n], alive)
        ints += _trace(form, out.traces, d)
        directions.append(ints)
    T, B, _ = inputs.x.shape
    _cpu.forward(
        [p.layer for p in packed],
        list(form.reverse),
        torch.get_num_threads(),
        form.keep_every if form.trace else 0,
        (T, B),
        _lengths(inputs, alive),
        _place(inputs.x, alive),
        directions,
    )
    return tensors


def _backward(request: Request, inputs: Inputs, packed: Sequence[Packed], left: Left) -> list[Tensor]:
    form, sizes, n = request.form, [p.sizes for p in packed], request.form.carried
    dx = [_empty_dx(request, inputs.x) for _ in packed]
    gradients = [_empty_gradients(request, side) for side in inputs.sides]
    alive: list[Tensor] = []
    ys, dys = _columns(left.y, sizes, alive), _columns(left.dy, sizes, alive)
    directions = []
    for d, side in enumerate(inputs.sides):
        ints = [*_before(form, side, alive), *ys[d], *_trace(form, left.traces, d), *dys[d]]
        ints += _place(left.d_states[d] if left.d_states else None, alive)
        ints += _addresses(left.d_last[d * n : (d + 1) * n], alive)
        ints.append(dx[d].data_ptr())
        ints += _addresses(gradients[d][:n], alive)
        own = dict(zip(form.names, gradients[d][n:], strict=True))
        ints += [own[name].data_ptr() if name in own else 0 for name in GRADIENTS]
        directions.append(ints)
    T, B, _ = inputs.x.shape
    _cpu.backward(
        [p.layer for p in packed],
        list(form.reverse),
        torch.get_num_threads(),
        form.keep_every,
        (T, B),
        _lengths(inputs, alive),
        _place(inputs.x, alive),
        directions,
    )
    total = dx[0] if len(dx) == 1 else dx[0].add_(dx[1])
    return [total, *(g for side in gradients for g in side)]
