"""Recurrent layers and what stands before and after them: torch.nn's modules, and what those never took."""

from unrolled.kernels import dispatch
from unrolled.nn import functional
from unrolled.nn.accelerate import Report, accelerate
from unrolled.nn.attention import Attention
from unrolled.nn.crf import CRF
from unrolled.nn.frozen import frozen
from unrolled.nn.heads import Embedding, LayerNorm, Linear, LogSoftmax, Softmax
from unrolled.nn.layer import SequenceModule
from unrolled.nn.layers import GRU, LSTM, MGU, RNN, GRUCell, LSTMCell, MGUCell, RNNCell
from unrolled.nn.recurrent import Recurrent
from unrolled.nn.stack import Stack
from unrolled.nn.state import State

__all__ = [
    "CRF",
    "GRU",
    "LSTM",
    "MGU",
    "RNN",
    "Attention",
    "Embedding",
    "GRUCell",
    "LSTMCell",
    "LayerNorm",
    "Linear",
    "LogSoftmax",
    "MGUCell",
    "RNNCell",
    "Recurrent",
    "Report",
    "SequenceModule",
    "Softmax",
    "Stack",
    "State",
    "accelerate",
    "frozen",
    "functional",
]

dispatch.announce()
