"""Several networks alike, with weights of their own, as one. The first has the others in its field `others`.

    o = mean of the members' o     of a distribution over symbols, tags or classes o are its logits: it is
                                   the geometric mean of theirs, scaled to the sum 1

The state of the first has its own names, that of another its path in front: others.0.layer0.forward.h.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, TypeVar

from unrolled.blocks.block import Block, at
from unrolled.blocks.ops import Array, Carried, Ops, State

T = TypeVar("T")
E = TypeVar("E", bound="Ensemble")


class Ensemble(Block, ABC):
    """A network that may have further members."""

    others: tuple["Ensemble", ...]

    def rules(self) -> Iterator[tuple[object, str]]:
        alike = not self.others or all(one == self.first for one in self.others)
        yield alike, f"members that are not alike: {self.others!s:.80}"

    @property
    def first(self) -> Self:
        """It without the others."""
        return ensemble(self, 1)

    def parts(self, p: Any) -> list[tuple[Any, Any]]:
        """Each member, the first of them itself, with its parameters."""
        return [(self, p), *(zip(self.others, p.others, strict=True) if self.others else ())]

    @abstractmethod
    def __call__(self, *arguments: Any, **options: Any) -> Any: ...


class Averaged(Ensemble):
    """Of networks that give o and a state, `alone` what one of them does."""

    @abstractmethod
    def alone(self, *arguments: Any, **options: Any) -> tuple[Array, State]:
        """(ops, p, steps, state, lengths, …) -> o, and the state after the last step."""

    def together(self, ops: Ops, each: Sequence[Array]) -> Array:
        """One o of those of several members."""
        return mean(each)

    def __call__(
        self, ops: Ops, p: Any, steps: Any, state: Carried = None, lengths: Array = None, **how: Any
    ) -> tuple[Array, State]:
        each, after = list[Array](), State()
        for k, (one, weights) in enumerate(self.parts(p)):
            head = _head(k)
            before = _within(head, state) if head and state is not None else state
            o, carried = one.alone(ops, weights, steps, before, lengths, **how)
            each.append(o)
            after |= {head + name: array for name, array in carried.items()}
        return (self.together(ops, each) if self.others else each[0]), after

    def start(self, ops: Ops, p: Any, rows: int) -> State:
        state: State = {}
        for path, block in self.inner().items():
            head = f"{path}." if path.startswith("others.") else ""
            state |= {head + name: array for name, array in block.start(ops, at(p, path), rows).items()}
        return state


def ensemble(alone: E, members: int) -> E:
    """So many networks like one."""
    of_block: Any = alone
    one: E = replace(of_block, others=(alone,) * (members - 1))
    return one


def mean(each: Sequence[T]) -> T:
    """Of arrays; one alone is as it was."""
    values: Sequence[Any] = each
    total: T = values[0] if len(each) == 1 else sum(values[1:], values[0]) / len(each)
    return total


def _head(k: int) -> str:
    """What the names of the state of member k begin with."""
    return f"others.{k - 1}." if k else ""


def _within(head: str, state: Mapping[str, Array]) -> State:
    """What stands under a head, without it."""
    return {name.removeprefix(head): array for name, array in state.items() if name.startswith(head)}
