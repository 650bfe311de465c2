"""Attention with its projections: values by the papers' equations, every gradient, and the law of rows."""

import math

import pytest
import torch

from unrolled.nn import Attention

# name: kind, size, the names and shapes of parameters for states of 5 and a memory of 7
MODULES = {
    "general": ("dot", None, {"query.weight": (7, 5)}),
    "dot": ("dot", 3, {"query.weight": (3, 5), "key.weight": (3, 7)}),
    "additive": (
        "additive",
        None,
        {"u": (5,), "query.weight": (5, 5), "key.weight": (5, 7), "key.bias": (5,)},
    ),
    "narrow": ("additive", 3, {"u": (3,), "query.weight": (3, 5), "key.weight": (3, 7), "key.bias": (3,)}),
}
each = pytest.mark.parametrize("name", MODULES)


def made(name, dtype=torch.float64):
    """The module, s (4, 3, 5), y (4, 9, 7), values (4, 9, 6), lengths (4,)."""
    torch.manual_seed(0)
    kind, size, _ = MODULES[name]
    given = (torch.randn(4, *shape, dtype=dtype) for shape in ((3, 5), (9, 7), (9, 6)))
    return Attention(kind, 5, 7, size).to(dtype), *given, torch.tensor([9, 1, 0, 4])


@each
def test_values_are_those_of_the_equations(name):
    module, s, y, values, lengths = made(name)
    c, w = module(s, module.keys(y), values, lengths)
    p = dict(module.named_parameters())
    assert {key: tuple(t.shape) for key, t in p.items()} == MODULES[name][2]
    for n, length in enumerate(lengths.tolist()):
        for i in range(3):
            e = torch.empty(length, dtype=torch.float64)
            for t in range(length):
                q, k = p["query.weight"] @ s[n, i], y[n, t]
                if "key.weight" in p:
                    k = p["key.weight"] @ k + p.get("key.bias", 0)
                e[t] = (p["u"] * (q + k).tanh()).sum() if "u" in p else (q * k).sum()
            want = e.softmax(0)
            torch.testing.assert_close(w[n, i, :length], want, rtol=1e-12, atol=0)
            torch.testing.assert_close(c[n, i], want @ values[n, :length], rtol=1e-12, atol=1e-12)
        assert not w[n, :, length:].any()


@each
def test_every_gradient_is_the_derivative(name):
    module, s, y, values, lengths = made(name)
    names, parameters = zip(*module.named_parameters(), strict=True)

    def call(s, y, values, *parameters):
        given = dict(zip(names, parameters, strict=True))
        k = torch.func.functional_call(Keys(module), {f"of.{key}": t for key, t in given.items()}, (y,))
        return torch.func.functional_call(module, given, (s, k, values, lengths))[0]

    assert torch.autograd.gradcheck(call, [s.requires_grad_(), y.requires_grad_(), values, *parameters])


class Keys(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.of = module

    def forward(self, y):
        return self.of.keys(y)


@each
def test_a_step_alone_has_the_bits_of_the_whole(name):
    module, s, y, values, lengths = made(name, torch.float32)
    whole = module(s, module.keys(y), values, lengths)
    beyond = (torch.arange(9) >= lengths[:, None])[..., None]
    y, values = (t.masked_fill(beyond, math.nan) for t in (y, values))
    k = module.keys(y)
    for n, length in enumerate(lengths.tolist()):
        for i in range(3):
            own = module(s[n : n + 1, i : i + 1], k[n : n + 1], values[n : n + 1], lengths[n : n + 1])
            assert all(torch.equal(a[0, 0], b[n, i]) for a, b in zip(own, whole, strict=True))
            cut = slice(n, n + 1), slice(length)
            own = module(s[n : n + 1, i : i + 1], module.keys(y[cut]), values[cut], lengths[n : n + 1])
            assert torch.equal(own[0][0, 0], whole[0][n, i])
            assert torch.equal(own[1][0, 0], whole[1][n, i, :length])
    rows = torch.tensor([3, 3, 0, 1])
    with torch.no_grad():
        for a, b in zip(module(s[rows], k, values, lengths, rows), whole, strict=True):
            assert torch.equal(a, b[rows])
    with pytest.raises(ValueError, match="attention with rows has no gradient"):
        module(s[rows], k, values, lengths, rows)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="no attention 'cosine'; wanted dot or additive"):
        Attention("cosine", 5, 7)
