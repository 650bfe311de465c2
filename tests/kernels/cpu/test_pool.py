"""The threads behind the kernels: several callers at once, a forked child, another floating-point mode."""

import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unrolled.cells import LSTM, Elman

from .calls import draw

ROOT = Path(__file__).parents[3]
PLAIN = LSTM()
BY_ROWS, BY_UNITS = (60, 20, 40, 70), (60, 1, 40, 300)  # worth more than two threads


def case_of(sizes, seed=0, name="lstm", cell=PLAIN):
    return draw(name, cell, seed, sizes, torch.float32, plain=True, threads=2)


def same(got, want):
    return all(torch.equal(a, b) for a, b in zip(got, want, strict=True))


@pytest.mark.parametrize("sizes", [BY_ROWS, BY_UNITS])
def test_many_callers_at_once(sizes):
    cases = [case_of(sizes, seed) for seed in range(12)]
    alone = [replace(case, threads=1).run()[0] for case in cases]
    with ThreadPoolExecutor(8) as callers:
        together = list(callers.map(lambda case: case.run()[0], cases))
    assert all(same(got, want) for got, want in zip(together, alone, strict=True))


def threads_here():
    return len(list(Path("/proc/self/task").iterdir()))


def run_as_before(case, before):
    torch.set_num_threads(1)  # torch's own threads do not survive a fork
    threads = threads_here()
    assert same(case.run()[0], before)
    assert threads_here() == threads + 1


@pytest.mark.parametrize("sizes", [BY_ROWS, BY_UNITS])
def test_a_forked_child_has_threads_of_its_own(sizes):
    case = case_of(sizes)
    before = case.run()[0]
    child = multiprocessing.get_context("fork").Process(
        target=run_as_before, args=(case, before), daemon=True
    )
    child.start()
    child.join(60)
    assert child.exitcode == 0


def test_flushing_of_subnormal_numbers_elsewhere_changes_no_bit():
    case = case_of(BY_ROWS, name="elman.relu", cell=Elman("relu"))
    small = {n: p * (1e-20 if p.dim() > 1 else 1e-40) for n, p in case.parameters.items()}
    case = replace(case, x=case.x * 1e-20, state=(case.state[0] * 1e-20,), parameters=small)
    want = case.run()[0]
    assert ((want[0] > 0) & (want[0] < torch.finfo(torch.float32).tiny)).any()
    torch.set_flush_denormal(True)
    try:
        got = case.run()[0]
    finally:
        torch.set_flush_denormal(False)
    assert same(got, want)


WITHOUT_THREADS = """
import os, resource, torch
from dataclasses import replace
from tests.kernels.cpu.calls import draw
from unrolled.cells import LSTM
torch.set_num_threads(1)
case = draw("lstm", LSTM(), 0, (60, 64, 8, 128), torch.float32, plain=True)
wanted = case.run()[0]
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
if os.getuid() == 0:
    os.setuid(65534)  # the limit does not bind root
assert all(map(torch.equal, replace(case, threads=64).run()[0], wanted))
"""


def test_where_no_thread_can_be_started_the_caller_does_it_all():
    """With our own pool, which this program uses: OpenMP ends the process there, as torch does."""
    subprocess.run([sys.executable, "-c", WITHOUT_THREADS], check=True, cwd=ROOT)
