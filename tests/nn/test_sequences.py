"""The forms in which sequences and states come and go, and the errors for wrong ones."""

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from unrolled.nn import GRU, LSTM, RNN


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.uint16])
def test_lengths_are_a_list_or_any_integers(dtype):
    layer, x, lengths = GRU(3, 4), torch.randn(5, 3, 3), [2, 5, 0]
    assert torch.equal(layer(x, lengths=lengths)[0], layer(x, lengths=torch.tensor(lengths, dtype=dtype))[0])


def test_batch_first_is_the_transpose():
    layer, x = LSTM(3, 4, 2, bidirectional=True), torch.randn(5, 2, 3)
    other = LSTM(3, 4, 2, bidirectional=True, batch_first=True)
    other.load_state_dict(layer.state_dict())
    y, last, states = layer(x, lengths=[5, 2], return_states=True)
    z, last_b, states_b = other(x.transpose(0, 1), lengths=[5, 2], return_states=True)
    assert torch.equal(y, z.transpose(0, 1))
    assert all(torch.equal(a, b) for a, b in zip(last, last_b, strict=True))
    assert all(torch.equal(states[name], states_b[name].transpose(0, 1)) for name in states)


def test_states_come_in_the_form_of_the_output():
    layer, x = LSTM(3, 4), torch.randn(5, 2, 3)
    _, _, states = layer(x, return_states=True)
    _, _, alone = layer(x[:, 0], return_states=True)
    assert alone["layer0.forward.c"].shape == (5, 4)
    torch.testing.assert_close(alone["layer0.forward.c"], states["layer0.forward.c"][:, 0])
    packed = pack_padded_sequence(x, [3, 5], enforce_sorted=False)
    _, _, parts = layer(packed, return_states=True)
    assert isinstance(parts["layer0.forward.c"], PackedSequence)
    padded, _ = pad_packed_sequence(parts["layer0.forward.c"])
    assert torch.equal(padded, layer(x, lengths=[3, 5], return_states=True)[2]["layer0.forward.c"])


@pytest.mark.parametrize("backend", [None, "reference"])
@pytest.mark.parametrize("lengths", [[1], [1, 1, 1], [4], [3, 1, 2, 3]], ids=str)
def test_packed_data_may_lie_anyhow_and_states_come_in_the_order_of_the_rows(lengths, backend):
    layer = LSTM(3, 4, 2, bidirectional=True, learn_initial_state=True, backend=backend)
    x = torch.randn(max(lengths), len(lengths), 3)
    hx = {name: torch.randn(len(lengths), size) for name, size in layer.state_sizes().items()}
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    turned = packed._replace(data=packed.data.T.contiguous().T)
    for state in (None, hx):
        (y, last), (wanted, wanted_last) = layer(turned, state), layer(x, state, lengths=lengths)
        assert torch.equal(pad_packed_sequence(y)[0], wanted)
        assert all(torch.equal(a, b) for a, b in zip(last, wanted_last, strict=True))


@pytest.mark.parametrize("layer", [LSTM(3, 4, 2, bidirectional=True), GRU(3, 4, reverse=True)], ids=str)
def test_both_forms_of_the_state_are_one(layer):
    x, y = torch.randn(5, 2, 3), torch.randn(4, 2, 3)
    _, last, states = layer(x, return_states=True)
    named = {name: s[0 if "backward" in name else -1] for name, s in states.items()}
    assert torch.equal(layer(y, last)[0], layer(y, named)[0])
    alone = {name: s[1] for name, s in named.items()}
    torch.testing.assert_close(layer(y[:, 1], alone)[0], layer(y, last)[0][:, 1])


def test_a_mapping_in_another_order_is_the_same_state():
    layer, x = LSTM(3, 4, 2), torch.randn(5, 2, 3)
    state = {name: torch.randn(2, 4) for name in layer.state_names()}
    assert torch.equal(layer(x, state)[0], layer(x, dict(reversed(state.items())))[0])


X = torch.randn(5, 2, 3)
WRONG = {
    "features": (lambda: RNN(3, 4)(torch.randn(5, 2, 6)), "6 features.*input_size=3"),
    "dimensions": (lambda: RNN(3, 4)(torch.randn(1, 5, 2, 3)), r"\(1, 5, 2, 3\).*\(T, B, I\)"),
    "dtype": (lambda: RNN(3, 4)(X.double()), "float64.*float32"),
    "length beyond the steps": (lambda: RNN(3, 4)(X, lengths=[6, 1]), "1 to 6; wanted 0 to 5"),
    "negative length": (lambda: RNN(3, 4)(X, lengths=[-1, 1]), "-1 to 1"),
    "too few lengths": (lambda: RNN(3, 4)(X, lengths=[1]), r"shape \(1,\).*2 rows"),
    "fractional lengths": (lambda: RNN(3, 4)(X, lengths=[1.5, 2.0]), "float32.*integer"),
    "lengths without a batch": (lambda: RNN(3, 4)(X[:, 0], lengths=[3]), "lengths need a batch"),
    "lengths twice": (
        lambda: RNN(3, 4)(pack_padded_sequence(X, [5, 3]), lengths=[5, 3]),
        "PackedSequence has its own lengths",
    ),
    "packed features": (
        lambda: RNN(3, 4)(pack_padded_sequence(torch.randn(5, 2, 6), [5, 3])),
        "6 features.*input_size=3",
    ),
    "packed planes": (
        lambda: RNN(3, 4)(pack_padded_sequence(torch.randn(5, 2, 2, 3), [5, 3])),
        r"\(8, 2, 3\); wanted \(N, I\)",
    ),
    "packed dtype": (lambda: RNN(3, 4)(pack_padded_sequence(X.double(), [5, 3])), "float64.*float32"),
    "packed sizes that do not fit": (
        lambda: RNN(3, 4)(PackedSequence(X[0], torch.tensor([2, 1]))),
        "batch_sizes.*wanted.*2 rows of x",
    ),
    "state of another batch than is packed": (
        lambda: RNN(3, 4)(pack_padded_sequence(X, [5, 3]), torch.zeros(1, 3, 4)),
        r"\(1, 3, 4\); wanted \(1, 2, 4\)",
    ),
    "state of another batch": (
        lambda: RNN(3, 4)(X, torch.zeros(1, 3, 4)),
        r"h0 is .*\(1, 3, 4\); wanted .*2, 4\)",
    ),
    "state of another depth": (lambda: RNN(3, 4)(X, torch.zeros(2, 2, 4)), r"\(2, 2, 4\).*\(1, B, H\)"),
    "half a state": (lambda: LSTM(3, 4)(X, torch.zeros(1, 2, 4)), r"h \(1, B, H\), c \(1, B, H\)"),
    "state of another dtype": (lambda: RNN(3, 4)(X, torch.zeros(1, 2, 4).double()), "float64"),
    "state of another name": (
        lambda: RNN(3, 4)(X, {"layer0.backward.h": torch.zeros(2, 4)}),
        "lacks.*layer0.forward.h.*layer0.backward.h",
    ),
    "one tensor for two sizes": (
        lambda: RNN(3, (4, 5), bidirectional=True)(X, torch.zeros(2, 2, 4)),
        "dict of .*layer0.forward.h",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_refused_in_words(case):
    call, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        call()
