"""Recurrence, the compiled module's class of layers: what it computes of several layers and directions, that
no weight is ever an old one, and what it refuses. tests/kernels/cpu/test_cells.py has the cells.
"""

import gc
import random
import threading
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from unrolled.cells import GRU, LSTM
from unrolled.kernels import _cpu

from .calls import CELLS, draw

KINDS = [*CELLS[1::3], ("lstm", LSTM()), ("lstm", LSTM(proj_size=3))]


@dataclass
class Network:
    """L layers of one cell, drawn at random, in one direction or both."""

    cell: object
    name: str
    I: int
    H: int
    layers: int
    reverse: tuple[bool, ...]
    dtype: torch.dtype = torch.float32
    bias: bool = True

    def __post_init__(self):
        self.H = -(-self.H // self.cell.block) * self.cell.block
        D, widths = len(self.reverse), self.cell.state_sizes(self.H)
        self.P = widths[0]
        self.F = D * self.P
        self.widths = widths
        inputs = [self.I] + [self.F] * (self.layers - 1)
        self.sizes = [(n, self.H, self.P) for n in inputs for _ in self.reverse]
        shapes = [self.cell.shapes(n, self.H, self.bias) for n, _, _ in self.sizes]
        self.names = list(shapes[0])
        self.weights = [torch.randn(*s, dtype=self.dtype) * 0.4 for one in shapes for s in one.values()]

    def recurrence(self):
        return self.of(self.sizes, self.reverse)

    def of(self, sizes, reverse):
        dtype = str(self.dtype).removeprefix("torch.")
        return _cpu.Recurrence(self.name, dtype, self.cell.block, self.names, sizes, list(reverse))

    def states(self, B):
        return [torch.randn(len(self.sizes), B, n, dtype=self.dtype) for n in self.widths]

    def empty(self, *shape):
        return torch.full(shape, torch.nan, dtype=self.dtype)

    def like(self, tensors):
        return [torch.full_like(t, torch.nan) for t in tensors]


def whole(network, x, states, lengths, d, threads=1, trace=True, batch_sizes=None):
    """One call forward, one backward, of all layers: y, last states, dx, those of states and of weights."""
    R, T, B = network.recurrence(), len(x if batch_sizes is None else batch_sizes), states[0].shape[1]
    y, last = network.empty(*x.shape[:-1], network.F), network.like(states)
    given = {"lengths": lengths, "h0": states[:1], "c0": states[1:], "threads": threads}
    given["batch_sizes"] = batch_sizes
    kept = network.empty(T, B, R.trace_width(0)) if trace else None
    R.forward(weights=network.weights, x=x, y=y, h=last[:1], c=last[1:], trace=kept, **given)
    dx, d_states, d_weights = network.like([x])[0], network.like(states), network.like(network.weights)
    R.backward(
        weights=network.weights,
        x=x,
        y=y,
        trace=kept,
        dy=d[0],
        dh=d[1:2],
        dc=d[2:],
        dx=dx,
        dh0=d_states[:1],
        dc0=d_states[1:],
        d_weights=d_weights,
        **given,
    )
    return [y, *last, dx, *d_states, *d_weights]


def place_by_place(network, x, states, lengths, d):
    """The same by a call for each layer and direction."""
    D, n, (T, B, _) = len(network.reverse), len(network.names), x.shape
    inputs, traces, last = [x], [], network.like(states)
    places = [network.of([size], [network.reverse[p % D]]) for p, size in enumerate(network.sizes)]

    def arguments(p):
        state = [s[p : p + 1] for s in states]
        return {
            "weights": network.weights[p * n : (p + 1) * n],
            "x": inputs[p // D],
            "lengths": lengths,
            "h0": state[:1],
            "c0": state[1:],
            "threads": 1,
        }

    outputs = []
    for p, place in enumerate(places):
        outputs.append(network.empty(T, B, network.P))
        traces.append(network.empty(T, B, place.trace_width(0)))
        ends = [s[p : p + 1] for s in last]
        place.forward(y=outputs[p], h=ends[:1], c=ends[1:], trace=traces[p], **arguments(p))
        if p % D == D - 1:
            inputs.append(torch.cat(outputs[-D:], -1))

    d_states, d_weights, dy = network.like(states), network.like(network.weights), d[0]
    for layer in reversed(range(network.layers)):
        parts = []
        for k in range(D):
            p = layer * D + k
            parts.append(network.like([inputs[layer]])[0])
            places[p].backward(
                y=outputs[p],
                trace=traces[p],
                dy=dy[..., k * network.P : (k + 1) * network.P],
                dh=[d[1][p : p + 1]],
                dc=[one[p : p + 1] for one in d[2:]],
                dx=parts[k],
                dh0=[d_states[0][p : p + 1]],
                dc0=[one[p : p + 1] for one in d_states[1:]],
                d_weights=d_weights[p * n : (p + 1) * n],
                **arguments(p),
            )
        dy = parts[0] if D == 1 else parts[0] + parts[1]
    return [inputs[-1], *last, dy, *d_states, *d_weights]


def same(got, want):
    return all(torch.equal(a, b) for a, b in zip(got, want, strict=True))


def drawn(seed, name, cell, **sizes):
    choice = random.Random(seed)
    torch.manual_seed(seed)
    network = Network(
        cell,
        name,
        sizes.get("I", choice.randint(1, 20)),
        sizes.get("H", choice.randint(5, 40)),
        sizes.get("layers", choice.randint(1, 3)),
        sizes.get("reverse", choice.choice([(False,), (True,), (False, True)])),
        choice.choice([torch.float32, torch.float64]),
        choice.random() < 0.8,
    )
    T, B = sizes.get("T", choice.randint(1, 9)), sizes.get("B", choice.randint(1, 6))
    x, states = torch.randn(T, B, network.I, dtype=network.dtype), network.states(B)
    lengths = torch.tensor([choice.randint(0, T) for _ in range(B)]) if choice.random() < 0.5 else None
    d = [torch.randn(T, B, network.F, dtype=network.dtype), *network.states(B)]
    return network, x, states, lengths, d


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name, cell", KINDS, ids=str)
def test_layers_and_directions_in_one_call_are_those_of_a_call_each(name, cell, seed):
    case = drawn(seed, name, cell)
    want = place_by_place(*case)
    for trace in (True, False):
        for threads in (1, 2):
            got = whole(*case, threads=threads, trace=trace)
            own = {"weight_peephole", "gain_ih", "gain_hh", "gain_c", "shift_c"}
            names = case[0].names * len(case[0].sizes)
            fixed = len(got) - len(names)
            assert same(got[:fixed], want[:fixed])
            for name_, one, other in zip(names, got[fixed:], want[fixed:], strict=True):
                if threads > 1 and name_ in own:  # their sums depend on how the rows were dealt out
                    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
                else:
                    assert torch.equal(one, other), name_


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name, cell", KINDS, ids=str)
def test_packed_layers_and_directions_are_the_padded_ones(name, cell, seed):
    network, x, states, lengths, d = drawn(seed, name, cell)
    T, B, _ = x.shape
    lengths = torch.randint(1, T + 1, (B,)).sort(descending=True).values
    valid = torch.arange(T).unsqueeze(1) < lengths
    sizes, packed_d = valid.sum(1)[: lengths[0]], [d[0][valid], *d[1:]]
    for trace, threads in ((True, 1), (False, 2)):
        options = {"threads": threads, "trace": trace}
        want = whole(network, x, states, lengths, d, **options)
        got = whole(network, x[valid], states, None, packed_d, batch_sizes=sizes, **options)
        dx = 1 + len(states)
        assert same(got, [t[valid] if k in (0, dx) else t for k, t in enumerate(want)])


@pytest.mark.parametrize("T, B", [(0, 3), (4, 0), (0, 0)])
@pytest.mark.parametrize("reverse", [(False,), (False, True)])
@pytest.mark.parametrize("name, cell", KINDS, ids=str)
def test_no_step_and_no_row_leave_the_state_as_it_is(name, cell, reverse, T, B):
    network, x, states, _, d = drawn(1, name, cell, T=T, B=B, reverse=reverse, layers=2)
    y, *rest = whole(network, x, states, None, d)
    k = len(states)
    assert y.shape == (T, B, network.F)
    assert same(rest[:k], states)
    assert same(rest[k + 1 : 2 * k + 1], d[1:])
    assert not any(one.any() for one in rest[2 * k + 1 :])


@pytest.mark.parametrize("name, cell", KINDS, ids=str)
def test_states_that_are_not_given_are_zero_and_ends_are_not_wanted(name, cell):
    network, x, states, lengths, d = drawn(3, name, cell, layers=2, reverse=(False, True), T=5, B=3)
    zeros = [torch.zeros_like(s) for s in states]
    want = whole(network, x, zeros, lengths, [d[0], *zeros])
    R, y = network.recurrence(), network.empty(5, 3, network.F)
    R.forward(weights=network.weights, x=x, y=y, threads=1, lengths=lengths)
    assert torch.equal(y, want[0])
    dx, d_weights = torch.full_like(x, torch.nan), network.like(network.weights)
    given = {"weights": network.weights, "x": x, "y": y, "threads": 1, "lengths": lengths}
    R.backward(**given, dy=d[0], dx=dx, d_weights=d_weights)
    assert torch.equal(dx, want[1 + len(states)])
    assert same(d_weights, want[2 + 2 * len(states) :])


@pytest.mark.parametrize("T", [1, 4])
@pytest.mark.parametrize("name, cell", KINDS, ids=str)
def test_a_first_state_whose_gradient_is_not_wanted_changes_no_other(name, cell, T):
    network, x, states, lengths, d = drawn(4, name, cell, layers=2, reverse=(False, True), T=T, B=3)
    want = whole(network, x, states, lengths, d)
    R, k = network.recurrence(), len(states)
    dx, d_weights = torch.full_like(x, torch.nan), network.like(network.weights)
    given = {"weights": network.weights, "x": x, "y": want[0], "threads": 1, "lengths": lengths}
    R.backward(
        **given, h0=states[:1], c0=states[1:], dy=d[0], dh=d[1:2], dc=d[2:], dx=dx, d_weights=d_weights
    )
    assert torch.equal(dx, want[1 + k])
    assert same(d_weights, want[2 + 2 * k :])


def test_states_may_come_apart_and_sequences_at_any_stride():
    network, x, states, lengths, d = drawn(
        5, "lstm", LSTM(proj_size=3), layers=2, reverse=(False, True), T=4, B=3, I=6
    )
    want = whole(network, x, states, lengths, d)
    apart = [[one.clone() for one in s.split(1)] for s in states]
    ends = [[torch.full_like(one, torch.nan) for one in s] for s in apart]
    first = x.transpose(0, 1).contiguous().transpose(0, 1)
    y = network.empty(3, 4, network.F).transpose(0, 1)
    network.recurrence().forward(
        weights=network.weights,
        x=first,
        y=y,
        threads=1,
        lengths=lengths,
        h0=apart[0],
        c0=apart[1],
        h=ends[0],
        c=ends[1],
    )
    assert torch.equal(y, want[0])
    assert same([torch.cat(one) for one in ends], want[1:3])


# Weights: never old ones.


def run(R, network, x, weights=None):
    y = network.empty(*x.shape[:2], network.F)
    R.forward(weights=network.weights if weights is None else weights, x=x, y=y, threads=1)
    return y


def gradient(R, network, x, y):
    dx = torch.full_like(x, torch.nan)
    R.backward(weights=network.weights, x=x, y=y, threads=1, dy=torch.ones_like(y), dx=dx)
    return dx


WRITES = {
    "data": lambda w, k: w.data.view(-1)[k : k + 1].add_(1),
    "numpy": lambda w, k: w.detach().numpy().reshape(-1).__setitem__(k, w.view(-1)[k].item() - 1),
    "foreach": lambda w, k: torch._foreach_add_([w.view(-1)[k : k + 1]], 0.5),
    "no_grad": lambda w, k: w.view(-1)[k].mul_(-1.5),
}


@pytest.mark.parametrize("how", WRITES)
@pytest.mark.parametrize("name, cell", KINDS, ids=str)
def test_every_written_number_counts(name, cell, how):
    torch.manual_seed(0)
    network = Network(cell, name, 7, 24, 2, (False, True))
    R, x = network.recurrence(), torch.randn(3, 2, 7)
    choice = random.Random(0)
    for weight in network.weights:
        for k in choice.sample(range(weight.numel()), min(3, weight.numel())):
            run(R, network, x)
            WRITES[how](weight, k)
            y = run(R, network, x)
            assert torch.equal(y, run(network.recurrence(), network, x))
            WRITES[how](weight, k)
            assert torch.equal(gradient(R, network, x, y), gradient(network.recurrence(), network, x, y))


def test_other_weights_at_the_place_of_old_ones_count():
    network = Network(LSTM(), "lstm", 9, 16, 1, (False,))
    R, x = network.recurrence(), torch.randn(3, 2, 9)
    others = [w * 0.5 for w in network.weights]
    want = run(network.recurrence(), network, x), run(network.recurrence(), network, x, others)
    assert not torch.equal(*want)
    for _ in range(3):
        assert torch.equal(run(R, network, x), want[0])
        assert torch.equal(run(R, network, x, others), want[1])


def test_weights_may_have_rows_apart_and_columns_apart():
    network = Network(LSTM(), "lstm", 9, 16, 1, (False,))
    x, want = torch.randn(3, 2, 9), None
    for make in (torch.clone, lambda w: torch.cat([w, w], -1)[..., : w.shape[-1]]):
        got = run(network.recurrence(), network, x, [make(w) for w in network.weights])
        assert want is None or torch.equal(got, want)
        want = got


def test_frozen_weights_are_not_looked_at_and_thawed_ones_are():
    network = Network(LSTM(), "lstm", 9, 70, 2, (False, True))
    R, x = network.recurrence(), torch.randn(3, 2, 9)
    assert R.frozen is False
    run(R, network, x)
    network.weights[0][3, 5] += 1  # written before it was frozen: seen
    R.frozen = True
    assert R.frozen is True
    want = run(network.recurrence(), network, x)
    assert torch.equal(run(R, network, x), want)
    before = network.weights[0].clone()
    network.weights[0][3, 5] += 1  # a broken promise, which shows that nobody looks
    assert torch.equal(run(R, network, x), want)
    R.frozen = False
    assert torch.equal(run(R, network, x), run(network.recurrence(), network, x))
    network.weights[0].copy_(before)
    assert torch.equal(run(R, network, x), want)


def test_nothing_of_a_call_is_kept_alive():
    network = Network(LSTM(), "lstm", 3, 8, 1, (False,))
    R, x = network.recurrence(), torch.randn(2, 1, 3)
    weight = torch.nn.Parameter(network.weights[0].clone())
    gone = weakref.ref(weight), weakref.ref(R)
    run(R, network, x, [weight, *network.weights[1:]])
    del weight
    assert gone[0]() is None
    del R
    assert gone[1]() is None


def test_frozen_weights_are_held_until_they_thaw_or_their_layers_go():
    network = Network(LSTM(), "lstm", 3, 8, 1, (False,))
    x = torch.randn(2, 1, 3)

    def frozen():
        R, weights = network.recurrence(), [weight.numpy().copy() for weight in network.weights]
        R.frozen = True
        run(R, network, x, weights)
        return R, weakref.ref(weights[0])

    R, gone = frozen()
    assert gone() is not None
    R.frozen = False
    assert gone() is None
    R, gone = frozen()
    del R
    assert gone() is None


def test_tensors_that_are_given_other_memory_while_frozen_are_read_where_they_lie():
    network = Network(LSTM(peephole=True), "lstm.peephole", 40, 50, 1, (False,))
    x, R = torch.randn(2, 1, 40), network.recurrence()
    weights = [torch.nn.Parameter(weight.clone()) for weight in network.weights]
    R.frozen = True
    run(R, network, x, weights)
    for weight in weights:
        weight.data = torch.full_like(weight, 7)  # the memory of before is free now
    for _ in range(20):
        run(R, network, x, weights)
    R.frozen = False
    assert torch.equal(run(R, network, x, weights), run(network.recurrence(), network, x, weights))


def test_threads_share_one_recurrence():
    """Each with weights of its own, so that every call finds another's packed."""
    network = Network(LSTM(), "lstm", 17, 33, 2, (False, True))
    R, x = network.recurrence(), torch.randn(5, 3, 17)
    kinds = [[w * scale for w in network.weights] for scale in (1.0, 0.5, 0.25)]
    wanted = [run(network.recurrence(), network, x, weights) for weights in kinds]
    wrong = []

    def work(k):
        for n in range(60):
            mine = x[: 1 + n % 5]
            if not torch.equal(
                run(R, network, mine, kinds[k])[0, :, : network.P], wanted[k][0, :, : network.P]
            ):
                wrong.append(k)

    # The forward direction of the first step alone does not depend on the steps after it, of one layer.
    network = Network(LSTM(), "lstm", 17, 33, 1, (False, True))
    kinds = [[w * scale for w in network.weights] for scale in (1.0, 0.5, 0.25)]
    R, wanted = network.recurrence(), [run(network.recurrence(), network, x, weights) for weights in kinds]
    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# An order that is said once.


def in_order(given):
    """The names of arrays, and the arrays, of arguments by name."""
    given = {name: value for name, value in given.items() if value is not None and name != "threads"}
    lists = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    return [name for name, own in lists.items() for _ in own], [one for own in lists.values() for one in own]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("backward", [False, True])
def test_arrays_in_order_give_what_arrays_by_name_give(backward, packed):
    results = []
    for ordered in (False, True):
        run, given = arguments(backward, packed)
        if ordered:
            names, arrays = in_order(given)
            call = run.__self__.ordered(names)
            (call.backward if backward else call.forward)(arrays, 1)
        else:
            run(**given)
        results.append(in_order(given)[1])
    assert len(results[0]) > 12
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_an_order_has_names_that_a_call_knows_each_once():
    run, given = arguments()
    names, arrays = in_order(given)
    R = run.__self__
    for wrong, message in (
        ([*names, "gate"], "'gate' is no array of a call"),
        ([*names, "x"], "x is named twice"),
        (["weights", *names[names.count("weights") - 1 :], "weights"], "weights is named twice"),
    ):
        with pytest.raises(ValueError, match=message):
            R.ordered(wrong)
    with pytest.raises(ValueError, match="'gate' is no array of a call"):
        run(**given, gate=None)
    with pytest.raises(ValueError, match=rf"arrays are {len(names) - 1}; wanted {len(names)}"):
        R.ordered(names).forward(arrays[1:], 1)
    swapped = ["c0" if name == "h0" else "h0" if name == "c0" else name for name in names]
    arrays[names.index("c0")] = torch.randn(2, 3, 9)
    with pytest.raises(ValueError, match=r"h0 is float32 \(2, 3, 9\)"):
        R.ordered(swapped).forward(arrays, 1)


def test_an_order_keeps_its_recurrence():
    run, given = arguments()
    names, arrays = in_order(given)
    run(**given)
    wanted = given["y"].clone()
    given["y"].fill_(float("nan"))
    call = run.__self__.ordered(names)
    del run
    gc.collect()
    call.forward(arrays, 1)
    assert torch.equal(given["y"], wanted) and not wanted.isnan().any()


# What is refused.


def arguments(backward=False, packed=False):
    """Of a call that fits: one layer of two directions."""
    torch.manual_seed(0)
    network = Network(LSTM(), "lstm", 6, 8, 1, (False, True))
    R, (T, B) = network.recurrence(), (5, 3)
    f, tokens = torch.randn, (10,) if packed else (T, B)
    ends = {"batch_sizes": torch.tensor([3, 3, 2, 1, 1])} if packed else {"lengths": torch.tensor([5, 0, 2])}
    given = {
        "weights": network.weights,
        "x": f(*tokens, 6),
        "y": f(*tokens, 16),
        "threads": 1,
        **ends,
        "h0": [f(2, B, 8)],
        "c0": [f(2, B, 8)],
        "recurrent": [f(T, B, 8) for _ in range(2)],
        "zoneout_h": [f(T, B, 8) for _ in range(2)],
        "zoneout_c": [f(T, B, 8) for _ in range(2)],
        "trace": f(T, B, R.trace_width(0)),
    }
    if backward:
        given |= {
            "dy": f(*tokens, 16),
            "dh": [f(2, B, 8)],
            "dc": [f(2, B, 8)],
            "d_every_c": [f(*tokens, 8) for _ in range(2)],
            "dx": f(*tokens, 6),
            "dh0": [f(2, B, 8)],
            "dc0": [f(2, B, 8)],
            "d_weights": network.like(network.weights),
        }
    else:
        given |= {"h": [f(2, B, 8)], "c": [f(2, B, 8)], "every_c": [f(*tokens, 8) for _ in range(2)]}
    return (R.backward if backward else R.forward), given


def arrays(given):
    """The name of each array and how to put another in its place."""
    for name, value in given.items():
        if isinstance(value, torch.Tensor):
            yield name, value, lambda other, name=name: {**given, name: other}
        elif isinstance(value, list):
            for k, one in enumerate(value):

                def put(other, name=name, value=value, k=k):
                    return {**given, name: [*value[:k], other, *value[k + 1 :]]}

                yield name, one, put


def wrong_kinds(array):
    """Arrays that do not fit in the place of this one."""
    yield array.to(torch.int32)
    yield array.to(torch.float16) if array.is_floating_point() else array.to(torch.float32)
    yield array.numpy().astype(">i8" if array.dtype is torch.int64 else np.float64)
    yield torch.zeros(*array.shape, 1, dtype=array.dtype)
    yield torch.zeros((), dtype=array.dtype)
    for k in range(array.dim()):
        for step in (-1, 1):
            shape = list(array.shape)
            shape[k] += step
            yield torch.zeros(*shape, dtype=array.dtype)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("backward", [False, True])
def test_every_argument_that_does_not_fit_is_refused_by_its_name(backward, packed):
    call, given = arguments(backward, packed)
    call(**given)
    for name, array, put in arrays(given):
        for other in wrong_kinds(array):
            with pytest.raises(ValueError) as refusal:
                call(**put(other))
            message = str(refusal.value)
            blamed = name in message or (name == "x" and any(n in message for n in given))
            assert blamed and "\n" not in message and "want" in message, (name, message)
        for other in (3, "text", [1.0], object()):
            with pytest.raises(TypeError, match=name):
                call(**put(other))
        for other in (
            array.clone(),
            torch.zeros(array.shape[::-1], dtype=array.dtype).permute(*range(array.dim())[::-1]),
        ):
            other.untyped_storage().resize_(0)
            with pytest.raises(ValueError, match=name):
                call(**put(other))


def test_what_is_written_is_not_read_only():
    for backward, outputs in (
        (False, ("y", "h", "c", "every_c", "trace")),
        (True, ("dx", "dh0", "dc0", "d_weights")),
    ):
        call, given = arguments(backward)
        for name, array, put in arrays(given):
            fixed = array.numpy().copy()
            fixed.flags.writeable = False
            if name in outputs:
                with pytest.raises(ValueError, match=rf"{name}.* is read-only; wanted"):
                    call(**put(fixed))
            else:
                call(**put(fixed))


@pytest.mark.parametrize(
    "name, wrong, message",
    [
        ("h0", lambda v: [v[0][:1]], "h0"),
        ("h0", lambda v: [v[0], v[0][:1]], "h0"),
        ("c", lambda v: v * 2, "c "),
        ("recurrent", lambda v: v[:1], "recurrent"),
        ("zoneout_c", lambda v: v * 2, "zoneout_c"),
        ("every_c", lambda v: v[:1], "every_c"),
        ("weights", lambda v: v[:-1], "weights"),
        ("weights", lambda v: [*v, v[0]], "weights"),
        ("weights", lambda _: [], "weights"),
        ("lengths", lambda _: torch.tensor([5, -1, 2]), r"lengths\[1\] is -1; wanted 0 to 5"),
        ("lengths", lambda _: torch.tensor([5, 6, 2]), r"lengths\[1\] is 6; wanted 0 to 5"),
        ("threads", lambda _: 0, "threads"),
        ("threads", lambda _: -3, "threads"),
        ("every", lambda _: -1, "every"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_numbers_of_arrays_lengths_and_threads_are_checked(name, wrong, message):
    call, given = arguments()
    with pytest.raises(ValueError, match=message):
        call(**{**given, name: wrong(given.get(name))})


@pytest.mark.parametrize(
    "sizes",
    [[3, 3, 2, 1], [3, 3, 2, 1, 2], [3, 2, 3, 1, 1], [3, 3, 3, 1, 0], [4, 4, 4, -2], [2**62, 2**62], []],
)
def test_batch_sizes_fall_and_add_up_to_the_rows_of_x(sizes):
    call, given = arguments(packed=True)
    with pytest.raises(ValueError, match=r"batch_sizes is int64 .*; wanted .* add up to the 10 rows of x"):
        call(**{**given, "batch_sizes": torch.tensor(sizes, dtype=torch.int64)})


def test_lengths_and_batch_sizes_exclude_each_other():
    call, given = arguments(packed=True)
    with pytest.raises(ValueError, match="lengths and batch_sizes"):
        call(**{**given, "lengths": torch.tensor([5, 3, 2])})


@pytest.mark.parametrize("name", ["h0", "weights", "recurrent"])
def test_what_is_no_sequence_is_a_type_error(name):
    call, given = arguments()
    for wrong in (3, None, 1.5):
        with pytest.raises(TypeError, match=name):
            call(**{**given, name: wrong})


@pytest.mark.parametrize("every", [2**63 - 1, 2**62, 6, 5, 2, 1])
def test_a_trace_of_few_steps_has_its_own_size(every):
    call, given = arguments()
    for steps in {0, 1, 2, 3, 4, 5, 6} - {-(-5 // every)}:
        with pytest.raises(ValueError, match="trace"):
            call(**{**given, "every": every, "trace": torch.zeros(steps, 3, 16)})
    call(**{**given, "every": every, "trace": torch.zeros(-(-5 // every), 3, 16)})


def test_as_many_threads_as_one_likes():
    call, given = arguments()
    call(**given)
    want = given["y"].clone()
    call(**{**given, "threads": 2**62, "y": given["y"].zero_()})
    assert torch.equal(given["y"], want)


def test_what_is_of_one_layer_is_refused_for_two():
    network, x, *_ = drawn(0, "lstm", LSTM(), layers=2, reverse=(False,), T=3, B=2)
    R, y, mask = network.recurrence(), network.empty(3, 2, network.F), network.empty(3, 2, network.H)
    for name in ("recurrent", "zoneout_h", "zoneout_c", "every_c"):
        with pytest.raises(ValueError, match=f"{name}.* one layer"):
            R.forward(weights=network.weights, x=x, y=y, threads=1, **{name: [mask, mask]})
    with pytest.raises(ValueError, match=r"every.* one layer"):
        R.forward(weights=network.weights, x=x, y=y, threads=1, every=2)


def test_a_cell_without_c_takes_none():
    network, x, states, *_ = drawn(0, "gru", GRU(), layers=1, reverse=(False,), T=3, B=2)
    R, y = network.recurrence(), network.empty(3, 2, network.F)
    for name in ("c0", "c", "zoneout_c", "every_c"):
        with pytest.raises(ValueError, match=name):
            R.forward(weights=network.weights, x=x, y=y, threads=1, **{name: states})


W, U = "weight_ih", "weight_hh"


@pytest.mark.parametrize(
    "cell, names, sizes, reverse, block, message",
    [
        ("gru.after", [W, U], [(3, 4, 4)], [False], 1, r"'gru\.after'"),
        ("", [W, U], [(3, 4, 4)], [False], 1, "''"),
        ("gru", [W, U], [(3, 4, 4)], [False], 2, r"gru\.blocks"),
        ("lstm", [W, U], [(3, 5, 5)], [False], 2, "blocks of 2"),
        ("lstm", [W, U], [(3, 4, 4)], [False], 0, "blocks of 0"),
        ("lstm", [W, U], [(3, 4, 4)], [False], -4, "-4"),
        ("lstm", [W, U], [], [False], 1, "layers"),
        ("lstm", [W, U], [(3, 4, 4)], [], 1, "direction"),
        ("lstm", [W, U], [(3, 4, 4)] * 3, [False] * 3, 1, "direction"),
        ("lstm", [W, U], [(3, 4, 4)] * 3, [False, True], 1, "direction"),
        ("lstm", [W, U], [(3, 4, 4), (5, 4, 4)], [False], 1, "reads 5 features; the one below gives 4"),
        ("lstm", [W, U], [(3, 4, 4), (2, 4, 4)], [False, True], 1, "the same features"),
        ("lstm", [W, U], [(0, 4, 4)], [False], 1, "sizes"),
        ("lstm", [W, U], [(3, 0, 0)], [False], 1, "sizes"),
        ("lstm", [W, U], [(3, -4, -4)], [False], 1, "sizes"),
        ("lstm", [W, U], [(2**62, 4, 4)], [False], 1, "sizes"),
        ("lstm", [W, U], [(2**31, 2**31, 2**31)], [False], 1, "large"),
        ("lstm", [W, U], [(3, 4, 2)], [False], 1, "weight_hr"),
        ("gru", [W, U], [(3, 4, 2)], [False], 1, "size"),
        ("lstm", [W], [(3, 4, 4)], [False], 1, U),
        ("lstm", [U], [(3, 4, 4)], [False], 1, W),
        ("lstm", [W, U, W], [(3, 4, 4)], [False], 1, "twice"),
        ("lstm", [W, U, "weight"], [(3, 4, 4)], [False], 1, "'weight'"),
        ("lstm.peephole", [W, U], [(3, 4, 4)], [False], 1, "weight_peephole"),
        ("lstm", [W, U, "weight_peephole"], [(3, 4, 4)], [False], 1, "weight_peephole"),
        ("lstm", [W, U, "gain_ih"], [(3, 4, 4)], [False], 1, "gain_hh"),
        ("lstm", [W, U, "gain_hh"], [(3, 4, 4)], [False], 1, "gain_ih"),
        ("lstm", [W, U, "gain_ih", "gain_hh"], [(3, 4, 4)], [False], 1, "gain_c"),
        ("lstm", [W, U, "gain_c"], [(3, 4, 4)], [False], 1, "gain_ih"),
        ("lstm", [W, U, "shift_c"], [(3, 4, 4)], [False], 1, "shift_c"),
        ("gru", [W, U, "gain_ih"], [(3, 4, 4)], [False], 1, "gain_hh"),
        ("gru", [W, U, "shift_c"], [(3, 4, 4)], [False], 1, "shift_c"),
        ("gru", [W, U, "weight_hr"], [(3, 4, 4)], [False], 1, "weight_hr"),
        ("elman.tanh", [W, U, "gain_ih", "gain_hh"], [(3, 4, 4)], [False], 1, "gain_ih"),
        ("elman.tanh", [W, U, "weight_peephole"], [(3, 4, 4)], [False], 1, "weight_peephole"),
    ],
)
def test_cells_names_and_sizes_that_do_not_go_together_are_refused(
    cell, names, sizes, reverse, block, message
):
    with pytest.raises(ValueError, match=message) as refusal:
        _cpu.Recurrence(cell, "float32", block, names, sizes, reverse)
    assert "\n" not in str(refusal.value)


def test_types_without_a_kernel_are_refused():
    with pytest.raises(ValueError, match="no kernel in float16; wanted float32 or float64"):
        _cpu.Recurrence("gru", "float16", 1, [W, U], [(1, 1, 1)], [False])


def test_a_call_that_is_refused_changes_nothing():
    call, given = arguments()
    call(**given)
    want, seen = given["y"].clone(), given["x"]
    with pytest.raises(ValueError, match="x is"):
        call(**{**given, "x": seen[..., :5]})
    given["y"].zero_()
    call(**given)
    assert torch.equal(given["y"], want)


@pytest.mark.parametrize("seed", range(30))
def test_numpy_arrays_and_tensors_give_the_same_bits(seed):
    name, cell = CELLS[seed % len(CELLS)]
    case = draw(name, cell, seed)
    outputs, trace = case.run()
    d = [torch.randn_like(outputs[0]), [torch.randn_like(s) for s in case.state]]
    R, turned = case.recurrence(), {}

    def as_numpy(value):
        if isinstance(value, torch.Tensor):
            return value.numpy()
        return [as_numpy(one) for one in value] if isinstance(value, list | tuple) else value

    y, kept = np.empty_like(outputs[0].numpy()), np.empty_like(trace.numpy())
    turned = {k: as_numpy(v) for k, v in case.arguments(y).items()}
    R.forward(**turned, trace=kept)
    assert np.array_equal(y, outputs[0].numpy(), equal_nan=True)
    dx = np.empty_like(turned["x"])
    ends = [s.numpy()[None] for s in d[1]]
    R.backward(**turned, trace=kept, dy=d[0].numpy(), dh=ends[:1], dc=ends[1:], dx=dx)
    want = case.gradients(outputs[0], trace, d[0], d[1])["x"]
    assert np.array_equal(dx, want.numpy(), equal_nan=True)
