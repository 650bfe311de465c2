"""What stands before and after recurrent layers: torch.nn's modules with their arguments, initialisation and
state dicts, computed by functional.py, so that a whole model gives a row the same bits in any batch.
"""

import torch
from torch import Tensor, nn

from unrolled.kernels.packs import Packs
from unrolled.kernels.torch.heads import taken
from unrolled.kernels.torch.linear import linear
from unrolled.nn import functional
from unrolled.nn.frozen import Freezable
from unrolled.nn.options import Device
from unrolled.nn.torch_tools import Traceable, one_node


class Linear(nn.Linear, Freezable, Traceable):
    """x (..., in_features) -> y (..., out_features) = x Wᵀ + b."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self._packs = Packs()

    @one_node
    def forward(self, input: Tensor) -> Tensor:
        if taken(input):
            return linear(input, self.weight, self.bias, self._packs)
        return nn.functional.linear(input, self.weight, self.bias)


class Softmax(nn.Softmax, Traceable):
    """exp(x) / Σ exp(x) along `dim`; torch.nn's own guesses a dimension where none is given."""

    dim: int

    def __init__(self, dim: int = -1) -> None:
        super().__init__(dim)

    @one_node
    def forward(self, input: Tensor) -> Tensor:
        return functional.softmax(input, self.dim)


class LogSoftmax(nn.LogSoftmax, Traceable):
    """x - log Σ exp(x) along `dim`; torch.nn's own guesses a dimension where none is given."""

    dim: int

    def __init__(self, dim: int = -1) -> None:
        super().__init__(dim)

    @one_node
    def forward(self, input: Tensor) -> Tensor:
        return functional.log_softmax(input, self.dim)


class LayerNorm(nn.LayerNorm, Traceable):
    """(x - mean) / √(variance + eps) ⊙ weight + bias over the last dimensions, `normalized_shape`."""

    @one_node
    def forward(self, input: Tensor) -> Tensor:
        return functional.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class Embedding(nn.Embedding, Traceable):
    """index (...) -> row of the table (..., embedding_dim)."""

    @one_node
    def forward(self, input: Tensor) -> Tensor:
        return functional.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )
