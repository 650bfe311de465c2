"""The layers that every law is tried on."""

import torch

from unrolled.nn import GRU, LSTM, RNN, Recurrent, Stack

from ..cells.cases import CELLS
from ..oracles.cases import fitting

LAYERS = {
    **{
        f"one layer of {name}": lambda I, H, cell=cell, **o: Recurrent(cell, I, fitting(cell, H), **o)
        for name, cell in CELLS.items()
    },
    "relu, deep": lambda I, H, **o: RNN(I, H, 3, "relu", **o),
    "sigmoid, no bias": lambda I, H, **o: RNN(I, H, 1, "sigmoid", False, **o),
    "tanh, both ways": lambda I, H, **o: RNN(I, (H, H + 1), 2, bidirectional=True, **o),
    "tanh, backward": lambda I, H, **o: RNN(I, H, 2, reverse=True, **o),
    "lstm": lambda I, H, **o: LSTM(I, H, 2, **o),
    "lstm, both ways": lambda I, H, **o: LSTM(I, H, bidirectional=True, merge="product", **o),
    "lstm, projected": lambda I, H, **o: LSTM(I, H, proj_size=1, learn_initial_state=True, **o),
    "lstm, peephole": lambda I, H, **o: LSTM(I, H, peephole=True, zoneout=(0.1, 0.3), **o),
    "lstm, blocks": lambda I, H, **o: LSTM(I, H, cells_per_block=2, peephole=True, reverse=True, **o),
    "gru": lambda I, H, **o: GRU(I, H, 2, zoneout=0.2, **o),
    "gru, both ways": lambda I, H, **o: GRU(I, H, bidirectional=True, merge="sum", **o),
    "stack": lambda I, H, **o: Stack([RNN(I, I, **o), GRU(I, H, **o), LSTM(H, H, **o)], [True, False, True]),
    "stack, residual throughout": lambda I, H, **o: Stack([GRU(I, I, **o), RNN(I, I, **o)], True),
}
BACKWARD = {"tanh, backward", "lstm, blocks"}
BOTH_WAYS = {"tanh, both ways", "lstm, both ways", "gru, both ways"}
FORWARD = LAYERS.keys() - BACKWARD - BOTH_WAYS


def build(name, I, H, dtype, seed):
    """The layer, all weights drawn (initial states too), in evaluation."""
    torch.manual_seed(seed)
    layer = LAYERS[name](I, H + H % 2, dtype=dtype).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0.1, 0.6)
    return layer


def tensors(result):
    """Every tensor of (output, state[, states]), in order."""
    flat = []
    for part in result:
        parts = part.values() if isinstance(part, dict) else part if isinstance(part, tuple) else [part]
        flat += parts
    return flat


def assert_equal(found, wanted):
    """Bit for bit."""
    for a, b in zip(found, wanted, strict=True):
        assert torch.equal(a, b), f"largest difference {(a - b).abs().max()}"
