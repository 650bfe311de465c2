"""An encoder and a decoder of sequences of numbers. Per input, with ŷ_0 = 0:

    r       = encoder(x)                       encoders.py
    s_0     = bridge(r)                        condition state or both; else 0
    s_t     = layer([ŷ_{t-1}; t = 1; r])_t     r: input or both
    a_t, e_t = W s_t + b                       what step t is, and how sure it is the last
    loss    = Σ_d loss(a_t, y_t)_d + binary cross-entropy of e_t and t = T, mean over all steps

    point      a_t is the step itself; the loss is the squared error of standard scores
    gaussian   mean and deviation of each column, tasks/outputs.py

In training ŷ is the truth with noise on it; in use what was written or drawn before. An answer is as long as
half of those that the network expects, which has the least error where no length is sure: it ends with the
first step at which the chance to go on, Π_{u≤t} (1 - σ(e_u)), is 1/2 or less. Or it is drawn to end with the
chance σ(e_t).

Shapes   y (B, T, D), lengths (B,) -> a (B, T, D, R), e (B, T)
Source   Graves 2013, arXiv:1308.0850 (handwriting, with a mixture in place of one distribution)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, dropout

from unrolled.blocks.outputs import Output
from unrolled.decoding.distributions import softplus
from unrolled.kernels.numpy import heads
from unrolled.models.caption import HALF
from unrolled.nn import Linear
from unrolled.nn.describe import describe
from unrolled.nn.state import Named
from unrolled.tasks.caption.codec import Codec
from unrolled.tasks.caption.config import CaptionConfig
from unrolled.tasks.caption.decoder import Bridge
from unrolled.tasks.caption.examples import Batch
from unrolled.tasks.caption.network import Conditioned
from unrolled.tasks.model import build, decoder_layers
from unrolled.tasks.outputs import Criterion, criterion

Array = NDArray[np.float64]


class NumberDecoder(nn.Module):
    """`size` D, `outputs` R numbers that describe one of a step's."""

    def __init__(
        self, config: CaptionConfig, size: int, outputs: int, sources: dict[str, int], extra: int
    ) -> None:
        super().__init__()
        self.size, self.outputs, self.rate = size, outputs, config.decoder.decoder_dropout
        self.layer = build(decoder_layers(config.model, config.decoder), size + 1 + extra)
        self.bridge = Bridge(sources, self.layer.state_sizes()) if sources else None
        self.head = Linear(self.layer.output_size, size * outputs + 1)

    def start(self, state: Named) -> Named:
        assert self.bridge is not None
        made: Named = self.bridge(state)
        return made

    def about(self, prefix: str) -> dict[str, Any]:
        """What models/caption.py reads, but the kind of output."""
        return {
            "layers": describe(self.layer, f"{prefix}layer."),
            "bridge": {} if self.bridge is None else self.bridge.about(f"{prefix}bridge."),
            "head": f"{prefix}head.weight",
            "bias": f"{prefix}head.bias",
        }

    def forward(
        self, before: Tensor, lengths: Tensor, state: Named, extra: Tensor | None, first: bool = True
    ) -> tuple[Tensor, Tensor, Named]:
        """The steps before each (B, T, D) -> a (B, T, D, R), e (B, T) and the state after them. `first`:
        these are the first steps."""
        B, T = before.shape[:2]
        begins = before.new_zeros(B, T, 1)
        if first:
            begins[:, 0] = 1
        x = torch.cat([before, begins], 2)
        if extra is not None:
            x = torch.cat([x, extra[:, None].expand(-1, T, -1)], 2)
        s, state = self.layer(dropout(x, self.rate, self.training), state, lengths=lengths)
        made = self.head(dropout(s, self.rate, self.training))
        return made[..., :-1].unflatten(2, (self.size, self.outputs)), made[..., -1], state


class NumberNetwork(Conditioned):
    def __init__(self, config: CaptionConfig, codec: Codec) -> None:
        super().__init__(config, codec)
        self.output = Output(config.numbers.output, (0.1, 0.5, 0.9))
        self.noise = config.numbers.noise
        D = len(codec.numbers.columns)
        self.decoder = NumberDecoder(config, D, self.output.size, self.sources, self.extra)

    def losses(self, batch: Batch, unknown: int | None = None) -> Tensor:
        """(N,) of all steps."""
        y, lengths = batch.y, batch.lengths
        state, extra = self.begin(self.decoder, self.encoder(*batch.x).code)
        read = y[:, :-1] + self.noise * torch.randn_like(y[:, :-1]) if self.training else y[:, :-1]
        a, e, _ = self.decoder(torch.cat([torch.zeros_like(y[:, :1]), read], 1), lengths, state, extra)
        step = torch.arange(y.shape[1])
        inside, last = step < lengths[:, None], (step == lengths[:, None] - 1).to(e.dtype)
        ends = binary_cross_entropy_with_logits(e[inside], last[inside], reduction="none")
        return criterion(self.output).loss(a[inside], y[inside]).sum(1) + ends

    @torch.no_grad()
    def write(
        self, x: tuple[Tensor, ...], longest: int, draws: Sequence[np.random.Generator] | None = None
    ) -> list[NDArray[np.float32]]:
        """(B,) of standard scores (T_i, D), each with the bits that it has alone; drawn where there are
        generators, one for each."""
        state, extra = self.begin(self.decoder, self.encoder(*x).code)
        B = len(x[0])
        last, one, steps = torch.zeros(B, 1, self.decoder.size), torch.ones(B, dtype=torch.int64), []
        lengths, passed = np.full(B, longest), np.zeros(B)
        for t in range(longest):
            a, e, state = self.decoder(last, one, state, extra, first=t == 0)
            last = self.output.point(a) if draws is None else _drawn(criterion(self.output), a[:, 0], draws)
            steps.append(last[:, 0].numpy())
            sure = e[:, 0].numpy()
            passed += softplus(sure.astype(np.float64))
            ended = passed >= HALF if draws is None else sure > _odds(draws)
            lengths = np.where(ended, np.minimum(lengths, t + 1), lengths)
            if (lengths <= t + 1).all():
                break
        made = np.stack(steps, 1)
        return [row[:length] for row, length in zip(made, lengths, strict=True)]


def _drawn(output: Criterion, a: Tensor, draws: Sequence[np.random.Generator]) -> Tensor:
    """a (B, D, R) -> (B, 1, D)."""
    raw = a.numpy()
    u = np.stack([draw.random((raw.shape[1], 2)) for draw in draws])
    return torch.from_numpy(output.answers.drawn(raw, u).astype(raw.dtype))[:, None]


def _odds(draws: Sequence[np.random.Generator]) -> Array:
    """(B,) ln (u / (1 - u)): e is above it with the chance σ(e)."""
    u = np.array([draw.random() for draw in draws])
    return heads.log(u / (1 - u))
