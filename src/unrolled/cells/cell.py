"""What a cell is: the equations of one step and the sizes they need. It knows no time, length, mask or layer.

A new cell is one file beside this one: a frozen dataclass whose fields are the options of its equations.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

from torch import Tensor, nn

FILL = {"gain": 1.0, "shift": 0.0}  # by the first word of a parameter's name; all others are drawn


class Cell(ABC):
    """One step of a recurrence. `name` and `wants` are how the table in kernels/dispatch.py knows it."""

    name: ClassVar[str]
    states: ClassVar[tuple[str, ...]]  # what is carried from step to step; the first is also the output

    @property
    @abstractmethod
    def gates(self) -> int:
        """Number of products of x_t that one hidden unit needs."""

    @property
    def block(self) -> int:
        """Hidden units of a memory block: they share all gates but one."""
        return 1

    @property
    @abstractmethod
    def wants(self) -> frozenset[str]:
        """What a backend must compute beyond the plain equations, in words: {"peephole"}."""

    @abstractmethod
    def shapes(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter, in the order of torch.nn. ValueError for impossible sizes."""

    def units(self, rows: int) -> int:
        """H of weights of so many rows: all gates of every unit."""
        return rows * self.block // (self.gates - 1 + self.block)

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        """Width of each of `states`."""
        return (hidden_size,) * len(self.states)

    @abstractmethod
    def step(
        self, x: Tensor, state: tuple[Tensor, ...], recurrent: Tensor, p: Mapping[str, Tensor]
    ) -> tuple[Tensor, ...]:
        """x (B, I), each state (B, H) -> the new states.

        `recurrent` is state[0] on its way into the recurrent products, where dropout may have thinned it.
        """

    def initialise(self, p: Mapping[str, Tensor], bound: float) -> None:
        """Fills the parameters in place: uniform in ±bound as in torch.nn, gains one, shifts zero."""
        for name, parameter in p.items():
            fill = FILL.get(name.split("_")[0])
            if fill is None:
                nn.init.uniform_(parameter, -bound, bound)
            else:
                nn.init.constant_(parameter, fill)


def refuse(table: Iterable[tuple[object, str]]) -> None:
    """Raises ValueError with the message of the first row whose condition holds."""
    for impossible, message in table:
        if impossible:
            raise ValueError(message)
