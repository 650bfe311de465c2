"""The network that forecasts all steps at once, against its equations by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import functional_call

from unrolled.blocks.block import read, write
from unrolled.blocks.direct import ABOUT, Direct, Row, Segments, Steps
from unrolled.blocks.leaves import Embedding, Linear, Parameter
from unrolled.blocks.outputs import COUNTS, DISCRETE, SIZES, Output
from unrolled.blocks.recurrent import Recurrent
from unrolled.cells.registry import read_cell
from unrolled.decoding.distributions import distribution
from unrolled.ops import numpy as production
from unrolled.ops.numpy import FARTHEST, LEAST_PROBABILITY, LEAST_RATE
from unrolled.ops.torch import Network
from unrolled.tasks.forecast.direct.reading import begin

LEVELS = (0.1, 0.3, 0.5, 0.9)
L, FRAME, S = 11, 8, 5  # steps of a window, of its frame, ahead
WHOLE, SEGMENT, LATE = 9, 3, 7  # of the members
OUTPUTS = {kind: Output(kind, LEVELS, framed=kind not in DISCRETE) for kind in SIZES}
OUTPUTS["calibrated"] = Output("point", LEVELS, framed=True, calibrated=True)
OUTPUTS["calibrated studentt"] = Output("studentt", LEVELS, framed=True, calibrated=True)
ROWS = {"alone": (1, 0, 0), "one": (1, 2, 3), "two": (2, 1, 2), "two alone": (2, 0, 0)}
# Floor of the spread, mean and deviation of its logarithm, and of the mean: not beyond FARTHEST everywhere.
REFERENCES = ((0.3, -0.1, 0.9, 0.2, 0.8), (0.25, 0.3, 1.1, -0.4, 0.5))
# Of a row that tells the number of its series: its place, how many have a base, and what tells them apart.
PLACE, BASES, IDENTITY = 2, 3, 2
CELLS = {"gru": {}, "rnn": {}, "lstm": {}, "projected lstm": {"proj_size": 3}}


def block(row="two", output="point", cell="gru", bases=None, references=REFERENCES, said=1, named=False):
    """`said`: how many steps ahead the second member says at once."""
    K, beside, ahead = ROWS[row]
    about = ABOUT + (IDENTITY if named else 0)
    bases = BASES if named else bases or K
    sizes, output = Row(K, beside, ahead), OUTPUTS[output]
    kind = read_cell(cell.split()[-1], CELLS[cell])
    if output.kind == "bernoulli":
        references = tuple((1.0, *one[1:]) for one in references)
    segments = Recurrent(kind, SEGMENT * sizes.read + about, 4)
    steps = Recurrent(kind, sizes.read + about, 5)
    return Direct(
        members=(
            Segments.of(segments, S * output.size, WHOLE, SEGMENT, 0.0),
            Steps.of(steps, sizes, output.size, LATE, 0.0, said),
        ),
        base=(Linear(L, S, bias=False, zero=True),) * bases,
        shares=Parameter((2,)),
        offsets=Parameter((S, K, len(LEVELS))) if output.calibrated else None,
        output=output,
        steps=S,
        frame=FRAME,
        period=3,
        row=ROWS[row],
        references=references[:K],
        series=PLACE if named else None,
        identity=Embedding(BASES, IDENTITY, scale=0.0) if named else None,
    )


def network(*arguments, zero=False, **options):
    """All parameters drawn; `zero`: but for those of the heads."""
    net, draws = Network(block(*arguments, **options)), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.normal_(0.05, 0.5, generator=draws)
            parameter.mul_(0 if zero and "head" in name else 1)
    return net.double().eval()


def windows(net, N=4, dtype=torch.float64):
    """Of several levels and spreads, the last one of targets that do not vary; of counts they are not below
    0, and zeros alone in the second one's frame. Or of zeros and ones."""
    K, U = net.block.layout.targets, net.block.layout.ahead
    draws = torch.Generator().manual_seed(5)
    x = torch.randn(N, L, net.block.inputs, generator=draws, dtype=torch.float64)
    x[..., :K] *= torch.linspace(0.2, 3, N, dtype=torch.float64)[:, None, None]
    x[..., :K] += torch.linspace(-1, 2, N, dtype=torch.float64)[:, None, None]
    x[-1, :, :K] = 1.7
    if net.block.series is not None:  # known ones by turns, and two of all others
        numbers = torch.tensor([1.0, 0.0, 2.0, 7.0]).repeat(-(-N // 4))[:N]
        x[..., PLACE] = numbers[:, None]
    if net.block.output.is_count:
        x[..., :K] = x[..., :K].abs()
        x[1, -FRAME:, :K] = 0
    elif net.block.output.is_discrete:
        x[..., :K] = (x[..., :K] > 0).double()
    return x.to(dtype), torch.randn(N, S, U, generator=draws, dtype=torch.float64).to(dtype)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def gru(w, name, x, h):
    """x (T, I) -> the state after each step (T, H)."""
    W, U, b, c = (w[f"{name}.{part}_l0"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    states = []
    for row in x:
        (ir, iz, i_n), (hr, hz, hn) = np.split(W @ row + b, 3), np.split(U @ h + c, 3)
        r, z = sigmoid(ir + hr), sigmoid(iz + hz)
        h = z * h + (1 - z) * np.tanh(i_n + r * hn)
        states.append(h)
    return np.array(states)


def above(b, least):
    return (b + np.sqrt(b**2 + 4 * least**2)) / 2


def by_hand(net, x, ahead):
    """Of one target of one window at a time, GRUs by themselves."""
    w = {name: array.numpy() for name, array in net.state_dict().items()}
    one, K = net.block, net.block.layout.targets
    output, bases = one.output, len(one.base)
    R, m = output.size, output.location
    raw = np.empty((len(x), *one.shape))
    for n, window in enumerate(x.numpy()):
        number = 0
        if one.series is not None:
            number = min(int(window[0, PLACE]), BASES - 1)
            window = np.delete(window, PLACE, 1)
        for k in range(K):
            floor, log_mean, log_scale, mean_mean, mean_scale = one.references[k]
            z = window[:, k]
            mean = z[-FRAME:].mean()
            spread = max(mean if output.is_discrete else z[-FRAME:].std(), floor)
            second = z[-FRAME:].std() / spread if output.is_discrete else mean
            about = [(np.log(spread) - log_mean) / log_scale, (second - mean_mean) / mean_scale]
            about = np.clip(about, -FARTHEST, FARTHEST)
            if one.series is not None:
                about = [*about, *w["identity.weight"][number]]
            u = z / spread if output.is_discrete else (z - mean) / spread
            b = w[f"base.{number or (k if bases > 1 else 0)}.weight"] @ u
            if output.is_count:
                least = LEAST_RATE + floor / 2 / spread
                b = np.log(above(b, least))
            elif output.is_discrete:
                b = np.log(above(b, LEAST_PROBABILITY)) - np.log(above(1 - b, LEAST_PROBABILITY))
            rows = [[u[t], *window[t, K:], *about] for t in range(L)]
            groups = [
                [number for t in range(at, at + SEGMENT) for number in rows[t][: -len(about)]] + [*about]
                for at in range(L - WHOLE, L, SEGMENT)
            ]
            h = gru(w, "members.0.layer", np.array(groups), np.zeros(4))[-1]
            first = (w["members.0.head.weight"] @ h + w["members.0.head.bias"]).reshape(S, R)
            h = gru(w, "members.1.layer", np.array(rows[-LATE:]), np.zeros(5))[-1]
            said, last = one.members[1].segment, S - 1
            each = [[*ahead[n, s].numpy(), b[s]] for s in range(S)]
            later = [
                [number for s in range(at, at + said) for number in each[min(s, last)]] + [*about]
                for at in range(0, S, said)
            ]
            states = gru(w, "members.1.decoder", np.array(later), h)
            second = states @ w["members.1.head.weight"].T + w["members.1.head.bias"]
            second = second.reshape(-1, R)[:S]
            said = (first + second) / 2
            said[:, m] = b + w["shares"][0] * first[:, m] + w["shares"][1] * second[:, m]
            if output.is_discrete:
                said[:, m] += np.log(spread)
                raw[n, :, k] = said
                continue
            offsets = w["offsets"][:, k] if output.calibrated else np.empty((S, 0))
            raw[n, :, k] = np.column_stack([said, offsets, np.full(S, mean), np.full(S, spread)])
    return raw


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("row", ROWS)
def test_the_equations(row, output):
    net = network(row, output)
    x, ahead = windows(net)
    with torch.no_grad():
        actual = net(x, ahead).numpy()
    np.testing.assert_allclose(actual, by_hand(net, x, ahead), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("said", [2, S, S + 2])
@pytest.mark.parametrize("row", ROWS)
def test_several_steps_ahead_may_be_said_at_once(row, said):
    """Whether their number divides that of the steps, or the last segment goes beyond these."""
    net = network(row, "gaussian", said=said)
    x, ahead = windows(net)
    with torch.no_grad():
        wanted = net(x, ahead).numpy()
    np.testing.assert_allclose(wanted, by_hand(net, x, ahead), rtol=1e-12, atol=1e-12)
    other = production.network(net.block, {name: t.numpy() for name, t in net.state_dict().items()})
    assert np.array_equal(other(x.numpy(), ahead.numpy()), wanted)
    assert read(write(net.block)) == net.block


@pytest.mark.parametrize("output", OUTPUTS)
def test_members_are_told_which_series_a_window_is_of(output):
    net = network("one", output, named=True)
    x, ahead = windows(net)
    with torch.no_grad():
        actual = net(x, ahead).numpy()
    np.testing.assert_allclose(actual, by_hand(net, x, ahead), rtol=1e-12, atol=1e-12)


def test_series_have_no_identity_at_first():
    fresh = Network(block("one", named=True))
    assert not fresh.identity.weight.any()
    net = network("one", named=True)
    sum(raw.square().sum() for raw in net.block.each(net.ops, net.p, *windows(net, 2))).backward()
    known, other, others = net.identity.weight.grad.abs().amin(1)  # of windows of 1 and 0
    assert known > 0 and other > 0 and others == 0


def test_one_base_may_be_that_of_all_targets():
    net = network("two", bases=1)
    x, ahead = windows(net)
    with torch.no_grad():
        actual = net(x, ahead).numpy()
    np.testing.assert_allclose(actual, by_hand(net, x, ahead), rtol=1e-12, atol=1e-12)
    assert [name for name in net.state_dict() if name.startswith("base")] == ["base.0.weight"]


@pytest.mark.parametrize("output", ["gaussian", "negbinomial", "bernoulli"])
@pytest.mark.parametrize("row", ROWS)
def test_every_gradient_is_that_of_finite_differences(row, output):
    """Of counts none goes through the base, which no training moves."""
    net = network(row, output)
    x, ahead = windows(net, 3)
    learnt = (("members", "shares") if net.block.output.is_discrete else ("",),)
    named = [(name, p) for name, p in net.named_parameters() if name.startswith(*learnt)]
    names, parameters = zip(*named, strict=True)

    def answers(*given):
        return functional_call(net, dict(zip(names, given, strict=True)), (x, ahead))

    assert torch.autograd.gradcheck(answers, parameters, fast_mode=True)


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_training_moves_the_members_and_neither_the_base_nor_the_shares(output):
    net = network("two", output)
    begin(net, [])
    R = net.block.output.size
    sum(raw[..., :R].square().sum() for raw in net.block.each(net.ops, net.p, *windows(net))).backward()
    gone = {name for name, parameter in net.named_parameters() if parameter.grad is None}
    assert {name.split(".")[0] for name in gone} == {
        "base",
        "shares",
        *(["offsets"] if net.block.offsets else []),
    }
    assert all(p.grad.abs().max() > 0 for name, p in net.named_parameters() if name not in gone)


@pytest.mark.parametrize("output", COUNTS)
@pytest.mark.parametrize("row", ROWS)
def test_an_untrained_network_of_counts_is_its_base(row, output):
    """Whose rows may say less than nothing: of a mean of 0 it is half a count in a frame, or LEAST_RATE."""
    net = network(row, output, zero=True)
    K, (x, ahead) = net.block.layout.targets, windows(net)
    z, floor = x[..., :K].numpy(), np.array([one[0] for one in REFERENCES[:K]])
    spread = np.maximum(z[:, -FRAME:].mean(1), floor)
    maps = np.stack([part.weight.detach().numpy() for part in net.base])
    said = np.einsum("ksl,nlk->nsk", maps, z)  # what is linear in z needs no frame
    least = LEAST_RATE * spread + floor / 2
    wanted = above(said, least[:, None])
    assert (said < 0).any() and (wanted > 0).all()
    with torch.no_grad():
        for raw in (net(x, ahead), *net.block.each(net.ops, net.p, x, ahead)):
            actual = distribution(net.block.output).point(raw.numpy())
            np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("row", ROWS)
def test_an_untrained_network_of_zeros_and_ones_is_its_base(row):
    """Within 0 and 1, however far out its rows say."""
    net = network(row, "bernoulli", zero=True)
    K, (x, ahead) = net.block.layout.targets, windows(net)
    maps = np.stack([part.weight.detach().numpy() for part in net.base])
    said = np.einsum("ksl,nlk->nsk", maps, x[..., :K].numpy())
    one, none = above(said, LEAST_PROBABILITY), above(1 - said, LEAST_PROBABILITY)
    assert (said < 0).any() and (said > 1).any()
    with torch.no_grad():
        for raw in (net(x, ahead), *net.block.each(net.ops, net.p, x, ahead)):
            actual = distribution(net.block.output).point(raw.numpy())
            np.testing.assert_allclose(actual, one / (one + none), rtol=1e-6)


@pytest.mark.parametrize("output", [kind for kind in OUTPUTS if kind not in DISCRETE])
@pytest.mark.parametrize("row", ROWS)
def test_an_untrained_network_is_its_base(row, output):
    net = network(row, output, zero=True)
    K, (x, ahead) = net.block.layout.targets, windows(net)
    z = x[..., :K].numpy()
    mean = z[:, -FRAME:].mean(1)
    spread = np.maximum(z[:, -FRAME:].std(1), [one[0] for one in REFERENCES[:K]])
    maps = np.stack([part.weight.detach().numpy() for part in net.base])
    wanted = mean[:, None] + spread[:, None] * np.einsum(
        "ksl,nlk->nsk", maps, (z - mean[:, None]) / spread[:, None]
    )
    with torch.no_grad():
        for raw in (net(x, ahead), *net.block.each(net.ops, net.p, x, ahead)):
            np.testing.assert_allclose(net.block.output.point(raw).numpy(), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("output", [kind for kind in OUTPUTS if kind != "bernoulli"])
def test_a_window_of_another_unit_has_its_forecast_in_that_unit(output):
    """Where its level and its spread are so far from those of training that both look alike."""
    of_counts = output in COUNTS  # which have no level, and spreads that vary by the floor
    far = tuple((1e-15, -100.0, 1.0, 0.0 if of_counts else -1e4, 1e-4) for _ in range(2))
    net = network("two", output, references=far)
    x, ahead = windows(net, 4 if of_counts else 3)
    x, scale = x[[0, 2] if of_counts else [0, 1]], torch.tensor([8.0, 0.3])
    shift = torch.zeros(2) if of_counts else torch.tensor([-300.0, 5.0])
    moved = torch.cat([x[..., :2] * scale + shift, x[..., 2:]], -1)
    with torch.no_grad():
        raws = [net(rows, ahead[:2]).numpy() for rows in (x, moved)]
    point, other = map(distribution(net.block.output).point, raws)
    np.testing.assert_allclose(other, point * scale.numpy() + shift.numpy(), rtol=1e-9)
    if net.block.output.is_distribution and not of_counts:
        asked = np.array([0.05, 0.5, 0.8])
        quantiles, others = (distribution(net.block.output).quantiles(raw, asked) for raw in raws)
        wanted = quantiles * scale.numpy()[:, None] + shift.numpy()[:, None]
        np.testing.assert_allclose(others, wanted, rtol=1e-9)


def test_targets_do_not_see_one_another_but_by_what_is_beside():
    """Each target of a window has the forecast that it has with any other one."""
    net = network("two")
    x, ahead = windows(net)
    other = x.clone()
    other[..., 1] = x[..., 1].flip(1) * 3 - 7
    with torch.no_grad():
        actual, wanted = net(other, ahead), net(x, ahead)
    assert torch.equal(actual[:, :, 0], wanted[:, :, 0]) and not torch.equal(actual[:, :, 1], wanted[:, :, 1])


@pytest.mark.parametrize("output", OUTPUTS)
def test_shares_mix_the_forecasts_and_nothing_else(output):
    net = network("two", output)
    (x, ahead), m = windows(net), net.block.output.location
    with torch.no_grad():
        base, *members = net.block.each(net.ops, net.p, x, ahead)
        for shares in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.7, 0.6)):
            net.shares.copy_(torch.tensor(shares))
            raw = net(x, ahead)
            mixed = sum(share * (one - base)[..., m] for share, one in zip(shares, members, strict=True))
            torch.testing.assert_close(raw[..., m], base[..., m] + mixed)
            rest = [k for k in range(net.block.output.size) if k != m]
            torch.testing.assert_close(raw[..., rest], ((members[0] + members[1]) / 2)[..., rest])


def test_what_is_read_is_the_end_of_the_window_that_each_has():
    """The base reads all of it; the members, of the targets and of the rest, no more than their own steps."""
    net = network("two")
    x, ahead = windows(net)
    with torch.no_grad():
        base, first, second = net.block.each(net.ops, net.p, x, ahead)
        for steps, same in ((slice(0, L - WHOLE), (True, True)), (slice(L - WHOLE, L - LATE), (False, True))):
            other = x.clone()
            other[:, steps, 2:] += 1  # what is beside
            actual = net.block.each(net.ops, net.p, other, ahead)
            assert torch.equal(actual[0], base)
            assert (torch.equal(actual[1], first), torch.equal(actual[2], second)) == same
        other = x.clone()
        other[:, 0, :2] += 1
        assert not torch.equal(net.block.each(net.ops, net.p, other, ahead)[0], base)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("cell", CELLS)
def test_both_worlds_say_the_same_bits(cell, output, dtype, named):
    net = network("one" if named else "two", output, cell=cell, named=named).to(dtype)
    other = production.network(net.block, {name: t.numpy() for name, t in net.state_dict().items()})
    x, ahead = windows(net, 7, dtype)
    with torch.no_grad():
        wanted = net(x, ahead).numpy()
        each = [raw.numpy() for raw in net.block.each(net.ops, net.p, x, ahead)]
    actual = other(x.numpy(), ahead.numpy())
    assert actual.dtype == wanted.dtype and np.array_equal(actual, wanted)
    again = net.block.each(production.OPS, other.p, x.numpy(), ahead.numpy())
    assert all(np.array_equal(a, b) for a, b in zip(again, each, strict=True))


@pytest.mark.parametrize("row", [*ROWS, "named"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_window_alone_has_the_bits_of_the_window_in_a_batch(cell, row):
    """Beside windows that hold NaN too."""
    named = row == "named"
    net = network("one" if named else row, "quantiles", cell=cell, named=named).to(torch.float32)
    x, ahead = windows(net, 37, torch.float32)
    with torch.no_grad():
        together = net(x, ahead)
        for rows in (slice(0, 1), slice(5, 6), slice(7, 24), slice(36, 37)):
            assert torch.equal(net(x[rows], ahead[rows]), together[rows])
        x[3] = torch.nan
        beside = net(x, ahead)
        assert torch.equal(beside[4:], together[4:]) and beside[3].isnan().all()


@pytest.mark.parametrize("output", ["gaussian", "negbinomial"])
def test_windows_as_far_from_training_as_may_be_have_numbers(output):
    """Values of 2^60 deviations are read (models/series.py), and small ones among them."""
    net = network("two", output).to(torch.float32)
    x, ahead = windows(net, 6, torch.float32)
    x[0, :, :2], x[1, :, :2], x[2, 4, :2] = 2.0**60, 2.0**60 * torch.sign(x[1, :, :2]), -(2.0**60)
    x[3, :, :2] *= 1e-38
    with torch.no_grad():
        assert net(x, ahead).isfinite().all()


def test_what_does_not_fit_is_refused():
    whole = block()
    segments, steps = whole.members
    beyond = replace(steps.layer, reverse=True)
    for change in (
        {"base": whole.base * 2},
        {"base": (Linear(L, S, zero=True),) * 2},
        {"base": (Linear(L, S + 1, bias=False, zero=True),) * 2},
        {"shares": Parameter((3,))},
        {"offsets": Parameter((S, 2, len(LEVELS)))},
        {"widths": Parameter((len(whole.base),))},
        {"output": replace(whole.output, framed=False)},
        {"output": Output("poisson", LEVELS, framed=True)},
        {"output": Output("bernoulli", LEVELS)},  # whose spread is not 1
        {"output": Output("bernoulli", LEVELS, framed=True)},
        {"output": OUTPUTS["gaussian"]},
        {"output": OUTPUTS["calibrated"]},
        {"steps": S - 1},
        {"frame": L + 1},
        {"row": (1, 2, 2)},
        {"row": (2, 1)},
        {"row": (2, 2, 1)},
        {"references": REFERENCES[:1]},
        {"references": (REFERENCES[0], (0.0, *REFERENCES[1][1:]))},
        {"references": (REFERENCES[0], (*REFERENCES[1][:4], float("inf")))},
        {"identity": Embedding(2, IDENTITY, scale=0.0)},
        {"members": (segments,)},
        {"members": (segments, replace(steps, window=L + 1))},
        {"members": (segments, replace(steps, head=Linear(5, 2, zero=True)))},
        {"members": (replace(segments, segment=1), steps)},
        {"members": (segments, replace(steps, segment=2))},
    ):
        with pytest.raises(ValueError, match=r"a |base|targets|references|shares|offsets|widths|identities"):
            replace(whole, **change)
    named = block("one", named=True)
    for change in (
        {"identity": None},
        {"identity": Embedding(BASES, IDENTITY)},
        {"identity": Embedding(BASES + 1, IDENTITY, scale=0.0)},
        {"identity": Embedding(BASES, IDENTITY + 1, scale=0.0)},
    ):
        with pytest.raises(ValueError, match=r"a member|identities"):
            replace(named, **change)
    for member, change in (
        (segments, {"segment": 2}),
        (segments, {"layer": replace(segments.layer, bidirectional=True)}),
        (steps, {"layer": beyond}),
        (steps, {"decoder": beyond}),
        (steps, {"decoder": replace(steps.decoder, hidden_size=4)}),
        (steps, {"decoder": replace(steps.decoder, num_layers=2)}),
    ):
        with pytest.raises(ValueError, match=r"segments|to come|go on"):
            replace(member, **change)
