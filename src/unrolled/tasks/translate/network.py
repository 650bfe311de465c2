"""A network that reads a source and writes its target. Per pair x, y:

    h_t   = layer(dropout(E x))_t                      both directions by default
    o_t   = decoder from the last states of h, with attention over h_1 … h_S, reading y_1 … y_{t-1}
    loss  = mean over the symbols of y and its end of -ln softmax(o_t)[y_t], smoothed where asked

decoder as of tasks/decoder.py. Targets that are <unk> have no loss. With scheduled sampling some of the
symbols that the decoder reads are drawn by itself.

Shapes   x (B, S), lengths (B,); y (B, T), y_lengths (B,) with their ends -> o (B, T, V + 1)
Source   Sutskever et al. 2014, arXiv:1409.3215; Bahdanau et al. 2014, arXiv:1409.0473
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout

from unrolled.batching.buckets import Buckets
from unrolled.decoding.search import Step
from unrolled.nn import Embedding
from unrolled.nn.state import Named
from unrolled.tasks.decoder import Decoder, Memory
from unrolled.tasks.model import DecoderConfig, build
from unrolled.tasks.translate.codec import Batch
from unrolled.tasks.translate.config import TranslateModelConfig

NO_LOSS = -100


class Read(NamedTuple):
    """What the decoder knows of sources: its state before the first symbol, and what attention reads."""

    state: Named
    memory: Memory


class Network(nn.Module):
    """Of `sources` and `targets` symbols on either side; `unknown` is the number of <unk> of the target."""

    def __init__(
        self,
        model: TranslateModelConfig,
        writes: DecoderConfig,
        sources: int,
        targets: int,
        unknown: int | None,
    ) -> None:
        super().__init__()
        self.unknown, self.rate = unknown, model.input_dropout
        self.embedding = Embedding(sources, model.embedding_size)
        self.layer = build(model, model.embedding_size)
        sizes, width = self.layer.state_sizes(), self.layer.output_size
        self.decoder = Decoder(targets, writes, model, sources=sizes, memory_size=width)

    def read(self, x: Tensor, lengths: Tensor) -> Read:
        e = dropout(self.embedding(x), self.rate, self.training)
        h, last = self.layer(e, lengths=lengths)
        return Read(self.decoder.start(self.layer.named(last)), self.decoder.remember(h, lengths))

    def forward(self, batch: Batch) -> Tensor:
        """o (B, T, V + 1)."""
        read = self.read(batch.x, batch.lengths)
        w = self.decoder.inputs(batch.y)
        if batch.share:
            w = self.decoder.mixed(batch.y, *_cut(read), None, batch.share)
        o: Tensor = self.decoder(w, batch.y_lengths, *read)[0]
        return o

    def losses(self, batch: Batch, smoothing: float = 0.0) -> tuple[Tensor, int]:
        """The sum of the losses () of all symbols, and of how many."""
        inside = torch.arange(batch.y.shape[1]) < batch.y_lengths[:, None]
        if self.unknown is not None:
            inside &= batch.y != self.unknown
        y = torch.where(inside, batch.y, NO_LOSS).flatten()
        o = self.forward(batch).flatten(0, 1)
        total = cross_entropy(o, y, ignore_index=NO_LOSS, label_smoothing=smoothing, reduction="sum")
        return total, int(inside.sum())

    def stepper(self, x: Tensor, lengths: Tensor) -> Step:
        """For decoding/search.py."""
        with torch.no_grad():
            read = self.read(x, lengths)
        return self.decoder.stepper(*read)

    @torch.no_grad()
    def weights(self, x: Tensor, y: Tensor) -> Tensor | None:
        """x (S,), y (T,) with its end -> (T, S) what attention reads at each symbol; None without it."""
        read = self.read(x[None], torch.tensor([len(x)]))
        found = self.decoder(self.decoder.inputs(y[None]), torch.tensor([len(y)]), *read)[2]
        return None if found is None else found[0]


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


def _cut(read: Read) -> Read:
    """The same values, through which no gradient flows."""
    memory = Memory(*(part.detach() for part in read.memory))
    return Read({name: array.detach() for name, array in read.state.items()}, memory)
