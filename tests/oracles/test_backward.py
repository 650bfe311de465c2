"""Backward gives the same bits each time, and what stands in the padding is inert."""

import pytest
import torch

from .cases import CELLS, WAYS, assert_close, build, call, everything, outputs, ragged, twin


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def assert_same_bits(found, wanted):
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert torch.equal(found[name], wanted[name]), name


@pytest.mark.parametrize("way", ["forward", "both"])
@pytest.mark.parametrize("name", CELLS)
def test_the_same_call_gives_the_same_bits(threads, name, way):
    """Sizes that are worth two threads; between the calls another call has used the memory."""
    layer = build(CELLS[name], 40, 131, backend="cpu", dtype=torch.float32, **WAYS[way])
    given = call(layer, 7, 31, ragged(7, 31))
    first = everything(layer, *given)
    everything(layer, *call(layer, 5, 7, seed=2))
    assert_same_bits(everything(layer, *given), first)


def derived(layer, given, outputs_of_loss, wanted):
    """The gradients of the leaves in `wanted` alone, of the loss of some outputs alone."""
    x, state, lengths = given
    leaves = {"x": x} | {f"first {name}": s for name, s in state.items()}
    leaves = {name: t.clone().requires_grad_(name in wanted) for name, t in leaves.items()}
    for name, parameter in layer.named_parameters():
        parameter.requires_grad_(name in wanted)
    found = outputs(layer, leaves["x"], {name: leaves[f"first {name}"] for name in state}, lengths)
    leaves |= dict(layer.named_parameters())
    cotangents = [torch.linspace(-1, 2, t.numel(), dtype=t.dtype).view(t.shape).cos() for t in found.values()]
    loss = sum(
        (c * t).sum()
        for c, (name, t) in zip(cotangents, found.items(), strict=True)
        if name in outputs_of_loss
    )
    values = torch.autograd.grad(
        loss, [leaves[name] for name in wanted], allow_unused=True, materialize_grads=True
    )
    return dict(zip(wanted, values, strict=True))


def names(layer, given):
    """Of the outputs and of the leaves."""
    leaves = ["x", *(f"first {name}" for name in given[1]), *(name for name, _ in layer.named_parameters())]
    return list(outputs(layer, *given)), leaves


@pytest.mark.parametrize("way", ["reverse", "both"])
@pytest.mark.parametrize("name", CELLS)
def test_each_gradient_alone_is_the_one_among_all(name, way):
    layer = build(CELLS[name], 3, 6, backend="cpu", dtype=torch.float64, **WAYS[way])
    given = call(layer, 4, 3, torch.tensor([4, 0, 2]))
    results, leaves = names(layer, given)
    together = derived(layer, given, results, leaves)
    for leaf in leaves:
        assert_same_bits(derived(layer, given, results, [leaf]), {leaf: together[leaf]})


@pytest.mark.parametrize("way", ["reverse", "both"])
@pytest.mark.parametrize("name", CELLS)
def test_each_output_alone_has_the_gradients_of_the_reference(name, way):
    layer = build(CELLS[name], 3, 6, backend="cpu", dtype=torch.float64, **WAYS[way])
    reference = twin(layer, backend="reference", dtype=torch.float64)
    given = call(layer, 4, 3, torch.tensor([4, 0, 2]))
    results, leaves = names(layer, given)
    for result in results:
        wanted = derived(reference, given, [result], leaves)
        assert_close(derived(layer, given, [result], leaves), wanted, 300)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CELLS)
def test_nan_in_the_padding_reaches_no_gradient(name, way):
    layer = build(CELLS[name], 3, 17, dtype=torch.float64, num_layers=2, zoneout=0.1, **WAYS[way])
    x, state, lengths = call(layer, 7, 5, ragged(7, 5))
    clean = everything(layer.eval(), x, state, lengths)
    x[torch.arange(7).unsqueeze(1) >= lengths] = torch.nan
    assert_same_bits(everything(layer, x, state, lengths), clean)
    assert not clean["gradient of x"][x.isnan()].any()


@pytest.mark.parametrize("T, B", [(0, 3), (4, 0), (0, 0), (4, 3)])
@pytest.mark.parametrize("name", CELLS)
def test_where_no_row_has_a_step_only_the_state_has_a_gradient(name, T, B):
    """No steps, no rows, or rows of no length, in training under masks."""
    options = {"recurrent_dropout": 0.2, "zoneout": 0.2, "dtype": torch.float64}
    for lengths in (
        [torch.zeros(B, dtype=torch.int64)] if T * B else [None, torch.zeros(B, dtype=torch.int64)]
    ):
        for way in WAYS.values():
            layer = build(CELLS[name], 3, 6, **options, **way)
            x, state, _ = call(layer, T, B)
            found = everything(layer, torch.full_like(x, torch.nan), state, lengths)
            for key, t in found.items():
                if key.startswith("last"):
                    assert torch.equal(t, state[key.removeprefix("last ")])
                elif key.startswith("gradient of first"):
                    assert t.numel() == 0 or t.all()
                else:
                    assert not t.any(), key
