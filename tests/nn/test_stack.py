"""Stacks of different layers."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.nn import GRU, LSTM, RNN, Stack

X, LENGTHS = torch.randn(6, 3, 4), [6, 0, 3]


def mixed():
    return [
        LSTM(4, (3, 4), 2, bidirectional=True),
        GRU(7, 7, reverse=True),
        RNN(7, 5, learn_initial_state=True),
    ]


def test_a_stack_is_its_layers_one_after_another():
    layers = mixed()
    stack = Stack(layers, residual=[False, True, False])
    y, last, states = stack(X, lengths=LENGTHS, return_states=True)
    a, a_last, a_states = layers[0](X, lengths=LENGTHS, return_states=True)
    b, b_last, b_states = layers[1](a, lengths=LENGTHS, return_states=True)
    c, c_last, c_states = layers[2](a + b, lengths=LENGTHS, return_states=True)
    assert torch.equal(y, c) and stack.output_size == 5 and stack.input_size == 4
    names = [
        *(f"layer{k}.{way}.{s}" for k in (0, 1) for way in ("forward", "backward") for s in "hc"),
        "layer2.backward.h",
        "layer3.forward.h",
    ]
    assert list(last) == list(states) == stack.state_names() == list(stack.initial_state(3)) == names
    wanted = [*a_last.values(), b_last[0], c_last[0]]
    assert all(torch.equal(found, w) for found, w in zip(last.values(), wanted, strict=True))
    every = [*a_states.values(), *b_states.values(), *c_states.values()]
    assert all(torch.equal(found, w) for found, w in zip(states.values(), every, strict=True))


def test_the_state_carries_on_where_it_stopped():
    stack = Stack([LSTM(4, 4), GRU(4, 5)], residual=[True, False])
    head, state = stack(X[:2])
    tail, _ = stack(X[2:], state)
    assert torch.equal(torch.cat([head, tail]), stack(X)[0])


def test_a_stack_in_a_stack():
    layers = mixed()
    flat, nested = Stack(layers), Stack([Stack(layers[:2]), layers[2]])
    assert nested.state_names() == flat.state_names()
    state = {name: torch.randn_like(s) for name, s in flat.initial_state(3).items()}
    assert torch.equal(flat(X, state)[0], nested(X, state)[0])


def test_packed_unbatched_and_batch_first():
    stack = Stack([LSTM(4, 4, bidirectional=True, merge="sum"), GRU(4, 5)], residual=[True, False])
    packed = pack_padded_sequence(X, [2, 6, 4], enforce_sorted=False)
    assert torch.equal(pad_packed_sequence(stack(packed)[0])[0], stack(X, lengths=[2, 6, 4])[0])
    torch.testing.assert_close(stack(X[:, 0])[0], stack(X)[0][:, 0])
    other = Stack(
        [LSTM(4, 4, bidirectional=True, merge="sum", batch_first=True), GRU(4, 5, batch_first=True)],
        residual=[True, False],
    )
    other.load_state_dict(stack.state_dict())
    assert torch.equal(other(X.transpose(0, 1))[0].transpose(0, 1), stack(X)[0])


def test_dropout_between_layers_in_training_alone():
    stack = Stack([RNN(4, 5), RNN(5, 3)], dropout=0.5)
    assert not torch.equal(stack(X)[0], stack(X)[0])
    stack.eval()
    assert torch.equal(stack(X)[0], Stack(stack.layers)(X)[0])


IMPOSSIBLE = {
    "sizes that do not meet": (
        lambda: Stack([RNN(4, 5), RNN(6, 3)]),
        "layer 1 .*input_size=6.*layer 0 gives 5",
    ),
    "a residual over two sizes": (lambda: Stack([RNN(4, 4), RNN(4, 3)], True), "residual and layer 1.*4.*3"),
    "residuals for another depth": (lambda: Stack([RNN(4, 4)], [True, False]), "residual=.*1 layers"),
    "dropout with one layer": (lambda: Stack([RNN(4, 4)], dropout=0.5), "dropout=0.5 and one layer"),
    "a rate over one": (lambda: Stack([RNN(4, 4)], dropout=1.5), "dropout=1.5"),
    "batch first and not": (lambda: Stack([RNN(4, 4), RNN(4, 4, batch_first=True)]), "layer 1.*batch_first"),
    "another module": (lambda: Stack([RNN(4, 4), torch.nn.Linear(4, 3)]), "not Linear"),
    "nothing": (lambda: Stack([]), "at least one"),
    "torch's form of the state": (lambda: Stack([RNN(4, 4)])(X, torch.zeros(1, 3, 4)), "dict of"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_stacks_are_refused_by_name(case):
    build, message = IMPOSSIBLE[case]
    with pytest.raises(ValueError, match=message):
        build()
