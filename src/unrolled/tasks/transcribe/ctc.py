"""Transcripts by connectionist temporal classification: each step of the network says one of K labels or
nothing (0), and a transcript has the probability of all paths that say it, see decoding/ctc.py.

    loss of a row = -ln p(y | x) / max(1, |y|)         p by torch's ctc_loss

    of several members   half the mean of theirs, half that of all together (blocks/ensemble.py): alone each
                         would put a label at a step of its own, and their mean would say nothing there

S steps can say y where S ≥ |y| + the number of labels like the one before them: these need a step of nothing
between. Answers are those of the beam, or of the likeliest path, see models/transcribe.py.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unrolled.blocks.ensemble import mean
from unrolled.decoding import ctc
from unrolled.decoding.ctc import Found
from unrolled.models.transcribe import NOTHING, transcripts
from unrolled.tasks.transcribe.codec import Numbers, TranscribeCodec
from unrolled.tasks.transcribe.config import TranscribeDecoding
from unrolled.tasks.transcribe.criterion import Criterion
from unrolled.tasks.transcribe.examples import Batch
from unrolled.tasks.transcribe.network import Network, outputs


class Ctc(Criterion):
    rule = "a step for each label, and one more between two that are equal"
    loss_name = "negative log-likelihood of a label in nats"

    def __init__(self, codec: TranscribeCodec) -> None:
        super().__init__(codec)
        self.outputs = codec.tokenizer.size

    def needed(self, labels: Numbers) -> int:
        return ctc.needed(labels)

    def losses(self, network: Network, batch: Batch) -> Tensor:
        steps = network.block.steps(batch.lengths)
        each = [outputs(member, batch.x, batch.lengths)[0] for member in network.ensemble]
        alone = mean([losses(log_p, steps, batch.labels, batch.counts) for log_p in each])
        if len(each) == 1:
            return alone
        together = network.block.together(network.ops, each)
        return mean([alone, losses(together, steps, batch.labels, batch.counts)])

    def validation_losses(self, network: Network, batch: Batch) -> Tensor:
        log_p, steps = outputs(network, batch.x, batch.lengths)
        return losses(log_p, steps, batch.labels, batch.counts)

    def answers(
        self, network: Network, log_p: NDArray[np.float32], steps: Numbers, decoding: TranscribeDecoding
    ) -> list[list[Found]]:
        codec = self.codec
        return transcripts(log_p, steps, codec.decoding(decoding), codec.grams, codec.lexicon)

    def shares(self, log_p: NDArray[np.float32]) -> NDArray[np.float32]:
        p: NDArray[np.float32] = np.exp(log_p)
        return p

    def other_decodings(self, decoding: TranscribeDecoding) -> dict[str, TranscribeDecoding]:
        if self.codec.decoder(decoding) == "greedy":
            return {} if decoding.decoder else {"model, beam": TranscribeDecoding(decoder="beam")}
        return {"model, greedy": TranscribeDecoding(decoder="greedy")}


def losses(log_p: Tensor, steps: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    """log p (B, S, O), steps (B,), labels of all rows one after another, counts (B,) of them -> (B,)."""
    by_step = log_p.transpose(0, 1)
    nats: Tensor = functional.ctc_loss(by_step, labels, steps, counts, NOTHING, reduction="none")
    return nats / counts.clamp(min=1)
