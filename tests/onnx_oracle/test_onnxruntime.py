"""Random asymmetric weights through onnxruntime on a CPU and through our layers: the order of gates,
peepholes and biases, both resets of a GRU, the coupled cell, directions, lengths and initial states.
"""

import itertools

import numpy as np
import pytest
import torch

from . import node as adapter
from . import session

KINDS = {  # operator, attributes, inputs that make the cell
    "tanh": ("RNN", {}, set()),
    "relu": ("RNN", {"activations": ["Relu"]}, set()),
    "sigmoid": ("RNN", {"activations": ["Sigmoid"]}, set()),
    "gru": ("GRU", {"linear_before_reset": 1}, set()),
    "gru, reset before": ("GRU", {"linear_before_reset": 0}, set()),
    "lstm": ("LSTM", {}, set()),
    "lstm, peephole": ("LSTM", {}, {"P"}),
    "lstm, coupled": ("LSTM", {"input_forget": 1}, set()),
    "lstm, coupled, peephole": ("LSTM", {"input_forget": 1}, {"P"}),
}
OPTIONAL = {
    "weights alone": set(),
    "bias": {"B"},
    "states": {"initial_h", "initial_c"},
    "lengths": {"sequence_lens"},
    "all": {"B", "sequence_lens", "initial_h", "initial_c"},
}
SHAPES = [(1, 1, 1, 1), (7, 3, 5, 4), (6, 5, 19, 33)]  # T, B, I, H


def both(kind, direction, taken, shape, dtype):
    """Arrays of a random node, onnxruntime's outputs and ours."""
    operator, attributes, own = KINDS[kind]
    ways = 1 + (direction == "bidirectional")
    repeated = {name: names * ways for name, names in attributes.items() if name == "activations"}
    formal = {"initial_c"} if operator != "LSTM" else set()
    arrays = session.random_arrays(operator, ways, *shape, (taken | own) - formal)
    node = session.node(operator, arrays, direction=direction, **(attributes | repeated))
    in_order = [arrays[name] for name in node.input if name]
    return arrays, session.run(node, arrays), adapter.run(node, in_order, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", KINDS)
def test_our_layers_compute_what_onnxruntime_does(kind, direction, dtype):
    """To the rounding of float32 over seven steps; onnxruntime's σ and tanh are good to about 1e-6."""
    for shape, name in itertools.product(SHAPES, OPTIONAL):
        arrays, wanted, found = both(kind, direction, OPTIONAL[name], shape, dtype)
        lengths = arrays.get("sequence_lens", np.full(shape[1], shape[0]))
        assert wanted.keys() == found.keys()
        for output, expected in wanted.items():
            rows = (
                lengths > 0 if output != "Y" else slice(None)
            )  # of a row of no length onnxruntime keeps no state
            np.testing.assert_allclose(
                found[output][..., rows, :],
                expected[..., rows, :],
                rtol=0,
                atol=1e-5 * max(1, np.abs(expected).max()),
                err_msg=f"{output}, {shape}, {name}",
            )


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_no_length_gives_back_its_state_where_onnxruntime_gives_zeros(kind):
    arrays, theirs, ours = both(kind, "bidirectional", OPTIONAL["all"], (6, 5, 19, 33), torch.float32)
    assert arrays["sequence_lens"][0] == 0
    for output in theirs.keys() - {"Y"}:
        assert not theirs[output][:, 0].any()
        assert np.array_equal(ours[output][:, 0], arrays[f"initial_{output[-1]}"][:, 0])
