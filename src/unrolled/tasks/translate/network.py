"""The network of blocks/translator.py in training. Per pair x, y:

    o_t   = what the decoder makes of y_1 … y_{t-1}
    loss  = mean over the symbols of y and its end of -ln softmax(o_t)[y_t], smoothed where asked

Targets that are <unk> have no loss. With scheduled sampling some of the symbols that the decoder reads are
drawn by itself (tasks/decoder.py).

Shapes   x (B, S), lengths (B,); y (B, T), y_lengths (B,) with their ends -> o (B, T, V + 1)
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from unrolled.batching.buckets import Buckets
from unrolled.blocks.decoder import Condition
from unrolled.blocks.ensemble import ensemble, mean
from unrolled.blocks.leaves import Embedding
from unrolled.blocks.ops import Memory
from unrolled.blocks.translator import Translator
from unrolled.ops.torch import Network as AnyNetwork
from unrolled.tasks.decoder import decoded, decoder, inputs, mixed
from unrolled.tasks.model import DecoderConfig, recurrent
from unrolled.tasks.translate.codec import Batch
from unrolled.tasks.translate.config import TranslateModelConfig

Network = AnyNetwork[Translator]

NO_LOSS = -100


def translator(
    model: TranslateModelConfig, writes: DecoderConfig, sources: int, targets: int, unknown: float = 0.0
) -> Translator:
    """Of so many symbols on either side; of sources with the chance `unknown` an unknown one in training."""
    embedding = Embedding(sources, model.embedding_size, unknown=unknown)
    layer = recurrent(model, embedding.size)
    writer = decoder(targets, writes, model, reads=layer.state_sizes, memory_size=layer.output_size)
    return ensemble(Translator(embedding, layer, writer, model.input_dropout), model.members)


def outputs(network: Network, batch: Batch) -> Tensor:
    """o (B, T, V + 1)."""
    return mean([_outputs(member, batch) for member in network.ensemble])


def _outputs(network: Network, batch: Batch) -> Tensor:
    condition = network(batch.x, batch.lengths)
    w = inputs(network.block.decoder, batch.y)
    if batch.share:
        w = mixed(network, batch.y, _detached(condition), batch.share)
    return decoded(network, w, condition, batch.y_lengths)[0]


def losses(network: Network, batch: Batch, unknown: int | None, smoothing: float = 0.0) -> tuple[Tensor, int]:
    """The sum of the losses () of all symbols but the `unknown`, and of how many."""
    inside = torch.arange(batch.y.shape[1]) < batch.y_lengths[:, None]
    if unknown is not None:
        inside &= batch.y != unknown
    y = torch.where(inside, batch.y, NO_LOSS).flatten()
    o = outputs(network, batch).flatten(0, 1)
    total = cross_entropy(o, y, ignore_index=NO_LOSS, label_smoothing=smoothing, reduction="sum")
    return total, int(inside.sum())


@torch.no_grad()
def weights(network: Network, x: Tensor, y: Tensor) -> Tensor | None:
    """x (S,), y (T,) with its end -> (T, S) what attention reads at each symbol; None without it."""
    read = decoded(network, inputs(network.block.decoder, y[None]), network(x[None]))[2]
    return None if read is None else read[0]


@dataclass(frozen=True)
class Scheduled:
    """Batches whose `share` grows by the same amount at every step of the first `epochs` epochs, from 0 to
    `most`: it follows from the epoch and the step alone."""

    batches_: Buckets[Batch]
    most: float
    epochs: int

    @property
    def steps_per_epoch(self) -> int:
        return self.batches_.steps_per_epoch

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        steps = self.steps_per_epoch
        for k, batch in enumerate(self.batches_.batches(epoch, skip), skip):
            done = ((epoch - 1) * steps + k) / (self.epochs * steps)
            yield batch._replace(share=self.most * min(1.0, done))


def _detached(condition: Condition) -> Condition:
    """The same values, through which no gradient flows."""
    memory = condition.memory and Memory(*(array.detach() for array in condition.memory))
    return Condition({name: array.detach() for name, array in condition.state.items()}, memory)
