"""When an accelerated module of torch.nn lets torch's own operators compute a call, because they are faster.

Weights in float32 and float64 are always ours outside of autocast. Other weights, and devices for which the
table in dispatch.py has only the reference, are torch's. Under autocast to bfloat16 torch rounds x and the
weights and computes in bfloat16, which processors that have instructions for it do faster than float32 from
a certain size on: the sizes below were measured (Zen 5, one thread; decision 0154).
"""

from typing import NamedTuple

import torch
from torch import nn

from unrolled.cells import Cell
from unrolled.kernels import dispatch


class Least(NamedTuple):
    """The sizes from which on, all of them, torch's operator is the faster one under autocast to bfloat16."""

    steps: int
    batch: int
    hidden_size: int
    numbers: int  # of one state: batch × hidden_size


# By the operator's name in torch. Of a cell, training alone: in inference ours is the faster one.
LAYERS = {
    "lstm": Least(5, 16, 64, 2048),
    "gru": Least(5, 32, 256, 16384),
    "rnn_tanh": Least(5, 32, 256, 16384),
    "rnn_relu": Least(5, 32, 256, 16384),
}
CELLS = {"lstm": Least(1, 32, 128, 8192), "gru": Least(1, 32, 128, 8192)}

# Under autocast results of these have its dtype (but for an LSTM's c where h is projected), those of all
# others the dtype of the state that came in, or of x where none did.
LOWERING = (nn.LSTM, nn.RNN, nn.RNNCell)
HALVES = (torch.float16, torch.bfloat16)
# Query once, for dynamo cannot trace the question.
_BFLOAT16 = bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def unsupported(cell: Cell, device: str, dtype: torch.dtype) -> bool:
    """Whether nothing but the reference would run `cell` there."""
    if device == "cpu" and dtype in HALVES:
        return True
    name = str(dtype).removeprefix("torch.")
    return dispatch.choose(cell.name, device, name, cell.wants).backend == "reference"


def faster(least: Least | None, steps: int, batch: int, hidden_size: int) -> bool:
    """Whether torch's operator is the faster one under autocast to bfloat16."""
    if least is None or not has_bfloat16():
        return False
    sizes = (steps, batch, hidden_size, batch * hidden_size)
    return all(size >= wanted for size, wanted in zip(sizes, least, strict=True))


def has_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16; without them torch is the slower one."""
    return _BFLOAT16


def rules() -> list[dict[str, str]]:
    """What `unrolled kernels` prints: which calls of accelerated modules torch's own operators compute."""
    rows = [{"an accelerated": "layer or cell", "in": "float16, bfloat16", "torch's from": "any size"}]
    for kind, table in ((" layer", LAYERS), (" cell in training", CELLS)):
        for name, least in table.items():
            sizes = f"T {least.steps}, B {least.batch}, H {least.hidden_size}, B × H {least.numbers:,}"
            reached = sizes if has_bfloat16() else "no size: this processor has no bfloat16"
            row = {"an accelerated": name + kind, "in": "bfloat16 autocast", "torch's from": reached}
            rows.append(row)
    return rows
