"""RNN, LSTM and GRU: torch.nn's layers and what they never took. Equations: cells/elman.py, lstm.py, gru.py.

Each takes torch.nn's arguments in torch.nn's order, then by name the options of its cell, then those of every
layer (`Recurrent`), and reads and writes torch.nn's state dict.
"""

from typing import Unpack

import torch

from unrolled import cells
from unrolled.nn.options import Device, Options, Size
from unrolled.nn.recurrent import Recurrent


class RNN(Recurrent):
    """Elman's network: x (T, B, I) -> y (T, B, H or both directions' merge), h (L·D, B, H).

    nonlinearity   tanh, relu or sigmoid
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Size,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
        **options: Unpack[Options],
    ) -> None:
        cell = cells.Elman(nonlinearity)
        super().__init__(
            cell,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device,
            dtype,
            **options,
        )
        self.nonlinearity = nonlinearity


class LSTM(Recurrent):
    """Long short-term memory: x (T, B, I) -> y (T, B, F), (h (L·D, B, P or H), c (L·D, B, H)).

    proj_size              P > 0: h is projected to P
    peephole               the gates see the cell state, the output gate the new one
    cells_per_block        so many cells share one set of gates; hidden_size counts cells
    coupled_input_forget   the forget gate is one minus the input gate
    layer_norm             of both products and of the cell state on its way out
    forget_bias            first value of the forget gate's whole bias
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Size,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        peephole: bool = False,
        cells_per_block: int = 1,
        coupled_input_forget: bool = False,
        layer_norm: bool = False,
        forget_bias: float | None = None,
        **options: Unpack[Options],
    ) -> None:
        cell = cells.LSTM(proj_size, peephole, cells_per_block, coupled_input_forget, layer_norm, forget_bias)
        super().__init__(
            cell,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device,
            dtype,
            **options,
        )
        self.proj_size = proj_size


class GRU(Recurrent):
    """Gated recurrent unit: x (T, B, I) -> y (T, B, H or both directions' merge), h (L·D, B, H).

    reset_after   True: the reset gate follows the recurrent product, as in torch.nn; False: it precedes it
    layer_norm    of every product
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Size,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        reset_after: bool = True,
        layer_norm: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            cells.GRU(reset_after, layer_norm),
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device,
            dtype,
            **options,
        )
