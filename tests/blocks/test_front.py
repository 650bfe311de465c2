"""Convolutions before recurrent layers against torch's own in float64, the same in any batch and world."""

import numpy as np
import pytest
import torch
from torch.nn.functional import conv1d

from unrolled.blocks.block import read, write
from unrolled.blocks.front import Front
from unrolled.blocks.leaves import Linear
from unrolled.blocks.pooled import Numbers, Pooled
from unrolled.ops import numpy as production
from unrolled.ops.torch import USE, Network
from unrolled.tasks.inputs import PooledModelConfig, pooled

STEPS = (9, 13, 1, 4)


def padded(size=3, dtype=torch.float32):
    """x (4, 15, size), NaN behind each row's last step."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(4, 15, size, dtype=dtype, generator=draw)
    x[torch.arange(15) >= torch.tensor(STEPS)[:, None]] = torch.nan
    return x, torch.tensor(STEPS)


@pytest.mark.parametrize("k, width", [(1, 3), (2, 5), (3, 3), (2, 2), (3, 4), (1, 1), (5, 7)])
def test_steps_stand_beside_those_around_them(k, width):
    x, before = torch.arange(1.0, 12).reshape(1, 11, 1), (width - k) // 2
    found = USE.side_by_side(x, None, k, width)[0]
    at = [[i * k - before + j for j in range(width)] for i in range(-(-11 // k))]
    assert found.tolist() == [[t + 1.0 if 0 <= t < 11 else 0.0 for t in row] for row in at]
    other = production.OPS.side_by_side(x.numpy().swapaxes(0, 1), None, k, width)
    assert other[:, 0].tolist() == found.tolist()


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_values_and_gradients_are_those_of_convolutions(stages):
    torch.manual_seed(0)
    front = Network(Front.of(3, 5, stages)).double()
    x, lengths = padded(dtype=torch.float64)
    found, after = front(x, lengths)
    assert after.tolist() == [-(-T // 2**stages) for T in STEPS]
    for row, T, y, S in zip(x, STEPS, found, after.tolist(), strict=True):
        wanted = row[:T].T[None]
        for stage in front.p.stages:
            weight = stage.weight.reshape(5, 5, -1).transpose(1, 2)
            wanted = torch.relu(conv1d(_around(wanted), weight, stage.bias, stride=2))
        # Sums of at most 25 products, in another order.
        torch.testing.assert_close(y[:S], wanted[0].T, rtol=1e-12, atol=1e-12)
    some = x[:2, :9].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: front(x, torch.tensor([9, 9]))[0], (some,))


def _around(x):
    """One 0 before a row of T steps, and as many behind as the last reading wants."""
    T = x.shape[-1]
    return torch.nn.functional.pad(x, (1, 2 * (-(-T // 2) - 1) + 5 - 1 - T))


@pytest.mark.parametrize(
    "options",
    [
        {"front": "conv"},
        {"subsample": 3},
        {"front": "conv", "subsample": 2, "cell": "lstm", "layers": 2},
        {"pooling": ("attention", "last", "max", "mean"), "backward_hidden": 3},
        {"pooling": ("max", "mean"), "subsample": 2, "bidirectional": False},
    ],
)
def test_both_worlds_and_any_batch_say_the_same_bits(options):
    torch.manual_seed(0)
    network = Network(pooled(Numbers(3, 0.5), PooledModelConfig(hidden=5, **options), 4)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    assert read(write(network.block)) == network.block
    other = production.network(network.block, {n: a.numpy() for n, a in network.state_dict().items()})
    assert network.block.causal == other.block.causal == (options.keys() <= {"cell"})
    x, lengths = padded()
    with torch.no_grad():
        o, _ = network(x, lengths=lengths, last=True)
        assert o.isfinite().all()
        for row, T, wanted in zip(x, STEPS, o, strict=True):
            alone, _ = network(row[None, :T], lengths=torch.tensor([T]), last=True)
            assert torch.equal(alone[0], wanted)
            found, _ = other(row[:T, None].numpy(), None, last=True)
            assert np.array_equal(found[0], wanted)


def test_several_poolings_stand_one_behind_the_other():
    torch.manual_seed(0)
    config = PooledModelConfig(hidden=5, pooling=("max", "mean", "last"))
    network = Network(pooled(Numbers(3), config, 4)).eval()
    y, lengths = torch.randn(2, 6, 10), torch.tensor([6, 4])
    v, _ = network.block.pooling(network.ops, network.p.pooling, y, None, lengths, last=True)
    for row, T, one in zip(y, (6, 4), v, strict=True):
        last = torch.cat([row[T - 1, :5], row[0, 5:]])
        torch.testing.assert_close(one, torch.cat([row[:T].amax(0), row[:T].mean(0), last]))


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ValueError, match="a front of no stage"):
        Front(())
    with pytest.raises(ValueError, match=r"stages that read \[15, 15\] numbers; wanted \[15, 25\]"):
        Front((Linear(15, 5), Linear(15, 5)))
    block = pooled(Numbers(3), PooledModelConfig(hidden=4, front="conv", pooling=("last", "max")), 2)
    about = write(block)
    for name, value in (("subsample", 2), ("front", None), ("pooling", write(block.pooling.parts[0]))):
        with pytest.raises(ValueError, match=r"^sizes .* do not meet"):
            read(about | {name: value})
    parts = [write(one) for one in block.pooling.parts]
    for wrong, message in ((parts[:1], "1 poolings; wanted several"), (parts[:1] * 2, "wanted each once")):
        with pytest.raises(ValueError, match=message):
            read({"block": "Poolings", "parts": wrong})
    assert isinstance(read(about), Pooled)
