import math

import pytest
import torch
from torch import nn

from unrolled.training.config import TrainingConfig
from unrolled.training.optimizers import MOMENTS, OPTIMIZERS, learning_rate

DECAY, MOMENTUM, RATE = 0.03, 0.8, 0.02


def adam(weight, gradients, decoupled):
    """Kingma & Ba 2015, algorithm 1, in float64; Loshchilov & Hutter 2019 where decoupled."""
    m = v = torch.zeros_like(weight)
    for t, gradient in enumerate(gradients, start=1):
        g = gradient + (0 if decoupled else DECAY * weight)
        weight = weight - (RATE * DECAY * weight if decoupled else 0)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        weight = weight - RATE * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    return weight


def sgd(weight, gradients, momentum):
    velocity = torch.zeros_like(weight)
    for gradient in gradients:
        velocity = momentum * velocity + gradient + DECAY * weight
        weight = weight - RATE * velocity
    return weight


CASES = [
    ("adam", 0.0, lambda w, g: adam(w, g, decoupled=False)),
    ("adamw", 0.0, lambda w, g: adam(w, g, decoupled=True)),
    ("sgd", 0.0, lambda w, g: sgd(w, g, 0.0)),
    ("sgd", MOMENTUM, lambda w, g: sgd(w, g, MOMENTUM)),
]


@pytest.mark.parametrize("name, momentum, oracle", CASES)
def test_every_optimizer_follows_its_equations(name, momentum, oracle):
    torch.manual_seed(3)
    weight = nn.Parameter(torch.randn(7, 3, dtype=torch.float64))
    gradients = torch.randn(5, 7, 3, dtype=torch.float64)
    wanted = oracle(weight.detach().clone(), gradients)
    config = TrainingConfig(optimizer=name, momentum=momentum, learning_rate=RATE, weight_decay=DECAY)
    moments = {}
    with torch.no_grad():
        for gradient in gradients:
            OPTIMIZERS[name]([weight], [gradient.clone()], [moments], RATE, config)
    # float64 throughout: only the order of a few operations differs.
    torch.testing.assert_close(weight.detach(), wanted, rtol=1e-12, atol=1e-12)
    assert set(moments) == (set() if name == "sgd" and not momentum else set(MOMENTS[name]))


def test_every_name_of_the_configuration_has_an_optimizer():
    names = TrainingConfig.model_json_schema()["properties"]["optimizer"]["enum"]
    assert set(names) == set(OPTIMIZERS) == set(MOMENTS)


def test_cosine_falls_from_the_rate_to_zero_over_the_training():
    config = TrainingConfig(schedule="cosine", learning_rate=0.3)
    rates = [learning_rate(config, step / 20) for step in range(20)]
    assert rates[0] == 0.3
    assert rates[10] == pytest.approx(0.15)
    assert rates == sorted(rates, reverse=True)
    assert rates[7] == 0.3 * 0.5 * (1 + math.cos(math.pi * 7 / 20))
    assert learning_rate(config, 1.0) == learning_rate(config, 1.2) == 0


def test_constant_stays():
    assert learning_rate(TrainingConfig(learning_rate=0.3), 0.9) == 0.3


def test_cooldown_is_constant_and_falls_in_the_last_quarter():
    config = TrainingConfig(schedule="cooldown", learning_rate=0.3)
    assert {learning_rate(config, share) for share in (0, 0.4, 0.75)} == {0.3}
    assert learning_rate(config, 0.8125) == 0.3 * (1 - math.sqrt(0.25))
    assert learning_rate(config, 1.0) == learning_rate(config, 1.2) == 0
