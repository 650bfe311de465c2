"""Random asymmetric calls of the Elman kernel, and the float64 reference that they are measured against."""

from dataclasses import dataclass, replace

import torch

NAMES = ("x", "h0", "weight_ih", "weight_hh", "bias_ih", "bias_hh")
FUNCTIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}
SHAPES = [  # T, B, I, H: odd on purpose, around the widths of vectors and panels; the last is a long one
    (1, 1, 1, 1),
    (3, 7, 5, 4),
    (2, 3, 17, 65),
    (9, 2, 1, 33),
    (4, 5, 70, 16),
    (5, 13, 3, 31),
    (19, 1, 9, 129),
    (151, 4, 3, 129),
]


@dataclass(frozen=True)
class Case:
    """Tensors of one call, in the operator's order, and its options."""

    tensors: tuple[torch.Tensor, ...]
    lengths: torch.Tensor | None = None
    nonlinearity: str = "tanh"
    reverse: bool = False

    def run(self, function):
        y, h_last = function(
            *self.tensors, lengths=self.lengths, nonlinearity=self.nonlinearity, reverse=self.reverse
        )
        return y, h_last

    def gradients(self, function, dy, dh_last):
        """Of every tensor, in the operator's order."""
        leaves = [t.detach().clone().requires_grad_() for t in self.tensors]
        outputs = replace(self, tensors=tuple(leaves)).run(function)
        return torch.autograd.grad(outputs, leaves, (dy.to(outputs[0]), dh_last.to(outputs[0])))

    def double(self):
        return replace(self, tensors=tuple(t.double() for t in self.tensors))


def random_tensors(generator, T, B, I, H, dtype):
    """Weights of the size that torch.nn draws, so that states neither vanish nor saturate."""

    def normal(*shape, scale=1.0):
        return torch.randn(shape, generator=generator, dtype=torch.float64).mul(scale).to(dtype)

    scale = H**-0.5
    weights = normal(H, I, scale=scale), normal(H, H, scale=scale)
    return (normal(T, B, I), normal(B, H), *weights, normal(H, scale=scale), normal(H, scale=scale))


def random_case(T, B, I, H, dtype, *, ragged=False, seed=0, **options):
    """`ragged`: random lengths of which one at least is T and, with two rows or more, one is 0."""
    generator = torch.Generator().manual_seed(seed)
    tensors = random_tensors(generator, T, B, I, H, dtype)
    lengths = None
    if ragged:
        lengths = torch.randint(0, T + 1, (B,), generator=generator)
        lengths[0] = 0
        lengths[B // 2] = T
    return Case(tensors, lengths, **options)


def reference(x, h0, weight_ih, weight_hh, bias_ih, bias_hh, *, lengths, nonlinearity, reverse):
    """Row by row, step by step, in the tensors' own dtype."""
    f = FUNCTIONS[nonlinearity]
    T, B, _ = x.shape
    rows, last = [], []
    for b in range(B):
        length = T if lengths is None else int(lengths[b])
        h, states = h0[b], [torch.zeros_like(h0[b])] * T
        for t in reversed(range(length)) if reverse else range(length):
            h = f(weight_ih @ x[t, b] + bias_ih + weight_hh @ h + bias_hh)
            states[t] = h
        rows.append(torch.stack(states))
        last.append(h)
    return torch.stack(rows, 1), torch.stack(last)


def assert_close(got, want, terms, name=""):
    """Rounding of `terms` operations, each of the size of the largest number, all in one direction."""
    allowed = terms * torch.finfo(got.dtype).eps * max(1.0, want.abs().max().item())
    error = (got.double() - want.double()).abs().max().item()
    assert error <= allowed, f"{name}: {error:.3g} > {allowed:.3g}"


def assert_same_bits(got, want):
    for a, b in zip(got, want, strict=True):
        assert torch.equal(a, b)
