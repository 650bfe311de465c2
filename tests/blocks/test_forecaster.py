"""The network's equations, and feeding back against doing it by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unrolled.blocks.forecaster import Recursive
from unrolled.blocks.outputs import SIZES, Output
from unrolled.blocks.recurrent import Recurrent
from unrolled.cells.registry import read_cell
from unrolled.kernels import dispatch
from unrolled.ops import numpy as production
from unrolled.ops.torch import Network
from unrolled.tasks.forecast.network import repeated, run_on
from unrolled.tasks.outputs import criterion

LEVELS = (0.1, 0.5, 0.9)
LAYERS = {
    "rnn": lambda I: Recurrent(read_cell("rnn", {}), I, 5),
    "lstm": lambda I: Recurrent(read_cell("lstm", {}), I, 5, 2),
    "projected": lambda I: Recurrent(read_cell("lstm", {"proj_size": 3}), I, 5),
    "gru": lambda I: Recurrent(read_cell("gru", {}), I, 5),
}


def network(layer="gru", output="point", K=2, U=3, steps=1, residual=True, relative=(False, False)):
    torch.manual_seed(1)
    made = Network(Recursive.of(LAYERS[layer](K + U), Output(output, LEVELS), steps, relative, residual))
    torch.nn.init.normal_(made.head.weight)
    torch.nn.init.normal_(made.head.bias)
    return made.double()


@pytest.mark.parametrize("output", SIZES)
def test_shapes(output):
    made = network(output=output, steps=4)
    raw, _ = made(torch.randn(3, 6, 5, dtype=torch.float64))
    assert raw.shape == (3, 6, 4, 2, Output(output, LEVELS).size)


@pytest.mark.parametrize("output", SIZES)
def test_an_untrained_residual_network_is_persistence(output):
    made = Network(Recursive.of(LAYERS["gru"](5), Output(output, LEVELS), 3, (False, False), True))
    x = torch.randn(4, 6, 5)
    raw, _ = made(x)
    assert torch.equal(made.block.output.point(raw), x[:, :, None, :2].expand(4, 6, 3, 2))


@pytest.mark.parametrize("residual", [True, False])
def test_relative_networks_forget_the_level(residual):
    """A constant added to the targets of a window is added to its forecasts, and changes nothing else."""
    made = network(residual=residual, relative=(True, True))
    x, shift = torch.randn(3, 6, 5, dtype=torch.float64), torch.tensor([5.0, -2.0], dtype=torch.float64)
    moved = torch.cat([x[..., :2] + shift, x[..., 2:]], -1)
    found, wanted = (made.block.output.point(made(rows)[0]) for rows in (moved, x))
    torch.testing.assert_close(found, wanted + shift)
    for relative in ((False, False), (True, False)):
        absolute = network(residual=residual, relative=relative)
        found, wanted = (absolute.block.output.point(absolute(rows)[0]) for rows in (moved, x))
        assert not torch.allclose(found, wanted + shift)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("relative", [(True, False), (False, False)])
def test_two_chunks_are_the_whole(layer, relative):
    made = network(layer, relative=relative)
    x = torch.randn(3, 7, 5, dtype=torch.float64)
    head, state = made(x[:, :4])
    tail, _ = made(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([head, tail], 1), made(x)[0])


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("relative", [(True, False), (False, False)])
def test_feeding_back_is_one_step_after_the_other(layer, relative):
    """run_on against asking the whole network anew with each forecast appended."""
    made, horizon = network(layer, relative=relative), 4
    x = torch.randn(3, 6, 5, dtype=torch.float64)
    known = torch.randn(3, horizon - 1, 3, dtype=torch.float64)
    raw, state = made(x)
    found = run_on(made, raw[:, -1], state, known, horizon, made.block.output.point)
    rows, wanted = x, []
    for h in range(horizon):
        value = made.block.output.point(made(rows)[0])[:, -1, 0]
        wanted.append(value)
        if h < horizon - 1:
            rows = torch.cat([rows, torch.cat([value, known[:, h]], -1)[:, None]], 1)
    assert found.shape == (3, horizon, 2)
    torch.testing.assert_close(found, torch.stack(wanted, 1))


@pytest.mark.parametrize("layer", LAYERS)
def test_repeated_states_are_those_of_repeated_rows(layer):
    made = network(layer, relative=(True, False))
    x = torch.randn(3, 6, 5, dtype=torch.float64)
    _, state = made(x)
    _, wanted = made(x.repeat_interleave(4, 0))
    more = torch.randn(12, 2, 5, dtype=torch.float64)
    torch.testing.assert_close(made(more, repeated(state, 4))[0], made(more, wanted)[0])


@pytest.mark.parametrize("output", SIZES)
@pytest.mark.parametrize("residual", [True, False])
def test_both_worlds_say_the_same_bits_step_by_step(output, residual):
    """From the state before the first step, or from none; rows that begin later have their own level."""
    made = network("lstm", output, steps=2, residual=residual, relative=(True, False)).eval()
    other = production.network(made.block, {name: t.numpy() for name, t in made.state_dict().items()})
    x = torch.randn(3, 6, 5, dtype=torch.float64)
    with torch.no_grad():
        wanted, after = made(x)
        begun, _ = made(x, made.block.start(made.ops, made.p, 3))
    assert torch.equal(begun, wanted)
    state, late = other.start(3), other.start(3)
    for t, step in enumerate(x.numpy().swapaxes(0, 1)):
        found, state = other(step[None], state)
        assert np.array_equal(found[0], wanted[:, t])
        if t > 2:
            _, late = other(step[None], late)
    assert state.keys() - after.keys() == {"series.steps"}  # torch's rows begin together
    assert all(np.array_equal(state[name], after[name]) for name in after)
    assert np.array_equal(late["series.anchor"], x[:, 3, :2] * torch.tensor([1, 0]))
    assert late["series.steps"].tolist() == [3] * 3


def test_what_would_see_later_steps_or_has_another_head_is_refused():
    layer, output = LAYERS["gru"](5), Output("gaussian", LEVELS)
    block = Recursive.of(layer, output, 2, (True, False), True)
    for change in (
        {"layer": replace(layer, reverse=True)},
        {"head": replace(block.head, outputs=9)},
        {"head": replace(block.head, zero=False)},
        {"relative": (True,)},
        {"relative": ()},
        {"steps": 3},
    ):
        with pytest.raises(ValueError, match=r"to come|wanted"):
            replace(block, **change)


def test_padding_changes_nothing():
    made, x = network(), torch.randn(2, 6, 5, dtype=torch.float64)
    padded = x.clone()
    padded[0, 4:] = torch.nan
    found, _ = made(padded, lengths=torch.tensor([4, 6]))
    torch.testing.assert_close(found[0, :4], made(x)[0][0, :4])
    torch.testing.assert_close(found[1], made(x)[0][1])


def compiled(layer):
    """Whether our own kernels run this cell: only their order of sums is free of the batch."""
    return dispatch.choose(layer.cell.name, "cpu", "float64", layer.cell.wants).backend == "cpu"


@pytest.mark.parametrize("output", SIZES)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_row_alone_has_the_bits_of_the_row_in_a_batch(layer, output):
    """Through the layer, the head and the output, and when forecasts are fed back."""
    made = network(layer, output, relative=(True, False)).eval()
    output = made.block.output
    if not compiled(made.block.layer):
        pytest.skip(f"{layer} has no kernel yet")
    x = torch.randn(37, 6, 5, dtype=torch.float64)
    known = torch.randn(37, 3, 3, dtype=torch.float64)

    def answers(rows):
        with torch.no_grad():
            raw, state = made(x[rows])
            path = run_on(made, raw[:, -1], state, known[rows], 4, made.block.output.point)
            quantiles = [criterion(output).quantiles(raw, LEVELS)] if output.is_distribution else []
        return [raw, made.block.output.point(raw), path, *quantiles]

    together = answers(slice(None))
    for rows in (slice(0, 1), slice(5, 6), slice(7, 24), slice(36, 37)):
        for found, wanted in zip(answers(rows), together, strict=True):
            assert torch.equal(found, wanted[rows])
