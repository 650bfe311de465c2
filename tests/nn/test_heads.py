"""Heads as modules and functions: torch's names, values, gradients and state dicts."""

import pytest
import torch
from torch import nn as own
from torch.nn import functional as own_functional

from unrolled import nn
from unrolled.nn import functional

MODULES = {
    "Linear": (lambda m: m.Linear(5, 7), (3, 4, 5)),
    "Linear, no bias": (lambda m: m.Linear(5, 7, bias=False), (3, 5)),
    "Softmax": (lambda m: m.Softmax(dim=1), (3, 4, 5)),
    "LogSoftmax": (lambda m: m.LogSoftmax(dim=-1), (3, 4, 5)),
    "LayerNorm": (lambda m: m.LayerNorm(5, eps=1e-3), (3, 4, 5)),
    "LayerNorm, two dimensions": (lambda m: m.LayerNorm((4, 5), bias=False), (3, 4, 5)),
    "LayerNorm, plain": (lambda m: m.LayerNorm(5, elementwise_affine=False), (3, 4, 5)),
    "Embedding": (lambda m: m.Embedding(6, 5, padding_idx=-2), None),
}
# sums of at most 20 numbers of size one, rounded in different orders
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def pair(name):
    """Ours and torch's, made from one seed, and an input."""
    make, shape = MODULES[name]
    modules = []
    for library in (nn, own):
        torch.manual_seed(3)
        modules.append(make(library))
    return *modules, torch.randint(0, 6, (4, 3)) if shape is None else torch.randn(shape)


def gradients(module, x):
    leaf = x.clone().requires_grad_() if x.is_floating_point() else x
    y = module(leaf)
    wanted = [t for t in (leaf, *module.parameters()) if t.requires_grad]
    return y, *torch.autograd.grad((y * torch.linspace(-1, 2, y.numel()).view(y.shape)).sum(), wanted)


@pytest.mark.parametrize("name", MODULES)
def test_initialisation_values_and_gradients_are_torchs(name):
    ours, theirs, x = pair(name)
    assert str(ours) == str(theirs)
    for found, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(found, wanted)
    for found, wanted in zip(gradients(ours, x), gradients(theirs, x), strict=True):
        torch.testing.assert_close(found, wanted, **CLOSE)


@pytest.mark.parametrize("name", MODULES)
def test_state_dicts_go_both_ways(name):
    ours, theirs, x = pair(name)
    for source, target in ((ours, theirs), (theirs, ours)):
        for parameter in source.parameters():
            torch.nn.init.normal_(parameter)
        target.load_state_dict(source.state_dict())
        torch.testing.assert_close(ours(x), theirs(x), **CLOSE)


@pytest.mark.parametrize("name", MODULES)
def test_a_row_alone_has_the_bits_of_the_row_in_a_batch(name):
    """Torch's own modules fail this for a Linear of these sizes."""
    make, shape = MODULES[name]
    if name.startswith("Linear"):
        module, x = nn.Linear(300, 70, bias=name == "Linear"), torch.randn(64, 300)
    else:
        module = make(nn)
        x = torch.randint(0, 6, (64, 3)) if shape is None else torch.randn(64, *shape[1:])
    y = module(x)
    for r in range(64):
        assert torch.equal(module(x[r : r + 1]), y[r : r + 1])


def test_a_linear_layer_follows_its_optimizer():
    layer, x = nn.Linear(5, 7), torch.randn(3, 5)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(x).square().sum().backward()
        optimizer.step()
        wanted = own_functional.linear(x, layer.weight, layer.bias)
        torch.testing.assert_close(layer(x), wanted, **CLOSE)
    layer.load_state_dict(nn.Linear(5, 7).state_dict())
    torch.testing.assert_close(layer(x), own_functional.linear(x, layer.weight, layer.bias), **CLOSE)


def test_modules_can_be_copied_and_pickled(tmp_path):
    layer, x = nn.Linear(5, 7), torch.randn(3, 5)
    y = layer(x)
    torch.save(layer, tmp_path / "layer.pt")
    assert torch.equal(torch.load(tmp_path / "layer.pt", weights_only=False)(x), y)


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_any_dimension_and_dtype(name, dim):
    x = torch.randn(4, 5, 6)
    wanted = getattr(own_functional, name)(x, dim)
    torch.testing.assert_close(getattr(functional, name)(x, dim), wanted, **CLOSE)
    assert getattr(functional, name)(x, dim, torch.float64).dtype == torch.float64
    zero = torch.tensor(3.0)
    assert torch.equal(getattr(functional, name)(zero), getattr(own_functional, name)(zero, 0))


