"""Runs heads' kernels of the instruction set in argv[1] on arrays that each end at a page without access."""

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
    """A tensor of random numbers whose last byte is the last before the guard. It frees them."""
    size = torch.Size(shape).numel() * dtype.itemsize
    pages = -(-size // PAGE) + 1
    memory = mmap.mmap(-1, pages * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if libc.mprotect(ctypes.c_void_p(start + (pages - 1) * PAGE), PAGE, NO_ACCESS):
        raise OSError(ctypes.get_errno(), "mprotect")
    offset = (pages - 1) * PAGE - size
    tensor = torch.frombuffer(memory, dtype=dtype, count=size // dtype.itemsize, offset=offset)
    return tensor.random_(0, 3).view(shape)


def run(dtype, R, I, O):
    x, dx, weight, d_weight = (guarded(dtype, *shape) for shape in ((R, I), (R, I), (O, I), (O, I)))
    bias, d_bias, y = guarded(dtype, O), guarded(dtype, O), guarded(dtype, R, O)
    packed = _cpu.LinearWeight()
    _cpu.linear(x, weight, bias, y, threads=1)
    for _ in range(3):  # as it stands, packed, and from what was packed
        packed.forward(x, weight, bias, y, threads=1)
    _cpu.linear_backward(y, x, weight, dx, d_weight, d_bias, threads=1)
    gain, d_gain, d_shift = (guarded(dtype, I) for _ in range(3))
    for name in ("softmax", "log_softmax"):
        getattr(_cpu, name)(x, dx, threads=1)
        getattr(_cpu, f"{name}_backward")(x, x, dx, threads=1)
    _cpu.logsumexp(x, guarded(dtype, R, 1), threads=1)
    _cpu.layer_norm(x, gain, gain, dx, epsilon=1e-5, threads=1)
    _cpu.layer_norm_backward(x, x, gain, dx, d_gain, d_shift, epsilon=1e-5, threads=1)
    index, table = guarded(torch.int64, R), guarded(dtype, 3, I)
    _cpu.embedding(index, table, dx, threads=1)
    _cpu.embedding_backward(x, index, table, guarded(dtype, 3, I), padding=1, threads=1)
    _cpu.map("tanh", x, dx)
    _cpu.logaddexp(x, x, dx)
    chain(dtype, R, O, I)
    pooling(dtype, R, O, I)
    for kind in ("dot", "additive"):
        attention(dtype, kind, R, O, I)


def chain(dtype, B, T, K):
    lengths, path = guarded(torch.int64, B).fill_(T), guarded(torch.int64, B, T).fill_(K - 1)
    x, dx, tape = guarded(dtype, B, T, K), guarded(dtype, B, T, K), guarded(dtype, B, T, 2 * K)
    scores, d_scores = ([guarded(dtype, *shape) for shape in ((K, K), (K,), (K,))] for _ in range(2))
    log_z, score = guarded(dtype, B), guarded(dtype, B)
    _cpu.crf(x, *scores, lengths, path, log_z, score, tape, threads=1)
    _cpu.crf_backward(x, *scores, lengths, path, tape, log_z, score, dx, *d_scores, threads=1)
    _cpu.viterbi(x, *scores, lengths, path, threads=1)


def pooling(dtype, T, B, H):
    lengths = guarded(torch.int64, B).fill_(T)
    y, every, dy = (guarded(dtype, T, B, H).transpose(0, 1) for _ in range(3))
    scores, d_scores, last = guarded(dtype, B, T), guarded(dtype, B, T), guarded(dtype, B, H)
    before, after = guarded(torch.float64, B, 2 + H), guarded(torch.float64, B, 2 + H)
    for kind in ("mean", "max", "attention"):
        s, d_s = (scores, d_scores) if kind == "attention" else (None, None)
        _cpu.pooling(kind, y, lengths, s, before, after, last, every, threads=1)
        _cpu.pooling_backward(kind, last, after, y, lengths, s, dy, d_s, threads=1)


def attention(dtype, kind, S, T, D, N=2, H=3):
    lengths, index = guarded(torch.int64, N).fill_(T), guarded(torch.int64, N).fill_(N - 1)
    q, dq, k, dk = (guarded(dtype, N, many, D) for many in (S, S, T, T))
    v, dv, c, w = (guarded(dtype, N, *own) for own in ((T, H), (T, H), (S, H), (S, T)))
    u, du = (guarded(dtype, D), guarded(dtype, D)) if kind == "additive" else (None, None)
    for rows in (index, None):
        _cpu.attention(kind, q, k, v, lengths, u, rows, c, w, threads=1)
    _cpu.attention_backward(kind, c, w, q, k, v, lengths, u, dq, dk, dv, du, threads=1)


_cpu.use_isa(sys.argv[1])
for dtype, size in itertools.product((torch.float32, torch.float64), (*range(1, 18), 31, 33, 63, 65, 129)):
    run(dtype, 3, size, 5)
    run(dtype, 3, 5, size)
    run(dtype, size, 2, 3)
run(torch.float32, 7, 600, 9)
