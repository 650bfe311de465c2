import math

import pytest
import torch
from torch import nn

from unrolled.nn import GRU
from unrolled.training.config import TrainingConfig
from unrolled.training.update import NotFiniteError, Update, first_not_finite


def make(clip=0.0, optimizer="sgd", **options):
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(3, 7), nn.Tanh(), nn.Linear(7, 2))
    return model, Update(model, TrainingConfig(clip=clip, optimizer=optimizer, **options))


def loss_of(model, scale=1.0):
    x = torch.linspace(-1, 2, 15).view(5, 3)
    return scale * (model(x) - 0.3).pow(2).sum()


@pytest.mark.parametrize("scale, clip", [(1.0, 0.5), (30.0, 2.0), (0.01, 100.0), (3.0, 0.0)])
def test_norm_and_clipped_update_match_float64(scale, clip):
    model, update = make(clip)
    before = [p.detach().double() for p in model.parameters()]
    value, norm = update(loss_of(model, scale), 0.125)

    exact, _ = make()
    exact = exact.double()
    loss = loss_of_double(exact, scale)
    gradients = torch.autograd.grad(loss, list(exact.parameters()))
    wanted = math.sqrt(sum(float(g.square().sum()) for g in gradients))
    factor = min(1.0, clip / wanted) if clip else 1.0
    # float32 sums of some tens of terms: a few units of 6e-8; clipping adds 1e-6 to the norm, as torch does.
    assert value == pytest.approx(loss.item(), rel=2e-6)
    assert norm == pytest.approx(wanted, rel=2e-6)
    for parameter, old, gradient in zip(model.parameters(), before, gradients, strict=True):
        moved = old - 0.125 * factor * gradient
        torch.testing.assert_close(parameter.detach().double(), moved, rtol=1e-5, atol=1e-6 * scale)


def loss_of_double(model, scale):
    x = torch.linspace(-1, 2, 15).view(5, 3).double()
    return scale * (model(x) - 0.3).pow(2).sum()


@pytest.mark.parametrize(
    "optimizer, torchs, momentum",
    [
        ("adam", torch.optim.Adam, {}),
        ("adamw", torch.optim.AdamW, {}),
        ("sgd", torch.optim.SGD, {}),
        ("sgd", torch.optim.SGD, {"momentum": 0.9}),
    ],
)
def test_without_clipping_it_is_torchs_own_step(optimizer, torchs, momentum):
    model, update = make(optimizer=optimizer, weight_decay=0.03, **momentum)
    twin, _ = make()
    theirs = torchs(twin.parameters(), lr=0.01, weight_decay=0.03, fused=True, **momentum)
    for _ in range(3):
        update(loss_of(model), 0.01)
        theirs.zero_grad()
        loss_of(twin).backward()
        theirs.step()
    assert all(map(torch.equal, model.parameters(), twin.parameters()))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_bad_loss_changes_no_weight(value):
    model, update = make()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(NotFiniteError, match=f"the loss is {value}"):
        update(loss_of(model) + value, 0.1)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_bad_gradient_is_named_and_changes_no_weight(value):
    model, update = make(clip=1.0)
    model[2].weight.register_hook(lambda g: torch.full_like(g, value))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(NotFiniteError, match=r"the gradient of '2\.weight' is NaN or infinite"):
        update(loss_of(model), 0.1)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert update.moments() == {}


def test_a_norm_beyond_float32_is_an_error_of_its_own():
    model, update = make()
    model[0].weight.register_hook(lambda g: torch.full_like(g, 1e30))
    with pytest.raises(NotFiniteError, match="norm of the gradient is beyond the range"):
        update(loss_of(model), 0.1)


def test_a_weight_that_becomes_infinite_is_named():
    model, update = make()
    model[0].bias.register_hook(lambda g: torch.full_like(g, 1e18))
    with torch.no_grad():
        model[0].bias.fill_(-3e38)
    with pytest.raises(NotFiniteError, match=r"the update made the weight '0\.bias' NaN or infinite"):
        update(loss_of(model), 1e21)


def test_large_finite_weights_are_no_error():
    model, update = make()
    with torch.no_grad():
        model[0].weight.fill_(1e25)
    update(loss_of(model), 0.0)


def test_a_frozen_parameter_stays_and_counts_not():
    model, _ = make()
    model[0].weight.requires_grad_(False)
    frozen = Update(model, TrainingConfig(optimizer="sgd", clip=0))
    before = model[0].weight.clone()
    _, norm = frozen(loss_of(model), 0.1)
    assert torch.equal(model[0].weight, before)
    others = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    # One sum of 30 squares in another order.
    assert norm == pytest.approx(others.norm().item(), rel=1e-6)


@pytest.mark.parametrize("optimizer, momentum", [("adam", 0), ("adamw", 0), ("sgd", 0.9), ("sgd", 0)])
def test_moments_moved_to_another_update_go_on_bitwise(optimizer, momentum):
    model, update = make(optimizer=optimizer, momentum=momentum)
    for _ in range(3):
        update(loss_of(model), 0.01)
    twin, other = make(optimizer=optimizer, momentum=momentum)
    twin.load_state_dict(model.state_dict())
    other.load_moments({name: tensor.clone() for name, tensor in update.moments().items()})
    for _ in range(2):
        update(loss_of(model), 0.01)
        other(loss_of(twin), 0.01)
    assert all(map(torch.equal, model.parameters(), twin.parameters()))


def test_first_not_finite():
    good, bad = torch.ones(3), torch.tensor([1.0, math.inf])
    assert first_not_finite([("a", good), ("b", None)]) is None
    assert first_not_finite([("a", good), ("b", bad), ("c", bad)]) == "b"
    assert first_not_finite([("n", torch.tensor([3]))]) is None


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_recurrent_layers_move_by_their_share_of_the_learning_rate(optimizer):
    def moved(share):
        torch.manual_seed(0)
        model = nn.ModuleDict({"layer": GRU(2, 3, num_layers=2), "head": nn.Linear(3, 1)})
        update = Update(model, TrainingConfig(optimizer=optimizer, recurrent_rate=share))
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        update(model["head"](model["layer"](torch.randn(4, 2, 2))[0]).square().sum(), 0.01)
        return {name: p.detach() - before[name] for name, p in model.named_parameters()}

    whole, part = moved(1.0), moved(0.25)
    for name, change in whole.items():
        assert change.any()
        factor = 0.25 if name.startswith("layer.") else 1.0
        torch.testing.assert_close(part[name], factor * change, rtol=1e-3, atol=1e-7)
