"""Layers of any cells, sizes and directions on top of one another."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout as drop

from unrolled.cells.cell import Refusals, refuse
from unrolled.cells.loop import valid_steps
from unrolled.nn.layer import SequenceModule
from unrolled.nn.state import Group, Named


class Stack(SequenceModule):
    """Runs `layers` in order: x (T, B, I) -> y (T, B, F) of the last. The state is a dict over all.

    residual   True, or a truth for each layer: y = x + layer(x), where both are of one size
    dropout    on the outputs of every layer but the last, in training

    Raises ValueError, with the layer's place in the list, where sizes do not meet.
    """

    def __init__(
        self, layers: Iterable[SequenceModule], residual: bool | Sequence[bool] = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        members = self._members()
        self.residual = [residual] * len(members) if isinstance(residual, bool) else list(residual)
        self.dropout = dropout
        refuse(self._option_refusals())
        for k, member in enumerate(members):
            refuse(_refusals(k, member, members[max(k - 1, 0)], self.residual[k]))
        self.input_size, self.output_size = members[0].input_size, members[-1].output_size
        self.batch_first, self.kinds = members[0].batch_first, None
        self.depth = sum(layer.depth for layer in members)

    def _members(self) -> list[SequenceModule]:
        return list(self.layers)  # type: ignore[arg-type]

    def _option_refusals(self) -> Refusals:
        dropout, residual = self.dropout, self.residual
        strangers = [type(m).__name__ for m in self.layers if not isinstance(m, SequenceModule)]
        return [
            (len(self.layers) == 0, "a stack of no layers; give at least one"),
            (strangers, f"a stack takes layers of unrolled.nn, not {', '.join(strangers)}"),
            (
                len(residual) != len(self.layers),
                f"residual={residual} for {len(self.layers)} layers; give one for each",
            ),
            (not 0 <= dropout <= 1, f"dropout={dropout}: wanted 0 to 1"),
            (
                dropout > 0 and len(self.layers) == 1,
                f"dropout={dropout} and one layer exclude each other: it acts between layers; add a layer",
            ),
        ]

    def _renamed(self) -> list[dict[str, str]]:
        """For each layer: name of a state in the layer -> its name in the stack."""
        names, below = [], 0
        for layer in self._members():
            split = [name.removeprefix("layer").split(".", 1) for name in layer.state_names()]
            names.append({f"layer{k}.{rest}": f"layer{below + int(k)}.{rest}" for k, rest in split})
            below += layer.depth
        return names

    def like(self) -> Tensor:
        return self._members()[0].like()

    def groups(self) -> tuple[Group, ...]:
        members = zip(self._members(), self._renamed(), strict=True)
        return tuple(
            Group(tuple(names[name] for name in group.names), group.size)
            for layer, names in members
            for group in layer.groups()
        )

    def state_sizes(self) -> dict[str, int]:
        members = zip(self._members(), self._renamed(), strict=True)
        return {names[own]: size for layer, names in members for own, size in layer.state_sizes().items()}

    def start(self, batch: int) -> tuple[Tensor, ...] | None:
        starts = [layer.start(batch) for layer in self._members()]
        if all(start is None for start in starts):
            return None
        state: list[Tensor] = []
        for layer, start in zip(self._members(), starts, strict=True):
            state += layer.zeros(batch) if start is None else start
        return tuple(state)

    def unroll(
        self, x: Tensor, ragged: Tensor | None, state: tuple[Tensor, ...] | None, return_states: bool
    ) -> tuple[Tensor, tuple[Tensor, ...], Named]:
        last: list[Tensor] = []
        every: Named = {}
        if ragged is not None and x.dim() == 3 and self.residual[0]:
            x = torch.where(valid_steps(x, ragged), x, 0)  # the sum would carry its padding past the layer
        for k, (layer, names) in enumerate(zip(self._members(), self._renamed(), strict=True)):
            before = None if state is None else state[len(last) : len(last) + len(layer.groups())]
            y, after, states = layer.unroll(x, ragged, before, return_states)
            x = x + y if self.residual[k] else y
            last += after
            every.update({names[name]: s for name, s in states.items()})
            if k + 1 < len(self.layers):
                x = drop(x, self.dropout, self.training)
        return x, tuple(last), every

    def extra_repr(self) -> str:
        return (
            f"residual={self.residual}, dropout={self.dropout}" if any(self.residual) or self.dropout else ""
        )


def _refusals(k: int, layer: SequenceModule, below: SequenceModule, residual: bool) -> Refusals:
    """Why layer k cannot stand on the one below, which for layer 0 is itself."""
    wanted = below.output_size if k else layer.input_size
    return [
        (
            layer.input_size != wanted,
            f"layer {k} reads input_size={layer.input_size}, but layer {k - 1} gives {wanted} features",
        ),
        (
            layer.batch_first != below.batch_first,
            f"layer {k} has batch_first={layer.batch_first}, layer {k - 1} {below.batch_first}; "
            "make them equal",
        ),
        (
            residual and layer.input_size != layer.output_size,
            f"residual and layer {k} exclude each other: it reads {layer.input_size} features and gives "
            f"{layer.output_size}; set residual False for it or make them equal",
        ),
    ]
