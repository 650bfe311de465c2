"""RNN, LSTM and GRU against torch.nn in float64: values, states and every gradient, through each backend."""

import itertools

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import unrolled.nn

TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}  # float64, sums of about ten terms over seven steps
I, H = 5, 6
KINDS = {
    "tanh": ("RNN", {}),
    "relu": ("RNN", {"nonlinearity": "relu"}),
    "lstm": ("LSTM", {}),
    "projected": ("LSTM", {"proj_size": 3}),
    "gru": ("GRU", {}),
}
SHAPES = {
    "plain": {},
    "deep, both ways": {"num_layers": 3, "bidirectional": True},
    "without bias": {"num_layers": 2, "bias": False, "batch_first": True},
    "seven units": {"hidden_size": 7, "bidirectional": True, "bias": False},
}
CASES = list(itertools.product(KINDS, SHAPES))
BACKENDS = [None, "torch", "reference"]


def pair(kind, shape, backend, seed=0):
    """Our layer and torch's, with the same random weights."""
    name, options = KINDS[kind]
    options = {"hidden_size": H, "dtype": torch.float64} | options | SHAPES[shape]
    torch.manual_seed(seed)
    ours = getattr(unrolled.nn, name)(I, **options, backend=backend)
    theirs = getattr(torch.nn, name)(I, **options)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def random_state(layer, B):
    state = [torch.randn(layer.num_layers * (1 + layer.bidirectional), B, layer.hidden_size).double()]
    if isinstance(layer, torch.nn.LSTM):
        state = [torch.randn(state[0].shape[0], B, layer.proj_size or layer.hidden_size).double(), *state]
    return [s.requires_grad_() for s in state]


def flat(result):
    """Every tensor of (output, state)."""
    output, state = result
    output = output.data if isinstance(output, torch.nn.utils.rnn.PackedSequence) else output
    return [output, *(state if isinstance(state, tuple) else [state])]


def assert_same(ours, theirs, x, hx, run_ours, run_theirs):
    """Values and the gradients of input, initial state and every parameter, of the same random loss."""
    gradients = []
    found, wanted = flat(run_ours()), flat(run_theirs())
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in wanted]
    for tensors, layer in ((found, ours), (wanted, theirs)):
        loss = sum((w * t).sum() for w, t in zip(weights, tensors, strict=True))
        gradients.append(torch.autograd.grad(loss, [x, *hx, *layer.parameters()], retain_graph=True))
    for a, b in zip([*found, *gradients[0]], [*wanted, *gradients[1]], strict=True):
        torch.testing.assert_close(a, b, **TOLERANCE)


def as_hx(state):
    return tuple(state) if len(state) > 1 else state[0] if state else None


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind, shape", CASES)
def test_padded(kind, shape, backend):
    ours, theirs = pair(kind, shape, backend)
    x = torch.randn(7, 3, I, dtype=torch.float64, requires_grad=True)
    hx = random_state(theirs, 7 if theirs.batch_first else 3)
    assert_same(ours, theirs, x, hx, lambda: ours(x, as_hx(hx)), lambda: theirs(x, as_hx(hx)))
    assert_same(ours, theirs, x, [], lambda: ours(x), lambda: theirs(x))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_unbatched(kind, backend):
    ours, theirs = pair(kind, "deep, both ways", backend)
    x = torch.randn(4, I, dtype=torch.float64, requires_grad=True)
    state = random_state(theirs, 1)
    hx = as_hx([s[:, 0] for s in state])
    assert_same(ours, theirs, x, state, lambda: ours(x, hx), lambda: theirs(x, hx))
    assert [t.shape for t in flat(ours(x))] == [t.shape for t in flat(theirs(x))]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [[5, 3, 3, 1], [2, 5, 1, 4]])
