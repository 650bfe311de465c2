"""The law of fixed order, bit by bit over random shapes, and that nothing is touched outside the shapes."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unrolled.cells import MGU, Elman
from unrolled.kernels import _cpu

from .calls import CELLS, draw, packed

SEEDS = range(40)
DTYPES = (torch.float32, torch.float64)


def same(got, want):
    return all(torch.equal(a, b) for a, b in zip(got, want, strict=True))


def case_of(name, cell, seed):
    return random.Random(-1 - seed), draw(name, cell, seed, dtype=DTYPES[seed % 2])


def cotangents(case):
    """Of the last states, and of y (T, B, P)."""
    generator = torch.Generator().manual_seed(7)
    shapes = [*[s.shape for s in case.state], (*case.x.shape[:-1], case.state[0].shape[1])]
    return [torch.randn(shape, generator=generator).to(case.x.dtype) for shape in shapes]


def outputs_and_gradients(case, recurrence=None, dy=None):
    outputs, trace = case.run(recurrence=recurrence)
    *d_last, own = cotangents(case)
    dy = own if dy is None else dy
    gradients = case.gradients(outputs[0], trace, dy, d_last, recurrence=recurrence)
    return [*outputs, *gradients.values()]


def test_the_order_is_bias_then_x_then_h_in_chains(isa):
    """Chains of 128 float32 fused multiply-adds, each done in float64 and rounded once more."""
    case = draw("elman.relu", Elman("relu"), 0, (1, 3, 150, 37), torch.float32, plain=True, lengths=None)
    p = case.parameters
    z = (p["bias_ih"] + p["bias_hh"]).expand(3, 37)
    for inputs, weights in ((case.x[0], p["weight_ih"]), (case.state[0], p["weight_hh"])):
        for first in range(0, inputs.shape[1], 128):
            chain = torch.zeros(3, 37)
            for k in range(first, min(first + 128, inputs.shape[1])):
                chain = (inputs[:, k : k + 1].double() * weights[:, k].double() + chain.double()).float()
            z = z + chain
    assert torch.equal(case.run()[0][0][0], z.relu())


@pytest.mark.parametrize("name, cell", CELLS, ids=str)
def test_a_row_is_the_same_in_any_batch_and_order(name, cell):
    for seed in SEEDS:
        choice, case = case_of(name, cell, seed)
        B = case.x.shape[1]
        rows = choice.sample(range(B), choice.randint(1, B))
        y, *others = case.run()[0]
        some = replace(
            case,
            x=case.x[:, rows].contiguous(),
            state=tuple(s[rows].contiguous() for s in case.state),
            lengths=None if case.lengths is None else case.lengths[rows],
            recurrent=None if case.recurrent is None else case.recurrent[:, rows],
            zoneout=None if case.zoneout is None else tuple(z[:, rows] for z in case.zoneout),
        )
        got_y, *got = some.run()[0]
        n = len(case.state)
        assert torch.equal(got_y, y[:, rows])
        assert same(got[-n:], [s[rows] for s in others[-n:]])


@pytest.mark.parametrize("name, cell", CELLS, ids=str)
def test_two_chunks_equal_the_whole(name, cell):
    for seed in SEEDS:
        choice, case = case_of(name, cell, seed)
        T = case.x.shape[0]
        y, *_, last = case.run()[0]
        cut = choice.randint(0, T)
        parts, state = {}, case.state
        order = (slice(cut, T), slice(0, cut)) if case.reverse else (slice(0, cut), slice(cut, T))
        for chunk in order:
            lengths = case.lengths
            part = replace(
                case,
                x=case.x[chunk],
                state=state,
                lengths=None
                if lengths is None
                else (lengths - chunk.start).clamp(0, chunk.stop - chunk.start),
                recurrent=None if case.recurrent is None else case.recurrent[chunk],
                zoneout=None if case.zoneout is None else tuple(z[chunk] for z in case.zoneout),
            )
            outputs = part.run()[0]
            parts[chunk.start, chunk.stop] = outputs[0]
            state = tuple(outputs[-len(case.state) :])
        assert torch.equal(torch.cat([parts[0, cut], parts[cut, T]]), y)
        assert torch.equal(state[-1], last)


@pytest.mark.parametrize("name, cell", CELLS, ids=str)
def test_the_amount_of_padding_changes_no_bit(name, cell):
    for seed in SEEDS[::4]:
        choice, case = case_of(name, cell, seed)
        T, B, I = case.x.shape
        more = choice.randint(0, 5)
        lengths = torch.full((B,), T) if case.lengths is None else case.lengths
        plain = replace(case, recurrent=None, zoneout=None, lengths=lengths)
        wide = replace(plain, x=torch.cat([case.x, case.x.new_full((more, B, I), torch.nan)]))
        y, *others = plain.run()[0]
        got_y, *got = wide.run()[0]
        n = len(case.state)
        assert torch.equal(got_y[:T], y) and not got_y[T:].any() and same(got[-n:], others[-n:])


@pytest.mark.parametrize("name, cell", CELLS, ids=str)
def test_packed_rows_are_the_padded_ones(name, cell):
    """Every output and every gradient, those of the weights too: the rows come in the same order."""
    for seed in SEEDS:
        _, case = case_of(name, cell, seed)
        padded, case, valid = packed(case)
        dy = cotangents(padded)[-1]
        wanted = outputs_and_gradients(padded, dy=dy)
        found = outputs_and_gradients(case, dy=dy[valid])
        sequences = [k for k, t in enumerate(wanted) if t.shape[:2] == valid.shape and t.dim() == 3]
        assert len(sequences) == 1 + len(case.state)  # y, each c, dx
        assert same(found, [t[valid] if k in sequences else t for k, t in enumerate(wanted)])


@pytest.mark.parametrize("name, cell", CELLS, ids=str)
def test_instruction_sets_agree_in_every_bit(name, cell, restore_isa):
    for seed in SEEDS[::3]:
        _, case = case_of(name, cell, seed)
        results = []
        for isa in _cpu.isas():
            _cpu.use_isa(isa)
            results.append(outputs_and_gradients(case))
        assert all(same(result, results[0]) for result in results[1:])


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("B", [1, 2, 3, 31, 150])
@pytest.mark.parametrize("name, cell", CELLS, ids=str)
def test_threads_change_no_bit(name, cell, B, ragged):
    """Sizes whose work is worth several threads, by rows and by units; with 150 rows, bunches of them."""
    T = max(3, 200 // B)
    lengths = torch.randint(0, T + 1, (B,)) if ragged else None
    case = draw(name, cell, B, (T, B, 40, 131), torch.float32, plain=True, lengths=lengths)
    case = replace(
        case, parameters={n: p / 4 for n, p in case.parameters.items()}
    )  # so that relu stays finite
    wanted = outputs_and_gradients(case)
    for threads in (2, 3, 5):
        assert same(outputs_and_gradients(replace(case, threads=threads)), wanted)


def test_a_sum_over_tokens_is_one_threads_alone():
    """More threads than panels: the MGU's gates meet fewer columns than all weights have, so that some
    threads have nothing to multiply. 450 tokens are two blocks, the second added to the first."""
    case = draw("mgu", MGU(), 150, (3, 150, 40, 131), torch.float32, plain=True, lengths=None)
    wanted = outputs_and_gradients(case)
    for _ in range(40):
        assert same(outputs_and_gradients(replace(case, threads=5)), wanted)


SHORT = ((1, 1, 150, 131), (3, 1, 7, 37), (1, 2, 33, 20), (2, 3, 20, 17), (1, 9, 130, 33), (1, 13, 5, 70))
SHORT += ((1, 16, 65, 40), (1, 1, 1100, 5))  # more rows and more columns than are taken at once
SHORT += ((1, 90, 131, 70),)  # one step of many rows


@pytest.mark.parametrize("name, cell", CELLS, ids=str)
def test_weights_as_they_stand_and_packed_ones_give_the_same_bits(name, cell, isa):
    """A short call reads weights as they stand, until it meets them again; one that is frozen packs them."""
    for seed, sizes in enumerate(SHORT):
        case = draw(name, cell, seed, sizes, DTYPES[seed % 2], threads=1 + seed % 3)
        packed, free = case.recurrence(), case.recurrence()
        packed.frozen = True
        wanted = outputs_and_gradients(case, packed)
        for _ in range(3):
            assert same(outputs_and_gradients(case, free), wanted)


@pytest.mark.parametrize("name, cell", CELLS, ids=str)
def test_what_is_computed_again_equals_what_was_kept(name, cell):
    for seed in SEEDS[::4]:
        _, case = case_of(name, cell, seed)
        whole, again = (outputs_and_gradients(replace(case, every=k, threads=1)) for k in (0, 2))
        before = len(whole) - len(case.parameters)
        assert same(again[:before], whole[:before])


def test_nothing_is_touched_outside_the_shapes(isa):
    """Every array ends where memory that cannot be touched begins: a crash of the child is the failure."""
    program = [sys.executable, "-m", "tests.kernels.cpu.guarded", isa]
    root = Path(__file__).parents[3]
    result = subprocess.run(program, capture_output=True, text=True, check=False, cwd=root)
    assert result.returncode == 0, result.stderr
