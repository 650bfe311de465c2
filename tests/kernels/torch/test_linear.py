"""The linear operator: its order, its laws bit by bit, float64 oracles, its packed weights."""

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from unrolled.kernels import _cpu
from unrolled.kernels.packs import Packs
from unrolled.kernels.torch.linear import linear

from ..cases import assert_close, assert_same_bits

DTYPES = [torch.float32, torch.float64]
SHAPES = [  # R, I, O: around vectors, panels, tiles, strips of 240 rows and stretches of 256
    (1, 1, 1),
    (3, 5, 7),
    (7, 33, 65),
    (13, 700, 101),
    (241, 17, 130),
    (2, 3, 10_007),
    (9, 10_007, 3),
    (500, 40, 257),
]


def drawn(R, I, O, dtype=torch.float32, seed=0):
    """x, weight, bias, dy."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (R, I), (O, I), (O,), (R, O)
    return [torch.randn(s, generator=generator, dtype=torch.float64).to(dtype) for s in shapes]


def gradients(x, weight, bias, dy):
    leaves = [t.detach().clone().requires_grad_() for t in (x, weight, bias)]
    return torch.autograd.grad(linear(*leaves), leaves, dy)


def random_calls(count=200):
    for seed in range(count):
        choice = random.Random(seed)
        sizes = choice.randint(1, 256), choice.randint(1, 90), choice.randint(1, 200)
        yield choice, drawn(*sizes, choice.choice(DTYPES), seed)


@pytest.mark.parametrize("R, I, O", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_and_every_gradient_match_float64(isa, dtype, R, I, O):
    x, weight, bias, dy = drawn(R, I, O, dtype)
    wide = [t.double() for t in (x, weight, bias, dy)]
    x_, weight_, bias_, dy_ = wide
    # a chain of n roundings, of numbers that grow like its root: at most n of its end's size
    assert_close(linear(x, weight, bias), x_ @ weight_.T + bias_, I + 2)
    assert_close(linear(x, weight), x_ @ weight_.T, I + 2)
    dx, d_weight, d_bias = gradients(x, weight, bias, dy)
    assert_close(dx, dy_ @ weight_, O + 2)
    assert_close(d_weight, dy_.T @ x_, R + 2)
    assert_close(d_bias, dy_.sum(0), R + 2)


def in_chains(start, terms):
    """The start, then float32 chains of 128 fused multiply-adds of factors, added in order. Each of these is
    done in float64 and rounded once more."""
    z = start
    for first in range(0, len(terms), 128):
        chain = torch.zeros_like(start)
        for a, b in terms[first : first + 128]:
            chain = (a.double() * b.double() + chain.double()).float()
        z = z + chain
    return z


def test_the_order_is_the_bias_then_the_columns_in_chains(isa):
    x, weight, bias, dy = drawn(5, 600, 37)
    terms = [(x[:, k : k + 1], weight[:, k]) for k in range(600)]
    assert torch.equal(linear(x, weight, bias), in_chains(bias.expand(5, 37), terms))
    x, weight, bias, dy = drawn(5, 30, 300)
    terms = [(dy[:, o : o + 1], weight[o]) for o in range(300)]
    assert torch.equal(gradients(x, weight, bias, dy)[0], in_chains(torch.zeros(5, 30), terms))


@pytest.mark.parametrize("I", [10, 100, 1000, 10_007])
def test_rounding_is_at_most_twice_torchs(I):
    x, weight, _, _ = drawn(64, I, 300)
    exact = x.double() @ weight.double().T
    ours, theirs = (
        (function(x, weight).double() - exact).square().mean().sqrt()
        for function in (linear, torch.nn.functional.linear)
    )
    assert ours <= 2 * theirs


def test_a_row_is_the_same_in_any_batch_and_order():
    for choice, (x, weight, bias, dy) in random_calls():
        places = choice.sample(range(len(x)), choice.randint(1, len(x)))
        assert torch.equal(linear(x[places], weight, bias), linear(x, weight, bias)[places])
        some, all_ = (gradients(x[p], weight, bias, dy[p])[0] for p in (places, slice(None)))
        assert torch.equal(some, all_[places])


def test_every_batch_from_1_to_256_gives_the_rows_alone():
    x, weight, bias, _ = drawn(256, 65, 77)
    alone = torch.cat([linear(x[r : r + 1], weight, bias) for r in range(256)])
    for B in range(1, 257):
        assert torch.equal(linear(x[:B], weight, bias), alone[:B])


def test_instruction_sets_agree_in_every_bit(restore_isa):
    for _, call in random_calls(60):
        results = []
        for name in _cpu.isas():
            _cpu.use_isa(name)
            results.append((linear(*call[:3]), *gradients(*call)))
        for result in results[1:]:
            assert_same_bits(result, results[0])


@pytest.mark.parametrize("R, I, O", [(1, 300, 9001), (3, 900, 1000), (700, 128, 60), (300, 80, 513)])
def test_threads_change_no_bit(R, I, O):
    call, results = drawn(R, I, O), []
    before = torch.get_num_threads()
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        results.append((linear(*call[:3]), *gradients(*call)))
    torch.set_num_threads(before)
    for result in results[1:]:
        assert_same_bits(result, results[0])


@pytest.mark.parametrize("R, I, O", [(0, 4, 3), (4, 0, 3), (4, 3, 0), (0, 0, 0)])
def test_empty_sizes(R, I, O):
    x, weight, bias, dy = drawn(R, I, O)
    assert torch.equal(linear(x, weight, bias), bias.expand(R, O) if I == 0 else torch.zeros(R, O))
    dx, d_weight, d_bias = gradients(x, weight, bias, dy)
    assert not dx.any() and not d_weight.any() and (dx.shape, d_weight.shape) == (x.shape, weight.shape)
    assert torch.equal(d_bias, dy.sum(0))


def test_any_leading_dimensions_and_strides():
    x, weight, bias, _ = drawn(12, 5, 7)
    y = linear(x, weight, bias)
    assert torch.equal(linear(x.view(2, 3, 2, 5), weight, bias), y.view(2, 3, 2, 7))
    assert torch.equal(linear(x[4], weight, bias), y[4])
    turned = x.view(3, 4, 5).transpose(0, 1)
    assert torch.equal(linear(turned, weight, bias), y.view(3, 4, 7).transpose(0, 1))
    assert torch.equal(linear(x.T.contiguous().T, weight.T.contiguous().T, bias.repeat(2)[:7]), y)
    assert torch.equal(linear(x[::3], weight, bias), y[::3])


def test_subnormal_numbers_are_kept():
    torch.set_flush_denormal(True)
    y = linear(torch.full((1, 2), 1e-30), torch.full((1, 2), 1e-10))
    torch.set_flush_denormal(False)
    assert y.item() == pytest.approx(2e-40, rel=1e-5)


def test_subnormal_numbers_are_kept_on_threads_that_torch_made_while_it_flushed():
    program = """if True:
        import torch
        torch.set_num_threads(2)
        torch.set_flush_denormal(True)
        torch.randn(1000, 1000).exp()  # torch's team is made now
        torch.set_flush_denormal(False)
        from unrolled import nn
        nn.LSTM(4, 4)(torch.randn(2, 3, 4))  # the kernels run on torch's team now
        x, weight = torch.full((512, 256), 1e-30), torch.full((512, 256), 1e-10)
        for _ in range(50):  # which thread takes which part is left to chance
            assert nn.functional.linear(x, weight).all()
    """
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("R", [0, 1, 3, 17, 239, 241, 481, 700])
@pytest.mark.parametrize("I, O", [(1, 1), (5, 7), (33, 65), (255, 31), (700, 257), (513, 300)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_weight_as_it_stands_and_a_packed_one_give_the_same_bits(isa, dtype, R, I, O):
    x, weight, bias, _ = drawn(R, I, O, dtype)
    packs, wide = Packs(), torch.randn(O, I + 3, dtype=dtype)
    wide[:, 1 : I + 1] = weight
    alone = linear(x, weight, bias)
    for w in (weight, weight, wide[:, 1 : I + 1], wide[:, 1 : I + 1], weight.T.contiguous().T):
        assert torch.equal(linear(x, w, bias, packs), alone)
        assert torch.equal(linear(x, w, None, packs), linear(x, weight))


WRITES = {
    "data": lambda w, at, to: w.data.__setitem__(at, to),
    "numpy": lambda w, at, to: w.detach().numpy().__setitem__(at, to),
    "view": lambda w, at, to: w.detach().view(-1).__setitem__(at[0] * w.shape[1] + at[1], to),
    "foreach": lambda w, at, to: torch._foreach_copy_([w.data[at]], [torch.tensor(to, dtype=w.dtype)]),
    "data_ptr": lambda w, at, to: torch.from_dlpack(w.detach()).__setitem__(at, to),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("I, O", [(1, 1), (16, 8), (300, 200), (1024, 64)])
def test_one_number_written_by_any_means_is_seen(write, I, O):
    choice, (x, weight, bias, _) = random.Random(I), drawn(2, I, O)
    x, packs = x.abs() + 1, Packs()
    for _ in range(20):
        linear(x, weight, bias, packs)  # the second packs
        before = linear(x, weight, bias, packs)
        at = choice.randrange(O), choice.randrange(I)
        WRITES[write](weight, at, float(weight[at]) + 8)
        found = linear(x, weight, bias, packs)
        assert torch.equal(found, linear(x, weight.clone(), bias))
        assert not torch.equal(found[:, at[0]], before[:, at[0]])


def test_a_frozen_weight_is_looked_at_once():
    x, weight, bias, _ = drawn(3, 40, 50)
    packs = Packs()
    y = linear(x, weight, bias, packs)
    weight += 1
    packs.freeze()
    frozen = linear(x, weight, bias, packs)
    assert not torch.equal(frozen, y) and torch.equal(frozen, linear(x, weight, bias))
    weight += 1  # which was promised not to happen
    assert torch.equal(linear(x, weight, bias, packs), frozen)
    assert torch.equal(linear(x, weight.clone(), bias, packs), linear(x, weight, bias))  # another memory
    packs.thaw()
    assert torch.equal(linear(x, weight, bias, packs), linear(x, weight, bias))
    packs.freeze()
    weight += 1
    assert torch.equal(linear(x, weight, bias, packs), linear(x, weight, bias))


def test_threads_may_share_a_weight():
    x, weight, bias, _ = drawn(5, 200, 130)
    packs, wanted = Packs(), {}
    weights = [weight, weight + 1, weight - 1]
    for k, w in enumerate(weights):
        wanted[k] = linear(x, w, bias)

    def work(k):
        return all(torch.equal(linear(x, weights[k], bias, packs), wanted[k]) for _ in range(200))

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(work, range(3)))


def test_each_instruction_set_packs_for_itself(restore_isa):
    x, weight, bias, _ = drawn(3, 20, 90)
    outputs, packs = [], Packs()
    for name in (*_cpu.isas(), *_cpu.isas()):
        _cpu.use_isa(name)
        outputs += [linear(x, weight, bias, packs) for _ in range(3)]
    assert_same_bits(outputs[1:], outputs[:1] * (len(outputs) - 1))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": (3, 4)}, r"x is float32 \(3, 4\); wanted float32 \(\.\.\., 5\)"),
        ({"weight": (7,)}, r"weight is float32 \(7,\); wanted float32 \(O, I\)"),
        ({"bias": (8,)}, r"bias is float32 \(8,\); wanted float32 \(7,\)"),
    ],
)
def test_wrong_shapes_are_refused(change, message):
    shapes = {"x": (3, 5), "weight": (7, 5), "bias": (7,)} | change
    with pytest.raises(ValueError, match=message):
        linear(**{name: torch.zeros(shape) for name, shape in shapes.items()})


def test_mixed_dtypes_are_refused():
    with pytest.raises(ValueError, match=r"x is float32 \(3, 5\); wanted float64 \(\.\.\., 5\)"):
        linear(torch.zeros(3, 5), torch.zeros(7, 5, dtype=torch.float64))
