"""Poolings against their equations in float64, and what neither padding nor batch may change."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unrolled.blocks.block import read, write
from unrolled.blocks.leaves import Embedding, Pooling
from unrolled.blocks.pooled import Numbers
from unrolled.cells import CELLS
from unrolled.ops.torch import Network
from unrolled.tasks.inputs import PooledModelConfig, pooled

POOLINGS = ("last", "mean", "max", "attention")

LENGTHS = [5, 1, 9, 3]


def padded_output(dtype=torch.float64):
    """y (4, 9, 6), zero behind each row's last step, as layers give it."""
    y = torch.randn(4, 9, 6, dtype=dtype, generator=torch.Generator().manual_seed(3)) * torch.arange(1, 7)
    return y * (torch.arange(9) < torch.tensor(LENGTHS)[:, None])[..., None]


def by_the_equation(name, y, pooling):
    """(H,) of one row y (T, H) without padding, two directions of 3 units."""
    if name == "last":
        return np.concatenate([y[-1, :3], y[0, 3:]])
    if name == "attention":
        score = y @ pooling.score.weight.detach().numpy()[0] + pooling.score.bias.item()
        a = np.exp(score) / np.exp(score).sum()
        return (a[:, None] * y).sum(0)
    return {"mean": y.mean, "max": y.max}[name](0)


def made(name, size=6, forwards=3):
    torch.manual_seed(0)
    pooling = Network(Pooling.of(name, size, forwards)).double()
    with torch.no_grad():
        for parameter in pooling.parameters():
            parameter.normal_()
    return pooling


@pytest.mark.parametrize("name", POOLINGS)
def test_values_match_the_equation(name):
    y, pooling = padded_output(), made(name)
    found = pooling(y, None, torch.tensor(LENGTHS), last=True)[0].detach().numpy()
    for row, length, one in zip(y.numpy(), LENGTHS, found, strict=True):
        # Sums of at most nine numbers of size 20, in another order.
        np.testing.assert_allclose(one, by_the_equation(name, row[:length], pooling), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", POOLINGS)
def test_gradients(name):
    pooling, lengths = made(name), torch.tensor(LENGTHS)
    y = padded_output().requires_grad_()
    inside = (torch.arange(9) < lengths[:, None])[..., None]

    def last(y, *parameters):
        return pooling(y * inside, None, lengths, last=True)[0]

    assert torch.autograd.gradcheck(last, (y, *pooling.parameters()))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", POOLINGS)
def test_a_row_has_the_same_bits_alone_and_in_any_batch(name, cell, bidirectional):
    config = PooledModelConfig(pooling=name, cell=cell, hidden=5, layers=2, bidirectional=bidirectional)
    torch.manual_seed(1)
    network = Network(pooled(Numbers(3, 0.5, 0.5, 0.5), config, 4)).eval()
    for parameter in network.pooling.parameters():
        torch.nn.init.normal_(parameter)
    lengths = torch.tensor([40, 1, 33, 7, 65])
    x = torch.randn(5, 130, 3)
    x[torch.arange(130) >= lengths[:, None]] = torch.nan
    whole, _ = network(x, lengths=lengths, last=True)
    assert torch.isfinite(whole).all()
    for row, length, found in zip(x, lengths, whole, strict=True):
        alone, _ = network(row[None, :length], lengths=length[None], last=True)
        assert torch.equal(alone[0], found)


@pytest.mark.parametrize("name", POOLINGS)
def test_padding_gets_and_gives_no_gradient(name):
    torch.manual_seed(2)
    network = Network(pooled(Numbers(3), PooledModelConfig(pooling=name, hidden=4, output_dropout=0), 2))
    lengths, x = torch.tensor([6, 2]), torch.randn(2, 6, 3)
    gradients = []
    for filler in (0.0, torch.nan):
        x[1, 2:] = filler
        asked = x.clone().requires_grad_()
        network.zero_grad()
        network(asked, lengths=lengths, last=True)[0].square().sum().backward()
        assert torch.count_nonzero(asked.grad[1, 2:]) == 0
        gradients.append([parameter.grad.clone() for parameter in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_last_is_where_each_direction_ends():
    sizes = {"hidden": 5, "cell": "lstm", "pooling": "last"}
    for options, forwards in (
        ({}, 5),
        ({"projection": 3}, 3),
        ({"reverse": True}, 0),
        ({"bidirectional": True, "backward_hidden": 2}, 5),
        ({"bidirectional": True, "projection": 3}, 3),
    ):
        torch.manual_seed(0)
        network = Network(pooled(Numbers(3), PooledModelConfig(**sizes | options), 4)).eval()
        x, lengths = torch.randn(1, 9, 3), torch.tensor([9])
        y, state = network.layer(x, lengths=lengths)
        named = isinstance(state, dict)  # directions of one size have torch's own form
        ends = [h for name, h in state.items() if name.endswith(".h")] if named else state[0]
        pooling = network.block.pooling
        found, _ = pooling(network.ops, network.p.pooling, y, None, lengths, last=True)
        assert pooling.forward == forwards
        assert torch.equal(found, torch.cat([h.reshape(1, -1) for h in ends], -1))


@pytest.mark.parametrize("merge", ["sum", "mean", "product"])
def test_last_of_merged_directions_is_refused(merge):
    with pytest.raises(ValueError, match=f"merge='{merge}' puts both together"):
        PooledModelConfig(pooling="last", bidirectional=True, merge=merge)


def test_text_goes_through_the_embedding():
    network = Network(pooled(Embedding(7, 3), PooledModelConfig(hidden=4), 2)).eval()
    tokens = torch.tensor([[3, 6, 1, 0, 0], [2, 2, 5, 4, 1]])
    found, _ = network(tokens, lengths=torch.tensor([3, 5]), last=True)
    alone, _ = network(tokens[:1, :3], lengths=torch.tensor([3]), last=True)
    assert torch.equal(alone[0], found[0])


def ensemble(members, **options):
    torch.manual_seed(4)
    config = PooledModelConfig(hidden=3, members=members, **options)
    return Network(pooled(Numbers(2), config, 2)).double()


def test_an_ensemble_says_the_mean_of_what_its_members_say_alone():
    network, x, lengths = ensemble(3), torch.randn(4, 9, 2, dtype=torch.float64), torch.tensor(LENGTHS)
    members, alone = (network, *network.others), []
    for member in members:
        one = Network(replace(network.block, others=())).double()
        weights = member.state_dict().items()
        one.load_state_dict({name: array for name, array in weights if not name.startswith("others")})
        alone.append(one(x, lengths=lengths, last=True)[0])
    assert not torch.equal(alone[0], alone[1]) and not torch.equal(alone[1], alone[2])
    said, _ = network(x, lengths=lengths, last=True)
    torch.testing.assert_close(said, torch.stack(alone).mean(0), rtol=1e-14, atol=1e-14)


def test_members_that_are_not_alike_are_refused():
    block, other = ensemble(2).block, ensemble(1, layers=2).block
    for others in ((other,), (replace(block),)):  # of another size, and an ensemble itself
        with pytest.raises(ValueError, match="members that are not alike"):
            replace(block, others=others)
    assert read(write(block)) == block
