"""What is true of every recurrence, on random odd shapes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from .cases import BACKWARD, FORWARD, LAYERS, assert_equal, build, tensors

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 7), st.integers(1, 9), st.integers(2, 19))
DTYPES = st.sampled_from([torch.float32, torch.float64])
SEEDS = st.integers(0, 2**20)


def law(layers):
    """Tries a law on each of `layers`: twelve random shapes T, B, I, H, dtypes, seeds; always the same."""

    def wrap(test):
        tried = given(shape=SHAPES, dtype=DTYPES, seed=SEEDS)(test)
        tried = settings(max_examples=12, deadline=None, derandomize=True, database=None)(tried)
        return pytest.mark.parametrize("name", sorted(layers))(tried)

    return wrap


def example(name, shape, dtype, seed):
    """Layer, x (T, B, I), lengths (B,) from 0 to T, and a random state."""
    T, B, I, H = shape
    layer = build(name, I, H, dtype, seed)
    x, lengths = torch.randn(T, B, I, dtype=dtype), torch.randint(0, T + 1, (B,))
    state = {name: torch.randn(B, size, dtype=dtype) for name, size in layer.state_sizes().items()}
    return layer, x, lengths, state


def rows(state, which):
    return {name: s[which] for name, s in state.items()}


def run(layer, x, state, lengths):
    """Output and every step's states, all (T, B, …)."""
    y, _, states = layer(x, state, lengths=lengths, return_states=True)
    return [y, *states.values()]


@law(LAYERS)
def test_a_row_is_the_same_alone_and_in_a_batch(name, shape, dtype, seed):
    layer, x, lengths, state = example(name, shape, dtype, seed)
    together = run(layer, x, state, lengths)
    for b in range(x.shape[1]):
        row = slice(b, b + 1)
        alone = run(layer, x[:, row], rows(state, row), lengths[row])
        assert_equal([t[:, row] for t in together], alone)


@law(LAYERS)
def test_the_order_of_rows_is_free(name, shape, dtype, seed):
    layer, x, lengths, state = example(name, shape, dtype, seed)
    order = torch.randperm(x.shape[1])
    shuffled = run(layer, x[:, order], rows(state, order), lengths[order])
    assert_equal([t[:, order] for t in run(layer, x, state, lengths)], shuffled)


@law(LAYERS)
def test_a_row_of_some_length_is_the_row_cut_there(name, shape, dtype, seed):
    layer, x, lengths, state = example(name, shape, dtype, seed)
    y, last, states = layer(x, state, lengths=lengths, return_states=True)
    last = layer.named(last)
    for b, n in enumerate(lengths.tolist()):
        row = slice(b, b + 1)
        y_row, last_row, states_row = layer(x[:n, row], rows(state, row), return_states=True)
        last_row = layer.named(last_row)
        found = [y[:n, row], *(s[:n, row] for s in states.values()), *(s[row] for s in last.values())]
        assert_equal(found, [y_row, *states_row.values(), *last_row.values()])
        assert not any(t[n:, row].any() for t in (y, *states.values()))


@law(LAYERS)
def test_what_stands_in_the_padding_is_never_read(name, shape, dtype, seed):
    layer, x, lengths, state = example(name, shape, dtype, seed)
    padding = (torch.arange(x.shape[0]).unsqueeze(1) >= lengths).unsqueeze(-1)
    results = []
    for filling in (0.0, float("nan"), float("inf")):
        filled = torch.where(padding, filling, x).requires_grad_()
        given = {name: s.clone().requires_grad_() for name, s in state.items()}
        found = tensors(layer(filled, given, lengths=lengths, return_states=True))
        loss = sum((torch.linspace(-1, 2, t.numel(), dtype=dtype).view(t.shape) * t).sum() for t in found)
        inputs = [filled, *given.values(), *layer.parameters()]
        found += torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)
        results.append(found)
    assert_equal(results[1], results[0])
    assert_equal(results[2], results[0])


@law(LAYERS)
def test_more_padding_changes_nothing(name, shape, dtype, seed):
    layer, x, lengths, state = example(name, shape, dtype, seed)
    longer = torch.cat([x, torch.full((3, *x.shape[1:]), float("nan"), dtype=dtype)])
    y, last = layer(x, state, lengths=lengths)
    y_longer, last_longer = layer(longer, state, lengths=lengths)
    assert_equal(tensors([y_longer[: len(x)], last_longer]), tensors([y, last]))
    assert not y_longer[len(x) :].any()


