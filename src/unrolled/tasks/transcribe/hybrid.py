"""Transcripts by a hidden Markov model with emissions by the network: at each step p(s | x) of all states of
labels, and of silence. See runtime/hmm.py for the model, alignments.py for what each step should say.

    loss of a row        = mean over its steps of -ln p(s_t | x)              s_t as the row is aligned now
    early stopping       = -ln P(y | x) / max(1, |y|)
    P(y | x)             = Σ over all paths of y / Σ over all paths of all transcripts, of e^(x_t, g)
                           x_t = ln p(s | x_t) - ln p(s), g the bigram of labels
    answer               = the best path of all, with the n-gram weighed by lm_weight and label_bonus added

The loss of a frame is no measure across rounds, since each round has other targets; the probability of the
transcript is, and it is what answers are chosen by. The search is exact, so there is no beam, and one answer.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import Buckets
from unrolled.runtime import hmm, hmm_loop
from unrolled.runtime.grams import Grams
from unrolled.runtime.hmm import Array, Numbers, Topology
from unrolled.tasks.transcribe.alignments import Chain, Realigned, chain_of, transcripts
from unrolled.tasks.transcribe.answers import Answer, weights
from unrolled.tasks.transcribe.codec import TranscribeCodec
from unrolled.tasks.transcribe.config import TranscribeConfig, TranscribeDecoding
from unrolled.tasks.transcribe.examples import Batch
from unrolled.tasks.transcribe.network import TranscribeNetwork


class Hybrid:
    loss_name = "nats of a step's state in training, of a label in validation"

    def __init__(self, config: TranscribeConfig, codec: TranscribeCodec) -> None:
        states, silence, self.first = config.hmm.chosen
        self.codec, self.topology = codec, Topology(len(codec.labels) - 1, states, silence)
        self.outputs, self.may_be_empty = self.topology.size, self.topology.silence
        self.rule = f"a step for each of a label's {states} states"

    def needed(self, labels: Numbers) -> int:
        return max(1, len(labels) * self.topology.states)

    def beside_layers(self) -> Chain:
        return Chain(self.topology)

    def batches(self, network: TranscribeNetwork, buckets: Buckets[Batch]) -> Realigned:
        return Realigned(network, buckets, self.first)

    def learned(self, network: TranscribeNetwork, batch: Batch) -> Tensor:
        log_p, steps = network(batch.x, batch.lengths)
        assert batch.states is not None
        inside = torch.arange(log_p.shape[1]) < steps[:, None]
        each = -log_p.gather(2, batch.states[:, :, None]).squeeze(2)
        losses: Tensor = torch.where(inside, each, 0).sum(1) / steps
        return losses

    def watched(self, network: TranscribeNetwork, batch: Batch) -> Tensor:
        log_p, steps = network(batch.x, batch.lengths)
        chain = chain_of(network)
        own = self._log_p(chain, chain.scaled(log_p.numpy()), steps.numpy(), transcripts(batch))
        return -torch.from_numpy(own) / batch.counts.clamp(min=1)

    def answers(
        self,
        network: TranscribeNetwork,
        log_p: NDArray[np.float32],
        steps: Numbers,
        decoding: TranscribeDecoding,
    ) -> list[list[Answer]]:
        chain = chain_of(network)
        x = chain.scaled(log_p)
        g = hmm_loop.grammar(bigram(self.codec), *weights(self.codec, decoding))
        found = hmm_loop.decode(x, steps, self.topology, chain.moves, g)
        own = self._log_p(chain, x, steps, [one.labels for one in found])
        return [
            [Answer(np.array(one.labels, np.int64) + 1, float(log), one.score, _spans(one.spans))]
            for one, log in zip(found, own, strict=True)
        ]

    def shares(self, log_p: NDArray[np.float32]) -> NDArray[np.float32]:
        top, p = self.topology, np.exp(log_p)
        of_labels = p[:, : top.labels * top.states].reshape(len(p), top.labels, top.states).sum(2)
        silence = p[:, -1:] if top.silence else np.zeros_like(p[:, :1])
        return np.concatenate([silence, of_labels], 1)

    def beside(self, decoding: TranscribeDecoding) -> dict[str, TranscribeDecoding]:
        return {}

    def _log_p(self, chain: Chain, x: Array, steps: Numbers, each: Sequence[Sequence[int]]) -> Array:
        """(B,) ln P(y | x); minus infinity of a transcript that no path says."""
        g, moves = bigram(self.codec), chain.moves
        own = np.full(len(x), hmm.NEVER)
        said = [b for b, one in enumerate(each) if self.topology.fits(int(steps[b]), len(one))]
        if said:
            rows = [each[b] for b in said]
            _, of_paths = hmm.forward(x[said], steps[said], hmm.chains(self.topology, moves, rows))
            total = hmm_loop.log_total(x[said], steps[said], self.topology, moves, g)
            own[said] = of_paths + hmm_loop.likelihood(g, rows) - total
        return own


def bigram(codec: TranscribeCodec) -> Array:
    """ln p (K + 1, K + 1) of the label after each, row K of the first, column K of the end; 0 where there is
    no n-gram model."""
    K, grams = len(codec.labels) - 1, codec.grams
    if grams is None:
        return np.zeros((K + 1, K + 1))
    return after_each(grams)[1:, 1:]


def after_each(grams: Grams) -> Array:
    """(symbols + 1, symbols + 1) of a model of order 1 or 2."""
    first, contexts = grams.next(grams.start)
    return np.stack([*(grams.next(context)[0] for context in contexts[: grams.symbols]), first])


def _spans(spans: Sequence[hmm.Span]) -> Numbers:
    return np.array([(one.start, one.stop - 1) for one in spans], np.int64).reshape(-1, 2)
