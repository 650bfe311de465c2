"""What code around torch.nn's recurrent modules reads and writes, under torch.nn's names.

Methods that only look at a call are torch.nn's own functions. A cell or an option that torch.nn has not has
none of this: AttributeError says so.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar, SupportsIndex

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.kernels.torch import aten, handover
from unrolled.nn.options import Options
from unrolled.nn.torch_tools import TorchModule

# Options of a layer that torch.nn has not, and that change results.
OWN = [name for name in Options.__annotations__ if name not in ("keep_every", "backend")]


class Borrowed:
    """A method of torch.nn's class bound to our module: it reads only what both have."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, module: TorchModule | None, owner: type | None = None) -> Any:
        if module is None:
            return self
        return partial(getattr(module._torch_class(), self.name), module)


class FlatWeights(list[Tensor | None]):
    """The weights of a layer, in order; what is written to a place of the list is written to the layer."""

    def __init__(self, layer: "TorchLayer", weights: Iterable[Tensor | None]) -> None:
        super().__init__(weights)
        self._layer = layer

    def __setitem__(self, index: SupportsIndex | slice, value: Any) -> None:
        super().__setitem__(index, value)
        self._layer._flat_weights = list(self)


class TorchLayer(TorchModule):
    """Of torch.nn.RNN, LSTM and GRU."""

    input_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    bidirectional: bool
    proj_size = 0
    _defaults: ClassVar[dict[str, object]]
    _places: Any
    _weights: Any

    check_input = Borrowed()
    check_hidden_size = Borrowed()
    check_forward_args = Borrowed()
    get_expected_hidden_size = Borrowed()
    get_expected_cell_size = Borrowed()
    permute_hidden = Borrowed()

    def _changed(self) -> list[str]:
        return [name for name in OWN if getattr(self, name) != self._defaults[name]]

    def _beyond_torch(self) -> list[str]:
        sizes = ["two hidden sizes"] if isinstance(self.hidden_size, tuple) else []
        return [*super()._beyond_torch(), *sizes]

    def _attributes(self) -> dict[str, Any]:
        weights = self._weights(self._places)
        kept: dict[str, Any] = {"_flat_weights": weights, "_flat_weights_names": (), "_flat_weight_refs": ()}
        return {**vars(self), "mode": aten.mode(self.cell).upper(), "proj_size": self.proj_size, **kept}

    @property
    def mode(self) -> str:
        """RNN_TANH, RNN_RELU, LSTM or GRU."""
        self._torch_class()
        return aten.mode(self.cell).upper()

    @property
    def _all_weights(self) -> list[list[str]]:
        self._torch_class()
        return [list(place.parameters) for place in self._places]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Tensor | None]:
        weights = [getattr(self, name, None) for name in self._flat_weights_names]
        if torch.compiler.is_compiling():
            return weights  # a list is all it knows
        return FlatWeights(self, weights)

    @_flat_weights.setter
    def _flat_weights(self, weights: Iterable[Tensor | None]) -> None:
        """Each becomes the attribute of its name; what is a Parameter must stay one, else TypeError."""
        for name, weight in zip(self._flat_weights_names, weights, strict=True):
            if weight is not getattr(self, name, None):
                setattr(self, name, weight)

    def _init_flat_weights(self) -> None:
        """torch.nn's collects the weights anew; here they are never collected."""

    _update_flat_weights = _init_flat_weights

    def _weights_have_changed(self) -> bool:
        """torch.nn's says whether they are others than those collected."""
        return False

    def _sizes_of(self, input: Tensor | PackedSequence) -> tuple[int, int]:
        if isinstance(input, PackedSequence):
            return len(input.batch_sizes), int(input.batch_sizes[0])
        if input.dim() == 2:
            return input.shape[0], 1
        T, B = input.shape[:2]
        return (B, T) if self.batch_first else (T, B)

    def _least(self) -> handover.Least | None:
        return handover.LAYERS.get(aten.mode(self.cell))


class TorchCell(TorchModule):
    """Of torch.nn.RNNCell, LSTMCell and GRUCell."""

    _suffix = "Cell"
    weight_hh: Tensor

    def like(self) -> Tensor:
        return self.weight_hh

    def _sizes_of(self, input: Tensor) -> tuple[int, int]:
        return 1, input.shape[0] if input.dim() == 2 else 1

    def _least(self) -> handover.Least | None:
        return handover.CELLS.get(aten.mode(self.cell)) if torch.is_grad_enabled() else None

    def elsewhere(self, input: Any, hx: Any = None, **options: Any) -> tuple[Any, ...] | None:
        """As any module's, for `Step.step`, to which and from which the state comes as a tuple."""
        n = len(self.cell.states)
        result = super().elsewhere(input, hx[0] if n == 1 and hx is not None else hx)
        if result is None:
            return None
        return (result,) if n == 1 else tuple([result[k] for k in range(n)])