def test_packed(kind, lengths, backend):
    ours, theirs = pair(kind, "deep, both ways", backend)
    x = torch.randn(5, 4, I, dtype=torch.float64, requires_grad=True)
    packed = pack_padded_sequence(x, lengths, enforce_sorted=lengths == sorted(lengths, reverse=True))
    hx = random_state(theirs, 4)
    assert_same(ours, theirs, x, hx, lambda: ours(packed, as_hx(hx)), lambda: theirs(packed, as_hx(hx)))
    found, wanted = ours(packed)[0], theirs(packed)[0]
    assert torch.equal(found.batch_sizes, wanted.batch_sizes)
    for a, b in zip(found[2:], wanted[2:], strict=True):
        assert (a is None and b is None) or torch.equal(a, b)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_lengths_equal_each_row_alone(kind, backend):
    """Also a row of length 0, which packing cannot hold: zero outputs, its initial state back."""
    ours, theirs = pair(kind, "deep, both ways", backend)
    lengths = [3, 0, 6, 1]
    x = torch.randn(6, 4, I, dtype=torch.float64, requires_grad=True)
    hx = random_state(theirs, 4)

    def by_row():
        rows = []
        for b, n in enumerate(lengths):
            state = [s[:, b : b + 1] for s in hx]
            y = x.new_zeros(6, 1, theirs.proj_size or H).repeat(1, 1, 2)
            if n:
                out, state = theirs(x[:n, b : b + 1], as_hx(state))
                y = torch.cat([out, y[n:]])
                state = state if isinstance(state, tuple) else [state]
            rows.append([y, *state])
        y, *state = (torch.cat(parts, 1) for parts in zip(*rows, strict=True))
        return y, as_hx(state)

    assert_same(ours, theirs, x, hx, lambda: ours(x, as_hx(hx), lengths=lengths), by_row)


@pytest.mark.parametrize("kind, shape", CASES)
def test_the_same_seed_draws_the_same_weights(kind, shape):
    name, options = KINDS[kind]
    options = {"hidden_size": H} | options | SHAPES[shape]
    torch.manual_seed(11)
    ours = getattr(unrolled.nn, name)(I, **options)
    torch.manual_seed(11)
    theirs = getattr(torch.nn, name)(I, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_arguments_stand_in_torch_s_order(name):
    arguments = [I, H, 2, *(["relu"] if name == "RNN" else []), False, True, 0.25, True]
    arguments += [3] if name == "LSTM" else []
    ours, theirs = (getattr(module, name)(*arguments) for module in (unrolled.nn, torch.nn))
    shared = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"]
    for attribute in shared:
        assert getattr(ours, attribute) == getattr(theirs, attribute), attribute
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]
    assert [[p.shape for p in ps] for ps in ours.all_weights] == [
        [p.shape for p in ps] for ps in theirs.all_weights
    ]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_between_layers_draws_as_torch_does(kind, packed):
    name, options = KINDS[kind]
    options = {"num_layers": 3, "dropout": 0.4, "dtype": torch.float64} | options
    ours = getattr(unrolled.nn, name)(I, H, **options, backend="reference")
    theirs = getattr(torch.nn, name)(I, H, **options)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(7, 3, I, dtype=torch.float64)
    x = pack_padded_sequence(x, [3, 7, 6], enforce_sorted=False) if packed else x
    results = []
    for layer in (ours, theirs):
        torch.manual_seed(5)
        results.append(flat(layer(x)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, **TOLERANCE)
    ours.eval()
    assert torch.equal(flat(ours(x))[0], flat(ours(x))[0])


def test_the_second_derivative_passes_through_every_layer():
    layer = unrolled.nn.LSTM(2, 3, 2, bidirectional=True, dtype=torch.float64, backend="reference")
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: layer(x, lengths=[3, 1])[0], x, fast_mode=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind, shape", CASES)
def test_cuda_equals_cpu(kind, shape):
    ours, _ = pair(kind, shape, "reference")
    x = torch.randn(7, 3, I, dtype=torch.float64)
    lengths = [3, 0, 5, 7, 1, 2, 3] if ours.batch_first else [7, 0, 4]
    lengths = [min(n, x.shape[ours.batch_first]) for n in lengths]
    wanted = [flat(ours(x)), flat(ours(x, lengths=lengths))]
    ours.backend = None
    ours.cuda()
    found = [flat(ours(x.cuda())), flat(ours(x.cuda(), lengths=lengths))]
    for a, b in zip(found, wanted, strict=True):
        for found_tensor, wanted_tensor in zip(a, b, strict=True):
            torch.testing.assert_close(found_tensor.cpu(), wanted_tensor, rtol=1e-8, atol=1e-10)
