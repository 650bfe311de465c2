"""Runs the kernels of the instruction set in argv[1] on arrays that each end at a page without access."""

import ctypes
import itertools
import mmap
import sys
from dataclasses import replace

import torch

from unrolled.kernels import _cpu

from . import calls

PAGE = mmap.PAGESIZE
NO_ACCESS = 0
libc = ctypes.CDLL(None, use_errno=True)


def guarded(*shape, like):
    """A tensor whose last byte is the last before the guard. The mapping is never freed."""
    size = torch.Size(shape).numel() * like.dtype.itemsize
    pages = -(-size // PAGE) + 1
    memory = mmap.mmap(-1, pages * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if libc.mprotect(ctypes.c_void_p(start + (pages - 1) * PAGE), PAGE, NO_ACCESS):
        raise OSError(ctypes.get_errno(), "mprotect")
    if size == 0:
        return torch.empty(shape, dtype=like.dtype)
    offset = (pages - 1) * PAGE - size
    return torch.frombuffer(memory, dtype=like.dtype, count=size // like.dtype.itemsize, offset=offset).view(
        shape
    )


def behind(tensor):
    """A copy of it that ends at a guard; of one row, read for all, where the strides are zero."""
    return None if tensor is None else guarded(*tensor.shape, like=tensor).copy_(tensor)


def run(case):
    case = replace(
        case,
        x=behind(case.x),
        state=tuple(map(behind, case.state)),
        parameters={n: behind(p) for n, p in case.parameters.items()},
        lengths=behind(case.lengths),
        batch_sizes=behind(case.batch_sizes),
        recurrent=behind(case.recurrent),
        zoneout=None if case.zoneout is None else tuple(map(behind, case.zoneout)),
    )
    outputs, trace = case.run()
    case.gradients(outputs[0], trace, outputs[0], [behind(s) for s in case.state])


def main():
    _cpu.use_isa(sys.argv[1])
    calls.unwritten = guarded  # outputs stand at guards as well
    torch.full_like = lambda tensor, _: behind(tensor)
    widths = (*range(5, 18), 31, 33, 63, 65)
    for seed, ((name, cell), size) in enumerate(itertools.product(calls.CELLS, widths)):
        dtype = (torch.float32, torch.float64)[seed % 2]
        for sizes in ((2, 3, size, 7), (2, 3, 5, size), (3, size, 2, 5)):
            case = calls.draw(name, cell, seed, sizes, dtype)
            run(case)
            run(calls.packed(case)[1])
    for dtype, size in itertools.product((torch.float32, torch.float64), widths):
        y = guarded(size, like=torch.empty(0, dtype=dtype)).normal_()
        _cpu.map("exp", y, y)


main()
