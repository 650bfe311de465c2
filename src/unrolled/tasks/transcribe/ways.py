"""How labels without steps are learned and found again: a row of WAYS each.

ctc    connectionist temporal classification, ctc.py
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unrolled.tasks.transcribe.codec import Numbers, TranscribeCodec
from unrolled.tasks.transcribe.config import TranscribeConfig, TranscribeDecoding
from unrolled.tasks.transcribe.ctc import Answer, Ctc


class Way(Protocol):
    """Made of a configuration and a codec. S steps of the network, O outputs, L labels."""

    @property
    def outputs(self) -> int:
        """O."""

    rule: str  # how many steps labels need, for the error

    def needed(self, labels: Numbers) -> int:
        """The fewest steps that can say `labels` (L,)."""

    def losses(self, log_p: Tensor, steps: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
        """log p (B, S, O), steps (B,), labels of all rows one after another, counts (B,) of them -> (B,)."""

    def answers(
        self, log_p: NDArray[np.float32], steps: Numbers, decoding: TranscribeDecoding
    ) -> list[list[Answer]]:
        """log p (B, S, O), steps (B,) -> the answers of each row, one at least, the best first."""

    def beside(self, decoding: TranscribeDecoding) -> dict[str, TranscribeDecoding]:
        """Other decodings of the same model to judge beside this one, by their names."""


WAYS: dict[str, Callable[[TranscribeConfig, TranscribeCodec], Way]] = {"ctc": Ctc}


def way(config: TranscribeConfig, codec: TranscribeCodec) -> Way:
    """That of the configuration."""
    return WAYS[config.way](config, codec)
