"""Calls of the compiled module itself: every cell, with or without each thing that a call may bring."""

import random
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unrolled.cells import LSTM, Call, Masks
from unrolled.cells.loop import unroll
from unrolled.kernels import _cpu

from ...cells import cases

CELLS = tuple(
    (cell.kernel, cell)
    for cell in (
        *cases.CELLS.values(),
        LSTM(layer_norm=True, proj_size=4),
        LSTM(peephole=True, coupled_input_forget=True, layer_norm=True),
        LSTM(cells_per_block=5, layer_norm=True),
        LSTM(cells_per_block=2, coupled_input_forget=True, proj_size=3),
        LSTM(4, peephole=True, cells_per_block=3, coupled_input_forget=True, layer_norm=True),
        LSTM(peephole=True, cells_per_block=17, layer_norm=True),
    )
)


def unwritten(*shape: int, like: Tensor) -> Tensor:
    return torch.full(shape, torch.nan, dtype=like.dtype)


@dataclass(frozen=True)
class Case:
    """One layer, one direction. `zoneout` are shares (T, B, H); c is None where the cell has none. With
    `batch_sizes` (T,) x is packed (N, I), and so are the outputs."""

    name: str
    cell: object
    x: Tensor
    state: tuple[Tensor, ...]
    parameters: dict[str, Tensor]
    lengths: Tensor | None = None
    batch_sizes: Tensor | None = None
    reverse: bool = False
    recurrent: Tensor | None = None
    zoneout: tuple[Tensor, ...] | None = None
    every: int = 0
    threads: int = 1

    @property
    def sizes(self):
        B, I = len(self.state[0]), self.x.shape[-1]
        T = len(self.x if self.batch_sizes is None else self.batch_sizes)
        H = self.cell.units(self.parameters["weight_hh"].shape[0])
        return T, B, I, H, self.state[0].shape[1]

    def recurrence(self):
        *_, I, H, P = self.sizes
        dtype = str(self.x.dtype).removeprefix("torch.")
        names = list(self.parameters)
        return _cpu.Recurrence(self.name, dtype, self.cell.block, names, [(I, H, P)], [self.reverse])

    def run(self, train=True, recurrence=None):
        """y, every step's c where there is one, last states; and what backward wants."""
        T, B, _, H, P = self.sizes
        recurrence = recurrence or self.recurrence()
        y, c = unwritten(*self.x.shape[:-1], P, like=self.x), []
        last = [torch.full_like(s, torch.nan)[None] for s in self.state]
        if len(last) > 1:
            c = [unwritten(*self.x.shape[:-1], H, like=self.x)]
        trace = None
        if train:
            steps = -(-T // self.every) if self.every else T
            trace = unwritten(steps, B, recurrence.trace_width(self.every), like=self.x)
        recurrence.forward(**self.arguments(y), h=last[:1], c=last[1:], every_c=c, trace=trace)
        return (y, *c, *[s[0] for s in last]), trace

    def gradients(self, y, trace, dy, d_last, d_c=None, recurrence=None):
        """dx, those of the first state and of the parameters by name."""
        recurrence = recurrence or self.recurrence()
        dx = torch.full(self.x.shape, torch.nan, dtype=self.x.dtype)
        d_first = [torch.full_like(s, torch.nan)[None] for s in self.state]
        d = {name: torch.full_like(p, torch.nan) for name, p in self.parameters.items()}
        ends = [s[None] for s in d_last]
        recurrence.backward(
            **self.arguments(y),
            trace=trace,
            dy=dy,
            dh=ends[:1],
            dc=ends[1:],
            d_every_c=() if d_c is None else [d_c],
            dx=dx,
            dh0=d_first[:1],
            dc0=d_first[1:],
            d_weights=list(d.values()),
        )
        return {"x": dx, **{f"state{m}": s[0] for m, s in enumerate(d_first)}, **d}

    def arguments(self, y):
        """What forward and backward have in common."""
        state, zoneout = [s[None] for s in self.state], self.zoneout or ()
        return {
            "weights": list(self.parameters.values()),
            "x": self.x,
            "y": y,
            "threads": self.threads,
            "lengths": self.lengths,
            "batch_sizes": self.batch_sizes,
            "h0": state[:1],
            "c0": state[1:],
            "recurrent": () if self.recurrent is None else [self.recurrent],
            "zoneout_h": zoneout[:1],
            "zoneout_c": zoneout[1:],
            "every": self.every,
        }

    def reference(self):
        """The same through the cell's own equations, in whatever dtype the case has."""
        zoneout = None
        if self.zoneout is not None:
            zoneout = tuple(
                z.bool() if set(z.unique().tolist()) <= {0, 1} else z[0, 0, 0].item() for z in self.zoneout
            )
        masks = Masks(self.recurrent, zoneout)
        return unroll(
            Call(self.cell, self.x, self.state, self.parameters, self.lengths, masks, self.reverse, True)
        )

    def leaves(self):
        """A copy whose tensors want gradients."""
        return replace(
            self,
            x=self.x.clone().requires_grad_(),
            state=tuple(s.clone().requires_grad_() for s in self.state),
            parameters={n: p.clone().requires_grad_() for n, p in self.parameters.items()},
        )


def packed(case):
    """A case and the same packed: its rows longest first, each of a step or more, NaN behind them. And which
    steps of the first (T, B) are those of the second (N,)."""
    T, B, _ = case.x.shape
    lengths = torch.full((B,), T) if case.lengths is None else case.lengths.clamp(min=1)
    lengths = lengths.sort(descending=True).values
    valid = torch.arange(T).unsqueeze(1) < lengths
    padded = replace(case, lengths=lengths, x=torch.where(valid.unsqueeze(-1), case.x, torch.nan))
    sizes = valid.sum(1)
    steps = int(lengths[0])
    masks = {
        "recurrent": None if case.recurrent is None else case.recurrent[:steps],
        "zoneout": None if case.zoneout is None else tuple(z[:steps] for z in case.zoneout),
    }
    return padded, replace(case, x=case.x[valid], lengths=None, batch_sizes=sizes[:steps], **masks), valid


def draw(name, cell, seed, sizes=None, dtype=torch.float64, plain=False, **changes):
    """A random case. Sizes lie around the widths of vectors and panels unless given as (T, B, I, H), H
    goes up to whole memory blocks."""
    choice, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    T, B, I, H = sizes or (
        choice.randint(1, 9),
        choice.randint(1, 9),
        choice.randint(1, 40),
        choice.randint(5, 70),
    )

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    H = -(-H // cell.block) * cell.block
    widths = cell.state_sizes(H)
    case = Case(
        name,
        cell,
        normal(T, B, I),
        tuple(normal(B, n) for n in widths),
        {n: normal(*s) * 0.4 for n, s in cell.shapes(I, H, plain or choice.random() < 0.8).items()},
        lengths=torch.tensor([choice.randint(0, T) for _ in range(B)]) if choice.random() < 0.5 else None,
        reverse=choice.random() < 0.5,
    )
    if not plain:
        if choice.random() < 0.3:
            kept = torch.rand(T, B, widths[0], generator=generator) > 0.3
            case = replace(case, recurrent=kept.to(dtype) / 0.7)
        if choice.random() < 0.5:
            masks = tuple((torch.rand(T, B, n, generator=generator) < 0.4).to(dtype) for n in widths)
            rates = tuple(torch.full((1, 1, n), 0.3, dtype=dtype).expand(T, B, n) for n in widths)
            case = replace(case, zoneout=choice.choice([masks, rates]))
        case = replace(case, every=choice.choice([0, 0, 1, 3]), threads=choice.choice([1, 2]))
    return replace(case, **changes)
