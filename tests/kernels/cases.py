"""Random asymmetric calls of the kernels, every cell with its options, and what they are measured by."""

from dataclasses import dataclass, replace

import torch

from tests.cells.cases import CELLS as CELLS
from unrolled.cells import Call, Masks, Result
from unrolled.cells.loop import unroll
from unrolled.kernels.torch.backends import by_kernel

SHAPES = [  # T, B, I, H: odd on purpose, around the widths of vectors and panels; the last is a long one
    (1, 1, 1, 6),
    (3, 7, 5, 4),
    (2, 3, 17, 66),
    (9, 2, 1, 34),
    (4, 5, 70, 16),
    (5, 13, 3, 30),
    (19, 1, 9, 130),
    (41, 4, 3, 42),
]
DIRECTIONS = {"forward": (False,), "backward": (True,), "both": (False, True)}


@dataclass(frozen=True)
class Case:
    """A call in one direction or both: its tensors in one tuple, and how they make calls again."""

    calls: tuple[Call, ...]

    @property
    def tensors(self):
        """x, then the states and the parameters of each direction."""
        own = [t for call in self.calls for t in (*call.state, *call.parameters.values())]
        return (self.calls[0].x, *own)

    @property
    def names(self):
        own = [n for call in self.calls for n in (*call.cell.states, *call.parameters)]
        return ("x", *own)

    def with_tensors(self, tensors):
        x, *rest = tensors
        rest, calls = iter(rest), []
        for call in self.calls:
            state = tuple(next(rest) for _ in call.state)
            parameters = {name: next(rest) for name in call.parameters}
            calls.append(call._replace(x=x, state=state, parameters=parameters))
        return replace(self, calls=tuple(calls))

    def change(self, **fields):
        return replace(self, calls=tuple(call._replace(**fields) for call in self.calls))

    def run(self, function=by_kernel):
        """Every output: y, the last states, every step's."""
        result = function(self.calls)
        return [result.y, *result.last, *(result.states or ())]

    def leaves(self):
        return [t.detach().clone().requires_grad_() for t in self.tensors]

    def gradients(self, cotangents, function=by_kernel):
        """Of every tensor, in order."""
        leaves = self.leaves()
        outputs = self.with_tensors(leaves).run(function)
        given = [c.to(o) for c, o in zip(cotangents, outputs, strict=True)]
        return torch.autograd.grad(outputs, leaves, given)

    def double(self):
        return self.with_tensors([t.double() for t in self.tensors]).change(
            masks=Masks(*(_double(mask) for mask in self.calls[0].masks))
        )


def _double(mask):
    if isinstance(mask, tuple):
        return tuple(_double(m) for m in mask)
    return mask.double() if isinstance(mask, torch.Tensor) and mask.is_floating_point() else mask


def random_case(
    cell, T, B, I, H, dtype, *, reverse=(False,), ragged=False, masked=False, bias=True, seed=0, **fields
):
    """`ragged`: random lengths of which one at least is T and, with two rows or more, one is 0.

    `masked`: dropout of h and zoneout, of all states at random but of the last at a rate.
    """
    generator = torch.Generator().manual_seed(seed)
    H = -(-H // cell.block) * cell.block  # whole memory blocks

    def normal(*shape, scale=1.0):
        return torch.randn(shape, generator=generator, dtype=torch.float64).mul(scale).to(dtype)

    lengths, masks, widths = None, Masks(), cell.state_sizes(H)
    if ragged:
        lengths = torch.randint(0, T + 1, (B,), generator=generator)
        lengths[0] = 0
        lengths[B // 2] = T
    if masked:
        dropout = torch.rand(T, B, widths[0], generator=generator).gt(0.3).to(dtype) / 0.7
        kept = [torch.rand(T, B, width, generator=generator) < 0.3 for width in widths[:-1]]
        masks = Masks(dropout, (*kept, 0.25))
    x, calls = normal(T, B, I), []
    for back in reverse:
        state = tuple(normal(B, width) for width in widths)
        shapes = cell.shapes(I, H, bias)
        parameters = {name: normal(*shape, scale=H**-0.5) for name, shape in shapes.items()}
        calls.append(Call(cell, x, state, parameters, lengths, masks, back, True, **fields))
    return Case(tuple(calls))


def reference(calls):
    """The equations of cells/, step by step, in the tensors' own dtype, directions side by side."""
    results = [unroll(call) for call in calls]
    y = torch.cat([result.y for result in results], -1)
    last = tuple(state for result in results for state in result.last)
    states = tuple(state for result in results for state in result.states or ())
    return Result(y, last, states or None)


def assert_close(got, want, terms, name=""):
    """Rounding of `terms` operations, each of the size of the largest number, all in one direction."""
    allowed = terms * torch.finfo(got.dtype).eps * max(1.0, want.abs().max().item())
    error = (got.double() - want.double()).abs().max().item()
    assert error <= allowed, f"{name}: {error:.3g} > {allowed:.3g}"


def assert_same_bits(got, want):
    for a, b in zip(got, want, strict=True):
        assert torch.equal(a, b)
