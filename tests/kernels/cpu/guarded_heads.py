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


def place(tensor):
    return tensor.data_ptr(), tensor.shape[-1]


def run(dtype, R, I, O):
    def call(name, *arguments):
        return getattr(_cpu, f"{name}_{str(dtype).removeprefix('torch.')}")(*arguments)

    x, dx, weight, d_weight = (guarded(dtype, *shape) for shape in ((R, I), (R, I), (O, I), (O, I)))
    bias, d_bias, y = guarded(dtype, O), guarded(dtype, O), guarded(dtype, R, O)
    packed = guarded(dtype, call("packed_size", I, O))
    call("pack", 1, I, O, place(weight), packed.data_ptr())
    call("linear", 1, R, I, O, place(x), packed.data_ptr(), bias.data_ptr(), place(y))
    outputs = place(dx), place(d_weight), d_bias.data_ptr()
    call("linear_backward", 1, R, I, O, place(weight), place(x), place(y), *outputs)
    gain, d_gain, d_shift = (guarded(dtype, I) for _ in range(3))
    for name in ("softmax", "log_softmax"):
        call(name, 1, R, I, place(x), place(dx))
        call(f"{name}_backward", 1, R, I, place(x), place(x), place(dx))
    sums = guarded(dtype, R, 1)
    call("logsumexp", 1, R, I, place(x), place(sums))
    call("layer_norm", 1, R, I, 1e-5, gain.data_ptr(), gain.data_ptr(), place(x), place(dx))
    sums = d_gain.data_ptr(), d_shift.data_ptr()
    call("layer_norm_backward", 1, R, I, 1e-5, gain.data_ptr(), place(x), place(x), place(dx), *sums)
    index, table = guarded(torch.int64, R), guarded(dtype, 3, I)
    call("embedding", 1, R, I, 3, index.data_ptr(), place(table), place(dx))
    call("embedding_backward", 1, R, I, 3, 1, index.data_ptr(), place(x), place(table))
    chain(dtype, R, O, I)
    pooling(dtype, R, O, I)
    for kind in ("dot", "additive"):
        attention(dtype, kind, R, O, I)


def chain(dtype, B, T, K):
    def call(name, *arguments):
        return getattr(_cpu, f"{name}_{str(dtype).removeprefix('torch.')}")(*arguments)

    lengths, path = guarded(torch.int64, B).fill_(T), guarded(torch.int64, B, T).fill_(K - 1)
    x, dx, tape = guarded(dtype, B, T, K), guarded(dtype, B, T, K), guarded(dtype, B, T, 2 * K)
    scores, d_scores = ([guarded(dtype, *shape) for shape in ((K, K), (K,), (K,))] for _ in range(2))
    places, d_places = (tuple(s.data_ptr() for s in given) for given in (scores, d_scores))
    sums = [guarded(dtype, B) for _ in range(2)]
    log_z, score = (one.data_ptr() for one in sums)
    first = 1, (B, T, K), lengths.data_ptr()
    call("crf", *first, path.data_ptr(), x.data_ptr(), places, log_z, score, tape.data_ptr())
    given = tape.data_ptr(), log_z, score, dx.data_ptr(), d_places
    call("crf_backward", *first, path.data_ptr(), x.data_ptr(), places, *given)
    call("viterbi", *first, x.data_ptr(), places, path.data_ptr())


def pooling(dtype, T, B, H):
    def call(name, *arguments):
        return getattr(_cpu, f"{name}_{str(dtype).removeprefix('torch.')}")(*arguments)

    lengths = guarded(torch.int64, B).fill_(T)
    y, every, dy = (guarded(dtype, T, B, H) for _ in range(3))
    scores, d_scores, last = guarded(dtype, T, B, 1), guarded(dtype, T, B, 1), guarded(dtype, B, H)
    before, after = guarded(torch.float64, B, 2 + H), guarded(torch.float64, B, 2 + H)
    steps = [(t.data_ptr(), B * t.shape[2], t.shape[2]) for t in (y, scores, every, dy, d_scores)]
    for kind in ("mean", "max", "attention"):
        first = 1, kind, (T, B, H), lengths.data_ptr(), *steps[:2]
        call("pooling", *first, before.data_ptr(), after.data_ptr(), place(last), steps[2])
        call("pooling_backward", *first, after.data_ptr(), place(last), *steps[3:])


def attention(dtype, kind, S, T, D, N=2, H=3):
    def call(name, *arguments):
        return getattr(_cpu, f"{name}_{str(dtype).removeprefix('torch.')}")(*arguments)

    lengths, index = guarded(torch.int64, N).fill_(T), guarded(torch.int64, N).fill_(N - 1)
    q, dq, k, dk = (guarded(dtype, N, many, D) for many in (S, S, T, T))
    v, dv, c, w = (guarded(dtype, N, *own) for own in ((T, H), (T, H), (S, H), (S, T)))
    u, du = guarded(dtype, D), guarded(dtype, D)
    given = tuple((t.data_ptr(), t.shape[2], t.stride(0)) for t in (q, k, v))
    begin, end = (1, kind, (N, S, N, T, D, H)), (lengths.data_ptr(), given, u.data_ptr())
    for rows in (index.data_ptr(), 0):
        call("attention", *begin, rows, *end, c.data_ptr(), w.data_ptr())
    gradients = tuple(t.data_ptr() for t in (dq, dk, dv, du))
    call("attention_backward", *begin, *end, w.data_ptr(), (c.data_ptr(), H, S * H), gradients)


_cpu.use_isa(sys.argv[1])
for dtype, size in itertools.product((torch.float32, torch.float64), (*range(1, 18), 31, 33, 63, 65, 129)):
    run(dtype, 3, size, 5)
    run(dtype, 3, 5, size)
    run(dtype, size, 2, 3)
run(torch.float32, 7, 600, 9)
