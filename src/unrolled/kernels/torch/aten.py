"""Torch's own recurrent operators behind the seam: cuDNN on a GPU, and on a CPU for those who name them.

One layer and one direction a call. The operators run forward in time only, so a reversed call reads every row
backward from its last valid step and turns the outputs round again. On a GPU there is no second derivative.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.backends import cudnn
from torch.backends.cudnn.rnn import get_cudnn_mode
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from unrolled.cells import Call, Cell, Elman, Result
from unrolled.cells.loop import valid_steps

ORDER = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


OPERATORS: dict[str, Callable[..., Any]] = {
    "rnn_tanh": torch.rnn_tanh,
    "rnn_relu": torch.rnn_relu,
    "gru": torch.gru,
    "lstm": torch.lstm,
}


def mode(cell: Cell) -> str:
    """Torch's name of the operator: rnn_tanh, rnn_relu, gru or lstm."""
    return f"rnn_{cell.nonlinearity}" if isinstance(cell, Elman) else cell.name


def unroll(call: Call) -> Result:
    """Runs `call`, whose cell is plain, through the operator of its name."""
    x, lengths = call.x, call.lengths
    if lengths is None:
        y, last = _run(call, x.flip(0) if call.reverse else x)
        y = y.flip(0) if call.reverse else y
    else:
        valid = valid_steps(x, lengths)
        x = torch.where(valid, x, 0)
        x = _turn(x, lengths) if call.reverse else x
        y, last = _run_packed(call, x, lengths.clamp(min=1))  # packing knows no empty rows: they run one step
        y = torch.where(valid, _turn(y, lengths) if call.reverse else y, 0)
        some = (lengths > 0).unsqueeze(-1)
        last = tuple(torch.where(some, new, old) for new, old in zip(last, call.state, strict=True))
    return Result(y, last, (y,) if call.return_states else None)


def _run(call: Call, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    y, *last = OPERATORS[mode(call.cell)](x, _hx(call.state), *_options(call), False)
    return y, tuple(s[0] for s in last)


def _run_packed(call: Call, x: Tensor, lengths: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    packed = pack_padded_sequence(x, lengths.cpu(), enforce_sorted=False)
    order, back = packed.sorted_indices, packed.unsorted_indices
    assert order is not None and back is not None
    state = tuple(s[order] for s in call.state)
    data, *last = OPERATORS[mode(call.cell)](packed.data, packed.batch_sizes, _hx(state), *_options(call))
    y, _ = pad_packed_sequence(PackedSequence(data, packed.batch_sizes, order, back), total_length=x.shape[0])
    return y, tuple(s[0][back] for s in last)


def _hx(state: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
    first, *others = (s.unsqueeze(0).contiguous() for s in state)
    return (first, *others) if others else first


def _options(call: Call) -> tuple[list[Tensor], bool, int, float, bool, bool]:
    """Weights, has_biases, num_layers, dropout, train (cuDNN needs it for gradients), bidirectional."""
    weights = [call.parameters[name] for name in ORDER if name in call.parameters]
    return weights, "bias_ih" in call.parameters, 1, 0.0, torch.is_grad_enabled(), False


def _turn(x: Tensor, lengths: Tensor) -> Tensor:
    """x (T, B, F) -> each row's valid steps in the opposite order, its padding where it was."""
    t = torch.arange(x.shape[0], device=x.device).unsqueeze(1)
    step = torch.where(t < lengths, lengths - 1 - t, t)
    return x.gather(0, step.unsqueeze(-1).expand_as(x))


def flatten(cell: Cell, parameters: Mapping[str, Tensor]) -> None:
    """Moves the weights of one layer and direction, in place, into the one block that cuDNN wants."""
    weights = [parameters[name] for name in ORDER if name in parameters]
    flattens = all(w.is_cuda and cudnn.is_acceptable(w) for w in weights)  # type: ignore[no-untyped-call]
    if not flattens or len({w.data_ptr() for w in weights}) < len(weights):
        return
    I, P = weights[0].shape[1], weights[1].shape[1]
    H = weights[0].shape[0] // cell.gates
    projected = P if P < H else 0
    number = get_cudnn_mode(mode(cell).upper())  # type: ignore[no-untyped-call]
    with torch.cuda.device(weights[0].device), torch.no_grad():
        torch._cudnn_rnn_flatten_weight(weights, len(weights), I, number, H, projected, 1, False, False)
