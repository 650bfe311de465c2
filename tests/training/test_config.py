import subprocess
import sys
import tomllib

import pytest
import tomli_w
from pydantic import ValidationError

from unrolled.training.config import DEFAULT_EPOCHS, NO_LIMIT, TrainingConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
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
    with pytest.raises(ValidationError, match="give epochs beside minutes"):
        TrainingConfig(schedule="cosine", minutes=3)
    TrainingConfig(schedule="cosine", minutes=3, epochs=5)
    TrainingConfig(momentum=0.9, optimizer="sgd")


def test_it_is_frozen():
    with pytest.raises(ValidationError):
        TrainingConfig().epochs = 3


def test_every_option_describes_itself():
    assert all(field.description for field in TrainingConfig.model_fields.values())


def test_epochs_are_bounded_unless_minutes_bound_the_training():
    assert TrainingConfig().epoch_limit == DEFAULT_EPOCHS
    assert TrainingConfig(minutes=1).epoch_limit == NO_LIMIT
    assert TrainingConfig(minutes=1, epochs=7).epoch_limit == 7


def test_settled_names_the_epochs():
    assert TrainingConfig().settled().epochs == DEFAULT_EPOCHS
    assert TrainingConfig(threads=3, minutes=2).settled() == TrainingConfig(threads=3, minutes=2)


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
