"""RNN, LSTM, GRU and their cells: torch.nn's modules and what they never took. Equations: cells/.

Each layer takes torch.nn's arguments in torch.nn's order, then by name the options of its cell, then those of
every layer (`Recurrent`), and reads and writes torch.nn's state dict. Each cell is one step of it, in the
caller's loop. What an option means is said where the cell has it, and stands in the docstrings here.
"""

from collections.abc import Callable
from typing import TypeVar, Unpack

import torch
from torch import Tensor

from unrolled import cells
from unrolled.cells import Cell
from unrolled.cells.layer import Size
from unrolled.nn.cells import Step
from unrolled.nn.options import Device, Options
from unrolled.nn.recurrent import Recurrent

LAYERS: dict[str, Callable[..., Recurrent]] = {}  # by the name of the cell
STEPS: dict[str, Callable[..., Step]] = {}
M = TypeVar("M", bound=Recurrent | Step)


def _of(cell: type[Cell]) -> Callable[[type[M]], type[M]]:
    """Enters a module under its cell, and the meanings of the cell's options in its docstring."""

    def enter(module: type[M]) -> type[M]:
        if issubclass(module, Recurrent):
            LAYERS[cell.name] = module
        else:
            STEPS[cell.name] = module
        width = max(len(option.name) for option in cell.options()) + 3
        meanings = [f"    {option.name:{width}}{option.described}" for option in cell.options()]
        module.__doc__ = "\n".join([f"{module.__doc__}\n", *meanings, "    "])
        return module

    return enter


@_of(cells.Elman)
class RNN(Recurrent):
    """Elman's network: x (T, B, I) -> y (T, B, H or both directions' merge), h (L·D, B, H)."""

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
        shared = num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        super().__init__(cells.Elman(nonlinearity), input_size, hidden_size, *shared, **options)
        self.nonlinearity = nonlinearity


@_of(cells.LSTM)
class LSTM(Recurrent):
    """Long short-term memory: x (T, B, I) -> y (T, B, F), (h (L·D, B, P or H), c (L·D, B, H))."""

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
        shared = num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        super().__init__(cell, input_size, hidden_size, *shared, **options)
        self.proj_size = proj_size


@_of(cells.GRU)
class GRU(Recurrent):
    """Gated recurrent unit: x (T, B, I) -> y (T, B, H or both directions' merge), h (L·D, B, H)."""

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
        shared = num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        super().__init__(cells.GRU(reset_after, layer_norm), input_size, hidden_size, *shared, **options)


class _StepOfH(Step):
    """A step whose state is h alone."""

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Both may come without B. ValueError for a wrong shape."""
        return self.step(input, None if hx is None else (hx,))[0]


@_of(cells.Elman)
class RNNCell(_StepOfH):
    """One step of Elman's network: x (B, I), h (B, H) -> h (B, H)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        backend: str | None = None,
    ) -> None:
        super().__init__(cells.Elman(nonlinearity), input_size, hidden_size, bias, device, dtype, backend)
        self.nonlinearity = nonlinearity


@_of(cells.LSTM)
class LSTMCell(Step):
    """One step of long short-term memory: x (B, I), (h, c) (B, H) -> (h, c) (B, H)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        proj_size: int = 0,
        peephole: bool = False,
        cells_per_block: int = 1,
        coupled_input_forget: bool = False,
        layer_norm: bool = False,
        forget_bias: float | None = None,
        backend: str | None = None,
    ) -> None:
        cell = cells.LSTM(proj_size, peephole, cells_per_block, coupled_input_forget, layer_norm, forget_bias)
        super().__init__(cell, input_size, hidden_size, bias, device, dtype, backend)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """All may come without B. ValueError for a wrong shape."""
        h, c = self.step(input, hx)
        return h, c


@_of(cells.GRU)
class GRUCell(_StepOfH):
    """One step of a gated recurrent unit: x (B, I), h (B, H) -> h (B, H)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        reset_after: bool = True,
        layer_norm: bool = False,
        backend: str | None = None,
    ) -> None:
        cell = cells.GRU(reset_after, layer_norm)
        super().__init__(cell, input_size, hidden_size, bias, device, dtype, backend)


@_of(cells.MGU)
class MGU(Recurrent):
    """Minimal gated unit: x (T, B, I) -> y (T, B, H or both directions' merge), h (L·D, B, H)."""

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
        layer_norm: bool = False,
        **options: Unpack[Options],
    ) -> None:
        shared = num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        super().__init__(cells.MGU(layer_norm), input_size, hidden_size, *shared, **options)


@_of(cells.MGU)
class MGUCell(_StepOfH):
    """One step of a minimal gated unit: x (B, I), h (B, H) -> h (B, H)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        layer_norm: bool = False,
        backend: str | None = None,
    ) -> None:
        super().__init__(cells.MGU(layer_norm), input_size, hidden_size, bias, device, dtype, backend)
