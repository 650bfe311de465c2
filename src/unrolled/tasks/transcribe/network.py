"""The network of transcripts in torch. Equations: blocks/transcriber.py.

Shapes   x (B, T, I), lengths (B,) -> log p (B, S, O); S = ⌈T / k⌉, of a row ⌈length / k⌉
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import by_length
from unrolled.blocks.ensemble import ensemble
from unrolled.blocks.leaves import Linear
from unrolled.blocks.pooled import Numbers
from unrolled.blocks.transcriber import Chain, Transcriber
from unrolled.ops.torch import Network as AnyNetwork
from unrolled.tasks.model import recurrent
from unrolled.tasks.transcribe.config import TranscribeModelConfig

Network = AnyNetwork[Transcriber]

# What goes through a network at once where nothing is learnt: so many sequences, and numbers that it says.
BATCH, MOST_SAID = 64, 2**24


def network_of(
    config: TranscribeModelConfig, width: int, outputs: int, chain: Chain | None = None
) -> Network:
    """A new network, of `width` I numbers a step and O outputs."""
    encoder = Numbers(width, config.noise, config.time_mask, config.feature_mask)
    k = config.subsample or 1
    layer = recurrent(config, width * k)
    head, rates = Linear(layer.output_size, outputs), (config.input_dropout, config.output_dropout)
    alone = Transcriber(encoder, layer, head, chain, k, *rates)
    return Network(ensemble(alone, config.members))


def outputs(network: Network, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """log p (B, S, O), and how many steps of it (B,) each row has."""
    return network(x, lengths=lengths)[0], network.block.steps(lengths)


def together(network: Network, lengths: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """The indices of all sequences, those of like length together, as many at once as memory allows."""
    block = network.block
    for indices in by_length(lengths, BATCH):
        steps = block.steps(max(lengths[i] for i in indices))
        size = max(1, MOST_SAID // (steps * block.head.outputs))
        for first in range(0, len(indices), size):
            yield indices[first : first + size]
