"""Runs the kernels of the instruction set in argv[1] on arrays that each end at a page without access."""

import ctypes
import itertools
import mmap
import sys

import torch

from unrolled.kernels import _cpu

PAGE = mmap.PAGESIZE
NO_ACCESS = 0
libc = ctypes.CDLL(None, use_errno=True)


def guarded(dtype, *shape):
    """A tensor of random numbers whose last byte is the last before the guard. The mapping is never freed."""
    size = torch.Size(shape).numel() * dtype.itemsize
    pages = -(-size // PAGE) + 1
    memory = mmap.mmap(-1, pages * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if libc.mprotect(ctypes.c_void_p(start + (pages - 1) * PAGE), PAGE, NO_ACCESS):
        raise OSError(ctypes.get_errno(), "mprotect")
    offset = (pages - 1) * PAGE - size
    tensor = torch.frombuffer(memory, dtype=dtype, count=size // dtype.itemsize, offset=offset)
    return tensor.normal_(std=0.1).view(shape)


def place(tensor):
    return (tensor.data_ptr(), *tensor.stride()[:-1])


def run(dtype, T, B, I, H):
    sizes = (T, B, I, H)
    name = str(dtype).removeprefix("torch.")
    common = [guarded(dtype, *s) for s in ((T, B, I), (B, H), (H, I), (H, H))]
    biases = [guarded(dtype, H), guarded(dtype, H)]
    y, h_last = guarded(dtype, T, B, H), guarded(dtype, B, H)
    forward = getattr(_cpu, f"elman_forward_{name}")
    forward("tanh", False, 1, sizes, *map(place, (*common, *biases)), (0,), place(y), place(h_last))
    outputs = [guarded(dtype, *s) for s in ((T, B, I), (B, H), (H, I), (H, H), (H,))]
    backward = getattr(_cpu, f"elman_backward_{name}")
    backward("tanh", False, 1, sizes, *map(place, common), (0,), *map(place, (y, y, h_last, *outputs)))
    getattr(_cpu, f"map_{name}")("exp", y.numel(), y.data_ptr(), y.data_ptr())


_cpu.use_isa(sys.argv[1])
for dtype, size in itertools.product((torch.float32, torch.float64), (*range(1, 18), 31, 33, 63, 65)):
    run(dtype, 2, 3, size, 5)
    run(dtype, 2, 3, 5, size)
    run(dtype, 3, size, 2, 3)
