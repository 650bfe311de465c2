"""A decoder (blocks/decoder.py) in training: made of options, shown the right symbols, or some of its own.

Scheduled sampling replaces each input w_{t-1}, t ≥ 2, with a given chance by a symbol that the network draws
itself. The inputs are chosen by running the steps without gradient, dropout off; then one call goes over all
of them. The gradient is that of the steps, since none passes through what is drawn.

Shapes   y (B, S) with the end -> w (B, S), o (B, S, V + 1)
Source   Bengio et al. 2015, arXiv:1506.03099
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from unrolled.blocks.decoder import Bridge, Condition, Decoder
from unrolled.blocks.leaves import Attention
from unrolled.errors import ConfigError
from unrolled.files.messages import option
from unrolled.nn.functional import softmax
from unrolled.ops.torch import USE, Network
from unrolled.tasks.model import DecoderConfig, ModelConfig, decoder_layers, recurrent

S = TypeVar("S", bound=Callable[..., Any])


def decoder(
    symbols: int,
    config: DecoderConfig,
    model: ModelConfig,
    *,
    reads: Mapping[str, int],
    memory_size: int | None = None,
    extra: int = 0,
) -> Decoder:
    """Of V symbols, its first state made of the arrays `reads`. `memory_size` M; None: nothing to look at."""
    E, kind = config.target_embedding_size, config.attention
    layer = recurrent(decoder_layers(model, config), E + extra)
    attention = None
    if kind != "none":
        if memory_size is None:
            raise ConfigError(
                f"{option('attention', kind)} looks at places of a picture, and numbers and classes have "
                f"none; set {option('attention', 'none')}"
            )
        attention = Attention(kind, layer.output_size, memory_size, config.attention_size)
    return Decoder.of(symbols, E, layer, Bridge.of(reads, layer), attention, config.decoder_dropout)


def decoded(
    network: Network[Any], w: Tensor, condition: Condition, lengths: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor], Tensor | None]:
    """Symbols w (B, S), lengths (B,) -> what the network's decoder makes of them."""
    block: Decoder = network.block.decoder
    return block(network.ops, network.p.decoder, w, *condition, lengths=lengths)


@torch.no_grad()
def read(network: Network[Any], *x: Tensor) -> list[Condition]:
    """What each member's decoder is conditioned on."""
    conditions: list[Condition] = network.block.conditions(network.ops, network.p, *x)
    return conditions


def stepper(network: Network[Any], conditions: Sequence[Condition], averaged: Callable[[Any], S]) -> S:
    """That of the members' decoders together, without gradients; `averaged` of decoding/search.py or
    numbers.py."""
    return torch.no_grad()(averaged(network.block.steppers(network.ops, network.p, conditions)))


def inputs(block: Decoder, y: Tensor) -> Tensor:
    """The symbols before each of y: the begin, then all but the last."""
    return torch.cat([torch.full_like(y[:, :1], block.begin), y[:, :-1]], 1)


@torch.no_grad()
def mixed(network: Network[Any], y: Tensor, condition: Condition, chance: float) -> Tensor:
    """As `inputs`, each but the first drawn by the network with this chance."""
    block, p, training = network.block.decoder, network.p.decoder, network.training
    state, memory, extra = condition
    w, drawn_here = inputs(block, y), torch.rand(y.shape) < chance
    p.eval()
    for t in range(w.shape[1] - 1):
        o, state, _ = block(USE, p, w[:, t : t + 1], state, memory, extra)
        drawn = torch.multinomial(softmax(o[:, 0, : block.end]), 1)[:, 0]  # the end is no input
        w[:, t + 1] = torch.where(drawn_here[:, t + 1], drawn, w[:, t + 1])
    p.train(training)
    return w