@pytest.mark.parametrize(
    "shape, target", [((6, 4), (6,)), ((4,), ()), ((3, 4, 5), (3, 5)), ((2, 4, 3, 5), (2, 3, 5))]
)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_torchs(shape, target, reduction, smoothing):
    x, target = torch.randn(shape, dtype=torch.float64), torch.randint(0, 4, target)
    weight = torch.tensor([0.5, 2.0, 1.0, 0.1], dtype=torch.float64)
    options = {"weight": weight, "ignore_index": 1, "reduction": reduction, "label_smoothing": smoothing}
    results = []
    for library in (functional, own_functional):
        leaf = x.clone().requires_grad_()
        loss = library.cross_entropy(leaf, target, **options)
        results.append((loss, torch.autograd.grad(loss.sum(), leaf)[0]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-12, atol=1e-12, equal_nan=True)


def test_cross_entropy_of_probabilities_is_torchs():
    x, target = torch.randn(6, 4), torch.rand(6, 4)
    assert torch.equal(functional.cross_entropy(x, target), own_functional.cross_entropy(x, target))


def test_loss_of_a_row_is_that_of_the_row_alone():
    x, target = torch.randn(50, 1000), torch.randint(0, 1000, (50,))
    losses = functional.cross_entropy(x, target, reduction="none")
    for r in range(50):
        row = slice(r, r + 1)
        assert torch.equal(functional.cross_entropy(x[row], target[row], reduction="none"), losses[row])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_torchs_own(dtype):
    x, weight = torch.randn(3, 5).to(dtype), torch.randn(7, 5).to(dtype)
    assert torch.equal(functional.linear(x, weight), own_functional.linear(x, weight))
    assert torch.equal(functional.softmax(x), own_functional.softmax(x, -1))


def test_autocast_is_torchs_own():
    x, weight = torch.randn(3, 5), torch.randn(7, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = functional.linear(x, weight)
        assert y.dtype == torch.bfloat16
        assert torch.equal(y, own_functional.linear(x, weight))


def test_forward_mode_has_the_kernel_s_values():
    x, weight, tangent = torch.randn(3, 5), torch.randn(7, 5), torch.randn(3, 5)
    y, dy = torch.func.jvp(lambda x: functional.linear(x, weight), (x,), (tangent,))
    assert torch.equal(y, functional.linear(x, weight))
    torch.testing.assert_close(dy, tangent @ weight.T, **CLOSE)


@pytest.mark.parametrize("options", [{"max_norm": 1.0}, {"scale_grad_by_freq": True}, {"sparse": True}])
def test_options_of_embedding_are_torchs_own(options):
    index, table = torch.tensor([1, 4, 1]), torch.randn(6, 5)
    found, wanted = [], []
    for library, results in ((functional, found), (own_functional, wanted)):
        leaf = table.clone().requires_grad_()
        with torch.no_grad():  # max_norm writes into the table
            copy = leaf.clone()
        y = library.embedding(index, copy.requires_grad_(), **({"max_norm": None} | options)) if (
            "max_norm" not in options) else library.embedding(index, copy.detach(), **options)  # fmt: skip
        results.append(y)
        if y.requires_grad:
            results.append(torch.autograd.grad(y.square().sum(), copy)[0].to_dense())
    for f, w in zip(found, wanted, strict=True):
        torch.testing.assert_close(f, w, **CLOSE)


def test_the_environment_names_a_backend(monkeypatch):
    x, weight = torch.randn(40, 300), torch.randn(70, 300)
    monkeypatch.setenv("UNROLLED_BACKEND", "reference")
    assert torch.equal(functional.linear(x, weight), own_functional.linear(x, weight))
    monkeypatch.setenv("UNROLLED_BACKEND", "cpu")
    assert torch.equal(functional.linear(x, weight)[:1], functional.linear(x[:1], weight))
    with pytest.raises(ValueError, match=r"UNROLLED_BACKEND='cpu' cannot run this: .* not in torch.bfloat16"):
        functional.linear(x.bfloat16(), weight.bfloat16())
    monkeypatch.setenv("UNROLLED_BACKEND", "gpu")
    with pytest.raises(ValueError, match="UNROLLED_BACKEND='gpu' is unknown"):
        functional.linear(x, weight)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: functional.linear(torch.zeros(3, 4), torch.zeros(7, 5)),
            r"x is float32 .*; wanted float32 \(\.\.\., 5\)",
        ),
        (
            lambda: functional.layer_norm(torch.zeros(3, 4), (5,)),
            r"x is \(3, 4\); .* normalized_shape=\(5,\)",
        ),
        (
            lambda: functional.embedding(torch.tensor([0]), torch.zeros(3, 2), 3),
            "padding_idx=3; wanted one of the 3",
        ),
    ],
)
def test_wrong_calls_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
