"""What a module keeps packed of its weights, in the layout that the kernels read.

Packed weights look at the weights anew at each call, so a call is never computed from old ones, however they
were written. While they are frozen they do not look: who freezes them promises not to write to the weights.
"""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Protocol, TypeVar


class Packed(Protocol):
    """Weights packed by the compiled module."""

    frozen: bool


P = TypeVar("P", bound=Packed)


class Packs:
    """Packed weights by key. Copies and pickles begin empty, for their module has weights of its own."""

    def __init__(self) -> None:
        self._packed: dict[Hashable, Any] = {}
        self.plans: dict[Hashable, Any] = {}  # how calls of the module are run, by what a call is like
        self._freezers = 0
        self._lock = Lock()  # what is made while another thread thaws must not stay frozen

    @property
    def frozen(self) -> bool:
        """Whether the weights are promised not to change."""
        return self._freezers > 0

    def get(self, key: Hashable, make: Callable[[], P]) -> P:
        """What is kept under `key`, made now where nothing is."""
        packed: P | None = self._packed.get(key)
        if packed is None:
            new = make()
            with self._lock:
                packed = self._packed.setdefault(key, new)
                packed.frozen = self.frozen
        return packed

    def freeze(self) -> None:
        """As many times as it was called, `thaw` must be; threads may freeze the same weights."""
        self._count(1)

    def thaw(self) -> None:
        """Ends one `freeze`."""
        self._count(-1)

    def _count(self, more: int) -> None:
        with self._lock:
            self._freezers += more
            for packed in self._packed.values():
                packed.frozen = self.frozen

    def __deepcopy__(self, memo: dict[int, Any]) -> "Packs":
        return Packs()

    def __reduce__(self) -> tuple[type["Packs"], tuple[()]]:
        return Packs, ()
