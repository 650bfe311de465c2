"""Half precision on a CPU: each step in float32 by the kernels, and the states rounded after it."""

import pytest
import torch

from tests.cells.cases import CELLS
from unrolled.nn import Recurrent

HALVES = [torch.float16, torch.bfloat16]
DTYPES = pytest.mark.parametrize("dtype", HALVES, ids=str)


def layer_of(name, dtype, **options):
    torch.manual_seed(3)
    layer = Recurrent(CELLS[name], 5, 12, dtype=dtype, **options)
    twin = Recurrent(CELLS[name], 5, 12, **options)
    twin.load_state_dict(layer.state_dict())
    return layer, twin


@DTYPES
@pytest.mark.parametrize("name", CELLS)
def test_a_step_is_that_of_float32_rounded(name, dtype):
    layer, twin = layer_of(name, dtype)
    x = torch.randn(6, 3, 5).to(dtype)
    y, last = layer(x)
    state, outputs = twin.initial_state(3), []
    for t in range(len(x)):
        out, state = twin(x[t : t + 1].float(), state)
        state = {name: s.to(dtype).float() for name, s in twin.named(state).items()}
        outputs.append(out.to(dtype))
    assert torch.equal(y, torch.cat(outputs))
    assert all(torch.equal(s.float(), state[name]) for name, s in layer.named(last).items())


@DTYPES
@pytest.mark.parametrize("keep_every", [None, 2])
@pytest.mark.parametrize("name", ["gru", "lstm everything"])
def test_gradients_are_those_of_float64_to_rounding(name, keep_every, dtype):
    layer, twin = layer_of(name, dtype, bidirectional=True, zoneout=0.2, keep_every=keep_every)
    layer, twin = layer.eval(), twin.double().eval()
    x, lengths = torch.randn(6, 3, 5).to(dtype), [6, 0, 4]
    found, wanted = (
        torch.autograd.grad(one(x.to(one.like().dtype), lengths=lengths)[0].sum(), one.parameters())
        for one in (layer, twin)
    )
    rounding = torch.finfo(dtype).eps  # of six steps, and of the weights
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(a.double(), b, rtol=0, atol=20 * rounding * (1 + b.abs().max().item()))


@DTYPES
def test_a_row_alone_has_the_bits_of_its_batch(dtype):
    layer, _ = layer_of("lstm everything but coupling", dtype, bidirectional=True)
    x, lengths = torch.randn(9, 7, 5).to(dtype), torch.tensor([9, 0, 3, 9, 1, 8, 5])
    whole, _ = layer(x, lengths=lengths)
    for b in range(7):
        assert torch.equal(layer(x[:, b : b + 1], lengths=lengths[b : b + 1])[0], whole[:, b : b + 1])
