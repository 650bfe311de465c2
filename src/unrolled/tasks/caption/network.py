"""The network of blocks/captioner.py in training. Per input:

    words    loss = mean over all symbols and ends of - log softmax(o_t)[w_t]
    numbers  loss = Σ_d loss(a_t, y_t)_d + binary cross-entropy of e_t and t = T, mean over all steps:
             of standard scores the squared error, or that of a distribution (tasks/outputs.py)

In training ŷ is the truth with noise on it. Symbols that training does not know are read, but count in no
loss.

Shapes   x as its encoder takes it; w (B, S), the end in it, or y (B, T, D), lengths (B,)
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, pad

from unrolled.blocks.captioner import Captioner, NumberDecoder, conditions
from unrolled.blocks.decoder import Bridge
from unrolled.blocks.encoders import Attributes, Convolution, Rows, halved
from unrolled.blocks.ensemble import ensemble, mean
from unrolled.blocks.outputs import Output
from unrolled.codecs.answers import Texts
from unrolled.codecs.conditions import Pictures
from unrolled.errors import ConfigError
from unrolled.files.images import spelt
from unrolled.files.messages import option
from unrolled.nn.functional import cross_entropy
from unrolled.ops.torch import Network as AnyNetwork
from unrolled.tasks.caption.codec import Codec
from unrolled.tasks.caption.config import CaptionConfig, EncoderConfig
from unrolled.tasks.caption.examples import Batch
from unrolled.tasks.decoder import decoded, decoder, inputs
from unrolled.tasks.model import decoder_layers, recurrent
from unrolled.tasks.outputs import criterion

Network = AnyNetwork[Captioner]

LEVELS = (0.1, 0.5, 0.9)  # which no answer tells


def captioner(config: CaptionConfig, codec: Codec) -> Captioner:
    """ConfigError where attention finds no places to look at, or an encoder cannot read such pictures."""
    encoder = _encoder(config.model, codec)
    reads, extra = conditions(config.model.condition, encoder.code_size)
    writes = config.decoder
    if isinstance(codec.answers, Texts):
        sizes: Any = {"reads": reads, "memory_size": encoder.memory_size, "extra": extra}
        text = decoder(codec.texts.side.size, writes, config.model, **sizes)
        return ensemble(Captioner(encoder, text, config.model.condition), config.model.members)
    D, output = len(codec.numbers.columns), Output(config.numbers.output, LEVELS)
    layer = recurrent(decoder_layers(config.model, writes), D + 1 + extra)
    numbers = NumberDecoder.of(layer, Bridge.of(reads, layer), D, output, writes.decoder_dropout)
    return ensemble(Captioner(encoder, numbers, config.model.condition), config.model.members)


def _encoder(config: EncoderConfig, codec: Codec) -> Convolution | Rows | Attributes:
    reads = codec.inputs
    if not isinstance(reads, Pictures):
        return Attributes.of(reads.width, len(reads.classes), config.code_size)
    picture = *reads.size, reads.channels
    if config.encoder == "rows":
        if config.merge != "concat":
            raise ConfigError(
                f"{option('merge', config.merge)} mixes both directions at each step, and the code is of "
                f"each one's last; set {option('merge', 'concat')}"
            )
        return Rows(picture, recurrent(config, reads.size[1] * reads.channels))
    if not min(halved(picture, config.stages)):
        most = min(reads.size).bit_length() - 1
        remedy = option("stages", most) if most else option("encoder", "rows")
        raise ConfigError(
            f"{option('stages', config.stages)} halves pictures of {spelt(reads.size)} to nothing; set "
            f"{remedy}, or a larger {option('image_size')}"
        )
    return Convolution.of(picture, config.filters, config.stages, config.code_size)


def losses(network: Network, batch: Batch, unknown: int | None, noise: float) -> Tensor:
    """(N,) of all symbols and ends that count, or of all steps; `noise` is the deviation of that in training,
    `unknown` the symbol that does not count."""
    block = network.block.decoder
    inside = torch.arange(batch.y.shape[1]) < batch.lengths[:, None]
    if isinstance(block, NumberDecoder):
        return _number_losses(network, block, batch, inside, noise)
    w = inputs(block, batch.y)
    o = mean([decoded(one, w, one(*batch.x), batch.lengths)[0] for one in network.ensemble])
    counted = inside if unknown is None else inside & (batch.y != unknown)
    return cross_entropy(o[counted], batch.y[counted], reduction="none")


def _number_losses(
    network: Network, block: NumberDecoder, batch: Batch, inside: Tensor, noise: float
) -> Tensor:
    conditions = [one(*batch.x) for one in network.ensemble]
    w = number_inputs(network, block, batch.y, noise)
    each = [
        block(one.ops, one.p.decoder, w, condition.state, None, condition.extra, batch.lengths)[:2]
        for one, condition in zip(network.ensemble, conditions, strict=True)
    ]
    a, e = map(mean, zip(*each, strict=True))
    last = torch.arange(batch.y.shape[1]) == batch.lengths[:, None] - 1
    ends = binary_cross_entropy_with_logits(e[inside], last.to(e.dtype)[inside], reduction="none")
    return criterion(block.output).loss(a[inside], batch.y[inside]).sum(1) + ends


def number_inputs(network: Network, block: NumberDecoder, y: Tensor, noise: float = 0.0) -> Tensor:
    """y (B, T, D) -> w (B, T, D + 1), what stands before each step."""
    before = y[:, :-1]
    if network.training:
        before = before + noise * torch.randn_like(before)
    begin = y.new_tensor(block.begin).expand(len(y), 1, -1)
    return torch.cat([begin, pad(before, (0, 1))], 1)
