"""Fingerprints of weights: no change is missed, and every instruction set has the same ones."""

import random
import subprocess
import sys

import numpy as np
import pytest

from unrolled.kernels import _cpu

SIZES = (1, 2, 7, 16, 17, 63, 64, 65, 511, 513, 1024, 4099, 70_001)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_every_changed_number_changes_the_sum(isa, dtype, size):
    draws, x = random.Random(size), np.random.default_rng(size).normal(size=size).astype(dtype)
    before = _cpu.fingerprint(x)
    for k in range(size) if size < 600 else draws.sample(range(size), 300):
        old = x[k]
        for new in (np.nextafter(old, dtype(9)), -old, dtype(0), dtype(np.nan)):
            x[k] = new
            assert _cpu.fingerprint(x)[0] != before[0]
        x[k] = old
    assert _cpu.fingerprint(x) == before


def permuted(x, draws):
    """Changes that leave sums as they are."""
    a, b = draws.sample(range(len(x)), 2)
    yield x[::-1].copy()
    yield np.roll(x, draws.randrange(1, len(x)))
    swapped = x.copy()
    swapped[[a, b]] = x[[b, a]]
    yield swapped
    moved = x.copy().view(np.int32 if x.itemsize == 4 else np.int64)  # what one word gains, another loses
    moved[a] += 12345
    moved[b] -= 12345
    yield moved.view(x.dtype)
    signs = x.copy()
    signs[[a, b]] *= -1
    yield signs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES[2:])
def test_changes_that_balance_are_seen(isa, dtype, size):
    draws, x = random.Random(size), np.random.default_rng(size).normal(size=size).astype(dtype)
    before = _cpu.fingerprint(x)
    for _ in range(40):
        for other in permuted(x, draws):
            changed = not np.array_equal(other.view(np.uint8), x.view(np.uint8))
            assert (_cpu.fingerprint(other) != before) == changed


def test_equal_rows_and_signs_across_a_block_are_seen():
    """Sums without keys would find the same number for these."""
    x = np.ones(4096, np.float32)
    prints = {_cpu.fingerprint(x)}
    for first in range(0, 4096, 97):
        for second in range(first + 8, 4096, 611):
            x[[first, second]] = -1
            prints.add(_cpu.fingerprint(x))
            x[[first, second]] = 1
    wanted = 1 + sum(len(range(first + 8, 4096, 611)) for first in range(0, 4096, 97))
    assert len(prints) == wanted


def test_instruction_sets_agree(restore_isa):
    x = np.random.default_rng(0).normal(size=(37, 301))[:, :300]
    prints = set()
    for isa in _cpu.isas():
        _cpu.use_isa(isa)
        prints.add(_cpu.fingerprint(x))
    assert len(prints) == 1


def test_keys_are_drawn_anew_in_every_process():
    program = "import numpy; from unrolled.kernels import _cpu; print(_cpu.fingerprint(numpy.ones(8)))"
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True) for _ in "ab"]
    assert runs[0].stdout and runs[0].stdout != runs[1].stdout
