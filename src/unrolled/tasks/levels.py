"""How recordings lose their loudness before a network reads them, codecs/levels.py. Where it is left open:

running     where the network answers step by step: one direction, and nothing that needs a whole recording
recording   everywhere else
"""

from typing import Any, TypeVar

from unrolled.codecs.levels import Level
from unrolled.errors import ConfigError
from unrolled.files.examples import Examples
from unrolled.files.messages import option
from unrolled.tasks.shared_options import AugmentedModelConfig, NumbersConfig

M = TypeVar("M", bound=AugmentedModelConfig)

SAID = {
    "none": "answers depend on how loud a recording is",
    "recording": "recordings are measured against their own loudest, whatever the microphone's gain",
    "running": "recordings are measured against their loudest so far, whatever the microphone's gain",
}


def settled(model: M, data: Examples[Any, Any], whole: bool = False) -> M:
    """`model` with the level of such data; `whole`: whether it answers to whole sequences alone."""
    if model.level is not None or data.rate_hz is None:
        return model
    backward = model.bidirectional or model.reverse
    return model.model_copy(update={"level": "recording" if whole or backward else "running"})


def notes(model: AugmentedModelConfig, data: Examples[Any, Any]) -> tuple[str, ...]:
    """What to say of it."""
    if data.rate_hz is None or model.level is None:
        return ()
    return (f"{option('level', model.level)}: {SAID[model.level]}",)


def fitted(model: AugmentedModelConfig, config: NumbersConfig, data: Examples[Any, Any]) -> Level | None:
    """Of the training part. ConfigError for a level of what is no recording."""
    if model.level is None or model.level == "none":
        return None
    if data.rate_hz is None:
        raise ConfigError(
            f"{option('level', model.level)} is for recordings, and these data are none; leave it out"
        )
    return Level.fit(model.level, data.inputs, config.hop_ms)
