"""Any cell, in layers and directions: sizes, options, parameters and the order in which they run."""

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout as drop

from unrolled.cells import Cell, layer
from unrolled.cells.layer import Place, Rates, Size
from unrolled.kernels import dispatch
from unrolled.kernels.packs import Packs
from unrolled.kernels.torch import aten, backends
from unrolled.kernels.torch.call import Form, steps_and_rows
from unrolled.kernels.torch.native import planned
from unrolled.kernels.torch.operators import recorded
from unrolled.nn import options, parameters
from unrolled.nn import state as states
from unrolled.nn.layer import SequenceModule
from unrolled.nn.masks import draw, dropout_mask
from unrolled.nn.options import Device
from unrolled.nn.state import Group, Named, Tensors
from unrolled.nn.torch_compat import TorchLayer

Places = tuple[Place, ...]
# Of the outputs of two directions, (T, B, P) each; "concat" leaves them side by side.
MERGED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": torch.add,
    "mean": lambda a, b: (a + b) / 2,
    "product": torch.mul,
}


class Recurrent(TorchLayer, SequenceModule):
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
        self.bias, self.batch_first = bias, batch_first
        self.dropout, self.bidirectional = dropout, bidirectional
        self.merge, self.reverse, self.keep_every, self.backend = merge, reverse, keep_every, backend
        self.recurrent_dropout, self.variational_dropout = recurrent_dropout, variational_dropout
        self.zoneout, self.learn_initial_state = zoneout, learn_initial_state
        options.check(self)
        self.output_size, self.depth = layer.output_size(self), num_layers
        if len(set(layer.sizes_of(self))) > 1:
            self.kinds = None
        self._places = layer.places(self)
        for place in self._places:
            parameters.register(self, layer.shapes_of(self, place), device, dtype)
        self._groups = self._grouped()
        sizes = [pair for place in self._places for pair in zip(place.states, place.sizes, strict=True)]
        self._state_sizes = dict(sizes)
        self._packs = Packs()
        self.reset_parameters()
        self.flatten_parameters()

    _defaults: ClassVar[dict[str, object]] = options.defaults_of(__init__)

    def reset_parameters(self, deviation: float | None = None) -> None:
        """Draws the first values anew, in the order of torch.nn; where there is a `deviation` weights from
        N(0, deviation²), with biases of 0."""
        for place in self._places:
            self.cell.initialise(self._parameters_of(place), 1 / math.sqrt(place.hidden_size), deviation)
            for initial in self._initial(place):
                nn.init.zeros_(initial)

    def begin(self, kind: Literal["chrono", "orthogonal"], steps: float) -> None:
        """Draws again what the cell says of first weights of this kind, which reach back `steps` steps."""
        draw = getattr(self.cell, f"begin_{kind}")
        for place in self._places:
            draw(self._parameters_of(place), steps)

    def flatten_parameters(self) -> None:
        """Moves the weights into the layout that cuDNN is fastest with. Does nothing off the GPU."""
        if not dispatch.takes("torch", self.cell.name, self.cell.wants):
            return
        for place in self._places:
            aten.flatten(self.cell, self._parameters_of(place))

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The cell's parameters, a list for each layer and direction, as in torch.nn."""
        return [list(self._parameters_of(place).values()) for place in self._places]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.flatten_parameters()  # moving to a GPU scatters them
        return self

    def _parameters_of(self, place: Place) -> dict[str, Tensor]:
        return dict(zip(place.names, self._weights((place,)), strict=True))

    def _weights(self, places: Places) -> list[Tensor]:
        """The parameters of places, in order."""
        return parameters.values(self, [place.parameters for place in places])

    def _initial(self, place: Place) -> list[Tensor]:
        """The learned initial states of a place, none where they are not learned."""
        return [getattr(self, name) for name in place.initial]

    def like(self) -> Tensor:
        weight: Tensor = getattr(self, self._places[0].parameters[1])
        return weight

    def groups(self) -> tuple[Group, ...]:
        return self._groups

    def _grouped(self) -> tuple[Group, ...]:
        """Of each kind one tensor where all sizes are equal, else one for each place."""
        groups = []
        for k in range(len(self.cell.states)):
            each = [Group((place.states[k],), place.sizes[k]) for place in self._places]
            groups += each if self.kinds is None else [Group(tuple([g.names[0] for g in each]), each[0].size)]
        return tuple(groups)

    def _counts(self, places: int) -> tuple[int, ...]:
        """How many places each tensor of a state holds, of one kind."""
        return (1,) * places if self.kinds is None else (places,)

    def state_sizes(self) -> dict[str, int]:
        return dict(self._state_sizes)

    def start(self, batch: int) -> Tensors | None:
        if not self.learn_initial_state:
            return None
        each = [zip(place.states, self._initial(place), strict=True) for place in self._places]
        learned = {name: initial for place_states in each for name, initial in place_states}
        return tuple([s.unsqueeze(1).expand(-1, batch, -1) for s in states.stack(learned, self._groups)])

    def unroll(
        self, x: Tensor, ragged: Tensor | None, state: Tensors | None, return_states: bool
    ) -> tuple[Tensor, Tensors, Named]:
        if self.num_layers == 1 or not (return_states or self.keep_every or self._acts_between()):
            y, last, every = self._run(self._places, x, ragged, state, return_states)
            return self._merged(y), last, every
        parts: list[Tensors] = []
        form = len(self.cell.states), self.kinds is not None
        every = {}
        D = len(self._places) // self.num_layers
        for k in range(self.num_layers):
            places = self._places[k * D : k * D + D]
            part = states.part(state, *form, slice(k * D, k * D + D))
            y, last, states_of = self._run(places, x, ragged, part, return_states)
            parts.append(last)
            every |= states_of
            x = self._merged(y)
            if self.dropout and k + 1 < self.num_layers:
                x = drop(x, self.dropout, self.training)
        return x, states.whole(parts, *form), every

    def _run(
        self, places: Places, x: Tensor, ragged: Tensor | None, state: Tensors | None, return_states: bool
    ) -> tuple[Tensor, Tensors, Named]:
        """The layers of `places`, with nothing between them, in one call."""
        masks: dict[str, list[Tensor]] = {}
        if self._random():
            if self.training and self.variational_dropout and len(places) > 1:
                return self._side_by_side(places, x, ragged, state, return_states)
            x, masks = self._draw(places, x, ragged, state)
        tensors = [x] if ragged is None else [x, ragged]
        tensors += state or ()
        for drawn in masks.values():
            tensors += drawn
        tensors += self._weights(places)
        weight, trace = tensors[-1], recorded(tensors)
        which = places[0].suffix, len(places), len(masks), weight.dtype, weight.is_cpu
        ends = None if ragged is None else "lengths" if x.dim() == 3 else "batch_sizes"
        key = *which, ends, state is None, return_states, trace, self.keep_every
        plan = self._packs.plans.get(key)
        if plan is None:
            reverse = tuple([place.reverse for place in places if place.layer == places[0].layer])
            order = len(places) // len(reverse), reverse, self._counts(len(places))
            given = ends, state is not None, tuple(masks)
            form = Form(
                self.cell, places[0].names, *order, *given, return_states, trace, self.keep_every or 0, False
            )
            plan = planned(form, tensors, self._packs, places[0].suffix)
            self._packs.plans[key] = plan
        results = backends.run(plan, tensors, self.backend)
        every = self._every(places, plan.results.named(results)) if return_states else {}
        return results[0], tuple(results[1 : plan.last]), every

    def _side_by_side(
        self, places: Places, x: Tensor, ragged: Tensor | None, state: Tensors | None, return_states: bool
    ) -> tuple[Tensor, Tensors, Named]:
        """A call for each direction of a layer, which reads x through a mask of its own."""
        form = len(self.cell.states), self.kinds is not None
        parts = [states.part(state, *form, slice(k, k + 1)) for k in range(len(places))]
        each = zip(places, parts, strict=True)
        results = [self._run((place,), x, ragged, part, return_states) for place, part in each]
        ys, lasts, everys = zip(*results, strict=True)
        every = {name: s for each in everys for name, s in each.items()}
        return torch.cat(ys, -1), states.whole(lasts, *form), every

    def _every(self, places: Places, results: dict[str, Any]) -> Named:
        """Every step's states of the places, by name."""
        hs = torch.split(results["y"], [place.sizes[0] for place in places], -1)
        kinds = [hs, results["every_c"]] if "every_c" in results else [hs]
        each = zip(places, *kinds, strict=True)
        return {name: s for place, *of in each for name, s in zip(place.states, of, strict=True)}

    def _merged(self, y: Tensor) -> Tensor:
        """y (T, B, P of both directions side by side) -> one output (T, B, F)."""
        return y if self.merge == "concat" else MERGED[self.merge](*y.chunk(2, -1))

    def _acts_between(self) -> bool:
        """Whether something stands between two layers, or is drawn for each."""
        return self.merge != "concat" or bool(self.training and self.dropout) or self._random()

    def _random(self) -> bool:
        """Whether masks are drawn at a call."""
        drawn = self.training and (self.recurrent_dropout or self.variational_dropout)
        return bool(self.zoneout or drawn)

    def _draw(
        self, places: Places, x: Tensor, ragged: Tensor | None, state: Tensors | None
    ) -> tuple[Tensor, dict[str, list[Tensor]]]:
        """x, thinned where a mask is drawn for it, and the other masks of the places."""
        if ragged is None or state is None or x.dim() == 3:
            (T, B), rows = x.shape[:2], None
        else:
            T, B, rows = len(ragged), state[0].shape[1], steps_and_rows(ragged, x)[1]
        like, rates = self.like(), layer.rates_of(self)
        drop_h = (self.recurrent_dropout, self.variational_dropout) if self.training else (0.0, 0.0)
        drawn = [draw(like, T, B, place.sizes, self.training, drop_h, rates) for place in places]
        if self.training and self.variational_dropout:
            mask = dropout_mask(x, (B, x.shape[-1]), self.variational_dropout)
            x = x * (mask if rows is None else mask[rows])
        return x, {name: [masks[name] for masks in drawn] for name in drawn[0]}

    def extra_repr(self) -> str:
        set_to = {name: getattr(self, name) for name in self._defaults}
        shown = [f"{name}={value!r}" for name, value in set_to.items() if value != self._defaults[name]]
        return ", ".join(
            [f"{self.input_size}, {self.hidden_size}", *parameters.options_text(self.cell), *shown]
        )
