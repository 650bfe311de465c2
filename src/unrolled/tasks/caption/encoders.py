"""What an input becomes: a code r, and of a picture the places that attention looks at. Per picture x:

    convolution   x^0 = x;  x^k = maxpool_2(relu(Σ_ij W^k_ij x^{k-1}_{+ij} + b^k)), ij over 3 × 3, 0 outside
                  places y = x^K, one after another, + P;  r = relu(W x^K + b)
    rows          y_t = layer(x_t), x_t the pixels of row t;  r = y_T, and y_1 of layers that read backward
    given         r = relu(W z + E[class]), z the scaled numbers

The convolution is a linear layer over copied patches: torch's own may add up in another order in a larger
batch. P, learned, tells places apart.

Shapes   pictures x (B, H, W, C); numbers z (B, F), classes (B,) -> r (B, R), places y (B, T, M)
Source   LeCun et al. 1998; Vinyals et al. 2014, arXiv:1411.4555 (a picture's code begins the decoder)
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad

from unrolled.errors import ConfigError
from unrolled.files.images import Size, spelt
from unrolled.files.wording import option
from unrolled.nn import Embedding, Linear
from unrolled.tasks.caption.config import EncoderConfig
from unrolled.tasks.model import ModelConfig, build, cell_of

KERNEL = 3


class Encoded(NamedTuple):
    """The code (B, R), and the places (B, T, M); None of what has none."""

    code: Tensor
    places: Tensor | None


class Convolution(nn.Module):
    """x (B, H, W, C) -> (B, H, W, F): W_ij side by side, in the order of rows, columns and channels."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.linear = Linear(KERNEL * KERNEL * channels, filters)

    def forward(self, x: Tensor) -> Tensor:
        H, W = x.shape[1:3]
        around = pad(x, (0, 0, 1, 1, 1, 1))
        patches = [around[:, i : i + H, j : j + W] for i in range(KERNEL) for j in range(KERNEL)]
        y: Tensor = self.linear(torch.cat(patches, 3))
        return y


class Convolutions(nn.Module):
    """Of pictures of one size. ConfigError where so many stages leave nothing of them."""

    def __init__(self, config: EncoderConfig, size: Size, channels: int) -> None:
        super().__init__()
        height, width = (side >> config.stages for side in size)
        if not min(height, width):
            most = min(size).bit_length() - 1
            remedy = option("stages", most) if most else option("encoder", "rows")
            raise ConfigError(
                f"{option('stages', config.stages)} halves pictures of {spelt(size)} to nothing; set "
                f"{remedy}, or a larger {option('image_size')}"
            )
        widths = [channels, *(config.filters << k for k in range(config.stages))]
        self.stages = nn.ModuleList(map(Convolution, widths, widths[1:]))
        self.memory_size, self.code_size = widths[-1], config.code_size
        self.position = nn.Parameter(torch.randn(height * width, self.memory_size) * self.memory_size**-0.5)
        self.head = Linear(height * width * self.memory_size, config.code_size)

    def about(self, prefix: str) -> dict[str, Any]:
        """What models/caption.py reads; `prefix`: where the state dict of the network has it."""
        stages = [f"{prefix}stages.{k}.linear" for k in range(len(self.stages))]
        return {
            "kind": "convolution",
            "stages": [[f"{one}.weight", f"{one}.bias"] for one in stages],
            "position": f"{prefix}position",
            "head": f"{prefix}head.weight",
            "bias": f"{prefix}head.bias",
        }

    def forward(self, x: Tensor) -> Encoded:
        for stage in self.stages:
            y = torch.relu(stage(x)).permute(0, 3, 1, 2)
            x = max_pool2d(y, 2).permute(0, 2, 3, 1)
        places = x.flatten(1, 2)
        return Encoded(torch.relu(self.head(places.flatten(1))), places + self.position)


class Last(nn.Module):
    """Of `size` units the first `forwards` read forward."""

    def __init__(self, size: int, forwards: int) -> None:
        super().__init__()
        self.forwards = forwards

    def forward(self, y: Tensor, lengths: Tensor) -> Tensor:
        last = y[torch.arange(len(y)), lengths - 1, : self.forwards]
        return torch.cat([last, y[:, 0, self.forwards :]], -1)


def forwards(config: ModelConfig, size: int) -> int:
    """How many of the layer's `size` outputs, the first ones, read forward."""
    if config.bidirectional and config.merge == "concat":
        return cell_of(config).state_sizes(config.hidden)[0]
    return 0 if config.reverse else size


class Rows(nn.Module):
    """ConfigError where the layers' ends cannot be told apart."""

    def __init__(self, config: EncoderConfig, size: Size, channels: int) -> None:
        super().__init__()
        if config.merge != "concat":
            raise ConfigError(
                f"{option('merge', config.merge)} mixes both directions at each step, and the code is of "
                f"each one's last; set {option('merge', 'concat')}"
            )
        self.layer = build(config, size[1] * channels)
        self.memory_size = self.code_size = self.layer.output_size
        self.last = Last(self.code_size, forwards(config, self.code_size))

    def about(self, prefix: str) -> dict[str, Any]:
        return {"kind": "rows", "forwards": self.last.forwards}

    def forward(self, x: Tensor) -> Encoded:
        y, _ = self.layer(x.flatten(2))
        return Encoded(self.last(y, torch.full((len(y),), y.shape[1])), y)


class GivenEncoder(nn.Module):
    """`classes` is 0 where there are none."""

    memory_size = None

    def __init__(self, config: EncoderConfig, features: int, classes: int) -> None:
        super().__init__()
        self.code_size = config.code_size
        self.numbers = Linear(features, config.code_size) if features else None
        self.table = Embedding(classes, config.code_size) if classes else None

    def about(self, prefix: str) -> dict[str, Any]:
        own = f"{prefix}numbers"
        numbers = None if self.numbers is None else [f"{own}.weight", f"{own}.bias"]
        table = None if self.table is None else f"{prefix}table.weight"
        return {"kind": "given", "numbers": numbers, "table": table}

    def forward(self, z: Tensor, classes: Tensor) -> Encoded:
        parts = [] if self.numbers is None else [self.numbers(z)]
        parts += [] if self.table is None else [self.table(classes)]
        return Encoded(torch.relu(parts[0] if len(parts) == 1 else parts[0] + parts[1]), None)


ENCODERS: dict[str, type[Convolutions] | type[Rows]] = {"convolution": Convolutions, "rows": Rows}