def packed_and_padded(layer, x, lengths, state):
    """Results and gradients of x (T, B, I) packed, and of it padded: y, last states, every step's; then of x,
    the state and the parameters."""
    pairs = []
    for pack in (True, False):
        leaves = [t.clone().requires_grad_() for t in (x, *state.values())]
        given = dict(zip(state, leaves[1:], strict=True))
        if pack:
            rows = pack_padded_sequence(leaves[0], lengths, enforce_sorted=False)
            y, last, states = layer(rows, given, return_states=True)
            assert all(isinstance(s, PackedSequence) for s in (y, *states.values()))
            y, *every = [pad_packed_sequence(s)[0] for s in (y, *states.values())]
        else:
            y, last, states = layer(leaves[0], given, lengths=lengths, return_states=True)
            every = list(states.values())
        found = [y, *every, *layer.named(last).values()]
        loss = sum((torch.linspace(-1, 2, t.numel(), dtype=t.dtype).view(t.shape) * t).sum() for t in found)
        leaves += layer.parameters()
        gradients = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
        pairs.append((found, gradients))
    return pairs


@law(LAYERS)
def test_packed_rows_are_the_padded_ones(name, shape, dtype, seed):
    """Longest first; and in any order, where the gradients of weights are sums over rows in another."""
    layer, x, lengths, state = example(name, shape, dtype, seed)
    lengths = lengths.clamp(min=1)
    for own in (lengths.sort(descending=True).values, lengths):
        (found, d_found), (wanted, d_wanted) = packed_and_padded(layer, x[: own.max()], own, state)
        same = 1 + len(state) if (own.diff() > 0).any() else len(wanted) + len(d_wanted)
        assert_equal([*found, *d_found[:same]], [*wanted, *d_wanted[:same]])


@law(LAYERS)
def test_full_lengths_are_no_lengths(name, shape, dtype, seed):
    layer, x, _, state = example(name, shape, dtype, seed)
    full = layer(x, state, lengths=[x.shape[0]] * x.shape[1])
    assert_equal(tensors(full), tensors(layer(x, state)))


@law(LAYERS.keys() & (FORWARD | BACKWARD))
def test_two_chunks_equal_the_whole(name, shape, dtype, seed):
    """In the order in which the layer runs; rows may end in either chunk."""
    layer, x, lengths, state = example(name, shape, dtype, seed)
    cut = seed % (len(x) + 1)
    whole, whole_last = layer(x, state, lengths=lengths)
    parts = [(x[:cut], lengths.clamp(max=cut)), (x[cut:], (lengths - cut).clamp(min=0))]
    outputs, carried = [], state
    for part, own in parts[::-1] if name in BACKWARD else parts:
        y, carried = layer(part, carried, lengths=own)
        outputs.append(y)
    joined = torch.cat(outputs[::-1] if name in BACKWARD else outputs)
    assert_equal(tensors([joined, carried]), tensors([whole, whole_last]))


@law(FORWARD)
def test_gradients_pass_from_chunk_to_chunk(name, shape, dtype, seed):
    """Only close: over two chunks the gradient of a weight is a sum of two."""
    layer, x, lengths, state = example(name, shape, torch.float64, seed)
    cut = seed % (len(x) + 1)
    head, carried = layer(x[:cut], state, lengths=lengths.clamp(max=cut))
    tail, _ = layer(x[cut:], carried, lengths=(lengths - cut).clamp(min=0))
    weights = torch.randn_like(torch.cat([head, tail]))
    losses = [(weights * y).sum() for y in (torch.cat([head, tail]), layer(x, state, lengths=lengths)[0])]
    used = [p for n, p in layer.named_parameters() if not n.rpartition(".")[2].startswith("initial")]
    for a, b in zip(*(torch.autograd.grad(loss, used) for loss in losses), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@law(FORWARD)
def test_steps_one_by_one_equal_the_whole(name, shape, dtype, seed):
    layer, x, _, state = example(name, shape, dtype, seed)
    outputs = []
    carried = state
    for t in range(len(x)):
        y, carried = layer(x[t : t + 1], carried)
        outputs.append(y)
    whole, last = layer(x, state)
    assert_equal(tensors([torch.cat(outputs), carried]), tensors([whole, last]))


@law(LAYERS)
def test_the_layout_of_memory_is_free(name, shape, dtype, seed):
    layer, x, lengths, state = example(name, shape, dtype, seed)
    wanted = run(layer, x, state, lengths)
    batch_first = x.transpose(0, 1).contiguous().transpose(0, 1)
    features_first = x.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    shifted = torch.cat([x.new_zeros(1), x.flatten()])[1:].view(x.shape)
    for same in (batch_first, features_first, shifted):
        assert_equal(run(layer, same, state, lengths), wanted)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_the_number_of_threads_is_free(name):
    layer, x, lengths, state = example(name, (7, 33, 40, 64), torch.float32, 3)
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(run(layer, x, state, lengths))
    torch.set_num_threads(before)
    assert_equal(results[1], results[0])
    assert_equal(results[2], results[0])
