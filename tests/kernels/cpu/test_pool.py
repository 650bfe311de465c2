"""The threads behind the kernels: several callers at once, a forked child, another floating-point mode."""

import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from unrolled.kernels import _cpu
from unrolled.kernels.elman import elman

from ..cases import assert_same_bits, random_case

SIZES = 60, 20, 40, 70  # worth more than two threads


def test_many_callers_at_once(two_threads):
    cases = [random_case(*SIZES, torch.float32, ragged=True, seed=n) for n in range(16)]
    alone = [case.run(elman) for case in cases]
    with ThreadPoolExecutor(8) as callers:
        together = list(callers.map(lambda case: case.run(elman), cases))
    for got, want in zip(together, alone, strict=True):
        assert_same_bits(got, want)


def place(array):
    return (array.ctypes.data, *(stride // array.itemsize for stride in array.strides[:-1]))


def run_with_numpy(arrays):
    """As the operator does with two threads; torch's own threads do not survive a fork."""
    x, h0, *_ = arrays
    y, h_last = np.full((*x.shape[:2], h0.shape[1]), np.nan, np.float32), np.full_like(h0, np.nan)
    sizes = (*x.shape, h0.shape[1])
    places = [*map(place, arrays), (0,), place(y), place(h_last)]
    _cpu.elman_forward_float32("tanh", False, 2, sizes, *places)
    return y


def run_as_before(arrays, before):
    assert np.array_equal(run_with_numpy(arrays), before)
    assert len(list(Path("/proc/self/task").iterdir())) == 2  # its own and a helper's


def test_a_forked_child_has_threads_of_its_own():
    arrays = [t.numpy() for t in random_case(*SIZES, torch.float32).tensors]
    before = run_with_numpy(arrays)
    assert not np.isnan(before).any()
    child = multiprocessing.get_context("fork").Process(
        target=run_as_before, args=(arrays, before), daemon=True
    )
    child.start()
    child.join(60)
    assert child.exitcode == 0


def test_flushing_of_subnormal_numbers_elsewhere_changes_no_bit(two_threads):
    case = random_case(*SIZES, torch.float32, nonlinearity="relu")
    tiny = [t * 1e-20 for t in case.tensors[:4]] + [t * 1e-40 for t in case.tensors[4:]]
    want, _ = elman(*tiny, nonlinearity="relu")
    assert ((want > 0) & (want < torch.finfo(torch.float32).tiny)).any()
    torch.set_flush_denormal(True)
    try:
        got, _ = elman(*tiny, nonlinearity="relu")
    finally:
        torch.set_flush_denormal(False)
    assert torch.equal(got, want)


WITHOUT_THREADS = """
import os, resource, torch
from unrolled.kernels.elman import elman
torch.manual_seed(0)
x, h0, w, u = torch.randn(60, 64, 8), torch.randn(64, 128), torch.randn(128, 8), torch.randn(128, 128)
torch.set_num_threads(1)
wanted = elman(x, h0, w, u)[0]
torch.set_num_threads(64)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
if os.getuid() == 0:
    os.setuid(65534)  # the limit does not bind root
y = elman(x, h0, w, u)[0]
torch.set_num_threads(1)  # torch's own threads do need to start
assert torch.equal(y, wanted)
"""


def test_where_no_thread_can_be_started_the_caller_does_it_all():
    subprocess.run([sys.executable, "-c", WITHOUT_THREADS], check=True)
