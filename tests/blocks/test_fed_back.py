"""The member of a direct network that reads its own forecasts, against its equations by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import functional_call

from tests.blocks.test_direct import CELLS, LATE, OUTPUTS, ROWS, L, S, block, gru, windows
from unrolled.blocks.direct import FedBack, Row
from unrolled.blocks.leaves import Linear, Parameter
from unrolled.blocks.recurrent import Recurrent
from unrolled.cells.registry import read_cell
from unrolled.ops import numpy as production
from unrolled.ops.torch import Network


def network(row="one", relative=False, cell="gru", calibrated=False):
    """One more member than that of test_direct.py, all parameters drawn; small ones of heads."""
    whole, sizes = block(row, "calibrated" if calibrated else "point", cell), Row(*ROWS[row])
    layer = Recurrent(read_cell(cell.split()[-1], CELLS[cell]), sizes.read, 4)
    member = FedBack.of(layer, LATE, relative)
    whole = replace(whole, members=(*whole.members, member), shares=Parameter((3,)))
    net, draws = Network(whole), torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0.05, 0.5, generator=draws)
    return net.double().eval()


def by_hand(net, x, ahead, relative):
    """(N, S) the values that follow each window, and (N, LATE) those after each of its last rows."""
    w = {name: array.numpy() for name, array in net.state_dict().items()}
    beside = net.block.layout.beside
    futures, lessons = [], []
    for window, later in zip(x.numpy(), ahead.numpy(), strict=True):
        rows = window[-LATE:].copy()
        first = rows[0, 0] if relative else 0.0
        values = list(rows[:, 0])
        for s in range(S):
            inputs = rows.copy()
            inputs[:, 0] -= first
            h = gru(w, "members.2.layer", inputs, np.zeros(4))
            each = rows[:, 0] + h @ w["members.2.head.weight"][0] + w["members.2.head.bias"][0]
            if s == 0:
                lessons.append(each)
            values.append(each[-1])
            if s < S - 1:
                rows = np.vstack([rows, [each[-1], *np.zeros(beside), *later[s + 1]]])
        futures.append(values[LATE:])
    return np.array(futures), np.array(lessons)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("row", ["alone", "one"])
def test_each_forecast_is_read_as_the_next_value(row, relative):
    net = network(row, relative)
    x, ahead = windows(net)
    futures, lessons = by_hand(net, x, ahead, relative)
    with torch.no_grad():
        *_, raw = net.block.each(net.ops, net.p, x, ahead)
        *_, lesson = net.block.lessons(net.ops, net.p, x, ahead)
    np.testing.assert_allclose(net.block.output.point(raw)[..., 0], futures, rtol=1e-11)
    np.testing.assert_allclose(net.block.output.point(lesson)[..., 0], lessons, rtol=1e-11)


def test_the_other_members_are_trained_by_all_that_they_say():
    net = network()
    x, ahead = windows(net)
    with torch.no_grad():
        _, *each = net.block.each(net.ops, net.p, x, ahead)
        lessons = net.block.lessons(net.ops, net.p, x, ahead)
    assert all(torch.equal(one, lesson) for one, lesson in zip(each[:2], lessons[:2], strict=True))


def test_its_share_is_mixed_with_the_others():
    net = network(calibrated=True)
    x, ahead = windows(net)
    with torch.no_grad():
        base, *members = net.block.each(net.ops, net.p, x, ahead)
        net.shares.copy_(torch.tensor([0.2, 0.0, 0.7]))
        wanted = base + 0.2 * (members[0] - base) + 0.7 * (members[2] - base)
        torch.testing.assert_close(net(x, ahead)[..., 0], wanted[..., 0])


@pytest.mark.parametrize("relative", [False, True])
def test_every_gradient_is_that_of_finite_differences(relative):
    net = network(relative=relative)
    x, ahead = windows(net, 3)
    names, parameters = zip(*net.named_parameters(), strict=True)

    def answers(*values):
        return functional_call(net, dict(zip(names, values, strict=True)), (x, ahead))

    assert torch.autograd.gradcheck(answers, parameters, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_both_worlds_say_the_same_bits(cell, relative, dtype):
    net = network("one", relative, cell).to(dtype)
    other = production.network(net.block, {name: t.numpy() for name, t in net.state_dict().items()})
    x, ahead = windows(net, 7, dtype)
    with torch.no_grad():
        wanted = net(x, ahead).numpy()
    assert np.array_equal(other(x.numpy(), ahead.numpy()), wanted)


def test_a_window_alone_has_the_bits_of_the_window_in_a_batch():
    net = network(relative=True).to(torch.float32)
    x, ahead = windows(net, 37, torch.float32)
    with torch.no_grad():
        together = net(x, ahead)
        for rows in (slice(0, 1), slice(5, 6), slice(7, 24), slice(36, 37)):
            assert torch.equal(net(x[rows], ahead[rows]), together[rows])


def test_what_does_not_fit_is_refused():
    whole = network().block
    *others, member = whole.members
    two = block("two")
    wide = replace(member, layer=replace(member.layer, input_size=Row(*ROWS["two"]).read))
    for changed, change in (
        (whole, {"members": (*others, replace(member, head=Linear(4, 2, zero=True)))}),
        (whole, {"members": (*others, replace(member, window=L + 1))}),
        (whole, {"output": OUTPUTS["gaussian"]}),
        (two, {"members": (*two.members[:1], wide)}),  # of several targets none is fed back
    ):
        with pytest.raises(ValueError, match=r"a member|a window of"):
            replace(changed, **change)
    with pytest.raises(ValueError, match=r"to come"):
        replace(member, layer=replace(member.layer, reverse=True))
