"""The operations of blocks (blocks/ops.py) on torch's tensors, batch-first, and the module that holds the
parameters of a block, whose members are modules of unrolled.nn."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Generic, TypeVar, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import dropout, max_pool2d, pad

from unrolled import nn as layers
from unrolled.blocks.block import Block, bind
from unrolled.blocks.leaves import CRF, Attention, Embedding, Linear, Parameter
from unrolled.blocks.ops import Memory
from unrolled.blocks.recurrent import Recurrent
from unrolled.kernels.numpy.heads import log
from unrolled.kernels.torch.pooling import pooling
from unrolled.nn import crf, heads
from unrolled.nn.functional import embedding, linear, log_softmax, tanh
from unrolled.nn.layer import SequenceModule
from unrolled.nn.layers import LAYERS
from unrolled.nn.state import Named
from unrolled.ops.augment import augmented
from unrolled.ops.numpy import frame, log_odds, log_rate, paddings
from unrolled.ops.state import ANCHOR

B = TypeVar("B", bound=Block)


def _linear(block: Linear) -> nn.Module:
    module = heads.Linear(block.inputs, block.outputs, block.bias)
    if block.zero:
        for parameter in module.parameters():
            nn.init.zeros_(parameter)
    return module


def _embedding(block: Embedding) -> nn.Module:
    module = heads.Embedding(block.rows, block.size)
    with torch.no_grad():
        module.weight.mul_(block.scale)
    return module


def _parameter(block: Parameter) -> nn.Parameter:
    scale = block.scale
    return nn.Parameter(torch.randn(block.shape) * scale if scale else torch.zeros(block.shape))


def _crf(block: CRF) -> nn.Module:
    return crf.CRF(block.tags)


def _recurrent(block: Recurrent) -> nn.Module:
    cell = {one.name: getattr(block.cell, one.name) for one in block.cell.options()}
    options = {name: value for name, value in block.values() if name not in ("cell", "input_size")}
    return LAYERS[block.cell.name](block.input_size, **options, **cell, batch_first=True)


def _attention(block: Attention) -> nn.Module:
    return layers.Attention(block.kind, block.query_size, block.memory_size, block.size)


def _estimates(block: Block) -> nn.Module:
    """Buffers of float64, which are put in later."""
    module = nn.Module()
    for name, shape in block.shapes().items():
        module.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
    return module


LEAVES: dict[str, Callable[[Any], Any]] = {
    "attention": _attention,
    "estimates": _estimates,
    "linear": _linear,
    "embedding": _embedding,
    "parameter": _parameter,
    "crf": _crf,
    "recurrent": _recurrent,
}


def block_of(layer: Any) -> Recurrent:
    """The block of a recurrent layer of unrolled.nn; its arrays are those of the layer's state dict."""
    return Recurrent(**{one.name: getattr(layer, one.name) for one in fields(Recurrent)})


class Network(nn.Module, Generic[B]):
    """A block with its parameters, drawn from torch's generator in the order of `block.shapes()`."""

    def __init__(self, block: B) -> None:
        super().__init__()
        self.block = block
        tree = bind(block, lambda one, path: LEAVES[one.leaf](one), nn.Module, nn.ModuleList)
        for name, member in (*tree.named_children(), *tree.named_parameters(recurse=False)):
            setattr(self, name, member)

    @property
    def p(self) -> Any:
        """The parameters: p.head is the module of the block's field `head`."""
        return self

    @property
    def ops(self) -> "Torch":
        """Those of training, or of use."""
        return TRAINING if self.training else USE

    @property
    def ensemble(self) -> "list[Network[B]]":
        """The networks that it is made of (blocks/ensemble.py), each as one by itself; else it alone."""
        block: Any = self.block
        if not getattr(block, "others", ()):
            return [self]
        others = zip(block.others, cast(Any, self.others), strict=True)
        return [_viewed(block.first, self), *(_viewed(*other) for other in others)]

    def forward(self, *arguments: Any, **options: Any) -> Any:
        return self.block(self.ops, self.p, *arguments, **options)  # type: ignore[operator]


