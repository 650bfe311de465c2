"""The encoders against torch in float64, and each picture's bits against those of any batch."""

import pytest
import torch
from torch.nn import functional

from unrolled.errors import ConfigError
from unrolled.tasks.caption.config import EncoderConfig
from unrolled.tasks.caption.encoders import Convolution, Convolutions, GivenEncoder, Rows

SIZE, CHANNELS = (11, 9), 3


def drawn(module):
    for p in module.parameters():
        torch.nn.init.normal_(p, std=0.4)
    return module


def torchs(weight, channels):
    """(F, 9 C) in rows, columns and channels -> (F, C, 3, 3)."""
    return weight.unflatten(1, (3, 3, channels)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("B, H, W, C, F", [(1, 1, 1, 1, 1), (3, 5, 4, 2, 7), (2, 9, 17, 3, 5)])
def test_the_convolution_and_its_gradients_are_torchs_in_float64(B, H, W, C, F):
    torch.manual_seed(0)
    own = drawn(Convolution(C, F).double())
    x = torch.randn(B, H, W, C, dtype=torch.float64, requires_grad=True)
    weight, bias = own.linear.weight, own.linear.bias
    other = functional.conv2d(x.permute(0, 3, 1, 2), torchs(weight, C), bias, padding=1).permute(0, 2, 3, 1)
    y, dy = own(x), torch.randn(B, H, W, F, dtype=torch.float64)
    torch.testing.assert_close(y, other, rtol=1e-12, atol=1e-12)  # both add up to 27 terms in some order
    mine, theirs = (torch.autograd.grad(one, (x, weight, bias), dy, retain_graph=True) for one in (y, other))
    torch.testing.assert_close(mine, theirs, rtol=1e-11, atol=1e-11)


def test_stages_of_odd_pictures_are_torchs_convolutions_and_pools():
    torch.manual_seed(1)
    config = EncoderConfig(stages=2, filters=5, code_size=6)
    own = drawn(Convolutions(config, SIZE, CHANNELS).double())
    x = torch.randn(4, *SIZE, CHANNELS, dtype=torch.float64)
    y = x.permute(0, 3, 1, 2)
    for stage, C in zip(own.stages, (3, 5), strict=True):
        made = functional.conv2d(y, torchs(stage.linear.weight, C), stage.linear.bias, padding=1)
        y = functional.max_pool2d(made.relu(), 2)
    places = y.permute(0, 2, 3, 1).reshape(4, 2 * 2, 10)
    code, found = own(x)
    torch.testing.assert_close(found, places + own.position, rtol=1e-11, atol=1e-11)
    head = functional.linear(places.flatten(1), own.head.weight, own.head.bias).relu()
    torch.testing.assert_close(code, head, rtol=1e-11, atol=1e-11)


ENCODERS = {
    "convolution": lambda: Convolutions(EncoderConfig(stages=3, filters=6, code_size=7), SIZE, CHANNELS),
    "rows": lambda: Rows(EncoderConfig(hidden=9), SIZE, CHANNELS),
    "rows, both ways": lambda: Rows(
        EncoderConfig(cell="lstm", hidden=9, bidirectional=True, backward_hidden=5, layers=2), SIZE, CHANNELS
    ),
    "numbers": lambda: GivenEncoder(EncoderConfig(code_size=7), 5, 0),
    "classes": lambda: GivenEncoder(EncoderConfig(code_size=7), 0, 4),
    "numbers and classes": lambda: GivenEncoder(EncoderConfig(code_size=7), 5, 4),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_an_input_has_the_bits_that_it_has_alone(kind):
    torch.manual_seed(2)
    own, B = drawn(ENCODERS[kind]()).eval(), 19
    x = (torch.randn(B, *SIZE, CHANNELS),)
    if isinstance(own, GivenEncoder):
        x = torch.randn(B, 5), torch.randint(0, 4, (B,))
    with torch.no_grad():
        code, places = own(*x)
        assert code.shape == (B, own.code_size)
        assert (places is None) == (own.memory_size is None)
        for b in range(B):
            alone = own(*(one[b : b + 1] for one in x))
            assert torch.equal(alone.code[0], code[b])
            if places is not None:
                assert torch.equal(alone.places[0], places[b]) and places.shape[2] == own.memory_size


def test_the_code_of_rows_is_each_directions_last_state():
    torch.manual_seed(3)
    own = drawn(Rows(EncoderConfig(hidden=4, bidirectional=True), SIZE, CHANNELS))
    x = torch.randn(2, *SIZE, CHANNELS)
    code, y = own(x)
    assert y.shape == (2, 11, 8) and torch.equal(code, torch.cat([y[:, -1, :4], y[:, 0, 4:]], 1))
    below = own(torch.cat([x[:, :10], torch.zeros_like(x[:, 10:])], 1)).places
    assert torch.equal(below[:, :10, :4], y[:, :10, :4]) and not torch.equal(below[:, 0, 4:], y[:, 0, 4:])


def test_what_does_not_fit_is_refused():
    with pytest.raises(
        ConfigError, match=r"stages=4 halves pictures of 11x9 to nothing; set stages=3, or a larger"
    ):
        Convolutions(EncoderConfig(stages=4), SIZE, CHANNELS)
    with pytest.raises(ConfigError, match="to nothing; set encoder='rows', or a larger image_size"):
        Convolutions(EncoderConfig(stages=1), (1, 40), CHANNELS)
    with pytest.raises(ConfigError, match="set merge='concat'"):
        Rows(EncoderConfig(bidirectional=True, merge="sum"), SIZE, CHANNELS)
