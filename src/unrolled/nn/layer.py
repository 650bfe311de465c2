"""What every layer shares: how sequences and states come in and go out. Subclasses see one form of each."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal, TypeVar, overload

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from unrolled.kernels.torch import backends as running
from unrolled.nn import sequences
from unrolled.nn import state as states
from unrolled.nn.sequences import Layout, Lengths
from unrolled.nn.state import Named, State

S = TypeVar("S", Tensor, PackedSequence)


class SequenceModule(nn.Module, ABC):
    """Sequences in, sequences and a state out."""

    input_size: int
    output_size: int
    batch_first: bool
    depth: int  # layers on top of one another
    kinds: tuple[str, ...] | None  # ("h", "c") where the state has torch.nn's form, else None

    @abstractmethod
    def state_sizes(self) -> dict[str, int]:
        """Name and width of each array of the state, in order: {"layer0.forward.h": 64}."""

    @abstractmethod
    def initial_state(self, batch: int) -> Named:
        """The state before the first step: (batch, H) each, zero, or learned where the layer learns it."""

    @abstractmethod
    def like(self) -> Tensor:
        """A weight: the state has its device and dtype."""

    @abstractmethod
    def unroll(
        self, x: Tensor, lengths: Tensor | None, state: Named, return_states: bool
    ) -> tuple[Tensor, Named, Named]:
        """x (T, B, I), lengths (B,), state -> y (T, B, F), last state, every step's (T, B, H) if asked."""

    def straight(self, input: Tensor | PackedSequence, hx: State | None) -> tuple[Tensor, State] | None:
        """What `forward` gives without options, where there is a shorter way to it; else None."""
        return None

    def state_names(self) -> list[str]:
        """Names of the arrays of the state, in order."""
        return list(self.state_sizes())

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
        if lengths is None and not return_states:
            short = self.straight(input, hx)
            if short is not None:
                return short
        x, layout = sequences.enter(input, lengths, self.batch_first)
        self._check_input(x)
        state = self._enter_state(hx, x, layout)
        y, last, every = self.unroll(x, layout.lengths, state, return_states)
        result = layout.leave(y), self._leave_state(last, layout)
        return (*result, {name: layout.leave(s) for name, s in every.items()}) if return_states else result

    def reset_state(self, state: State, rows: Tensor) -> State:
        """`state` with the initial state in the rows (B,) that are true, in the form in which it came."""
        named = self.named(state)
        batch = next(iter(named.values())).shape[0]
        reset = states.reset_rows(named, rows, self.initial_state(batch))
        return reset if isinstance(state, dict) or self.kinds is None else states.stack(reset, self.kinds)

    def named(self, state: State) -> Named:
        """The arrays of a state (B, H) by their names, in whatever form it comes. ValueError for torch's form
        where this layer has none."""
        if isinstance(state, Mapping):
            return dict(state)
        if self.kinds is None:
            raise ValueError(
                f"the parts of this state differ in size; hand in a dict of {self.state_names()}"
            )
        return states.unstack(state, self.state_names(), self.kinds)

    def _check_input(self, x: Tensor) -> None:
        if x.shape[-1] != self.input_size:
            raise ValueError(
                f"input has {x.shape[-1]} features; this layer reads input_size={self.input_size}"
            )
        dtype = self._dtype(x)
        if dtype is not None and x.dtype != dtype:
            raise ValueError(f"input is {x.dtype}; this layer computes in {dtype}; convert one of them")

    def _dtype(self, x: Tensor) -> torch.dtype | None:
        """What x and the state must be; None under autocast, where any float is taken."""
        return None if running.autocasting(x.device.type) else self.like().dtype

    def _enter_state(self, hx: State | None, x: Tensor, layout: Layout) -> Named:
        batch = x.shape[1]
        if hx is None:
            return self.initial_state(batch)
        state = self.named(hx)
        if not layout.batched:
            state = {name: s.unsqueeze(0) for name, s in state.items()}
        states.check(state, self.state_sizes(), batch, self._dtype(x))
        return state

    def _leave_state(self, state: Named, layout: Layout) -> State:
        if not layout.batched:
            state = {name: s.squeeze(0) for name, s in state.items()}
        return state if self.kinds is None else states.stack(state, self.kinds)
