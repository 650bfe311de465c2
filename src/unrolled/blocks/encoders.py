"""What an input becomes: a code r, and of a picture the places that attention looks at. Per picture x:

    convolution   x^0 = x;  x^k = maxpool_2(relu(Σ_ij W^k_ij x^{k-1}_{+ij} + b^k)), ij over 3 × 3, 0 outside
                  places y = x^K, one after another, + P;  r = relu(W x^K + b)
    rows          y_t = layer(x_t), x_t the pixels of row t;  r = y_T, and y_1 of layers that read backward
    attributes    r = relu(W z + E[class]), z the scaled numbers

The convolution is a linear layer over copied patches: torch's own may add up in another order in a larger
batch. W^k_ij stand side by side, in the order of rows, columns and channels. P, learned, tells places apart.

Shapes   pictures x (B, H, W, C); numbers z (B, F), classes (B,) -> r (B, R), places y a sequence (…, M)
Source   LeCun et al. 1998; Vinyals et al. 2014, arXiv:1411.4555 (a picture's code begins the decoder)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, ClassVar, NamedTuple

from unrolled.blocks.block import Block, require_sizes
from unrolled.blocks.leaves import Embedding, Linear, Parameter
from unrolled.blocks.ops import Array, Ops
from unrolled.blocks.recurrent import Recurrent

Picture = tuple[int, int, int]  # H, W, C
PATCH = 9  # pixels


class Encoded(NamedTuple):
    """The code, and the places; None of what has none."""

    code: Array
    places: Array | None


def require_picture(block: Block, picture: Picture) -> None:
    """ValueError for a size that is none."""
    require_sizes(block, dict(zip(("height", "width", "channels"), picture, strict=True)))


@dataclass(frozen=True)
class Convolution(Block):
    """Of pictures of one size."""

    picture: Picture
    stages: tuple[Linear, ...]
    position: Parameter
    head: Linear

    @classmethod
    def of(cls, picture: Picture, filters: int, stages: int, code_size: int) -> "Convolution":
        """The first stage has so many features, each other twice those before."""
        linears = _stages(picture, [filters << k for k in range(stages)])
        return cls(picture, linears, *_ends(picture, linears, code_size))

    def rules(self) -> Iterator[tuple[object, str]]:
        require_picture(self, self.picture)
        fits = len(self.stages) > 0 and min(halved(self.picture, len(self.stages))) > 0
        yield fits, f"{len(self.stages)} stages of pictures of {self.picture}"
        wanted = _stages(self.picture, [one.outputs for one in self.stages])
        yield self.stages == wanted, f"stages {self.stages!s:.80}; wanted {wanted!s:.80}"
        position, head = _ends(self.picture, self.stages, self.code_size)
        yield self.position == position, f"the position is {self.position}; wanted {position}"
        yield self.head == head, f"the head is {self.head}; wanted {head}"

    @property
    def reads(self) -> tuple[str, tuple[int, ...]]:
        return "pictures", self.picture

    @property
    def memory_size(self) -> int | None:
        """M."""
        return self.stages[-1].outputs

    @property
    def code_size(self) -> int:
        return self.head.outputs

    def __call__(self, ops: Ops, p: Any, x: Array) -> Encoded:
        for stage, weights in zip(self.stages, p.stages, strict=True):
            x = ops.halved(ops.relu(stage(ops, weights, ops.patches(x))))
        places = x.reshape(-1, *self.position.shape)
        code = ops.relu(self.head(ops, p.head, places.reshape(-1, self.head.inputs)))
        return Encoded(code, ops.sequence(places + p.position))


def halved(picture: Picture, stages: int) -> tuple[int, int]:
    """Height and width after so many stages."""
    return picture[0] >> stages, picture[1] >> stages


def _stages(picture: Picture, widths: Sequence[int]) -> tuple[Linear, ...]:
    """Stages of so many features."""
    return tuple(Linear(PATCH * C, F) for C, F in pairwise((picture[2], *widths)))


def _ends(picture: Picture, stages: Sequence[Linear], code_size: int) -> tuple[Parameter, Linear]:
    """Position and head behind the last stage."""
    places, width = prod(halved(picture, len(stages))), stages[-1].outputs
    return Parameter((places, width), width**-0.5), Linear(places * width, code_size)


@dataclass(frozen=True)
class Rows(Block):
    """The rows of pixels are the steps of a layer, whose two directions stand side by side."""

    picture: Picture
    layer: Recurrent

    def rules(self) -> Iterator[tuple[object, str]]:
        require_picture(self, self.picture)
        pixels = self.picture[1] * self.picture[2]
        yield self.layer.input_size == pixels, f"{self.layer} reads rows of {pixels} numbers"
        yield self.layer.merge == "concat", f"both directions mixed by {self.layer.merge}"

    @property
    def reads(self) -> tuple[str, tuple[int, ...]]:
        return "pictures", self.picture

    @property
    def memory_size(self) -> int | None:
        return self.layer.output_size

    @property
    def code_size(self) -> int:
        return self.layer.output_size

    def __call__(self, ops: Ops, p: Any, x: Array) -> Encoded:
        steps = ops.sequence(x.reshape(-1, self.picture[0], self.layer.input_size))
        y, _ = self.layer(ops, p.layer, steps)
        code, _ = ops.pooling("last", self.layer.forward, y, None, None, None, True)
        return Encoded(code, y)


@dataclass(frozen=True)
class Attributes(Block):
    """Numbers and a class, or one of both."""

    memory_size: ClassVar[int | None] = None

    numbers: Linear | None
    table: Embedding | None

    @classmethod
    def of(cls, numbers: int, classes: int, code_size: int) -> "Attributes":
        """0: there are none."""
        table = Embedding(classes, code_size) if classes else None
        return cls(Linear(numbers, code_size) if numbers else None, table)

    def rules(self) -> Iterator[tuple[object, str]]:
        yield self.numbers or self.table, "neither numbers nor classes are read"
        sizes = {one.outputs for one in [self.numbers] if one} | {one.size for one in [self.table] if one}
        yield len(sizes) < 2, f"numbers and classes become {sizes} numbers"

    @property
    def reads(self) -> tuple[str, tuple[int, ...]]:
        """How many numbers, and classes."""
        numbers = 0 if self.numbers is None else self.numbers.inputs
        return "attributes", (numbers, 0 if self.table is None else self.table.rows)

    @property
    def code_size(self) -> int:
        if self.numbers is not None:
            return self.numbers.outputs
        return 0 if self.table is None else self.table.size

    def __call__(self, ops: Ops, p: Any, z: Array, classes: Array) -> Encoded:
        r = None if self.numbers is None else self.numbers(ops, p.numbers, z)
        if self.table is not None:
            e = self.table(ops, p.table, classes)
            r = e if r is None else r + e
        return Encoded(ops.relu(r), None)