def _viewed(block: B, module: nn.Module) -> Network[B]:
    """A module with the parameters of a block as a network: they are shared."""
    network: Network[B] = Network.__new__(Network)
    network.__dict__ |= module.__dict__ | {"block": block}
    return network


class Torch:
    """In training dropout and noise are at work."""

    tanh, relu, log_softmax = staticmethod(tanh), staticmethod(torch.relu), staticmethod(log_softmax)

    def __init__(self, training: bool) -> None:
        self.training = training

    def linear(self, p: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        return p(x)

    def embedding(self, p: Callable[[Tensor], Tensor], index: Tensor) -> Tensor:
        return p(index)

    def unknown(self, index: Tensor, rate: float) -> Tensor:
        if not (self.training and rate):
            return index
        return torch.where(torch.rand(index.shape, device=index.device) < rate, 0, index)

    def rows(self, table: Tensor, index: Tensor) -> Tensor:
        return embedding(index, table)

    def tied(self, p: nn.Embedding, bias: Tensor, x: Tensor) -> Tensor:
        return linear(x, p.weight, bias)

    def recurrent(
        self, p: SequenceModule, x: Tensor, state: Mapping[str, Tensor] | None, lengths: Tensor | None
    ) -> tuple[Tensor, Named]:
        y, after = p(x, None if state is None else p.stacked(state), lengths=lengths)
        return y, p.named(after)

    def start(self, p: SequenceModule, rows: int) -> Named:
        return p.initial_state(rows)

    def pooling(
        self,
        kind: str,
        forward: int,
        y: Tensor,
        state: Any,
        lengths: Tensor | None,
        scores: Tensor | None,
        last: bool,
    ) -> tuple[Tensor, Named]:
        """Of the last step alone, (B, H); nothing is carried."""
        lengths = _lengths(y, lengths)
        if kind == "last":
            ends = y[torch.arange(len(y)), lengths - 1, :forward]
            return torch.cat([ends, y[:, 0, forward:]], -1), {}
        return pooling(kind, y, lengths, scores), {}

    def pooling_start(self, kind: str, size: int, rows: int) -> Named:
        return {}

    def anchor(
        self,
        z: Tensor,
        relative: tuple[bool, ...],
        state: Mapping[str, Tensor] | None,
        lengths: Tensor | None,
    ) -> tuple[Tensor, Named]:
        """All rows begin together, so that none needs to be counted."""
        if state is not None and ANCHOR in state:
            a = state[ANCHOR]
        else:
            alike = len(set(relative)) == 1  # no tensor is made then
            a = z[:, 0] * (float(relative[0]) if alike else z.new_tensor(relative))
        return a[:, None], {ANCHOR: a}

    def anchor_start(self, p: nn.Linear, size: int, rows: int) -> Named:
        return {}

    def frame(
        self, z: Tensor, references: tuple[tuple[float, ...], ...], by_mean: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of numpy's, to the bit; no gradient goes through it."""
        mean, spread, about = map(torch.from_numpy, frame(z.detach().cpu().numpy(), references, by_mean))
        return mean.to(z.device), spread.to(z.device), about.to(z.device)

    def fixed(
        self, table: Tensor, number: Tensor | None, mean: Tensor, spread: Tensor
    ) -> tuple[Tensor, Tensor]:
        number = mean.new_zeros(len(mean)) if number is None else number
        row = table.detach()[_known(number, len(table))]
        known = row[:, 1:] > 0
        return torch.where(known, row[:, :1], mean), torch.where(known, row[:, 1:], spread)

    def log_rate(self, b: Tensor, spread: Tensor, references: tuple[tuple[float, ...], ...]) -> Tensor:
        """Likewise."""
        rate = log_rate(b.detach().cpu().numpy(), spread.cpu().numpy(), references)
        return torch.from_numpy(rate).to(b.device)

    def log_odds(self, b: Tensor) -> Tensor:
        """Likewise."""
        return torch.from_numpy(log_odds(b.detach().cpu().numpy())).to(b.device)

    def log(self, x: Tensor) -> Tensor:
        """Likewise."""
        return torch.from_numpy(log(x.detach().cpu().numpy())).to(x.device)

    def framed(self, raw: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
        around = torch.stack([mean, spread], -1)[:, None]
        return torch.cat([raw, around.expand(-1, raw.shape[1], -1, -1)], -1)

    def by_number(self, maps: nn.ModuleList, x: Tensor, number: Tensor) -> Tensor:
        with torch.no_grad():
            number = _known(number, len(maps))
            each = [(torch.nonzero(number == one)[:, 0], one) for one in sorted(set(number.tolist()))]
            parts = torch.cat([maps[one](x[rows]) for rows, one in each])
            return torch.empty_like(parts).index_copy_(0, torch.cat([rows for rows, _ in each]), parts)

    def numbered(self, array: Tensor, number: Tensor) -> Tensor:
        return array[_known(number, len(array))]

    def of_number(self, p: nn.Embedding, number: Tensor) -> Tensor:
        return self.embedding(p, _known(number, p.num_embeddings))

    def for_each(self, x: Tensor, times: int) -> Tensor:
        return x if times == 1 else x.repeat_interleave(times, 0)

    def memory(self, p: layers.Attention, y: Tensor, lengths: Tensor | None) -> Memory:
        return Memory(p.keys(y), y, _lengths(y, lengths))

    def attention(
        self, p: layers.Attention, s: Tensor, memory: Memory, rows: NDArray[Any] | None
    ) -> tuple[Tensor, Tensor]:
        c, w = p(s, *memory, None if rows is None else torch.from_numpy(rows))
        return c, w

    def side_by_side(self, x: Tensor, lengths: Tensor | None, k: int, width: int | None = None) -> Tensor:
        width = width or k
        if width == 1:
            return x
        B, T, _ = x.shape
        if lengths is not None:
            x = x.masked_fill((torch.arange(T) >= lengths[:, None])[..., None], 0.0)
        steps, before, after = paddings(T, k, width)
        x = pad(x, (0, 0, before, after))
        return (x if width == k else x.unfold(1, width, k).transpose(2, 3)).reshape(B, steps, -1)

    def concat(self, *arrays: Tensor) -> Tensor:
        return torch.cat(arrays, -1)

    def at_each_step(self, v: Tensor, x: Tensor) -> Tensor:
        return v[:, None].expand(-1, x.shape[1], -1)

    def sequence(self, x: Tensor) -> Tensor:
        return x

    def by_rows(self, x: Tensor) -> Tensor:
        return x

    def patches(self, x: Tensor) -> Tensor:
        H, W = x.shape[1:3]
        around = pad(x, (0, 0, 1, 1, 1, 1))
        return torch.cat([around[:, i : i + H, j : j + W] for i in range(3) for j in range(3)], 3)

    def halved(self, x: Tensor) -> Tensor:
        return max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)

    def selected(self, x: Tensor, rows: NDArray[Any]) -> Tensor:
        return x[torch.from_numpy(rows)]

    def one_step(self, x: NDArray[Any]) -> Tensor:
        return torch.from_numpy(x)[:, None]

    def of_one_step(self, x: Tensor) -> NDArray[Any]:
        return x[:, 0].numpy()

    def dropout(self, x: Tensor, rate: float) -> Tensor:
        return dropout(x, rate, self.training)

    def augmented(
        self, x: Tensor, lengths: Tensor, noise: float, time_mask: float, feature_mask: float
    ) -> Tensor:
        return augmented(x, lengths, noise, time_mask, feature_mask) if self.training else x


def _known(number: Tensor, count: int) -> Tensor:
    """The last where there is none."""
    return torch.where((number >= 0) & (number < count), number, count - 1).long()


def _lengths(y: Tensor, lengths: Tensor | None) -> Tensor:
    """Those of rows y (B, T, …), all T where none are told."""
    return torch.full((len(y),), y.shape[1]) if lengths is None else lengths


USE, TRAINING = Torch(False), Torch(True)
