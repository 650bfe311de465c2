"""RNNCell, LSTMCell and GRUCell against torch.nn's, and against the layers."""

import pytest
import torch

import unrolled.nn
from unrolled.cells.registry import write_cell
from unrolled.nn import GRUCell, LSTMCell, RNNCell
from unrolled.nn.layers import LAYERS, STEPS

from ..cells.cases import combinations

TOLERANCE = {"rtol": 1e-12, "atol": 1e-13}  # float64, one step of sums of ten terms


def as_hx(state):
    return tuple(state) if len(state) > 1 else state[0]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("batch", [(3,), ()])
def test_values_and_every_gradient_match_torch(name, bias, batch):
    torch.manual_seed(4)
    ours = getattr(unrolled.nn, name)(5, 7, bias, dtype=torch.float64)
    torch.manual_seed(4)
    theirs = getattr(torch.nn, name)(5, 7, bias, dtype=torch.float64)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    x = torch.randn(*batch, 5, dtype=torch.float64, requires_grad=True)
    state = [
        torch.randn(*batch, 7, dtype=torch.float64, requires_grad=True)
        for _ in range(1 + (name == "LSTMCell"))
    ]
    results = []
    for cell in (ours, theirs):
        out = cell(x, as_hx(state))
        out = out if isinstance(out, tuple) else (out,)
        loss = sum((torch.linspace(-1, 2, o.numel()).double() * o.flatten()).sum() for o in out)
        results.append([*out, *torch.autograd.grad(loss, [x, *state, *cell.parameters()])])
        again = cell(x)
        results[-1] += again if isinstance(again, tuple) else (again,)
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, **TOLERANCE)


@pytest.mark.parametrize("cell", list(combinations()), ids=str)
def test_steps_one_after_another_are_the_layer(cell):
    name, options = write_cell(cell)
    torch.manual_seed(4)
    one = STEPS[name](5, 6, **options)
    torch.manual_seed(4)
    whole = LAYERS[name](5, 6, **options)
    x, state, outputs = torch.randn(4, 3, 5), None, []
    for x_t in x:
        state = one(x_t, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    assert torch.equal(torch.stack(outputs), whole(x)[0])


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 4\).*\(B, 5\)"):
        RNNCell(5, 7)(torch.zeros(2, 4))
    for backend in (None, "torch", "reference"):
        one, h = LSTMCell(5, 7, backend=backend), torch.zeros(2, 7)
        for c in (torch.zeros(3, 7), torch.zeros(2, 8)):
            with pytest.raises(ValueError, match=r"c0 is .*\(.*\); wanted .*2, 7\)"):
                one(torch.zeros(2, 5), (h, c))
        for c in (torch.zeros(1, 2, 7), torch.zeros(7)):
            with pytest.raises(ValueError, match=r"c has shape \(.*7,?\); wanted 2 dimensions"):
                one(torch.zeros(2, 5), (h, c))
    with pytest.raises(ValueError, match="hidden_size=0"):
        GRUCell(5, 0)


def test_repr_shows_what_is_not_the_default():
    assert repr(LSTMCell(5, 7, bias=False, peephole=True)) == "LSTMCell(5, 7, bias=False, peephole=True)"


def test_a_wrong_state_or_dtype_is_refused():
    x = torch.randn(2, 3)
    with pytest.raises(ValueError, match=r"hx is not a tuple \(h, c\)"):
        LSTMCell(3, 4)(x, torch.zeros(2, 2, 4))
    with pytest.raises(ValueError, match=r"x is float64 \(2, 3\); wanted float32 \(B, 3\)"):
        GRUCell(3, 4)(x.double())
