"""Transcripts by connectionist temporal classification: each step of the network says one of K labels or
nothing (0), and a transcript has the probability of all paths that say it, see decoding/ctc.py.

    loss of a row = -ln p(y | x) / max(1, |y|)         p by torch's ctc_loss

S steps can say y where S ≥ |y| + the number of labels like the one before them: these need a step of nothing
between. Answers are those of the beam, or of the likeliest path, see models/transcribe.py.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unrolled.batching.buckets import Buckets
from unrolled.decoding import ctc
from unrolled.models.transcribe import NOTHING, transcripts
from unrolled.tasks.transcribe.answers import Answer, settled
from unrolled.tasks.transcribe.codec import Numbers, TranscribeCodec
from unrolled.tasks.transcribe.config import TranscribeConfig, TranscribeDecoding
from unrolled.tasks.transcribe.examples import Batch
from unrolled.tasks.transcribe.network import Network, outputs


class Ctc:
    rule = "a step for each label, and one more between two that are equal"
    may_be_empty = True
    loss_name = "negative log-likelihood of a label in nats"

    def __init__(self, config: TranscribeConfig, codec: TranscribeCodec) -> None:
        self.codec = codec
        self.outputs = codec.tokenizer.size

    def needed(self, labels: Numbers) -> int:
        """The fewest steps that can say `labels`."""
        return ctc.needed(labels)

    def chain(self) -> None:
        return None

    def about_states(self) -> None:
        return None

    def batches(self, network: Network, buckets: Buckets[Batch]) -> Buckets[Batch]:
        return buckets

    def losses(self, log_p: Tensor, steps: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
        """log p (B, S, O), steps (B,), labels of all rows one after another, counts (B,) of them -> (B,)."""
        by_step = log_p.transpose(0, 1)
        losses: Tensor = functional.ctc_loss(by_step, labels, steps, counts, NOTHING, reduction="none")
        return losses / counts.clamp(min=1)

    def learned(self, network: Network, batch: Batch) -> Tensor:
        log_p, steps = outputs(network, batch.x, batch.lengths)
        return self.losses(log_p, steps, batch.labels, batch.counts)

    watched = learned

    def answers(
        self,
        network: Network,
        log_p: NDArray[np.float32],
        steps: Numbers,
        decoding: TranscribeDecoding,
    ) -> list[list[Answer]]:
        codec = self.codec
        found = transcripts(log_p, steps, settled(codec, decoding), codec.grams, codec.lexicon)
        return [[Answer(one.labels, one.log_p, one.score, one.spans) for one in row] for row in found]

    def shares(self, log_p: NDArray[np.float32]) -> NDArray[np.float32]:
        p: NDArray[np.float32] = np.exp(log_p)
        return p

    def beside(self, decoding: TranscribeDecoding) -> dict[str, TranscribeDecoding]:
        if decoding.decoder == "greedy":
            return {}
        return {"model, greedy": TranscribeDecoding(decoder="greedy")}
