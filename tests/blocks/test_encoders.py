"""The encoders against torch in float64, each input's bits against those of any batch, and numpy's."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from unrolled.blocks.block import read, write
from unrolled.blocks.encoders import Attributes, Convolution, Rows
from unrolled.blocks.leaves import Embedding, Linear, Parameter
from unrolled.blocks.recurrent import Recurrent
from unrolled.cells import CELLS
from unrolled.ops import numpy as arrays
from unrolled.ops.torch import USE, Network

SIZE, CHANNELS = (11, 9), 3
PICTURE = (*SIZE, CHANNELS)


def drawn(block):
    network = Network(block).eval()
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.4)
    return network


def layer(cell, hidden, **options):
    return Recurrent(CELLS[cell](), SIZE[1] * CHANNELS, hidden, **options)


def torchs(weight, channels):
    """(F, 9 C) in rows, columns and channels -> (F, C, 3, 3)."""
    return weight.unflatten(1, (3, 3, channels)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("B, H, W, C, F", [(1, 1, 1, 1, 1), (3, 5, 4, 2, 7), (2, 9, 17, 3, 5)])
def test_the_convolution_and_its_gradients_are_torchs_in_float64(B, H, W, C, F):
    torch.manual_seed(0)
    linear = drawn(Linear(9 * C, F)).double()
    x = torch.randn(B, H, W, C, dtype=torch.float64, requires_grad=True)
    weight, bias = linear.p.weight, linear.p.bias
    other = functional.conv2d(x.permute(0, 3, 1, 2), torchs(weight, C), bias, padding=1).permute(0, 2, 3, 1)
    y, dy = functional.linear(USE.patches(x), weight, bias), torch.randn(B, H, W, F, dtype=torch.float64)
    torch.testing.assert_close(y, other, rtol=1e-12, atol=1e-12)  # both add up to 27 terms in some order
    mine, theirs = (torch.autograd.grad(one, (x, weight, bias), dy, retain_graph=True) for one in (y, other))
    torch.testing.assert_close(mine, theirs, rtol=1e-11, atol=1e-11)


def test_stages_of_odd_pictures_are_torchs_convolutions_and_pools():
    torch.manual_seed(1)
    own = drawn(Convolution.of(PICTURE, 5, 2, 6)).double()
    x = torch.randn(4, *PICTURE, dtype=torch.float64)
    y = x.permute(0, 3, 1, 2)
    for stage, C in zip(own.p.stages, (3, 5), strict=True):
        y = functional.conv2d(y, torchs(stage.weight, C), stage.bias, padding=1)
        y = functional.max_pool2d(y.relu(), 2)
    places = y.permute(0, 2, 3, 1).reshape(4, 2 * 2, 10)
    code, found = own(x)
    torch.testing.assert_close(found, places + own.p.position, rtol=1e-11, atol=1e-11)
    head = functional.linear(places.flatten(1), own.p.head.weight, own.p.head.bias).relu()
    torch.testing.assert_close(code, head, rtol=1e-11, atol=1e-11)


ENCODERS = {
    "convolution": lambda: Convolution.of(PICTURE, 6, 3, 7),
    "rows": lambda: Rows(PICTURE, layer("gru", 9)),
    "rows, backward": lambda: Rows(PICTURE, layer("rnn", 4, reverse=True)),
    "rows, both ways": lambda: Rows(PICTURE, layer("lstm", (9, 5), bidirectional=True, num_layers=2)),
    "numbers": lambda: Attributes.of(5, 0, 7),
    "classes": lambda: Attributes.of(0, 4, 7),
    "numbers and classes": lambda: Attributes.of(5, 4, 7),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_an_input_has_the_bits_that_it_has_alone_and_in_numpy(kind):
    torch.manual_seed(2)
    own, B = drawn(ENCODERS[kind]()), 19
    x = (torch.randn(B, *PICTURE),)
    if isinstance(own.block, Attributes):
        x = torch.randn(B, 5), torch.randint(0, 4, (B,))
    other = arrays.network(read(write(own.block)), {name: p.numpy() for name, p in own.state_dict().items()})
    with torch.no_grad():
        code, places = own(*x)
        assert code.shape == (B, own.block.code_size)
        assert (places is None) == (own.block.memory_size is None)
        for b in range(B):
            alone = own(*(one[b : b + 1] for one in x))
            assert torch.equal(alone.code[0], code[b])
            if places is not None:
                assert torch.equal(alone.places[0], places[b]) and places.shape[2] == own.block.memory_size
    twin = other(*(one.numpy() for one in x))
    assert np.array_equal(twin.code, code.numpy())
    if places is not None:
        assert np.array_equal(twin.places.swapaxes(0, 1), places.numpy())


def test_the_code_of_rows_is_each_directions_last_state():
    torch.manual_seed(3)
    own = drawn(Rows(PICTURE, layer("gru", 4, bidirectional=True)))
    x = torch.randn(2, *PICTURE)
    code, y = own(x)
    assert y.shape == (2, 11, 8) and torch.equal(code, torch.cat([y[:, -1, :4], y[:, 0, 4:]], 1))
    below = own(torch.cat([x[:, :10], torch.zeros_like(x[:, 10:])], 1)).places
    assert torch.equal(below[:, :10, :4], y[:, :10, :4]) and not torch.equal(below[:, 0, 4:], y[:, 0, 4:])


def test_what_does_not_fit_is_refused():
    stages, position, head = (Linear(27, 4),), Parameter((20, 4), 0.5), Linear(80, 6)
    Convolution(PICTURE, stages, position, head)
    for wrong in (
        lambda: Convolution(PICTURE, (Linear(27, 4), Linear(27, 4)), position, head),
        lambda: Convolution(PICTURE, (Linear(9, 4),), position, head),
        lambda: Convolution(PICTURE, stages, Parameter((21, 4), 0.5), head),
        lambda: Convolution(PICTURE, stages, position, Linear(81, 6)),
        lambda: Convolution((0, 9, 3), stages, position, head),
        lambda: Convolution((1, 9, 3), stages, position, head),
        lambda: Convolution.of(PICTURE, 4, 4, 6),
        lambda: Rows((11, 9, 4), layer("gru", 4)),
        lambda: Rows((11, 9), layer("gru", 4)),
        lambda: Rows(PICTURE, layer("gru", 4, bidirectional=True, merge="sum")),
        lambda: Attributes(None, None),
        lambda: Attributes(Linear(5, 7), Embedding(4, 6)),
    ):
        with pytest.raises(ValueError, match=r"wanted|mixed|stages|reads|become|numbers|shorter"):
            wrong()
