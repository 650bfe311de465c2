"""How labels without steps are learned and found again: a class each.

Ctc      connectionist temporal classification, ctc.py
Hybrid   the states of a hidden Markov model, hybrid.py
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import Buckets
from unrolled.blocks.transcriber import Chain
from unrolled.decoding.ctc import Found
from unrolled.errors import DataError
from unrolled.files.examples import Sequences
from unrolled.files.messages import counted, option
from unrolled.tasks.transcribe.codec import Numbers, TranscribeCodec
from unrolled.tasks.transcribe.config import ROOM, SUBSAMPLE, TranscribeDecoding
from unrolled.tasks.transcribe.examples import Batch, Examples
from unrolled.tasks.transcribe.network import Network
from unrolled.training.batches import Batches


class Criterion(ABC):
    """S steps of the network, O `outputs`, L labels, K names of labels. `rule` says how many steps labels
    need, for the error; `loss_name` what both kinds of losses are, with their unit."""

    loss_name: ClassVar[str]
    rule: str
    outputs: int
    may_be_empty = True  # whether a transcript of no labels can be said

    def __init__(self, codec: TranscribeCodec) -> None:
        self.codec = codec

    @abstractmethod
    def needed(self, labels: Numbers) -> int:
        """The fewest steps that can say `labels` (L,)."""

    def chain(self) -> Chain | None:
        """Of the network, where its outputs are states."""
        return None

    def about_states(self) -> dict[str, Any] | None:
        """What these states are, in plain values."""
        return None

    def batches(self, network: Network, buckets: Buckets[Batch], trained: bool) -> Batches[Batch]:
        """What is trained on; `trained`: whether the network was before."""
        return buckets

    @abstractmethod
    def losses(self, network: Network, batch: Batch) -> Tensor:
        """(B,) the losses of training."""

    @abstractmethod
    def validation_losses(self, network: Network, batch: Batch) -> Tensor:
        """(B,)."""

    @abstractmethod
    def answers(
        self, network: Network, log_p: NDArray[np.float32], steps: Numbers, decoding: TranscribeDecoding
    ) -> list[list[Found]]:
        """log p (B, S, O), steps (B,) -> the answers of each row, one at least, the best first."""

    @abstractmethod
    def shares(self, log_p: NDArray[np.float32]) -> NDArray[np.float32]:
        """log p (S, O) -> (S, 1 + K) the probability that a step has no label, and of each label."""

    def other_decodings(self, decoding: TranscribeDecoding) -> dict[str, TranscribeDecoding]:
        """Those of the same model that are judged beside this one, by their names."""
        return {}

    def subsample(self, recorded: bool, *parts: Examples) -> int:
        """How many steps become one where the options leave it open."""
        each = (
            length // (ROOM * max(1, self.needed(labels)))
            for part in parts
            for labels, length in zip(part.labels, part.lengths, strict=True)
        )
        return max(1, min(SUBSAMPLE, *each)) if recorded else 1

    def require_steps(self, subsample: int, data: Sequences, examples: Examples) -> None:
        """DataError for a transcript that is longer than the steps allow, or empty where none may be."""
        for labels, length, place in zip(examples.labels, examples.lengths, data.places, strict=True):
            steps, needed = -(-length // subsample), self.needed(labels)
            if needed > steps:
                left = f" after {option('subsample', subsample)}" if subsample > 1 else ""
                more = f"give it more steps (of recordings: lower {option('hop_ms')})"
                remedy = f"lower {option('subsample')}" if subsample > 1 else more
                raise DataError(
                    f"{place}: {counted(len(labels), 'label')} need {counted(needed, 'step')} ({self.rule}), "
                    f"and the sequence has {steps:,}{left}; {remedy}, or leave the sequence out"
                )
            if not len(labels) and not self.may_be_empty:
                raise DataError(
                    f"{place}: the transcript is empty, and without silence there is no state for its "
                    f"steps; leave {option('silence', False)} out, or leave the sequence out"
                )
