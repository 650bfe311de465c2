"""The law of fixed order, bit by bit over random shapes, and that nothing is touched outside the shapes."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unrolled.kernels import _cpu
from unrolled.kernels.elman import elman

from ..cases import FUNCTIONS, assert_same_bits, random_case

SEEDS = range(300)


def draw(seed):
    """A random call, its sizes around the widths of vectors and panels, and the source of further choices."""
    choice = random.Random(seed)
    case = random_case(
        choice.randint(1, 9),
        choice.randint(1, 15),
        choice.randint(1, 70),
        choice.randint(1, 140),
        choice.choice([torch.float32, torch.float64]),
        ragged=choice.random() < 0.5,
        seed=seed,
        nonlinearity=choice.choice(list(FUNCTIONS)),
        reverse=choice.random() < 0.5,
    )
    return choice, case


def test_the_order_is_bias_then_x_then_h(isa):
    """One chain of float32 fused multiply-adds, each done in float64 and rounded once more."""
    x, h0, weight_ih, weight_hh, bias_ih, bias_hh = random_case(1, 3, 19, 37, torch.float32).tensors
    z = (bias_ih + bias_hh).expand(3, 37)
    for inputs, weights in ((x[0], weight_ih), (h0, weight_hh)):
        for k in range(inputs.shape[1]):
            z = (inputs[:, k : k + 1].double() * weights[:, k].double() + z.double()).float()
    y, _ = elman(x, h0, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity="relu")
    assert torch.equal(y[0], z.relu())


def test_a_row_is_the_same_in_any_batch_and_order():
    for seed in SEEDS:
        choice, case = draw(seed)
        y, h_last = case.run(elman)
        B = len(h_last)
        places = choice.sample(range(B), choice.randint(1, B))
        x, h0, *weights = case.tensors
        lengths = None if case.lengths is None else case.lengths[places]
        some = replace(case, tensors=(x[:, places], h0[places], *weights), lengths=lengths)
        assert_same_bits(some.run(elman), (y[:, places], h_last[places]))


def test_two_chunks_equal_the_whole():
    for seed in SEEDS:
        choice, case = draw(seed)
        x, h0, *weights = case.tensors
        y, h_last = case.run(elman)
        cut = choice.randint(0, len(x))
        parts, h = {}, h0
        for chunk in (slice(cut, None), slice(0, cut)) if case.reverse else (slice(0, cut), slice(cut, None)):
            lengths = None if case.lengths is None else (case.lengths - chunk.start).clamp(0, len(x[chunk]))
            part = replace(case, tensors=(x[chunk], h, *weights), lengths=lengths)
            parts[chunk.stop], h = part.run(elman)
        assert_same_bits((torch.cat([parts[cut], parts[None]]), h), (y, h_last))


def test_padding_is_never_read_forward_or_backward():
    for seed in SEEDS:
        choice, case = draw(seed)
        x, h0, *weights = case.tensors
        T, B, _ = x.shape
        lengths = torch.full((B,), T) if case.lengths is None else case.lengths
        more = choice.randint(0, 5)
        padded = torch.cat([x, x.new_empty(more, *x.shape[1:])])
        dy = torch.randn(T + more, B, h0.shape[1], dtype=x.dtype)
        for b, length in enumerate(lengths):
            padded[length:, b] = torch.nan
            dy[length:, b] = torch.nan
        wide = replace(case, tensors=(padded, h0, *weights), lengths=lengths)
        y, h_last = case.run(elman)
        got, got_last = wide.run(elman)
        assert_same_bits((got[:T], got_last), (y, h_last))
        assert not got[T:].any()
        dx, *gradients = wide.gradients(elman, dy, h_last)
        want_dx, *want = case.gradients(elman, dy[:T].nan_to_num(), h_last)
        assert_same_bits((dx[:T], *gradients), (want_dx, *want))
        assert not dx[T:].any()


def test_instruction_sets_agree_in_every_bit(restore_isa):
    for seed in SEEDS[::3]:
        _, case = draw(seed)
        dy, dh_last = (
            torch.randn(len(case.tensors[0]), *case.tensors[1].shape),
            torch.randn(case.tensors[1].shape),
        )
        results = []
        for name in _cpu.isas():
            _cpu.use_isa(name)
            results.append((*case.run(elman), *case.gradients(elman, dy, dh_last)))
        for result in results[1:]:
            assert_same_bits(result, results[0])


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("B", [1, 2, 3, 31])
def test_threads_change_no_bit(B, ragged):
    """Sizes whose work is worth several threads."""
    case = random_case(600 // B, B, 40, 131, torch.float32, ragged=ragged)
    dy, dh_last = torch.randn(600 // B, B, 131), torch.randn(B, 131)
    before, results = torch.get_num_threads(), []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        results.append((*case.run(elman), *case.gradients(elman, dy, dh_last)))
    torch.set_num_threads(before)
    for result in results[1:]:
        assert_same_bits(result, results[0])


def test_nothing_is_touched_outside_the_shapes(isa):
    """Every array ends where memory that cannot be touched begins: a crash of the child is the failure."""
    child = Path(__file__).with_name("guarded.py")
    result = subprocess.run([sys.executable, child, isa], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
