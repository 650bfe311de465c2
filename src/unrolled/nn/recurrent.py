"""Any cell, in layers and directions: sizes, options, parameters and the order in which they run."""

import math
from collections.abc import Callable
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout as drop
from torch.nn.utils.rnn import PackedSequence

from unrolled.cells import Call, Cell, Masks
from unrolled.cells.cell import refuse
from unrolled.kernels import dispatch
from unrolled.kernels.torch import aten
from unrolled.kernels.torch import backends as running
from unrolled.nn import masks, options, parameters
from unrolled.nn import state as states
from unrolled.nn.layer import SequenceModule
from unrolled.nn.merge import MERGES, merged
from unrolled.nn.options import Device, Rates, Size
from unrolled.nn.state import Named, State

NONE = Masks()


class Place(NamedTuple):
    """One direction of one layer: its size, and the names of its parameters and states."""

    reverse: bool
    hidden_size: int
    suffix: str  # "_l0_reverse"
    names: tuple[str, ...]  # of the parameters, as the cell has them: weight_ih
    parameters: tuple[str, ...]  # as the layer has them: weight_ih_l0
    states: tuple[str, ...]  # "layer0.backward.h"


class Recurrent(SequenceModule):
    """Runs `cell` over x (T, B, I) -> y (T, B, F), in `num_layers` layers, in one direction or both.

    hidden_size           H, or a pair (forward, backward) where bidirectional
    dropout               on the outputs of every layer but the last, in training
    reverse               one direction, backward in time; its parameters end in `_reverse`
    merge                 of two directions into one output: concat (F both sizes added), sum, mean, product
    recurrent_dropout     a fresh mask at each step on h_{t-1} on its way into the products, and only there
    variational_dropout   one mask for all steps of a row on x and one on h_{t-1}, in each layer and direction
    zoneout               chance that a unit keeps its old state; its expectation in evaluation; one
                          number, or for the LSTM a pair (h, c)
    learn_initial_state   parameters initial_h_l0 (H,) …, zero at first, stand for hx where it is None
    keep_every            k: keep only every k-th step's state for backward and compute the others anew, for
                          about the time of one more forward; where a long sequence needs too much memory
    backend               cpu, torch or reference (kernels/dispatch.py); None: the best that can. The two that
                          are not ours give a row other bits in another batch

    Names, shapes and first values of the parameters are torch.nn's: uniform within ±1/√H. Gains start at one,
    shifts at zero. Raises ValueError for impossible sizes and combinations.
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: Size,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        merge: str = "concat",
        recurrent_dropout: float = 0.0,
        variational_dropout: float = 0.0,
        zoneout: Rates = 0.0,
        learn_initial_state: bool = False,
        reverse: bool = False,
        keep_every: int | None = None,
        backend: str | None = None,
    ) -> None:
        super().__init__()
        self.cell, self.kinds = cell, cell.states
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = (
            bias,
            batch_first,
            dropout,
            bidirectional,
        )
        self.merge, self.reverse, self.keep_every, self.backend = merge, reverse, keep_every, backend
        self.recurrent_dropout, self.variational_dropout = recurrent_dropout, variational_dropout
        self.zoneout, self.learn_initial_state = zoneout, learn_initial_state
        self._check_options()
        sizes = options.sizes_of(hidden_size, bidirectional)
        self.output_size = MERGES[merge].size([cell.state_sizes(H)[0] for H in sizes])
        self.depth = num_layers
        if len(set(sizes)) > 1:
            self.kinds = None
        self._places = [self._register(k, sizes, device, dtype) for k in range(num_layers)]
        self._alone = self._places[0][0] if num_layers == len(sizes) == 1 else None
        every = [zip(p.states, cell.state_sizes(p.hidden_size), strict=True) for p in self._all_places()]
        self._state_sizes = {name: size for of_place in every for name, size in of_place}
        self.reset_parameters()
        self.flatten_parameters()

    def _check_options(self) -> None:
        o = options
        refuse(o.size_refusals(self.input_size, self.hidden_size, self.num_layers, self.bidirectional))
        refuse(
            o.direction_refusals(self.cell, self.hidden_size, self.bidirectional, self.reverse, self.merge)
        )
        refuse(
            o.dropout_refusals(
                self.dropout, self.num_layers, self.recurrent_dropout, self.variational_dropout
            )
        )
        refuse(o.zoneout_refusals(self.zoneout, self.cell))
        refuse(o.memory_refusals(self.keep_every))
        dispatch.check_backend(self.backend)

    def _register(
        self, layer: int, sizes: tuple[int, ...], device: Device, dtype: torch.dtype | None
    ) -> list[Place]:
        """Makes the parameters of one layer."""
        places = []
        input_size = self.input_size if layer == 0 else self.output_size
        for k, H in enumerate(sizes):
            reverse = self.reverse or k == 1
            suffix = f"_l{layer}" + ("_reverse" if reverse else "")
            names = parameters.register(self, self.cell, input_size, H, self.bias, suffix, device, dtype)
            if self.learn_initial_state:
                for kind, size in zip(self.cell.states, self.cell.state_sizes(H), strict=True):
                    parameters.add(self, f"initial_{kind}{suffix}", (size,), device, dtype)
            prefix = f"layer{layer}.{'backward' if reverse else 'forward'}"
            own = tuple(name + suffix for name in names)
            places.append(
                Place(reverse, H, suffix, names, own, tuple(f"{prefix}.{s}" for s in self.cell.states))
            )
        return places

    def reset_parameters(self) -> None:
        """Draws the first values anew, in the order of torch.nn."""
        for place in self._all_places():
            self.cell.initialise(self._parameters_of(place), 1 / math.sqrt(place.hidden_size))
            for initial in self._initial(place):
                nn.init.zeros_(initial)

    def flatten_parameters(self) -> None:
        """Moves the weights into the layout that cuDNN is fastest with. Does nothing off the GPU."""
        if not dispatch.takes("torch", self.cell.name, self.cell.wants):
            return
        for place in self._all_places():
            aten.flatten(self.cell, self._parameters_of(place))

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The cell's parameters, a list for each layer and direction, as in torch.nn."""
        return [list(self._parameters_of(place).values()) for place in self._all_places()]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.flatten_parameters()  # moving to a GPU scatters them
        return self

    def _all_places(self) -> list[Place]:
        return [place for layer in self._places for place in layer]

    def _parameters_of(self, place: Place) -> dict[str, Tensor]:
        return {name: self._weight(own) for name, own in zip(place.names, place.parameters, strict=True)}

    def _weight(self, name: str) -> Tensor:
        """Parameters are found faster here than as attributes, which parametrised ones are alone."""
        weight = self._parameters.get(name)
        return getattr(self, name) if weight is None else weight

    def _initial(self, place: Place) -> list[Tensor]:
        """The learned initial states of a place, none where they are not learned."""
        kinds = self.cell.states if self.learn_initial_state else ()
        return [getattr(self, f"initial_{kind}{place.suffix}") for kind in kinds]

    def like(self) -> Tensor:
        return self._weight(self._places[0][0].parameters[1])

    def state_sizes(self) -> dict[str, int]:
        return dict(self._state_sizes)

    def initial_state(self, batch: int) -> Named:
        if not self.learn_initial_state:
            return states.zeros(self._state_sizes, batch, self.like())
        learned = [zip(p.states, self._initial(p), strict=True) for p in self._all_places()]
        return {name: s.expand(batch, -1) for of_place in learned for name, s in of_place}

    def unroll(
        self, x: Tensor, lengths: Tensor | None, state: Named, return_states: bool
    ) -> tuple[Tensor, Named, Named]:
        last: Named = {}
        every: Named = {}
        for k, layer in enumerate(self._places):
            calls = [self._call(place, x, lengths, state, return_states) for place in layer]
            result = running.run(calls, self.backend)
            names = [name for place in layer for name in place.states]
            last.update(zip(names, result.last, strict=True))
            if result.states is not None:
                every.update(zip(names, result.states, strict=True))
            x = merged(result.y, self.merge)
            if self.dropout and k + 1 < self.num_layers:
                x = drop(x, self.dropout, self.training)
        return x, last, every

    def straight(self, input: Tensor | PackedSequence, hx: State | None) -> tuple[Tensor, State] | None:
        """One layer in one direction, in torch.nn's form, where kernels/torch/straight.py takes it."""
        place = self._alone
        random = self.zoneout or (self.training and (self.recurrent_dropout or self.variational_dropout))
        learned = hx is None and self.learn_initial_state
        kept = self.keep_every and torch.is_grad_enabled()
        other = random or learned or kept or isinstance(hx, dict)
        if place is None or other or not isinstance(input, Tensor):
            return None
        if dispatch.named_backend(self.backend) is not None:
            return None
        state = (hx,) if isinstance(hx, Tensor) else hx
        try:
            weights = tuple(map(self._parameters.__getitem__, place.parameters))
        except KeyError:  # a parametrised weight is an attribute, and new at each call
            return None
        result = running.straight(
            self.cell, place.names, weights, input, state, place.reverse, self.batch_first
        )
        if result is None:
            return None
        y, last = result
        return y, tuple(last) if len(last) > 1 else last[0]

    def _call(
        self, place: Place, x: Tensor, lengths: Tensor | None, state: Named, return_states: bool
    ) -> Call:
        p = self._parameters_of(place)
        drawn = NONE
        if self.zoneout or (self.training and (self.recurrent_dropout or self.variational_dropout)):
            drawn = self._draw(place, p["weight_hh"], x)
            if self.variational_dropout and self.training:
                x = x * masks.thinning(x, (x.shape[1], x.shape[2]), self.variational_dropout)
        before = tuple([state[name] for name in place.states])
        keep_every = self.keep_every or 0
        return Call(self.cell, x, before, p, lengths, drawn, place.reverse, return_states, keep_every)

    def _draw(self, place: Place, like: Tensor, x: Tensor) -> Masks:
        T, B, _ = x.shape
        return masks.draw(
            like,
            T,
            B,
            self.cell.state_sizes(place.hidden_size),
            self.training,
            fresh=self.recurrent_dropout,
            fixed=self.variational_dropout,
            rates=options.rates_of(self.zoneout, self.cell),
        )

    def extra_repr(self) -> str:
        shown = [
            f"{name}={getattr(self, name)!r}"
            for name, v in options.DEFAULTS.items()
            if getattr(self, name) != v
        ]
        return ", ".join(
            [f"{self.input_size}, {self.hidden_size}", *parameters.options_text(self.cell), *shown]
        )
