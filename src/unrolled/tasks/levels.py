"""How recordings lose their loudness before a network reads them, codecs/levels.py. Where it is left open:

running     where the network answers step by step: one direction, and nothing that needs a whole recording
recording   everywhere else
"""

from typing import Any, TypeVar

from unrolled.codecs.inputs import NumberInputs
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
CHANGED = "training changes recordings at random, as other voices and microphones would"


def settled(model: M, data: Examples[Any, Any], whole: bool = False) -> M:
    """`model` with what is open of level, scale and changes in training; `whole`: whether it answers to whole
    sequences alone."""
    if data.rate_hz is None:
        return model.model_copy(update={"scale": model.scale or "pooled"})
    whole = whole or model.bidirectional or model.reverse or model.scale == "sequence"
    level, scale = ("recording", "sequence") if whole else ("running", "running")
    usual = {"level": level, "scale": scale, "augment": True}
    return model.model_copy(update={name: v for name, v in usual.items() if getattr(model, name) is None})


def notes(model: AugmentedModelConfig, data: Examples[Any, Any]) -> tuple[str, ...]:
    """What to say of it."""
    if data.rate_hz is None or model.level is None:
        return ()
    level = f"{option('level', model.level)}: {SAID[model.level]}"
    return (level, f"{option('augment', True)}: {CHANGED}") if model.augment else (level,)


def inputs(model: AugmentedModelConfig, config: NumbersConfig, data: Examples[Any, Any]) -> NumberInputs:
    """Fitted on the training part."""
    level, scale = fitted(model, config, data), model.scale
    return NumberInputs.fit(data, scale == "sequence", level, scale == "running")


def fitted(model: AugmentedModelConfig, config: NumbersConfig, data: Examples[Any, Any]) -> Level | None:
    """Of the training part. ConfigError for a level of what is no recording."""
    for name, off in (("level", "none"), ("augment", False)):
        if data.rate_hz is None and (value := getattr(model, name)) not in (None, off):
            raise ConfigError(
                f"{option(name, value)} is for recordings, and these data are none; leave it out"
            )
    if model.level is None or model.level == "none":
        return None
    return Level.fit(model.level, data.inputs, config.hop_ms)
