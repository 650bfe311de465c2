"""How labels without steps are learned and found again: a row of WAYS each.

ctc    connectionist temporal classification, ctc.py
hmm    the states of a hidden Markov model, hybrid.py
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import Buckets
from unrolled.blocks.transcriber import Chain
from unrolled.errors import DataError
from unrolled.files.examples import Sequences
from unrolled.files.messages import counted, option
from unrolled.tasks.transcribe.answers import Answer
from unrolled.tasks.transcribe.codec import Numbers, TranscribeCodec
from unrolled.tasks.transcribe.config import TranscribeConfig, TranscribeDecoding
from unrolled.tasks.transcribe.ctc import Ctc
from unrolled.tasks.transcribe.examples import Batch, Examples
from unrolled.tasks.transcribe.hybrid import Hybrid
from unrolled.training.loop import Batches


class Way(Protocol):
    """Made of a configuration and a codec. S steps of the network, O outputs, L labels."""

    @property
    def outputs(self) -> int:
        """O."""

    @property
    def may_be_empty(self) -> bool:
        """Whether a transcript of no labels can be said."""

    @property
    def rule(self) -> str:
        """How many steps labels need, for the error."""

    @property
    def loss_name(self) -> str:
        """What `learned` and `watched` give, with its unit."""

    def needed(self, labels: Numbers) -> int:
        """The fewest steps that can say `labels` (L,)."""

    def chain(self) -> Chain | None:
        """Of the network, where its outputs are states."""

    def about_states(self) -> dict[str, Any] | None:
        """What these states are, in plain values."""

    def batches(self, network: Any, buckets: Buckets[Batch]) -> Batches[Batch]:
        """What is trained on."""

    def learned(self, network: Any, batch: Batch) -> Tensor:
        """(B,) the losses of training."""

    def watched(self, network: Any, batch: Batch) -> Tensor:
        """(B,) those of validation, without gradient."""

    def answers(
        self, network: Any, log_p: NDArray[np.float32], steps: Numbers, decoding: TranscribeDecoding
    ) -> list[list[Answer]]:
        """log p (B, S, O), steps (B,) -> the answers of each row, one at least, the best first."""

    def shares(self, log_p: NDArray[np.float32]) -> NDArray[np.float32]:
        """log p (S, O) -> (S, 1 + K) the probability that a step has no label, and of each label."""

    def beside(self, decoding: TranscribeDecoding) -> dict[str, TranscribeDecoding]:
        """Other decodings of the same model to judge beside this one, by their names."""


WAYS: dict[str, Callable[[TranscribeConfig, TranscribeCodec], Way]] = {"ctc": Ctc, "hmm": Hybrid}


def way(config: TranscribeConfig, codec: TranscribeCodec) -> Way:
    """That of the configuration."""
    return WAYS[config.way](config, codec)


def require_steps(own: Way, subsample: int, data: Sequences, examples: Examples) -> None:
    """DataError for a transcript that is longer than the steps allow, or empty where none may be."""
    for labels, steps, place in zip(examples.labels, examples.lengths, data.places, strict=True):
        have, needed = -(-steps // subsample), own.needed(labels)
        if needed > have:
            left = f" after {option('subsample', subsample)}" if subsample > 1 else ""
            more = f"give it more steps (of recordings: lower {option('hop_ms')})"
            remedy = f"lower {option('subsample')}" if subsample > 1 else more
            raise DataError(
                f"{place}: {counted(len(labels), 'label')} need {counted(needed, 'step')} ({own.rule}), and "
                f"the sequence has {have:,}{left}; {remedy}, or leave the sequence out"
            )
        if not len(labels) and not own.may_be_empty:
            raise DataError(
                f"{place}: the transcript is empty, and without silence there is no state for its steps; "
                f"leave {option('silence', False)} out, or leave the sequence out"
            )
