import subprocess
import sys
import tomllib
from typing import ClassVar

import pytest
import tomli_w
from pydantic import ValidationError

from unrolled.errors import ConfigError
from unrolled.training.config import (
    DEFAULT_EPOCHS,
    FEWEST_EPOCHS,
    LEAST_PATIENCE,
    LEAST_STEPS,
    TrainingConfig,
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"steps": 0},
        {"keep": "first"},
        {"minutes": 0},
        {"minutes": float("inf")},
        {"batch_size": 0},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"momentum": 1.0, "optimizer": "sgd"},
        {"weight_decay": -0.1},
        {"clip": -1},
        {"patience": -1},
        {"seed": -1},
        {"threads": 0},
        {"checkpoint_seconds": -1},
        {"optimizer": "adagrad"},
        {"schedule": "linear"},
        {"learning_rte": 0.1},
    ],
)
def test_a_wrong_or_unknown_option_is_refused_by_name(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TrainingConfig(**wrong)


def test_options_that_cannot_be_together_are_refused():
    with pytest.raises(ValidationError, match="momentum belongs to optimizer='sgd', not 'adam'"):
        TrainingConfig(momentum=0.9)
    TrainingConfig(momentum=0.9, optimizer="sgd")


def test_it_is_frozen():
    with pytest.raises(ValidationError):
        TrainingConfig().epochs = 3


def test_every_option_describes_itself():
    assert all(field.description for field in TrainingConfig.model_fields.values())


@pytest.mark.parametrize(
    "options, limit",
    [
        ({}, None),
        ({"epochs": 7}, 70),
        ({"steps": 25}, 25),
        ({"epochs": 2, "steps": 25}, 20),
        ({"epochs": 3, "steps": 25}, 25),
        ({"minutes": 1}, None),
    ],
)
def test_the_nearer_of_epochs_and_steps_is_the_limit(options, limit):
    assert TrainingConfig(**options).step_limit(steps_per_epoch=10) == limit


@pytest.mark.parametrize(
    "steps, epochs, patience",
    [(1, LEAST_STEPS, LEAST_PATIENCE), (7, 143, LEAST_PATIENCE), (50, DEFAULT_EPOCHS, 500)],
)
def test_small_data_are_trained_and_waited_for_by_steps(steps, epochs, patience):
    settled = TrainingConfig().settled(steps, validated=True)
    assert (settled.epochs, settled.patience, settled.keep) == (epochs, patience, "best")
    assert settled.settled(steps, validated=True) == settled
    blind = TrainingConfig().settled(steps, validated=False)
    assert (blind.epochs, blind.patience, blind.keep) == (epochs, 0, "last")


def test_a_small_validation_part_neither_ends_a_training_nor_chooses_its_weights():
    few = TrainingConfig().settled(7, validated=True, few=True)
    assert (few.epochs, few.patience, few.keep) == (143, 0, "last")
    named = TrainingConfig(patience=9, keep="best").settled(7, validated=True, few=True)
    assert (named.patience, named.keep) == (9, "best")


@pytest.mark.parametrize("steps, epochs", [(1, LEAST_STEPS), (50, 20), (300, FEWEST_EPOCHS)])
def test_a_task_may_have_most_steps(steps, epochs):
    class Brief(TrainingConfig):
        most_steps: ClassVar[int] = 1000
        patience_epochs: ClassVar[int] = 0

    settled = Brief().settled(steps, validated=True)
    assert (settled.epochs, settled.patience, settled.keep) == (epochs, 0, "best")


def test_what_is_set_stays():
    options = {"steps": 30, "patience": 4, "keep": "average"}
    config = TrainingConfig(**options).settled(2, validated=True)
    assert config == TrainingConfig(**options)
    assert TrainingConfig(minutes=2).settled(5, validated=True).epochs is None


def test_without_a_validation_part_nothing_is_best():
    with pytest.raises(ConfigError, match="keep='best' needs a validation part"):
        TrainingConfig(keep="best").settled(5, validated=False)
    with pytest.raises(ConfigError, match="patience=3 needs a validation part"):
        TrainingConfig(patience=3).settled(5, validated=False)


@pytest.mark.parametrize(
    "config",
    [
        TrainingConfig(),
        TrainingConfig(minutes=0.1 + 0.2, learning_rate=5e-324, seed=2**63 - 1),
        TrainingConfig(learning_rate=1e-05, clip=1e22, optimizer="sgd", momentum=1 / 3),
    ],
)
def test_toml_gives_back_an_equal_configuration(config):
    written = {name: value for name, value in config.model_dump(mode="json").items() if value is not None}
    assert TrainingConfig(**tomllib.loads(tomli_w.dumps(written))) == config


def test_it_loads_no_torch():
    code = "import sys, unrolled.training.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
