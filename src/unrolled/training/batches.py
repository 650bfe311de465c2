"""What a training asks of its batches and of the step that is done with each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor

from unrolled.training.state import State

Batch = TypeVar("Batch")
BatchOut = TypeVar("BatchOut", covariant=True)
Step = Callable[[Batch, State], tuple[Tensor, State]]


class Batches(Protocol[BatchOut]):
    """The examples of an epoch in order. What `batches` gives follows from its arguments alone."""

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches of every epoch, at least 1."""

    def batches(self, epoch: int, skip: int = 0) -> Iterator[BatchOut]:
        """The batches of epoch 1, 2, …, without the first `skip`."""


@runtime_checkable
class Ragged(Protocol):
    """Batches of sequences that know how long each is."""

    lengths: Sequence[int]


@runtime_checkable
class Remembering(Protocol):
    """Batches that follow from what was found out on the way too, such as alignments: checkpoints keep it."""

    def kept(self) -> Mapping[str, Tensor]:
        """All of it."""

    def put_back(self, kept: Mapping[str, Tensor]) -> None:
        """What `kept` gave. LookupError, TypeError or ValueError for anything else."""
