"""What every layer shares: how sequences and states come in and go out. Subclasses see one form of each."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal, TypeVar, overload

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.nn.utils.rnn import PackedSequence

from unrolled.nn import sequences
from unrolled.nn import state as states
from unrolled.nn.frozen import Freezable
from unrolled.nn.sequences import Layout, Lengths
from unrolled.nn.state import Group, Named, State
from unrolled.nn.torch_tools import Traceable

S = TypeVar("S", Tensor, PackedSequence)


class SequenceModule(Traceable, Freezable, ABC):
    """Sequences in, sequences and a state out."""

    input_size: int
    output_size: int
    batch_first: bool
    depth: int  # layers on top of one another
    kinds: tuple[str, ...] | None  # ("h", "c") where the state has torch.nn's form, else None

    @abstractmethod
    def groups(self) -> tuple[Group, ...]:
        """The tensors (n, B, size) of which the state consists inside, in order."""

    @abstractmethod
    def start(self, batch: int) -> tuple[Tensor, ...] | None:
        """The learned state before the first step, as `groups`; None where it is zero."""

    def zeros(self, batch: int) -> tuple[Tensor, ...]:
        """A state of zeros, as `groups`."""
        like = self.like().detach()  # a trace that refuses a parameter leaves a new_zeros of it half recorded
        return tuple([like.new_zeros(len(group.names), batch, group.size) for group in self.groups()])

    @abstractmethod
    def like(self) -> Tensor:
        """A weight: the state has its device and dtype."""

    @abstractmethod
    def unroll(
        self, x: Tensor, ragged: Tensor | None, state: tuple[Tensor, ...] | None, return_states: bool
    ) -> tuple[Tensor, tuple[Tensor, ...], Named]:
        """x (T, B, I), `ragged` its lengths (B,) if any, state as `groups` or None for zeros -> y (T, B, F),
        the last state likewise, every step's (T, B, H) by name if asked. Or x packed (N, I), `ragged` its
        batch_sizes (T,), the state not None -> y (N, F), every step's (N, H)."""

    def state_sizes(self) -> dict[str, int]:
        """Name and width of each array of the state, in order: {"layer0.forward.h": 64}."""
        return {name: group.size for group in self.groups() for name in group.names}

    def initial_state(self, batch: int) -> Named:
        """The state before the first step: (batch, H) each, zero, or learned where the layer learns it."""
        return self._in_order(states.unstack(self.start(batch) or self.zeros(batch), self.groups()))

    def state_names(self) -> list[str]:
        """Names of the arrays of the state, in order."""
        return list(self.state_sizes())

    def _in_order(self, state: Mapping[str, Tensor]) -> Named:
        return {name: state[name] for name in self.state_sizes()}

    @overload
    def forward(
        self,
        input: S,
        hx: State | None = None,
        *,
        lengths: Lengths | None = None,
        return_states: Literal[False] = False,
    ) -> tuple[S, State]: ...
    @overload
    def forward(
        self,
        input: S,
        hx: State | None = None,
        *,
        lengths: Lengths | None = None,
        return_states: Literal[True],
    ) -> tuple[S, State, dict[str, S]]: ...
    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: State | None = None,
        *,
        lengths: Lengths | None = None,
        return_states: bool = False,
    ) -> object:
        """input (T, B, I), or (B, T, I) if batch_first, or (T, I), or packed -> output likewise, state.

        `hx` is the state before the first step, in either form of nn/state.py; `state` that after each row's
        last, in torch.nn's form where there is one. `lengths` (B,), on any device or a list, are the true
        lengths of padded rows: past them outputs are zero, what stands there is never read, and a row of
        length 0 gives its initial state back. With `return_states` a third result holds every step's states
        by name, in the form of the output.

        Raises ValueError for a wrong size, dtype or length, and where the named backend cannot run it. While
        torch traces, it sees no values of a tensor of lengths: those out of range are then cut to 0 to T.
        """
        other = self.elsewhere(input, hx, lengths=lengths, return_states=return_states)
        if other is not None:
            return other
        x, layout = sequences.enter(input, lengths, self.batch_first)
        if x.shape[-1] != self.input_size:
            raise ValueError(
                f"input has {x.shape[-1]} features; this layer reads input_size={self.input_size}"
            )
        state = self._enter_state(hx, x, layout)
        y, last, every = self.unroll(x, layout.ragged, state, return_states)
        result = layout.leave(y), self._as_torch(layout.leave_state(last))
        return (*result, {name: layout.leave(s) for name, s in every.items()}) if return_states else result

    def reset_state(self, state: State, rows: Tensor) -> State:
        """`state` with the initial state in the rows (B,) that are true, in the form in which it came."""
        named = self.named(state)
        initial = self.initial_state(next(iter(named.values())).shape[0])
        reset = {name: torch.where(rows.unsqueeze(-1), initial[name], s) for name, s in named.items()}
        return reset if isinstance(state, dict) else self.stacked(reset)

    def named(self, state: State) -> Named:
        """The arrays of a state (B, H) by their names, in whatever form it comes. ValueError for torch's form
        where this layer has none."""
        if isinstance(state, Mapping):
            return dict(state)
        return self._in_order(states.unstack(self._stacked(state), self.groups()))

    def stacked(self, state: Mapping[str, Tensor]) -> State:
        """Of named arrays, those of others among them, what `forward` takes: the reverse of `named`."""
        if self.kinds is None:
            return self._in_order(state)
        return self._as_torch(states.stack(state, self.groups()))

    def _stacked(self, state: Tensor | tuple[Tensor, ...], dimensions: int = 3) -> tuple[Tensor, ...]:
        """Torch's form as `groups`."""
        if self.kinds is None:
            raise ValueError(
                f"the parts of this state differ in size; hand in a dict of {self.state_names()}"
            )
        stacked = (state,) if isinstance(state, Tensor) else tuple(state)
        states.check_stacked(stacked, len(self.groups()[0].names), self.kinds, dimensions)
        return stacked

    def _as_torch(self, stacked: tuple[Tensor, ...]) -> State:
        """The state inside in torch's form, or named where there is none."""
        if self.kinds is None:
            return self._in_order(states.unstack(stacked, self.groups()))
        return stacked if len(stacked) > 1 else stacked[0]

    def _enter_state(self, hx: State | None, x: Tensor, layout: Layout) -> tuple[Tensor, ...] | None:
        """The state as `groups`; None for zeros unless packed. Those who compute check B, sizes and dtype."""
        if hx is None:
            batch = layout.batch(x)
            return self.start(batch) or (None if layout.packed is None else self.zeros(batch))
        if isinstance(hx, (Tensor, tuple, list)):
            stacked = self._stacked(hx, 3 if layout.batched else 2)
            if layout.packed is not None and not is_compiling():  # rows too many would be passed over
                for kind, group, s in zip(self.kinds or (), self.groups(), stacked, strict=True):
                    states.check(kind, s, (len(group.names), layout.batch(x), group.size))
            return layout.enter_state(stacked if layout.batched else tuple([s.unsqueeze(1) for s in stacked]))
        states.check_names(hx, self.state_names())
        named = hx if layout.batched else {name: s.unsqueeze(0) for name, s in hx.items()}
        for name, size in self.state_sizes().items():
            states.check(name, named[name], (layout.batch(x), size))
        return layout.enter_state(states.stack(named, self.groups()))
