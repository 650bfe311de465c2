"""An encoder and a decoder of text. Per input:

    r, y  = encoder(x)                          encoders.py
    s_0   = bridge(r)                           condition state or both; else 0
    o     = decoder(begin, w_1 … w_{S-1})       tasks/decoder.py; at every step beside r: input or both
    loss  = mean over all symbols and ends of - log softmax(o_t)[w_t]

Symbols that training does not know are read, but count in no loss.

Shapes   x as its encoder takes it, w (B, S), lengths (B,), the end in both -> o (B, S, V + 1)
"""

from typing import Any

import torch
from torch import Tensor, nn

from unrolled.codecs.conditions import Pictures
from unrolled.errors import ConfigError
from unrolled.files.wording import option
from unrolled.nn.functional import cross_entropy
from unrolled.nn.state import Named
from unrolled.tasks.caption.codec import Codec
from unrolled.tasks.caption.config import CaptionConfig
from unrolled.tasks.caption.decoder import Decoder, Memory
from unrolled.tasks.caption.encoders import ENCODERS, GivenEncoder
from unrolled.tasks.caption.examples import Batch

CODE = "layer0.code.h"  # its name among the arrays that a bridge reads


class Conditioned(nn.Module):
    """An encoder, and how what it says reaches the layers that write."""

    def __init__(self, config: CaptionConfig, codec: Codec) -> None:
        super().__init__()
        own = codec.inputs
        self.encoder: Any
        if isinstance(own, Pictures):
            self.encoder = ENCODERS[config.model.encoder or "convolution"](
                config.model, own.size, own.channels
            )
        else:
            self.encoder = GivenEncoder(config.model, own.width, len(own.classes))
        how, size = config.model.condition, self.encoder.code_size
        self.sources = {CODE: size} if how != "input" else {}
        self.extra = size if how != "state" else 0

    def begin(self, decoder: Any, code: Tensor) -> tuple[Named, Tensor | None]:
        """The decoder's state before the first step, and what it reads at every step."""
        state = decoder.start({CODE: code}) if self.sources else decoder.layer.initial_state(len(code))
        return state, code if self.extra else None


class TextNetwork(Conditioned):
    """ConfigError where attention finds no places to look at."""

    def __init__(self, config: CaptionConfig, codec: Codec) -> None:
        super().__init__(config, codec)
        attention, memory_size = config.decoder.attention, self.encoder.memory_size
        if attention != "none" and memory_size is None:
            raise ConfigError(
                f"{option('attention', attention)} looks at places of a picture, and numbers and classes "
                f"have none; set {option('attention', 'none')}"
            )
        self.decoder = Decoder(
            codec.texts.side.size,
            config.decoder,
            config.model,
            memory_size=memory_size,
            sources=self.sources,
            extra=self.extra,
        )

    def read(self, x: tuple[Tensor, ...]) -> tuple[Named, Memory | None, Tensor | None]:
        """The state before the first symbol, what attention reads, and what every step does."""
        code, places = self.encoder(*x)
        state, extra = self.begin(self.decoder, code)
        if places is None:
            return state, None, extra
        lengths = torch.full((len(places),), places.shape[1])
        return state, self.decoder.remember(places, lengths), extra

    def losses(self, batch: Batch, unknown: int | None) -> Tensor:
        """(N,) of all symbols and ends that count."""
        inside = torch.arange(batch.y.shape[1]) < batch.lengths[:, None]
        o, _, _ = self.decoder(self.decoder.inputs(batch.y), batch.lengths, *self.read(batch.x))
        counted = inside if unknown is None else inside & (batch.y != unknown)
        return cross_entropy(o[counted], batch.y[counted], reduction="none")
