"""Transcripts by connectionist temporal classification: each step of the network says one of K labels or
nothing (0), and a transcript has the probability of all paths that say it, see runtime/ctc.py.

    loss of a row = -ln p(y | x) / max(1, |y|)         p by torch's ctc_loss

S steps can say y where S ≥ |y| + the number of labels like the one before them: these need a step of nothing
between. Answers are those of the beam, or of the likeliest path; the score of a path is its own ln p.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unrolled.runtime import ctc
from unrolled.tasks.transcribe.codec import NOTHING, Numbers, TranscribeCodec
from unrolled.tasks.transcribe.config import LM_WEIGHT, TranscribeConfig, TranscribeDecoding


class Answer(NamedTuple):
    """`labels` (L,) of ln probability `log_p`, ranked by `score`; `spans` (L, 2) the first and last step of
    the network where each stands."""

    labels: Numbers
    log_p: float
    score: float
    spans: Numbers


# Where a lexicon leaves nothing that has a probability.
SILENT = Answer(np.empty(0, np.int64), -np.inf, -np.inf, np.empty((0, 2), np.int64))


class Ctc:
    rule = "a step for each label, and one more between two that are equal"

    def __init__(self, config: TranscribeConfig, codec: TranscribeCodec) -> None:
        self.codec = codec
        self.outputs = codec.tokenizer.size

    def needed(self, labels: Numbers) -> int:
        """The fewest steps that can say `labels`."""
        return ctc.needed(labels)

    def losses(self, log_p: Tensor, steps: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
        by_step = log_p.transpose(0, 1)
        losses: Tensor = functional.ctc_loss(by_step, labels, steps, counts, NOTHING, reduction="none")
        return losses / counts.clamp(min=1)

    def answers(
        self, log_p: NDArray[np.float32], steps: Numbers, decoding: TranscribeDecoding
    ) -> list[list[Answer]]:
        if decoding.decoder == "greedy":
            return [[_likeliest(row[:count])] for row, count in zip(log_p, steps, strict=True)]
        codec = self.codec
        weight = LM_WEIGHT if decoding.lm_weight is None else decoding.lm_weight
        found = ctc.beams(
            log_p,
            steps,
            NOTHING,
            decoding.beam,
            decoding.best,
            codec.grams,
            weight,
            weight * codec.nats if decoding.label_bonus is None else decoding.label_bonus,
            codec.lexicon,
        )
        return [
            [Answer(one.labels, one.log_p, one.score, one.spans) for one in row] or [SILENT] for row in found
        ]

    def beside(self, decoding: TranscribeDecoding) -> dict[str, TranscribeDecoding]:
        if decoding.decoder == "greedy":
            return {}
        return {"model, greedy": TranscribeDecoding(decoder="greedy")}


def _likeliest(log_p: NDArray[np.float32]) -> Answer:
    labels, spans = ctc.greedy(log_p, NOTHING)
    of_path = float(log_p.max(1).sum(dtype=np.float64))
    return Answer(labels, of_path, of_path, spans)
