"""Recurrent layers as torch modules: torch.nn's own, and what it never took."""

from unrolled.kernels import dispatch
from unrolled.nn.accelerate import Report, accelerate
from unrolled.nn.layer import SequenceModule
from unrolled.nn.layers import GRU, LSTM, RNN
from unrolled.nn.recurrent import Recurrent
from unrolled.nn.stack import Stack
from unrolled.nn.state import State
from unrolled.nn.steps import GRUCell, LSTMCell, RNNCell

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "Recurrent",
    "Report",
    "SequenceModule",
    "Stack",
    "State",
    "accelerate",
]

dispatch.announce()
