"""What is measured: a workload is one call of one shape, a peer one way to compute it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor

OURS, TORCH, ONNX, LOOP = "unrolled", "torch.nn", "onnxruntime", "reference loop"
SAME = "the same"

Mode = Literal["inference", "training", "saved"]
MODES: tuple[Mode, ...] = ("inference", "training")
Values = Mapping[str, Tensor]


class Size(NamedTuple):
    """A recurrent call: steps, rows, features, units."""

    T: int
    B: int
    I: int
    H: int


@dataclass(frozen=True)
class Peer:
    """One way to compute a workload.

    run        what is timed
    values     what it computes, by name, without a clock: compared among peers before any is timed
    before     runs outside the clock before every call; None where calls may follow on one another
    gradients  whether run needs the graph; without, it is called in inference mode
    answer     peers with the same word here must agree; None for one that is shown as information only
    held       what the caller holds in any case: parameters and inputs (only where memory is measured)
    """

    run: Callable[[], object]
    values: Callable[[], Values]
    before: Callable[[], None] | None = None
    gradients: bool = False
    answer: str | None = SAME
    held: tuple[Tensor, ...] = ()


class Absent(NamedTuple):
    """A peer that is not here, and why."""

    reason: str


Peers = Mapping[str, Peer | Absent]


@dataclass(frozen=True)
class Workload:
    """One line of the registry. `build(mode, cell, shape)` makes its peers, ours first.

    flops      of the matrix products of one call, two for each multiplication and addition
    threads    None: any number; else the only one at which it is measured
    once       measured at the largest of several numbers of threads alone
    quick      whether `--quick` measures it
    small      whether `--small` measures it; the rest is measured without
    tolerance  of peers' results, where they round more coarsely than float32
    """

    group: str
    mode: Mode
    cell: str
    shape: tuple[int, ...]
    build: Callable[[Mode, str, Any], Peers]
    flops: float = 0.0
    threads: int | None = None
    once: bool = False
    quick: bool = False
    small: bool = False
    tolerance: float | None = None

    @property
    def name(self) -> str:
        """grid/training/lstm/100x32x128x128: what `--only` is matched with."""
        return "/".join([self.group, self.mode, self.cell.replace(" ", "-"), "x".join(map(str, self.shape))])

    def peers(self) -> Peers:
        """Made for torch's present number of threads."""
        return self.build(self.mode, self.cell, self.shape)
