"""Transcripts by a hidden Markov model with emissions by the network: at each step p(s | x) of all states of
labels, and of silence. See decoding/hybrid.py for x and P, alignments.py for what each step should say.

    loss of a row        = mean over its steps of -ln p(s_t | x)              s_t as the row is aligned now
    early stopping       = -ln P(y | x) / max(1, |y|)

The loss of a step is no measure across rounds, since each round has other targets; the probability of the
transcript is, and it is what answers are chosen by. The search is exact: there is no beam, and one answer.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import Buckets
from unrolled.blocks.transcriber import Chain
from unrolled.decoding.ctc import Found
from unrolled.decoding.hmm import Numbers, Topology
from unrolled.decoding.hybrid import MOST_LABELS, States
from unrolled.errors import ConfigError
from unrolled.files.messages import option
from unrolled.tasks.ensemble import mean_of
from unrolled.tasks.transcribe.alignments import Realigned, states_of, transcripts
from unrolled.tasks.transcribe.codec import TranscribeCodec
from unrolled.tasks.transcribe.config import HmmOptions, TranscribeDecoding
from unrolled.tasks.transcribe.criterion import Criterion
from unrolled.tasks.transcribe.examples import Batch
from unrolled.tasks.transcribe.network import Network, outputs


class Hybrid(Criterion):
    loss_name = "nats of a step's state in training, of a label in validation"

    def __init__(self, codec: TranscribeCodec, options: HmmOptions) -> None:
        """ConfigError for more labels than all pairs of them fit into memory."""
        super().__init__(codec)
        states, silence, self.first = options.chosen
        self.topology = Topology(len(codec.labels) - 1, states, silence)
        if self.topology.labels > MOST_LABELS:
            raise ConfigError(
                f"{option('hmm')} takes {MOST_LABELS:,} labels at most, these transcripts have "
                f"{self.topology.labels:,}; leave it out, or set {option('tokens', 'characters')}"
            )
        self.outputs, self.may_be_empty = self.topology.size, self.topology.silence
        self.rule = f"a step for each of a label's {states} states"

    def needed(self, labels: Numbers) -> int:
        return max(1, len(labels) * self.topology.states)

    def chain(self) -> Chain:
        return Chain(self.topology.size)

    def about_states(self) -> dict[str, Any]:
        return {"states": self.topology.states, "silence": self.topology.silence}

    def batches(self, network: Network, buckets: Buckets[Batch], trained: bool) -> Realigned:
        return Realigned(network, self.topology, buckets, self.first, trained)

    def losses(self, network: Network, batch: Batch) -> Tensor:
        return mean_of(network, lambda member: self._losses(member, batch))

    def _losses(self, member: Network, batch: Batch) -> Tensor:
        log_p, steps = outputs(member, batch.x, batch.lengths)
        assert batch.states is not None
        inside = torch.arange(log_p.shape[1]) < steps[:, None]
        each = -log_p.gather(2, batch.states[:, :, None]).squeeze(2)
        losses: Tensor = torch.where(inside, each, 0).sum(1) / steps
        return losses

    def validation_losses(self, network: Network, batch: Batch) -> Tensor:
        log_p, steps = outputs(network, batch.x, batch.lengths)
        states = self.states(network)
        nats = states.log_p(states.scaled(log_p.numpy()), steps.numpy(), transcripts(batch))
        return -torch.from_numpy(nats) / batch.counts.clamp(min=1)

    def answers(
        self, network: Network, log_p: NDArray[np.float32], steps: Numbers, decoding: TranscribeDecoding
    ) -> list[list[Found]]:
        return [[path] for path in self.states(network).found(log_p, steps, *self.codec.weights(decoding))]

    def states(self, network: Network) -> States:
        return states_of(network, self.topology, self.codec.grams)

    def shares(self, log_p: NDArray[np.float32]) -> NDArray[np.float32]:
        top, p = self.topology, np.exp(log_p)
        of_labels = p[:, : top.labels * top.states].reshape(len(p), top.labels, top.states).sum(2)
        silence = p[:, -1:] if top.silence else np.zeros_like(p[:, :1])
        return np.concatenate([silence, of_labels], 1)
